package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

const (
	accessKey = "access-key-that-nobody-may-see-0123456789"
	secretKey = "secret-key-that-nobody-may-see-0123456789"
)

// environ returns the required settings and more.
func environ(more ...string) []string {
	return append([]string{
		"FLOWROUTE_ACCESS_KEY=" + accessKey,
		"FLOWROUTE_SECRET_KEY=" + secretKey,
		"FLOWROUTE_NUMBER=12065550101",
	}, more...)
}

func mustLoad(t *testing.T, o Source) *Config {
	t.Helper()
	c, err := Load(o)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// problems returns the problems of settings that must not load.
func problems(t *testing.T, o Source) []string {
	t.Helper()
	_, err := Load(o)
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) == 0 {
		t.Fatalf("Load returned %v, want an *Error with problems", err)
	}
	return e.Problems
}

// wantOne fails unless there is one problem that contains every part.
func wantOne(t *testing.T, got []string, parts ...string) {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("%d problems, want 1:\n%s", len(got), strings.Join(got, "\n"))
	}
	for _, part := range parts {
		if !strings.Contains(got[0], part) {
			t.Errorf("problem %q does not contain %q", got[0], part)
		}
	}
}

// dirWith returns a directory with files, given as alternating names and contents.
func dirWith(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// flagsWith returns a parsed command line.
func flagsWith(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Flags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}
