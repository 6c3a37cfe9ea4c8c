package app

import (
	"crypto/rand"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"

	"github.com/flowroute/sms-verification/api/tryit"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/flowroute"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/embedded"
)

// debugBackends replace Redis and Flowroute in debug mode.
type debugBackends struct {
	redis     *embedded.Server
	simulator *flowroutetest.Server
	account   flowroute.Options
}

// DebugNumber is the sender in debug mode; 555-01XX is reserved for such uses.
const DebugNumber codes.Phone = "12065550100"

// startDebugBackends starts both. SMS are written to phone. The simulator accepts
// the numbers of profiles as senders too.
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

// sendReceiptsTo makes the simulator send its receipts to this process, unless a
// message asks for them elsewhere.
func (d *debugBackends) sendReceiptsTo(public net.Addr, token string) {
	_, port, _ := net.SplitHostPort(public.String())
	d.simulator.SetCallback(flowroutetest.SMSReceipts, "http://"+net.JoinHostPort("127.0.0.1", port)+"/webhooks/flowroute/"+token)
}

// tryIt adds the try-it page to the API.
func (d *debugBackends) tryIt(api http.Handler, cfg *config.Config) (http.Handler, error) {
	return tryit.Handler(api, tryit.Options{
		Messages:   d.messages,
		Numbers:    NumbersToTry(),
		CodeLength: cfg.CodeLength,
		NeedsKey:   len(cfg.APIKeys) > 0,
		SameCode:   cfg.SameCode,
		Profiles:   profilesToTry(cfg),
	})
}

// profilesToTry returns the profiles as the page shows them.
func profilesToTry(cfg *config.Config) []tryit.Profile {
	profiles := make([]tryit.Profile, len(cfg.Profiles))
	for i, p := range cfg.Profiles {
		profiles[i] = tryit.Profile{Name: p.Name, CodeLength: p.CodeLength, SameCode: p.SameCode, Languages: []string{}}
		for _, locale := range slices.Sorted(maps.Keys(p.Messages)) {
			profiles[i].Languages = append(profiles[i].Languages, string(locale))
		}
	}
	return profiles
}

// messages returns the messages that the simulator accepted for a number.
func (d *debugBackends) messages(to string) []tryit.Message {
	var accepted []tryit.Message
	for _, m := range d.simulator.Messages() {
		if m.To == to {
			accepted = append(accepted, tryit.Message{ID: m.ID, From: m.From, Text: m.Body, At: m.At})
		}
	}
	return accepted
}

func (d *debugBackends) close() {
	if d.simulator != nil {
		_ = d.simulator.Close()
	}
	d.redis.Close()
}
