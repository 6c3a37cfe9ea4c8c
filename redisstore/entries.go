package redisstore

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Check compares a code; see codes.Entries.
func (s *Store) Check(ctx context.Context, c codes.Check) (checked codes.Checked, err error) {
	defer s.end(ctx, "check", time.Now(), &err)
	bounded := within(ctx, opTimeout) // for all steps together
	if s.split.Load() {
		return s.checkSteps(bounded, c)
	}
	return s.check(bounded, c)
}

// check runs the script under both secrets. The script also counts the code, unless
// what it is counted in has another slot.
func (s *Store) check(ctx context.Context, c codes.Check) (codes.Checked, error) {
	split := s.split.Load()
	keys := s.keys.entries(make([]string, 0, 5), c.Name)
	switch {
	case c.Claim == (codes.Digest{}):
	case split:
		keys = append(keys, s.keys.reply(c.Name.Current, c.Op))
	default:
		keys = append(keys, s.keys.request(c.Claim)) // instead of a key of its own
	}
	var log []byte
	if len(c.Guesses) > 0 && !split {
		log = logHead(c.Guesses)
	}
	count := ""
	switch {
	case !c.CountVerified || split:
	case c.CountExchange:
		count = "1"
	default:
		count = "0"
	}
	args := append(make([]any, 0, 9), c.Op[:], c.Code[:], s.prefix, log, count)
	if c.PreviousCode != (codes.Digest{}) || c.Recipient != (codes.Digest{}) || c.Claim != (codes.Digest{}) {
		var previous []byte
		if c.PreviousCode != (codes.Digest{}) {
			previous = c.PreviousCode[:] // also of an entry that was moved to the current name
		}
		args = append(args, previous, recipientArg(c.Recipient), recipientArg(c.PreviousRecipient), codes.KeepAnswers.Milliseconds())
	}
	run := s.run
	if s.MinReplicas > 0 {
		run = s.runAndWait
	}
	answer, err := run(ctx, s.scripts.check, keys, args...)
	if err != nil {
		return codes.Checked{}, err
	}
	checked, err := checkedFrom(answer)
	if !c.CountVerified {
		checked.Uncounted = nil
	} else if checked.Uncounted != nil {
		checked.Uncounted.CountExchange = c.CountExchange
	}
	return checked, err
}

// checkSteps checks under one secret after the other. It counts a wrong code before
// it answers: nobody may learn from a guess that is not counted.
func (s *Store) checkSteps(ctx context.Context, c codes.Check) (codes.Checked, error) {
	first, second := c, c
	first.Name.Previous = codes.Digest{}
	checked, err := s.check(ctx, first)
	if err == nil && checked.Status == codes.Unknown && c.Name.Previous != (codes.Digest{}) {
		second.Name = codes.EntryName{Current: c.Name.Previous}
		second.Code, second.Recipient = c.PreviousCode, c.PreviousRecipient
		checked, err = s.check(ctx, second)
	}
	if err == nil && checked.Status == codes.Wrong && len(c.Guesses) > 0 {
		err = s.countGuess(ctx, checked.Recipient, c.Op, c.Guesses)
	}
	if v := checked.Uncounted; err == nil && v != nil && s.countVerified(ctx, *v) == nil {
		checked.Uncounted = nil
	}
	return checked, err
}

// checkedFrom parses an answer of the script check.
func checkedFrom(answer string) (c codes.Checked, err error) {
	status, answer, _ := strings.Cut(answer, " ")
	switch status {
	case "unknown":
		return c, nil
	case "expired":
		c.Status = codes.Expired
		return c, nil
	case "right":
		c.Status = codes.Right
	case "wrong":
		c.Status = codes.Wrong
	default:
		return c, errMalformed
	}
	const recipientLen = 14
	var millis int64
	answer, err = numbers(answer, &c.AttemptsLeft, &millis)
	if err != nil || len(answer) < recipientLen+1 {
		return c, errMalformed
	}
	if _, err = base64.RawURLEncoding.Decode(c.Recipient[:], []byte(answer[:recipientLen])); err != nil {
		return c, errMalformed
	}
	c.Area, c.TTLLeft = codes.AreaNumber(int64(answer[recipientLen])), time.Duration(millis)*time.Millisecond
	if messages := answer[recipientLen+1:]; messages != "" {
		c.Uncounted, err = messagesFrom(messages)
	}
	return c, err
}

// messagesFrom parses the messages of a right code.
func messagesFrom(answer string) (*codes.VerifiedMessages, error) {
	const opLen = len(codes.Op{})
	if len(answer) < destinationLen || (len(answer)-destinationLen)%opLen != 0 {
		return nil, errMalformed
	}
	d, err := destinationFrom(answer)
	v := &codes.VerifiedMessages{Destination: d}
	for at := destinationLen; at < len(answer); at += opLen {
		v.Ops = append(v.Ops, codes.Op([]byte(answer[at:at+opLen])))
	}
	return v, err
}

// Cancel removes an entry; see codes.Entries.
func (s *Store) Cancel(ctx context.Context, c codes.Cancel) (ttlLeft time.Duration, err error) {
	defer s.end(ctx, "cancel", time.Now(), &err)
	for _, name := range s.slots(c.Name) {
		answer, err := s.run(ctx, s.scripts.cancel, s.keys.entries(nil, name), c.Op[:])
		var millis int64
		if err == nil {
			_, err = numbers(strings.TrimPrefix(answer, "done "), &millis)
		}
		if err != nil {
			return 0, err
		}
		ttlLeft = max(ttlLeft, time.Duration(millis)*time.Millisecond)
	}
	return ttlLeft, nil
}

// slots returns the names of an entry by slot: both together where one script can
// use keys of several slots.
func (s *Store) slots(n codes.EntryName) []codes.EntryName {
	if !s.split.Load() || n.Previous == (codes.Digest{}) {
		return []codes.EntryName{n}
	}
	return []codes.EntryName{{Current: n.Current}, {Current: n.Previous}}
}

// Peek returns the state of an entry; see codes.Entries.
func (s *Store) Peek(ctx context.Context, n codes.EntryName) (view codes.EntryView, err error) {
	defer s.end(ctx, "peek", time.Now(), &err)
	for _, name := range s.slots(n) {
		answer, err := s.run(ctx, s.scripts.peek, s.keys.entries(nil, name))
		if err == nil {
			view, err = viewFrom(answer)
		}
		if err != nil {
			return codes.EntryView{}, err
		}
		if view.Stage != codes.StageUnknown {
			break
		}
	}
	return view, nil
}

// viewFrom parses an answer of the script peek.
func viewFrom(answer string) (v codes.EntryView, err error) {
	word, answer, _ := strings.Cut(answer, " ")
	switch word {
	case "unknown":
		return v, nil
	case "expired":
		v.Stage = codes.StageExpired
		return v, nil
	case "live":
	default:
		return v, errMalformed
	}
	var millis int64
	answer, err = numbers(answer, &v.AttemptsLeft, &millis)
	v.Stage, v.TTLLeft = codes.StagePending, time.Duration(millis)*time.Millisecond
	if len(answer) == len(v.Message) {
		v.Stage, v.Message = codes.StageSent, codes.Digest([]byte(answer))
	}
	return v, err
}
