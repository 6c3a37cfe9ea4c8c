package main

import (
	"errors"
	"math"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/flowroute/sms-verification/codes"
)

// attemptsAllowed is RETRIES_ALLOWED.
const attemptsAllowed = 3

// entryVersion is the entry that one create made.
type entryVersion struct {
	code      string // empty if no message has shown it
	recipient string
	left      int      // wrong codes that it still compares
	stays     bool     // a create that sent its code is not undone
	failing   []string // names of creates that sent its code and have yet to release, sorted
}

// live is the state of one id.
type live struct {
	versions []entryVersion // the oldest first; the last one counts

	// Sorted names of creates that fail: those that reserved and have yet to release,
	// and those that released first, so that they reserve nothing.
	reserved, skipped []string
}

// call is one operation on an id. Its kinds are verify, delete, create, which
// makes an entry that stays, and reserve and release, the two halves of a create
// whose message was certainly not sent. These have a name instead of a code.
type call struct {
	id         int
	kind, code string
	recipient  string // whose live code a create sends again; empty if each makes a new code
}

// result is the answer of an operation: done, right, unknown, wrong with the attempts
// left, or maybe if it does not show whether the operation had its effect.
type result struct {
	what string
	left int
}

var (
	done    = result{what: "done"}
	right   = result{what: "right"}
	unknown = result{what: "unknown"}
	maybe   = result{what: "maybe"}
	nothing = result{what: "nothing"} // to release
	another = result{what: "another"} // code is live, and should have been sent again
)

func wrong(left int) result { return result{"wrong", left} }

// after returns the state and the result after a call that overlaps no other.
func (s live) after(c call) (live, result) {
	s.versions = slices.Clone(s.versions)
	newest := len(s.versions) - 1
	switch {
	case c.kind == "create":
		return s.create(c)
	case c.kind == "reserve" && slices.Contains(s.skipped, c.code):
		s.skipped = without(s.skipped, c.code)
		return s, done
	case c.kind == "reserve":
		return s.reserve(c), done
	case c.kind == "release" && !slices.Contains(s.reserved, c.code):
		s.skipped = with(s.skipped, c.code)
		return s, nothing
	case c.kind == "release":
		s.reserved = without(s.reserved, c.code)
		for i := range s.versions {
			s.versions[i].failing = without(s.versions[i].failing, c.code)
		}
		s.versions = slices.DeleteFunc(s.versions, func(v entryVersion) bool { return !v.stays && len(v.failing) == 0 })
		return s, done
	case c.kind == "delete":
		s.versions = nil
		return s, done
	case newest < 0 || s.versions[newest].left == 0:
		return s, unknown
	case s.versions[newest].code == c.code:
		s.versions = nil
		return s, right
	}
	s.versions[newest].left--
	left := s.versions[newest].left
	if newest == 0 && left == 0 {
		s.versions = nil
	}
	return s, wrong(left)
}

// create makes an entry that stays, and drops all earlier ones.
func (s live) create(c call) (live, result) {
	v := entryVersion{code: c.code, recipient: c.recipient, left: attemptsAllowed}
	if s.resends(c) {
		v = s.versions[len(s.versions)-1]
		if v.code == "" {
			v.code = c.code
		}
		if c.code != "" && v.code != c.code {
			return s, another
		}
	}
	v.stays = true
	s.versions = []entryVersion{v}
	return s, done
}

func (s live) reserve(c call) live {
	s.reserved = with(s.reserved, c.code)
	if s.resends(c) {
		newest := &s.versions[len(s.versions)-1]
		newest.failing = with(newest.failing, c.code)
		return s
	}
	s.versions = append(s.versions, entryVersion{recipient: c.recipient, left: attemptsAllowed, failing: []string{c.code}})
	s.versions = s.versions[max(0, len(s.versions)-codes.MaxPredecessors-1):]
	return s
}

// resends reports whether a create sends the code that is live.
func (s live) resends(c call) bool {
	newest := len(s.versions) - 1
	return c.recipient != "" && newest >= 0 && s.versions[newest].left > 0 && s.versions[newest].recipient == c.recipient
}

func with(sorted []string, code string) []string {
	at, _ := slices.BinarySearch(sorted, code)
	return slices.Insert(slices.Clone(sorted), at, code)
}

func without(sorted []string, code string) []string {
	return slices.DeleteFunc(slices.Clone(sorted), func(other string) bool { return other == code })
}

func (v entryVersion) equal(o entryVersion) bool {
	return v.code == o.code && v.recipient == o.recipient && v.left == o.left && v.stays == o.stays && slices.Equal(v.failing, o.failing)
}

func (s live) equal(o live) bool {
	return slices.EqualFunc(s.versions, o.versions, entryVersion.equal) && slices.Equal(s.reserved, o.reserved) && slices.Equal(s.skipped, o.skipped)
}

// entryModel is a service that handles one call after the other.
var entryModel = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := map[int][]porcupine.Operation{}
		for _, o := range history {
			id := o.Input.(call).id
			parts[id] = append(parts[id], o)
		}
		var all [][]porcupine.Operation
		for _, part := range parts {
			all = append(all, part)
		}
		return all
	},
	Init: func() []any { return []any{live{}} },
	Step: func(state, input, output any) []any {
		next, says := state.(live).after(input.(call))
		switch kind := input.(call).kind; {
		case output.(result) == says:
			return []any{next}
		case output.(result) != maybe:
			return nil
		case kind == "reserve" || kind == "release": // to have no effect is to release first; see skipped
			return []any{next}
		}
		return []any{state, next}
	},
	Equal: func(a, b any) bool { return a.(live).equal(b.(live)) },
}).ToModel()

// linearizable checks a history. An operation that was answered had its
// effect, if it had one, before its answer.
func linearizable(history []porcupine.Operation, within time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(entryModel, history, within)
}

// forever is the return of an operation that was never answered.
const forever = math.MaxInt64

// open leaves every maybe open: it may have its effect at any later time.
func open(history []porcupine.Operation) (opened []porcupine.Operation) {
	for _, o := range history {
		if o.Output == maybe {
			o.Return = forever
		}
		opened = append(opened, o)
	}
	return opened
}

// drawn draws a history for a browser, and returns the name of the file.
func drawn(history []porcupine.Operation) string {
	_, info := porcupine.CheckOperationsVerbose(entryModel, history, 5*time.Second)
	file, err := os.CreateTemp("", "history-*.html")
	if err != nil {
		return err.Error()
	}
	if err := errors.Join(porcupine.Visualize(entryModel, info, file), file.Close()); err != nil {
		return err.Error()
	}
	return "see " + file.Name()
}
