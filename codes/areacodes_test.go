package codes_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/flowroute/sms-verification/codes"
)

// numberingData is compared with the table: libphonenumber's data of 2026-07-15.
const numberingData = "github.com/nyaruka/phonenumbers v1.8.1"

// notInNumberingData are area codes that regulators assigned and that
// libphonenumber did not know at that date.
var notInNumberingData = map[string]string{
	"us": `357 436 457 465 471 483 565 621 624 679 729 837 861 924`,
	"ca": `387 460 537 568`,
}

// TestAreaCodesOfLibphonenumber: the groups hold exactly the area codes that
// libphonenumber knows, and those above.
func TestAreaCodesOfLibphonenumber(t *testing.T) {
	modules, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(modules), numberingData+"\n") {
		t.Errorf("go.mod has another version than %s: state the version and its date here", numberingData)
	}
	want := map[string]string{}
	for group, list := range notInNumberingData {
		for _, area := range strings.Fields(list) {
			want[area] = group
		}
	}
	for n := uint64(200); n < 1000; n++ {
		area := fmt.Sprint(n)
		group := groupInNumberingData(n)
		if group == "" {
			continue
		}
		if _, known := want[area]; known {
			t.Errorf("%s is in %s now: remove it from notInNumberingData", area, numberingData)
		}
		want[area] = group
	}
	if len(want) < 450 {
		t.Fatalf("%s knows %d area codes only", numberingData, len(want))
	}
	for _, group := range codes.RecipientGroups() {
		r, err := codes.ParseRecipients([]string{group}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 1000 {
			area := fmt.Sprintf("%03d", n)
			if in := r.Allow(codes.Phone("1" + area + "5551234")); in != (want[area] == group) {
				t.Errorf("%s is in %q: %t, by %s it is in %q", area, group, in, numberingData, want[area])
			}
		}
	}
}

// groupInNumberingData returns the group of an area code by libphonenumber, or "" if it
// has no numbers or is in no group. It tries many exchanges, since small countries use
// few of them.
func groupInNumberingData(area uint64) (group string) {
	country := int32(1)
	for exchange := uint64(200); exchange < 1000; exchange += 3 {
		national := area*10_000_000 + exchange*10_000 + 5678
		number := &phonenumbers.PhoneNumber{CountryCode: &country, NationalNumber: &national}
		switch phonenumbers.GetNumberType(number) {
		case phonenumbers.TOLL_FREE:
			group = "tollfree" // unless others of its exchanges are not, as in the Bahamas
		case phonenumbers.PREMIUM_RATE:
			group = "premium"
		case phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE:
			return groupOfRegion(phonenumbers.GetRegionCodeForNumber(number))
		default: // unknown, or of no group
		}
	}
	return group
}

func groupOfRegion(region string) string {
	switch region {
	case "CA":
		return "ca"
	case "US", "PR", "VI", "GU", "MP", "AS":
		return "us"
	}
	return "caribbean"
}
