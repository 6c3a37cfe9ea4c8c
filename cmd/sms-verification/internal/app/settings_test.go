package app

import (
	"maps"
	"testing"

	"github.com/flowroute/sms-verification/config"
)

func TestTwilioServices(t *testing.T) {
	cfg := &config.Config{Profiles: []config.Profile{{Name: "login", TwilioService: "VA1"}, {Name: "signup"}}}
	if got := twilioServices(cfg); got != nil {
		t.Errorf("TWILIO_API is off, services %v", got)
	}
	cfg.TwilioAPI = true
	if got := twilioServices(cfg); !maps.Equal(got, map[string]string{"VA1": "login"}) {
		t.Errorf("services %v", got)
	}
	cfg.Profiles = nil
	if got := twilioServices(cfg); got == nil {
		t.Error("no routes without profiles")
	}
}
