package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// parseHistory reads operations such as "2-5 verify X = wrong 2", which is called at 2
// and answered at 5, or "2-∞ …" if it is never answered. Without an answer it is done.
// A create may have a recipient: "create A to one". A create that fails is a reserve and
// a release. "other" is another auth_id.
func parseHistory(t *testing.T, text string) (history []porcupine.Operation) {
	t.Helper()
	for operation := range strings.SplitSeq(text, "; ") {
		asked, answered, _ := strings.Cut(strings.Replace(operation, "∞", strconv.Itoa(forever), 1), " = ")
		var o porcupine.Operation
		var c call
		asked, isOther := strings.CutPrefix(asked, "other ")
		if isOther {
			c.id = 1
		}
		asked, c.recipient, _ = strings.Cut(asked, " to ")
		_, err := fmt.Sscanf(asked+" -", "%d-%d %s %s", &o.Call, &o.Return, &c.kind, &c.code)
		if err != nil {
			t.Fatalf("%s: %v", operation, err)
		}
		c.code = strings.TrimPrefix(c.code, "-")
		r := done
		if answered != "" {
			_, _ = fmt.Sscanf(answered+" 0", "%s %d", &r.what, &r.left)
		}
		kinds := []string{c.kind}
		if c.kind == "fail" {
			kinds = []string{"reserve", "release"}
		}
		for _, c.kind = range kinds {
			o.Input, o.Output = c, r
			history = append(history, o)
		}
	}
	return history
}

