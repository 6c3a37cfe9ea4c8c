package codes_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const (
	seattle codes.Phone = "12065551234"
	toronto codes.Phone = "14165551234"
)

var (
	right   = codes.Outcome{Status: codes.Right}
	unknown = codes.Outcome{Status: codes.Unknown}
)

// fixture is a service over the model, whose parts can be made to fail. Every
// test sets the parts that it is about and then calls open.
type fixture struct {
	*codes.Service
	t        *testing.T
	rules    codes.Rules
	limits   codes.Limits
	secret   *codes.Hasher
	previous *codes.Hasher

	model   *codestest.Model
	sender  *codestest.Sender
	store   *faultyStore
	limiter *faultyLimiter
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	message, err := codes.ParseTemplate("{org}: {code}")
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{
		t: t,
		rules: codes.Rules{
			CodeLength: 6, Expiration: time.Hour, Notice: 10 * time.Minute, Attempts: 3,
			Message: message, OrgName: "Org",
		},
		secret: codes.NewHasher([]byte("secret")),
		sender: &codestest.Sender{},
	}
}

func (f *fixture) open() *fixture {
	f.model = codestest.NewModel(f.limits)
	f.store = &faultyStore{Store: f.model}
	f.limiter = &faultyLimiter{Limiter: f.model}
	f.Service = f.sending(f.sender)
	return f
}

// sending is a service over the same store with another sender.
func (f *fixture) sending(s codes.Sender) *codes.Service {
	service := codes.NewService(f.rules, f.secret, f.previous, f.store, f.limiter, s)
	f.t.Cleanup(func() { _ = finish(service, 0) })
	return service
}

// finish gives a service time to do what is left to be done.
func finish(s interface{ Finish(context.Context) error }, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return s.Finish(ctx)
}

// create makes a code that must be sent, and returns it.
func (f *fixture) create(id codes.ID, to codes.Phone) codes.Code {
	f.t.Helper()
	if _, err := f.Create(context.Background(), id, to); err != nil {
		f.t.Fatalf("Create: %v", err)
	}
	return f.sent()
}

// sent is the code of the last message.
func (f *fixture) sent() codes.Code {
	f.t.Helper()
	messages := f.sender.Messages()
	if len(messages) == 0 {
		f.t.Fatal("nothing was sent")
	}
	return codeIn(messages[len(messages)-1])
}

func codeIn(m codes.Message) codes.Code {
	_, code, _ := strings.Cut(string(m.Text), ": ")
	return codes.Code(code)
}

// limited makes a create that must be refused by the limit.
func (f *fixture) limited(id codes.ID, to codes.Phone, limit string) {
	f.t.Helper()
	_, err := f.Create(context.Background(), id, to)
	var reached *codes.LimitError
	if !errors.As(err, &reached) || reached.Limit != limit {
		f.t.Fatalf("Create = %v, want the limit %s", err, limit)
	}
}

func (f *fixture) verify(id codes.ID, code codes.Code, want codes.Outcome) {
	f.t.Helper()
	got, err := f.Verify(context.Background(), id, code)
	if err != nil || codestest.Answer(got) != want {
		f.t.Fatalf("Verify = %+v, %v; want %+v", got, err, want)
	}
}

// wrong is the outcome of a wrong code for an entry made under the secret.
func (f *fixture) wrong(left int64, to codes.Phone) codes.Outcome {
	return codes.Outcome{Status: codes.Wrong, Left: left, Recipient: f.secret.Phone(to)}
}

// notThis is a code of the same length that is not c.
func notThis(c codes.Code) codes.Code {
	digits := []byte(c)
	last := len(digits) - 1
	digits[last] = '0' + (digits[last]-'0'+1)%10
	return codes.Code(digits)
}

// faultyStore fails where it is told to, before anything has happened.
type faultyStore struct {
	codes.Store
	putErr, tryErr, deleteErr error
	puts, tries, deletes      int
}

func (s *faultyStore) Put(ctx context.Context, e codes.Entry) (time.Duration, error) {
	s.puts++
	if s.putErr != nil {
		return 0, s.putErr
	}
	return s.Store.Put(ctx, e)
}

func (s *faultyStore) Try(ctx context.Context, t codes.Try) (codes.Outcome, error) {
	s.tries++
	if s.tryErr != nil {
		return codes.Outcome{}, s.tryErr
	}
	return s.Store.Try(ctx, t)
}

func (s *faultyStore) Delete(ctx context.Context, d codes.Deletion) (time.Duration, error) {
	s.deletes++
	if s.deleteErr != nil {
		return 0, s.deleteErr
	}
	return s.Store.Delete(ctx, d)
}

// faultyLimiter is the same for a limiter.
type faultyLimiter struct {
	codes.Limiter
	takeErr, returnErr, countErr error
	takes                        int
	wrong                        []codes.Digest // for whom wrong codes were counted
}

func (l *faultyLimiter) Take(ctx context.Context, p codes.Place) (time.Duration, error) {
	l.takes++
	if l.takeErr != nil {
		return 0, l.takeErr
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return l.Limiter.Take(ctx, p)
}

func (l *faultyLimiter) Return(ctx context.Context, p codes.Place) error {
	if l.returnErr != nil {
		return l.returnErr
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.Limiter.Return(ctx, p)
}

func (l *faultyLimiter) CountWrong(ctx context.Context, p codes.Place) error {
	if l.countErr != nil {
		return l.countErr
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.wrong = append(l.wrong, p.Recipient)
	return l.Limiter.CountWrong(ctx, p)
}

// senderFunc is a sender that does what the test says.
type senderFunc func(context.Context, codes.Message) (string, error)

func (f senderFunc) Send(ctx context.Context, m codes.Message) (string, error) { return f(ctx, m) }
