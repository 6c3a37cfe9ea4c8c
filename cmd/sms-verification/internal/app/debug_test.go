package app

import (
	"io"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/flowroute"
)

// TestNumbersOfProfilesSend: in debug mode the numbers of profiles can send.
func TestNumbersOfProfilesSend(t *testing.T) {
	d, err := startDebugBackends(io.Discard, []config.Profile{{Name: "login", FlowrouteNumber: "12065550199"}, {Name: "payout"}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	d.account.Timeout = 5 * time.Second
	sender := flowroute.New(d.account)
	defer sender.Close()
	for from, want := range map[codes.Phone]bool{"": true, "12065550199": true, "12065550198": false} {
		if _, err := sender.Send(t.Context(), codes.Message{From: from, To: "12065550142", Text: "1234"}); (err == nil) != want {
			t.Errorf("from %q: %v", from, err)
		}
	}
}

// TestExpiredNumberWithProfile: the code of ExpiredNumber expires after a second,
// whatever the lifetime of the profile.
func TestExpiredNumberWithProfile(t *testing.T) {
	o := codes.Options{Profiles: []codes.Policy{{Profile: "login", Lifetime: time.Hour}}}
	brief := newDebugService(nil, o).brief
	if got := brief.Profiles[0].Lifetime; got != time.Second || o.Profiles[0].Lifetime != time.Hour {
		t.Errorf("a lifetime of %v, and %v for others", got, o.Profiles[0].Lifetime)
	}
}
