package main

import (
	"fmt"
	"strconv"
)

// Entry number n has an id, a recipient and, if it was stored without a
// request, a code that follow from n.

const (
	idFormat = "bench-%012d"
	lines    = 8_000_000 // of one area code: 200-0000 to 999-9999
)

func areaCodes() []string {
	return []string{"206", "425", "212", "213", "214", "215", "216", "217", "218", "219"}
}

func idOf(n uint64) string { return fmt.Sprintf(idFormat, n) }

// recipientOf returns a number that the carrier takes. Entries 80 million
// apart have the same.
func recipientOf(n uint64) string {
	codes := areaCodes()
	area, line := codes[n/lines%uint64(len(codes))], n%lines
	return fmt.Sprintf("1%s%07d", area, line+2_000_000)
}

// entryOf is the inverse of recipientOf.
func entryOf(recipient string) uint64 {
	line, _ := strconv.ParseUint(recipient[4:], 10, 64)
	for i, area := range areaCodes() {
		if area == recipient[1:4] {
			return uint64(i)*lines + line - 2_000_000
		}
	}
	return 0
}

const allCodes = 10_000

func codeOf(n uint64) uint64 { return n % allCodes }

func wrongCode(code uint64) uint64 { return (code + 1) % allCodes }
