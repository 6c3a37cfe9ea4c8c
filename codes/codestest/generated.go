package codestest

import (
	"os"
	"strings"
	"testing"
)

// Generated compares a file with the text that is generated for it, or writes the file if
// update is set.
func Generated(t testing.TB, file, want string, update bool) {
	t.Helper()
	if update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date; run go test -update in the directory of this test", file)
	}
}

// GeneratedPart is Generated for the part of a document between <!-- NAME:begin --> and
// <!-- NAME:end -->.
func GeneratedPart(t testing.TB, file, name, part string, update bool) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
	head, rest, foundBegin := strings.Cut(string(content), begin)
	_, tail, foundEnd := strings.Cut(rest, end)
	if !foundBegin || !foundEnd {
		t.Fatalf("%s has no %q and %q", file, begin, end)
	}
	Generated(t, file, head+begin+part+end+tail, update)
}
