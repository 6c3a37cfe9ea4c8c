package codes_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// withProfile returns a fixture with the default policy and a profile "login".
func withProfile(t *testing.T, change func(login *codes.Policy)) *fixture {
	t.Helper()
	f := newFixture(t)
	login := f.options.Policy
	login.Profile, login.CodeLength, login.Lifetime, login.Attempts = "login", 30, time.Minute, 5
	change(&login)
	f.options.Profiles = []codes.Policy{login}
	return f.open()
}

func TestProfilePolicy(t *testing.T) {
	f := withProfile(t, func(login *codes.Policy) {
		login.OrgName, login.From = "Shop", "14165550100"
		login.Messages = map[codes.Locale]codes.Template{"es": codestest.Template(t, "{org}, código: {code}")}
	})
	r := request("id", seattle)
	r.Profile, r.Locale = "login", "es-MX"
	f.created(r, codes.Created{Lifetime: time.Minute, Attempts: 5})
	m := f.sender.Messages()[0]
	if code := codeIn(m); len(code) != 30 || m.From != "14165550100" || m.Text != "Shop, código: "+codes.Text(code) {
		t.Errorf("sent %q from %q", string(m.Text), string(m.From))
	}
	f.create("id", seattle)
	if m := f.sender.Messages()[1]; m.From != "" || len(codeIn(m)) != 6 {
		t.Errorf("without a profile: a code of %d digits from %q", len(codeIn(m)), string(m.From))
	}
}

// TestSpacesApart: one auth_id under two profiles or services is two entries.
func TestSpacesApart(t *testing.T) {
	f := withProfile(t, func(*codes.Policy) {})
	spaces := []codes.Space{{}, {Profile: "login"}, {Service: "VA1"}, {Service: "VA2"}, {Profile: "login", Service: "VA1"}}
	sent := map[codes.Space]codes.Code{}
	for _, s := range spaces {
		sent[s] = f.createAs(codes.CreateRequest{ID: "id", Recipient: seattle, Profile: s.Profile, Service: s.Service})
	}
	check := func(s codes.Space, code codes.Code, want codes.Outcome) {
		t.Helper()
		f.checkAs(codes.CheckRequest{ID: "id", Code: code, Profile: s.Profile, Service: s.Service}, want)
	}
	left := map[string]int64{"": 2, "login": 4} // after one wrong code
	for i, s := range spaces {
		check(s, sent[spaces[(i+1)%len(spaces)]], f.wrong(left[s.Profile], seattle))
	}
	if err := f.Cancel(context.Background(), codes.CancelRequest{ID: "id", Service: "VA2"}); err != nil {
		t.Fatal(err)
	}
	for _, s := range spaces {
		want, attempts := right, left[s.Profile]
		if s.Service == "VA2" {
			want, attempts = unknown, 0
		}
		p, err := f.Status(context.Background(), codes.StatusRequest{ID: "id", Profile: s.Profile, Service: s.Service})
		if err != nil || p.AttemptsLeft != attempts {
			t.Errorf("%+v: Status = %+v, %v; want %d attempts", s, p, err, attempts)
		}
		check(s, sent[s], want)
	}
}

// TestProfileRefused: every call refuses an unknown profile and one for other callers,
// and does nothing.
func TestProfileRefused(t *testing.T) {
	f := withProfile(t, func(login *codes.Policy) { login.Callers = []string{"shop"} })
	var argument *codes.ArgumentError
	for profile, is := range map[string]func(error) bool{
		"payout": func(err error) bool { return errors.As(err, &argument) && argument.Argument == "profile" },
		"login":  func(err error) bool { return errors.Is(err, codes.ErrProfileNotAllowed) },
	} {
		ctx := context.Background()
		key := codes.IdempotencyKey{Route: "POST /", Value: "1"}
		_, created := f.Create(ctx, codes.CreateRequest{ID: "id", Recipient: seattle, Caller: "bank", Profile: profile, Key: key})
		_, checked := f.Check(ctx, codes.CheckRequest{ID: "id", Code: "1", Caller: "bank", Profile: profile, Key: key})
		_, status := f.Status(ctx, codes.StatusRequest{ID: "id", Caller: "bank", Profile: profile})
		cancelled := f.Cancel(ctx, codes.CancelRequest{ID: "id", Caller: "bank", Profile: profile})
		for call, err := range map[string]error{"create": created, "check": checked, "status": status, "cancel": cancelled} {
			if !is(err) {
				t.Errorf("%s with profile %s: %v", call, profile, err)
			}
		}
	}
	if f.store.calls["Reserve"]+f.store.calls["Check"]+len(f.sender.Messages()) > 0 {
		t.Error("something was done")
	}
	f.createAs(codes.CreateRequest{ID: "id", Recipient: seattle, Caller: "shop", Profile: "login"}) // this caller may
}

// TestProfileLimit: the limit of a profile does not apply to other messages.
func TestProfileLimit(t *testing.T) {
	f := withProfile(t, func(login *codes.Policy) {
		login.Limits.Profile = codestest.Windows(t, "1/1h")
		login.Limits.Profile[0].Text = "login:1/1h"
	})
	r := request("id", seattle)
	r.Profile = "login"
	f.createAs(r)
	_, err := f.Create(context.Background(), r)
	var limit *codes.LimitError
	if !errors.As(err, &limit) || limit.Limit != "SEND_LIMITS_TOTAL login:1/1h" {
		t.Errorf("Create = %v", err)
	}
	f.create("id", seattle)
	f.create("id", seattle)
}
