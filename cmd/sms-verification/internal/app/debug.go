package app

import (
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flowroute/sms-verification/api/tryit"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/flowroute"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/embedded"
)

// debugBackends are what debug mode has in place of Redis and Flowroute.
type debugBackends struct {
	redis     *embedded.Server
	simulator *flowroutetest.Server
	account   flowroute.Options
}

// DebugNumber sends in debug mode; 555-01XX is set aside for such uses.
const DebugNumber codes.Phone = "12065550100"

// startDebugBackends starts both. SMS appear on phone. Flowroute also accepts
// the numbers of profiles as senders.
func startDebugBackends(phone io.Writer, profiles []config.Profile) (*debugBackends, error) {
	numbers := []string{string(DebugNumber)}
	for _, p := range profiles {
		if p.FlowrouteNumber != "" {
			numbers = append(numbers, string(p.FlowrouteNumber))
		}
	}
	d := &debugBackends{account: flowroute.Options{AccessKey: "debug", SecretKey: rand.Text(), From: DebugNumber}}
	var err error
	if d.redis, err = embedded.Start(); err != nil {
		return nil, err
	}
	d.simulator, err = flowroutetest.NewServer("", flowroutetest.Options{
		AccessKey: d.account.AccessKey,
		SecretKey: d.account.SecretKey,
		Numbers:   numbers,
		OnMessage: func(m flowroutetest.Message) { _, _ = io.WriteString(phone, PhoneView(m.To, m.Body)) },
	})
	if err != nil {
		d.close()
		return nil, err
	}
	d.account.BaseURL = d.simulator.URL
	return d, nil
}

// callBack makes the simulator send its receipts to this process, unless the
// messages ask for them elsewhere.
func (d *debugBackends) callBack(public net.Addr, token string) {
	_, port, _ := net.SplitHostPort(public.String())
	d.simulator.SetCallback(flowroutetest.SMSReceipts, "http://"+net.JoinHostPort("127.0.0.1", port)+"/webhooks/flowroute/"+token)
}

// tryIt puts the page on which the service can be tried in front of the API.
func (d *debugBackends) tryIt(api http.Handler, cfg *config.Config) (http.Handler, error) {
	return tryit.Handler(api, tryit.Options{
		Messages:   d.messages,
		Numbers:    NumbersToTry(),
		CodeLength: cfg.CodeLength,
		NeedsKey:   len(cfg.APIKeys) > 0,
		SameCode:   cfg.Resend == "same",
		Profiles:   profilesToTry(cfg),
	})
}

// profilesToTry returns what the page needs to know of the profiles.
func profilesToTry(cfg *config.Config) []tryit.Profile {
	profiles := make([]tryit.Profile, len(cfg.Profiles))
	for i, p := range cfg.Profiles {
		profiles[i] = tryit.Profile{Name: p.Name, CodeLength: p.CodeLength, SameCode: p.Resend == "same", Languages: []string{}}
		for _, locale := range slices.Sorted(maps.Keys(p.Messages)) {
			profiles[i].Languages = append(profiles[i].Languages, string(locale))
		}
	}
	return profiles
}

// messages are those that the simulator took for a number.
func (d *debugBackends) messages(to string) []tryit.Message {
	var taken []tryit.Message
	for _, m := range d.simulator.Messages() {
		if m.To == to {
			taken = append(taken, tryit.Message{ID: m.ID, From: m.From, Text: m.Body, At: m.At})
		}
	}
	return taken
}

func (d *debugBackends) close() {
	if d.simulator != nil {
		_ = d.simulator.Close()
	}
	d.redis.Close()
}

// PhoneView shows an SMS as it looks on a phone.
func PhoneView(to, body string) string {
	const width = 40
	lines := []string{"SMS to +" + to, ""}
	for line := range strings.SplitSeq(body, "\n") {
		lines = append(lines, wrap(line, width)...)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  ╭%s╮\n", strings.Repeat("─", width+2))
	for _, line := range lines {
		fmt.Fprintf(&b, "  │ %s%s │\n", line, strings.Repeat(" ", width-utf8.RuneCountInString(line)))
	}
	fmt.Fprintf(&b, "  ╰%s╯\n", strings.Repeat("─", width+2))
	return b.String()
}

// wrap breaks a line between words, or inside one that is too long.
func wrap(line string, width int) []string {
	var lines []string
	current := []rune{}
	for word := range strings.SplitSeq(line, " ") {
		rest := []rune(word)
		switch {
		case len(current) == 0:
			current = rest
		case len(current)+1+len(rest) <= width:
			current = append(append(current, ' '), rest...)
		default:
			lines = append(lines, string(current))
			current = rest
		}
		for len(current) > width {
			lines = append(lines, string(current[:width]))
			current = current[width:]
		}
	}
	return append(lines, string(current))
}
