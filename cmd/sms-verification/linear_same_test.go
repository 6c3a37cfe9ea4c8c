package main

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// TestEntryModelSameCode: the model knows what sending the same code again does.
func TestEntryModelSameCode(t *testing.T) {
	type history = []porcupine.Operation
	at := func(from, to int64, kind, code, recipient string, r result) porcupine.Operation {
		return porcupine.Operation{Input: call{kind: kind, code: code, recipient: recipient}, Output: r, Call: from, Return: to}
	}
	verify := func(from int64, code string, r result) porcupine.Operation {
		return at(from, from+1, "verify", code, "", r)
	}
	wrong := func(from int64, left int) porcupine.Operation { return verify(from, "X", wrong(left)) }
	send := func(from, to int64, code string) porcupine.Operation {
		return at(from, to, "create", code, "somebody", done)
	}
	fail := func(from, to int64, name string) history {
		return history{at(from, to, "reserve", name, "somebody", done), at(from, to, "release", name, "somebody", done)}
	}
	join := func(parts ...any) (all history) {
		for _, part := range parts {
			if o, single := part.(porcupine.Operation); single {
				all = append(all, o)
			} else {
				all = append(all, part.(history)...)
			}
		}
		return all
	}
	sent := send(0, 1, "A")
	other := at(0, 1, "create", "A", "somebody else", done)
	usedUp := history{sent, wrong(2, 2), wrong(4, 1), wrong(6, 0)}
	for _, test := range []modelTest{
		{"again: right once", legal, join(sent, send(2, 3, "A"), verify(4, "A", right), verify(6, "A", unknown))},
		{"again: right twice", illegal, join(sent, send(2, 3, "A"), verify(4, "A", right), verify(6, "A", right))},
		{"again: attempts as before", legal, join(sent, wrong(2, 2), send(4, 5, "A"), wrong(6, 1))},
		{"again: all attempts", illegal, join(sent, wrong(2, 2), send(4, 5, "A"), wrong(6, 2))},
		{"another code while one is live", illegal, join(sent, send(2, 3, "B"))},
		{"two codes at once", illegal, join(send(0, 5, "A"), send(0, 5, "B"))},
		{"a new code after use", legal, join(sent, verify(2, "A", right), send(4, 5, "B"), verify(6, "B", right))},
		{"a new code after a delete", legal, join(sent, at(2, 3, "delete", "", "", done), send(4, 5, "B"), wrong(6, 2))},
		{"a new code after all attempts", legal, join(usedUp, send(8, 9, "B"), wrong(10, 2))},
		{"a new code for another recipient", legal, join(other, wrong(2, 2), send(4, 5, "B"), wrong(6, 2), verify(8, "B", right))},
		{"the code of another recipient", illegal, join(other, send(2, 3, "B"), verify(4, "A", right))},
		{"the attempts of another recipient", illegal, join(other, wrong(2, 2), send(4, 5, "B"), wrong(6, 1))},

		{"refused: as before", legal, join(sent, wrong(2, 2), fail(4, 5, "f"), wrong(6, 1), verify(8, "A", right))},
		{"refused: all attempts", illegal, join(sent, wrong(2, 2), fail(4, 5, "f"), wrong(6, 2))},
		{"refused: gone", illegal, join(sent, fail(2, 3, "f"), verify(4, "A", unknown))},
		{"refused: nothing before", legal, join(fail(0, 1, "f"), verify(2, "A", unknown))},
		{"refused: nothing before, and it stays", illegal, join(fail(0, 1, "f"), wrong(2, 2))},
		{"refused, and sent by another", legal, join(fail(0, 9, "f"), wrong(1, 2), send(3, 4, "A"), wrong(5, 1), verify(10, "A", right))},
		{"refused, and sent by another: gone", illegal, join(fail(0, 9, "f"), wrong(1, 2), send(3, 4, "A"), wrong(5, 1), verify(10, "A", unknown))},
		{"refused, and sent by another: all attempts", illegal, join(fail(0, 9, "f"), send(3, 4, "A"), wrong(5, 2), wrong(10, 2))},
		{"refused twice: the one before", legal, join(other, fail(2, 5, "f"), fail(3, 6, "g"), wrong(3, 2), verify(8, "A", right))},
		{"refused twice: gone", illegal, join(other, fail(2, 5, "f"), fail(3, 6, "g"), verify(8, "A", unknown))},
		{"refused twice: it stays", illegal, join(fail(2, 5, "f"), fail(3, 6, "g"), wrong(8, 2))},
		{"refused beside one under way: it stays", legal, history{at(0, 1, "reserve", "f", "somebody", done), at(1, 2, "reserve", "g", "somebody", done),
			at(3, 4, "release", "f", "somebody", done), wrong(5, 2), at(7, 8, "release", "g", "somebody", done)}},
		{"refused, used in between: gone", legal, join(sent, fail(2, 9, "f"), verify(4, "A", right), verify(10, "A", unknown))},

		{"not seen, then seen", legal, join(send(0, 1, ""), wrong(2, 2), send(4, 5, "A"), wrong(6, 1), verify(8, "A", right))},
		{"not seen, then seen: all attempts", illegal, join(send(0, 1, ""), wrong(2, 2), send(4, 5, "A"), wrong(6, 2))},
		{"not seen, then two codes", illegal, join(send(0, 1, ""), send(2, 3, "A"), send(4, 5, "B"))},
		{"seen, then not seen", legal, join(sent, send(2, 3, ""), verify(4, "A", right))},
		{"seen, then not seen: another code", illegal, join(sent, send(2, 3, ""), at(4, 5, "verify", "A", "", result{"wrong", 2}))},
	} {
		test.try(t)
	}
}
