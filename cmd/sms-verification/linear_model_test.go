package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/flowroute/sms-verification/codes"
)

// attemptsAllowed is RETRIES_ALLOWED of the services that are checked.
const attemptsAllowed = 3

// entryVersion is an entry as one create made it.
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

	// Names of creates that fail, sorted: of those that reserved and have yet to
	// release, and of those that released first, which so reserve nothing.
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

// result is what an operation answered: done, right, unknown, wrong with the
// attempts left, or maybe, if it does not say whether it had its effect.
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

// after is what a call does, and says, when nothing happens beside it.
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

// create makes the entry that stays: what was before can never count again.
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

// entryModel is the service as one that does one call after the other.
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
		case kind == "reserve" || kind == "release": // released without being reserved is the other way
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
func open(history []porcupine.Operation) []porcupine.Operation {
	return until(history, forever)
}

// until is what of a history was known at a time, with every maybe open.
func until(history []porcupine.Operation, end int64) []porcupine.Operation {
	var known []porcupine.Operation
	for _, o := range history {
		if o.Call > end {
			continue
		}
		if o.Return > end {
			o.Output = maybe
		}
		if o.Output == maybe {
			o.Return = forever
		}
		known = append(known, o)
	}
	return known
}

// smallest describes the end of the shortest illegal beginning of an illegal
// history of one id.
func smallest(history []porcupine.Operation, leaveOpen bool) string {
	cut := func(part []porcupine.Operation, end int64) []porcupine.Operation {
		known := until(part, end)
		for i, o := range part[:len(known)] {
			if !leaveOpen && o.Return <= end {
				known[i].Return = o.Return
			}
		}
		return known
	}
	illegal := func(part []porcupine.Operation) bool { return linearizable(part, time.Second) == porcupine.Illegal }
	var best []porcupine.Operation
	for _, part := range entryModel.Partition(history) {
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
		ends := []int64{}
		for _, o := range part {
			ends = append(ends, o.Return)
		}
		slices.Sort(ends)
		n := sort.Search(len(ends), func(i int) bool { return illegal(cut(part, ends[i])) })
		if n < len(ends) && (best == nil || n < len(best)) {
			best = cut(part, ends[n])
		}
	}
	if best == nil && leaveOpen { // too many ways to try in a second
		return smallest(history, false)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the last of %d operations:\n", len(best))
	for _, o := range best[max(0, len(best)-30):] {
		to := "open"
		if o.Return != forever {
			to = time.Duration(o.Return).String()
		}
		fmt.Fprintf(&b, "%12v to %12s client %2d: %+v says %+v\n", time.Duration(o.Call), to, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}

// TestEntryModel: the model tells what may happen from what may not.
func TestEntryModel(t *testing.T) {
	at := func(from, to int64, kind, code string, r result) porcupine.Operation {
		return porcupine.Operation{Input: call{kind: kind, code: code}, Output: r, Call: from, Return: to}
	}
	created := at(0, 1, "create", "A", done)
	other := func(o porcupine.Operation) porcupine.Operation {
		c := o.Input.(call)
		c.id++
		o.Input = c
		return o
	}
	maybeB := at(2, 3, "create", "B", maybe)
	failed := func(from, to int64, code string, r result) (reserve, release porcupine.Operation) {
		return at(from, to, "reserve", code, r), at(from, to, "release", code, r)
	}
	reserveB, releaseB := failed(2, 5, "B", done)
	reserveC, releaseC := failed(2, 5, "C", done)
	perhapsB, undoB := failed(2, 5, "B", maybe)
	over := at(2, 5, "create", "C", done)
	openB := releaseB
	openB.Return = forever
	wrongs := []porcupine.Operation{at(3, 4, "verify", "X", wrong(2)), at(3, 4, "verify", "X", wrong(1)), at(3, 4, "verify", "X", wrong(0))}
	for _, test := range []modelTest{
		{"nothing there", legal, []porcupine.Operation{at(0, 1, "verify", "A", unknown)}},
		{"right once", legal, []porcupine.Operation{created, at(2, 3, "verify", "A", right), at(4, 5, "verify", "A", unknown)}},
		{"right before it was made", illegal, []porcupine.Operation{at(0, 1, "verify", "A", right), at(2, 3, "create", "A", done)}},
		{"right while it is made", legal, []porcupine.Operation{at(0, 9, "create", "A", done), at(2, 3, "verify", "A", right)}},
		{"two rights in turn", illegal, []porcupine.Operation{created, at(2, 3, "verify", "A", right), at(4, 5, "verify", "A", right)}},
		{"two rights at once", illegal, []porcupine.Operation{created, at(2, 5, "verify", "A", right), at(3, 4, "verify", "A", right)}},
		{"right under two ids", legal, []porcupine.Operation{created, other(created), at(2, 3, "verify", "A", right), other(at(2, 3, "verify", "A", right))}},
		{"right under another id", illegal, []porcupine.Operation{created, other(at(2, 3, "verify", "A", right))}},
		{"right and yet unknown", illegal, []porcupine.Operation{created, at(2, 3, "verify", "A", unknown)}},
		{"right although deleted", illegal, []porcupine.Operation{created, at(2, 3, "delete", "", done), at(4, 5, "verify", "A", right)}},
		{"a stale code", illegal, []porcupine.Operation{created, at(2, 3, "create", "B", done), at(4, 5, "verify", "A", right)}},
		{"three wrong", legal, []porcupine.Operation{created, at(2, 9, "verify", "X", wrong(0)), at(2, 9, "verify", "X", wrong(2)),
			at(2, 9, "verify", "X", wrong(1)), at(10, 11, "verify", "A", unknown)}},
		{"four wrong", illegal, []porcupine.Operation{created, at(2, 9, "verify", "X", wrong(2)), at(2, 9, "verify", "X", wrong(1)),
			at(2, 9, "verify", "X", wrong(0)), at(2, 9, "verify", "X", wrong(0))}},
		{"right after three wrong", illegal, []porcupine.Operation{created, at(2, 3, "verify", "X", wrong(2)), at(4, 5, "verify", "X", wrong(1)),
			at(6, 7, "verify", "X", wrong(0)), at(8, 9, "verify", "A", right)}},
		{"two wrong for one attempt", illegal, []porcupine.Operation{created, at(2, 5, "verify", "X", wrong(2)), at(2, 5, "verify", "X", wrong(2))}},
		{"one wrong for two attempts", illegal, []porcupine.Operation{created, at(2, 3, "verify", "X", wrong(1))}},
		{"a new code has all attempts", legal, []porcupine.Operation{created, at(2, 3, "verify", "X", wrong(2)),
			at(4, 5, "create", "B", done), at(6, 7, "verify", "X", wrong(2))}},
		{"maybe right: it was", legal, []porcupine.Operation{created, at(2, 3, "verify", "A", maybe), at(4, 5, "verify", "A", unknown)}},
		{"maybe right: it was not", legal, []porcupine.Operation{created, at(2, 3, "verify", "A", maybe), at(4, 5, "verify", "A", right)}},
		{"maybe right: first not, then it was", late, []porcupine.Operation{created, at(2, 3, "verify", "A", maybe),
			at(4, 5, "verify", "X", wrong(2)), at(6, 7, "verify", "A", unknown)}},
		{"maybe wrong: charged", legal, []porcupine.Operation{created, at(2, 3, "verify", "X", maybe), at(4, 5, "verify", "X", wrong(1))}},
		{"maybe wrong: not charged", legal, []porcupine.Operation{created, at(2, 3, "verify", "X", maybe), at(4, 5, "verify", "X", wrong(2))}},
		{"maybe wrong: charged twice", illegal, []porcupine.Operation{created, at(2, 3, "verify", "X", maybe), at(4, 5, "verify", "X", wrong(0))}},
		{"maybe wrong: charged late", late, []porcupine.Operation{created, at(2, 3, "verify", "X", maybe),
			at(4, 5, "verify", "X", wrong(2)), at(6, 7, "verify", "X", wrong(0))}},
		{"maybe deleted: it was", legal, []porcupine.Operation{created, at(2, 3, "delete", "", maybe), at(4, 5, "verify", "A", unknown)}},
		{"maybe deleted: it was not", legal, []porcupine.Operation{created, at(2, 3, "delete", "", maybe), at(4, 5, "verify", "A", right)}},
		{"maybe created: it was not", legal, []porcupine.Operation{created, maybeB, at(4, 5, "verify", "A", right)}},
		{"maybe created: it stays", legal, []porcupine.Operation{created, maybeB, at(4, 5, "verify", "A", wrong(2))}},
		{"maybe created: gone", illegal, []porcupine.Operation{created, maybeB, at(4, 5, "verify", "A", unknown)}},

		{"refused: as before", legal, []porcupine.Operation{created, reserveB, releaseB, at(6, 7, "verify", "A", right)}},
		{"refused: with the attempts as before", legal, []porcupine.Operation{created, at(0, 1, "verify", "X", wrong(2)),
			reserveB, releaseB, at(6, 7, "verify", "X", wrong(1))}},
		{"refused: with other attempts", illegal, []porcupine.Operation{created, at(0, 1, "verify", "X", wrong(2)),
			reserveB, releaseB, at(6, 7, "verify", "X", wrong(2))}},
		{"refused: nothing before", legal, []porcupine.Operation{reserveB, releaseB, at(6, 7, "verify", "A", unknown)}},
		{"refused: the one before gone", illegal, []porcupine.Operation{created, reserveB, releaseB, at(6, 7, "verify", "A", unknown)}},
		{"refused: it stays", illegal, []porcupine.Operation{created, reserveB, releaseB, at(6, 7, "verify", "A", wrong(2)), at(8, 9, "verify", "B", right)}},
		{"refused: it counts for a while", legal, []porcupine.Operation{created, reserveB, releaseB,
			at(3, 4, "verify", "A", wrong(2)), at(6, 7, "verify", "A", right)}},
		{"refused: used up for a while", legal, append(slices.Clone(wrongs), created, reserveB, releaseB,
			at(4, 4, "verify", "A", unknown), at(6, 7, "verify", "A", right))},
		{"refused: the one before used up", illegal, append(slices.Clone(wrongs), created, at(5, 7, "reserve", "B", done), at(5, 7, "release", "B", done),
			at(8, 9, "verify", "A", right))},
		{"refused: deleted in between", legal, []porcupine.Operation{created, reserveB, releaseB, at(3, 4, "delete", "", done), at(6, 7, "verify", "A", unknown)}},
		{"refused: deleted before", illegal, []porcupine.Operation{created, at(2, 3, "delete", "", done),
			at(4, 5, "reserve", "B", done), at(4, 5, "release", "B", done), at(6, 7, "verify", "A", right)}},
		{"refused twice: as before", legal, []porcupine.Operation{created, reserveB, reserveC, releaseB, releaseC, at(6, 7, "verify", "A", right)}},
		{"refused beside one that was sent", legal, []porcupine.Operation{created, reserveB, releaseB, over, at(6, 7, "verify", "C", right)}},
		{"refused beside one that was sent: the one before", illegal, []porcupine.Operation{created, reserveB, releaseB, over, at(6, 7, "verify", "A", right)}},
		{"refused beside one that was sent: gone", illegal, []porcupine.Operation{created, reserveB, releaseB, over, at(6, 7, "verify", "C", unknown)}},
		{"perhaps reserved: as before", legal, []porcupine.Operation{created, perhapsB, undoB, at(6, 7, "verify", "A", right)}},
		{"perhaps reserved: it counts for a while", legal, []porcupine.Operation{created, perhapsB, undoB,
			at(3, 4, "verify", "A", wrong(2)), at(6, 7, "verify", "A", right)}},
		{"perhaps reserved: gone", illegal, []porcupine.Operation{created, perhapsB, undoB, at(6, 7, "verify", "A", unknown)}},
		{"perhaps reserved: it stays", late, []porcupine.Operation{created, perhapsB, undoB, at(6, 7, "verify", "A", wrong(2))}},
		{"released later", legal, []porcupine.Operation{created, reserveB, openB, at(6, 7, "verify", "A", wrong(2)), at(8, 9, "verify", "A", right)}},
		{"released later, and gone", illegal, []porcupine.Operation{created, reserveB, openB, at(6, 7, "verify", "A", wrong(2)), at(8, 9, "verify", "A", unknown)}},
	} {
		test.try(t)
	}
}

// modelTest is a history, and whether it may happen.
type modelTest struct {
	name, want string
	history    []porcupine.Operation
}

const legal, illegal, late = "legal", "illegal", "legal if left open"

func (test modelTest) try(t *testing.T) {
	t.Helper()
	got := illegal
	switch {
	case linearizable(test.history, time.Minute) == porcupine.Ok:
		got = legal
	case linearizable(open(test.history), time.Minute) == porcupine.Ok:
		got = late
	}
	if got != test.want {
		t.Errorf("%s: %s, want %s", test.name, got, test.want)
	}
}
