package codes_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestGuessingTable keeps the figures of the package's documentation true.
func TestGuessingTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	limits := codes.Limits{
		Sends:   codestest.Windows(t, "5/10m", "20/24h"),
		Guesses: codestest.Windows(t, "20/24h"),
	}
	for _, row := range []struct {
		name       string
		digits     int
		expiration time.Duration
		attempts   int64
	}{
		{"defaults", 4, time.Hour, 3},
		{"recommended", 6, 10 * time.Minute, 5},
	} {
		guesses := codes.MaxGuessesPerDay(limits, row.attempts, row.expiration)
		want := fmt.Sprintf("//\t%-11s  %-6d  %-8s  %-8d  %-9.1e  %-11.0f  %.1e\n",
			row.name, row.digits, fmt.Sprintf("%.0f s", row.expiration.Seconds()), row.attempts,
			float64(row.attempts)/math.Pow10(row.digits), guesses, codes.Odds(row.digits, guesses))
		if !strings.Contains(string(doc), want) {
			t.Errorf("doc.go has no line\n%s", want)
		}
	}
}