// TestEntryModel: the model accepts possible histories and no others.
func TestEntryModel(t *testing.T) {
	const legal, illegal, late = "legal", "illegal", "legal if answers do not end operations"
	for _, test := range []struct{ name, want, history string }{
		{"nothing there", legal, "0-1 verify A = unknown"},
		{"right once", legal, "0-1 create A; 2-3 verify A = right; 4-5 verify A = unknown"},
		{"right before it was made", illegal, "0-1 verify A = right; 2-3 create A"},
		{"right while it is made", legal, "0-9 create A; 2-3 verify A = right"},
		{"two rights in turn", illegal, "0-1 create A; 2-3 verify A = right; 4-5 verify A = right"},
		{"two rights at once", illegal, "0-1 create A; 2-5 verify A = right; 3-4 verify A = right"},
		{"right under two ids", legal, "0-1 create A; other 0-1 create A; 2-3 verify A = right; other 2-3 verify A = right"},
		{"right and yet unknown", illegal, "0-1 create A; 2-3 verify A = unknown"},
		{"right although deleted", illegal, "0-1 create A; 2-3 delete; 4-5 verify A = right"},
		{"a stale code", illegal, "0-1 create A; 2-3 create B; 4-5 verify A = right"},
		{"three wrong", legal, "0-1 create A; 2-9 verify X = wrong 0; 2-9 verify X = wrong 2; 2-9 verify X = wrong 1; 10-11 verify A = unknown"},
		{"four wrong", illegal, "0-1 create A; 2-9 verify X = wrong 2; 2-9 verify X = wrong 1; 2-9 verify X = wrong 0; 2-9 verify X = wrong 0"},
		{"two wrong for one attempt", illegal, "0-1 create A; 2-5 verify X = wrong 2; 2-5 verify X = wrong 2"},
		{"one wrong for two attempts", illegal, "0-1 create A; 2-3 verify X = wrong 1"},
		{"a new code has all attempts", legal, "0-1 create A; 2-3 verify X = wrong 2; 4-5 create B; 6-7 verify X = wrong 2"},
		{"maybe right: it was", legal, "0-1 create A; 2-3 verify A = maybe; 4-5 verify A = unknown"},
		{"maybe right: it was not", legal, "0-1 create A; 2-3 verify A = maybe; 4-5 verify A = right"},
		{"maybe right: first not, then it was", late, "0-1 create A; 2-3 verify A = maybe; 4-5 verify X = wrong 2; 6-7 verify A = unknown"},
		{"maybe wrong: charged", legal, "0-1 create A; 2-3 verify X = maybe; 4-5 verify X = wrong 1"},
		{"maybe wrong: not charged", legal, "0-1 create A; 2-3 verify X = maybe; 4-5 verify X = wrong 2"},
		{"maybe wrong: charged twice", illegal, "0-1 create A; 2-3 verify X = maybe; 4-5 verify X = wrong 0"},
		{"maybe deleted: it was", legal, "0-1 create A; 2-3 delete = maybe; 4-5 verify A = unknown"},
		{"maybe deleted: it was not", legal, "0-1 create A; 2-3 delete = maybe; 4-5 verify A = right"},
		{"maybe created: it was not", legal, "0-1 create A; 2-3 create B = maybe; 4-5 verify A = right"},
		{"maybe created: it stays", legal, "0-1 create A; 2-3 create B = maybe; 4-5 verify A = wrong 2"},
		{"maybe created: gone", illegal, "0-1 create A; 2-3 create B = maybe; 4-5 verify A = unknown"},
		{"refused: as before", legal, "0-1 create A; 2-5 fail B; 6-7 verify A = right"},
		{"refused: with the attempts as before", legal, "0-1 create A; 0-1 verify X = wrong 2; 2-5 fail B; 6-7 verify X = wrong 1"},
		{"refused: nothing before", legal, "2-5 fail B; 6-7 verify A = unknown"},
		{"refused: the one before gone", illegal, "0-1 create A; 2-5 fail B; 6-7 verify A = unknown"},
		{"refused: it stays", illegal, "0-1 create A; 2-5 fail B; 6-7 verify A = wrong 2; 8-9 verify B = right"},
		{"refused: it counts for a while", legal, "0-1 create A; 2-5 fail B; 3-4 verify A = wrong 2; 6-7 verify A = right"},
		{"refused: deleted in between", legal, "0-1 create A; 2-5 fail B; 3-4 delete; 6-7 verify A = unknown"},
		{"refused twice: as before", legal, "0-1 create A; 2-5 fail B; 2-5 fail C; 6-7 verify A = right"},
		{"refused beside one that was sent: the one before", illegal, "0-1 create A; 2-5 fail B; 2-5 create C; 6-7 verify A = right"},
		{"refused beside one that was sent: gone", illegal, "0-1 create A; 2-5 fail B; 2-5 create C; 6-7 verify C = unknown"},
		{"perhaps reserved: it counts for a while", legal, "0-1 create A; 2-5 fail B = maybe; 3-4 verify A = wrong 2; 6-7 verify A = right"},
		{"perhaps reserved: gone", illegal, "0-1 create A; 2-5 fail B = maybe; 6-7 verify A = unknown"},
		{"perhaps reserved: it stays", late, "0-1 create A; 2-5 fail B = maybe; 6-7 verify A = wrong 2"},
		{"released later", legal, "0-1 create A; 2-5 reserve B; 2-∞ release B; 6-7 verify A = wrong 2; 8-9 verify A = right"},
		{"released later, and gone", illegal, "0-1 create A; 2-5 reserve B; 2-∞ release B; 6-7 verify A = wrong 2; 8-9 verify A = unknown"},

		// A create for the recipient of the live code sends it again. A create whose
		// message was not seen has no code.
		{"again: right twice", illegal, "0-1 create A to one; 2-3 create A to one; 4-5 verify A = right; 6-7 verify A = right"},
		{"again: attempts as before", legal, "0-1 create A to one; 2-3 verify X = wrong 2; 4-5 create A to one; 6-7 verify X = wrong 1"},
		{"again: all attempts", illegal, "0-1 create A to one; 2-3 verify X = wrong 2; 4-5 create A to one; 6-7 verify X = wrong 2"},
		{"another code while one is live", illegal, "0-1 create A to one; 2-3 create B to one"},
		{"two codes at once", illegal, "0-5 create A to one; 0-5 create B to one"},
		{"a new code after use", legal, "0-1 create A to one; 2-3 verify A = right; 4-5 create B to one; 6-7 verify B = right"},
		{"a new code after all attempts", legal, "0-1 create A to one; 2-3 verify X = wrong 2; 4-5 verify X = wrong 1; 6-7 verify X = wrong 0; 8-9 create B to one; 10-11 verify X = wrong 2"},
		{"a new code for another recipient", legal, "0-1 create A to another; 2-3 verify X = wrong 2; 4-5 create B to one; 6-7 verify X = wrong 2; 8-9 verify B = right"},
		{"the code of another recipient", illegal, "0-1 create A to another; 2-3 create B to one; 4-5 verify A = right"},
		{"refused: as before", legal, "0-1 create A to one; 2-3 verify X = wrong 2; 4-5 fail f to one; 6-7 verify X = wrong 1; 8-9 verify A = right"},
		{"refused: all attempts", illegal, "0-1 create A to one; 2-3 verify X = wrong 2; 4-5 fail f to one; 6-7 verify X = wrong 2"},
		{"refused: gone", illegal, "0-1 create A to one; 2-3 fail f to one; 4-5 verify A = unknown"},
		{"refused: nothing before", legal, "0-1 fail f to one; 2-3 verify A = unknown"},
		{"refused, and sent by another", legal, "0-9 fail f to one; 1-2 verify X = wrong 2; 3-4 create A to one; 5-6 verify X = wrong 1; 10-11 verify A = right"},
		{"refused, and sent by another: all attempts", illegal, "0-9 fail f to one; 3-4 create A to one; 5-6 verify X = wrong 2; 10-11 verify X = wrong 2"},
		{"refused twice: the one before", legal, "0-1 create A to another; 2-5 fail f to one; 3-6 fail g to one; 3-4 verify X = wrong 2; 8-9 verify A = right"},
		{"refused twice: it stays", illegal, "2-5 fail f to one; 3-6 fail g to one; 8-9 verify X = wrong 2"},
		{"refused beside one under way: it stays", legal, "0-1 reserve f to one; 1-2 reserve g to one; 3-4 release f to one; 5-6 verify X = wrong 2; 7-8 release g to one"},
		{"refused, used in between: gone", legal, "0-1 create A to one; 2-9 fail f to one; 4-5 verify A = right; 10-11 verify A = unknown"},
		{"not seen, then seen", legal, "0-1 create to one; 2-3 verify X = wrong 2; 4-5 create A to one; 6-7 verify X = wrong 1; 8-9 verify A = right"},
		{"not seen, then two codes", illegal, "0-1 create to one; 2-3 create A to one; 4-5 create B to one"},
		{"seen, then not seen", legal, "0-1 create A to one; 2-3 create to one; 4-5 verify A = right"},
		{"seen, then not seen: another code", illegal, "0-1 create A to one; 2-3 create to one; 4-5 verify A = wrong 2"},
	} {
		history, got := parseHistory(t, test.history), illegal
		switch {
		case linearizable(history, time.Minute) == porcupine.Ok:
			got = legal
		case linearizable(open(history), time.Minute) == porcupine.Ok:
			got = late
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
