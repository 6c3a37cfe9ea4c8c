package codes

import (
	"strings"
	"unicode/utf16"
)

// Segments returns how many messages the carrier bills for a text, and whether it is
// plain ASCII, by Flowroute's rule. Up to 160 ASCII characters are one segment. A
// longer ASCII text has 140 to a segment. Any other character makes the whole text
// UCS-2, with 70 UTF-16 units to a segment.
// Source: Flowroute, "Message Length & Concatenation".
func Segments(t Text) (n int, ascii bool) {
	units := 0
	ascii = true
	for _, r := range string(t) {
		ascii = ascii && r < 0x80
		units += utf16.RuneLen(r)
	}
	switch {
	case !ascii:
		return (units + 69) / 70, false
	case units <= 160:
		return 1, true
	default:
		return (units + 139) / 140, true
	}
}

// StandardSegments returns the same by the standards, 3GPP TS 23.038 and 23.040.
// One segment holds 160 characters of the GSM alphabet, and each of several holds
// 153; those of the alphabet's extension count twice. With any other character the
// text is UCS-2, with 70 and 67 UTF-16 units. No character is split between
// segments.
func StandardSegments(t Text) (n int, gsm bool) {
	if costs, ok := gsmCosts(t); ok {
		return fill(costs, 160, 153), true
	}
	var costs []int
	for _, r := range string(t) {
		costs = append(costs, utf16.RuneLen(r))
	}
	return fill(costs, 70, 67), false
}

const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡" +
		"ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

func gsmCosts(t Text) (costs []int, ok bool) {
	for _, r := range string(t) {
		switch {
		case strings.ContainsRune(gsmBasic, r):
			costs = append(costs, 1)
		case strings.ContainsRune(gsmExtension, r):
			costs = append(costs, 2)
		default:
			return nil, false
		}
	}
	return costs, true
}

// fill returns how many segments hold characters of these costs: one of the size
// single, or several of the size shared, which is smaller because of a header.
func fill(costs []int, single, shared int) int {
	total, n, used := 0, 1, 0
	for _, cost := range costs {
		total += cost
		if used += cost; used > shared {
			n, used = n+1, cost
		}
	}
	if total <= single {
		return 1
	}
	return n
}
