package codes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

func TestRecipients(t *testing.T) {
	list := func(items ...string) []string { return items }
	const seattle, toronto, kingston, nassau, chatline, tollfree = "12065551234", "14165551234", "18765551234", "12425551234", "19005551234", "18005551234"
	all := list(seattle, toronto, kingston, nassau, chatline, tollfree)
	for _, test := range []struct {
		name             string
		allowed, blocked []string
		want             []string // of all
	}{
		{"nothing said", nil, nil, all},
		{"an allowed prefix excludes the rest", list("1206"), nil, list(seattle)},
		{"the country code", list("1"), nil, all},
		{"a blocked prefix", nil, list("1206"), list(toronto, kingston, nassau, chatline, tollfree)},
		{"all blocked", nil, list("1"), nil},
		{"the longer one is allowed", list("1206"), list("1"), list(seattle)},
		{"the longer one is blocked", list("1"), list("1206", "1416555"), list(kingston, nassau, chatline, tollfree)},
		{"three deep", list("1", "1206555"), list("1206"), all},
		{"of equal length blocked wins", list("1206", "1416"), list("1206"), list(toronto)},
		{"a whole number", list(seattle), nil, list(seattle)},
		{"a whole number blocked", nil, list(seattle), list(toronto, kingston, nassau, chatline, tollfree)},
		{"a prefix of another number", list("12065559999"), nil, nil},
		{"groups", list("us", "ca"), nil, list(seattle, toronto)},
		{"a group and a prefix", list("ca", "1206"), nil, list(seattle, toronto)},
		{"blocked groups", nil, list("caribbean", "premium"), list(seattle, toronto, tollfree)},
		{"a group and one of its area codes", list("us", "ca"), list("1206"), list(toronto)},
		{"the country but for a group", list("1"), list("caribbean"), list(seattle, toronto, chatline, tollfree)},
		{"a prefix inside a blocked group", list("1", "1876555"), list("caribbean"), list(seattle, toronto, kingston, chatline, tollfree)},
		{"the same group twice", list("us"), list("us"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := codes.ParseRecipients(test.allowed, test.blocked)
			if err != nil {
				t.Fatal(err)
			}
			for _, number := range all {
				if got, want := r.Allow(codes.Phone(number)), slices.Contains(test.want, number); got != want {
					t.Errorf("%s allowed: %t, want %t", number, got, want)
				}
			}
		})
	}
	if !(codes.Recipients{}).Allow(seattle) {
		t.Error("the zero value allows not all")
	}
}

func TestRecipientsRefuses(t *testing.T) {
	for _, bad := range []string{"", "206", "2206", "+1206", "1206 ", "12o6", "120655512345", "US", "usa", "1206-555", "١٢٠٦"} {
		for _, lists := range [][2][]string{{{bad}, nil}, {nil, {bad}}, {{"1206", bad}, {"us"}}} {
			_, err := codes.ParseRecipients(lists[0], lists[1])
			if err == nil {
				t.Errorf("%q is accepted", lists)
				continue
			}
			for _, want := range append(codes.RecipientGroups(), fmt.Sprintf("%q", bad)) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error about %q names no %s: %v", bad, want, err)
				}
			}
		}
	}
}
