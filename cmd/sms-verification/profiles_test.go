package main

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

const payoutSender = "12065550199"

// profilesSetting has a profile that changes nothing, one that changes nearly
// everything, and one that is for the caller bank alone.
const profilesSetting = `PROFILES={
	"signup": {},
	"login": {"code_length": 6, "code_expiration": 600, "retries_allowed": 2, "org_name": "Example Bank", "auth_message": "{code}\nis your {org} code for {minutes} minutes.",
		"messages": {"es": "{code}\nes tu código de {org}.", "fr-CA": "{code}\nest votre code."}, "flowroute_number": "` + payoutSender + `"},
	"payout": {"callers": ["bank"]}
}`

// twoReplicas are services over one Redis with these profiles. The simulator
// knows both of their senders.
func twoReplicas(t *testing.T, extra ...string) ([]*process, *flowroutetest.Server) {
	t.Helper()
	sim := startSimulator(t, flowroutetest.Options{Numbers: []string{payoutSender}})
	return replicas(t, 2, environment(redistest.Server(t), sim, append([]string{keysOf("shop", "bank"), profilesSetting}, extra...)...)), sim
}

// TestProfilesApart: one auth_id under two profiles and without a profile is three
// entries, and no code of one is right for another. The length, lifetime, attempts, text
// and sender of a code come from the profile, or else from the settings.
func TestProfilesApart(t *testing.T) {
	t.Parallel()
	fleet, sim := twoReplicas(t)
	const id, plain = "user-1", "Welcome to Your Organization Name! Use this one-time code to complete your signup."
	codes := map[string]string{}
	for _, c := range []struct {
		profile, sender, text string
		length                int
		expires, attempts     int64
	}{{"", testSender, plain, 4, 3600, 3}, {"signup", testSender, plain, 4, 3600, 3}, {"login", payoutSender, "is your Example Bank code for 10 minutes.", 6, 600, 2}} {
		a := createUnder(t, fleet[0].URL, c.profile, id, anyone, "", as("shop")).wantLeft(t, c.attempts)
		messages := sim.Messages()
		m := messages[len(messages)-1]
		code, text, _ := strings.Cut(m.Body, "\n")
		if a.body.ExpiresIn != c.expires || len(code) != c.length || text != c.text || m.From != c.sender {
			t.Errorf("profile %q: %s; %q from %s", c.profile, a.raw, m.Body, m.From)
		}
		codes[c.profile] = code
	}
	verifyUnder(t, fleet[0].URL, "login", id, codes["signup"], as("shop")).want(t, 400, "InvalidAuthCode").wantLeft(t, 1)
	verify(t, fleet[1].URL, id, codes["login"], as("shop")).want(t, 400, "InvalidAuthCode")
	do(t, http.MethodDelete, fleet[1].URL+"/?profile=login&auth_id="+id, "", as("shop"))
	verifyUnder(t, fleet[0].URL, "login", id, codes["login"], as("shop")).want(t, 400, "UnknownAuthId")
	do(t, http.MethodGet, fleet[1].URL+"/?profile=signup&auth_id="+id+"&code="+codes["signup"], "", as("shop")).want(t, 200, "")
	verify(t, fleet[0].URL, id, codes[""], as("shop")).want(t, 200, "")
}

// TestProfilesShareNumberLimits: a number gets no more messages, and no more
// guesses, under several profiles and callers than under one.
func TestProfilesShareNumberLimits(t *testing.T) {
	t.Parallel()
	fleet, sim := twoReplicas(t, "SEND_LIMITS=3/1h", "GUESS_LIMITS=2/1h")
	uses := []struct{ profile, caller string }{{"", "shop"}, {"signup", "bank"}, {"login", "shop"}, {"payout", "bank"}}
	ask := func(recipient string) (answers []*answer) {
		for i, u := range uses {
			answers = append(answers, createUnder(t, fleet[i%2].URL, u.profile, "a", recipient, "", as(u.caller)))
		}
		return answers
	}
	answers := ask("12065550111")
	for i, want := range []int{0, 0, 3600} {
		if a := answers[i].want(t, 200, ""); (a.body.ResendAfter > 0) != (want > 0) || a.body.ResendAfter > int64(want) {
			t.Errorf("message %d: %s", i+1, a.raw)
		}
	}
	answers[3].wantLimit(t, "SEND_LIMITS 3/1h")
	const other = "12065550122"
	for _, u := range uses[1:3] {
		createUnder(t, fleet[0].URL, u.profile, "b", other, "", as(u.caller))
		verifyUnder(t, fleet[1].URL, u.profile, "b", otherCode(codeSent(t, sim, other)), as(u.caller))
	}
	createUnder(t, fleet[1].URL, "payout", "b", other, "", as("bank")).wantLimit(t, "GUESS_LIMITS 2/1h")
}

// TestProfilesOfTheREADME: the example of the README does what it says, with nothing else set.
func TestProfilesOfTheREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(org_name:.*?)```.*?-d '([^']*)'.*?```text\n490371(.*?)\n```").FindSubmatch(readme)
	if example == nil {
		t.Fatal("no example of profiles")
	}
	p := startIn(t, dirWith(t, "config.yaml", string(example[1])), debugEnvironment())
	p.listening(t)
	if a := do(t, http.MethodPost, p.URL+"/", string(example[2])).want(t, 200, ""); a.body.ExpiresIn != 600 {
		t.Error(a.raw)
	}
	if message := regexp.MustCompile(`\s+│\s+│?\s*`).ReplaceAllString(p.stdout.String(), " "); !strings.Contains(message, string(example[3])) {
		t.Errorf("the message is %s, want the code and%s", message, example[3])
	}
}
