package codes_test

import (
	"slices"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

func TestArea(t *testing.T) {
	for number, want := range map[codes.Phone]string{
		"12065551234": "us", "17875551234": "us", "14165551234": "ca", "18765551234": "caribbean",
		"18005551234": "tollfree", "19005551234": "premium", "10005551234": "other", "15551234567": "other",
		"": "other", "1206": "other", "1²065551234": "other",
	} {
		if got := number.Area().String(); got != want {
			t.Errorf("…%s is in %s, want %s", number.LastTwo(), got, want)
		}
	}
	// The areas and the groups of recipients have the same names.
	names := []string{}
	for area := codes.AreaOther + 1; area < codes.Areas; area++ {
		names = append(names, area.String())
	}
	slices.Sort(names)
	if groups := codes.RecipientGroups(); !slices.Equal(names, groups) {
		t.Errorf("areas %q, groups %q", names, groups)
	}
	for _, n := range []int64{-1, codes.Areas, 1 << 40} {
		if got := codes.AreaNumber(n); got != codes.AreaOther {
			t.Errorf("number %d is %s", n, got)
		}
	}
}
