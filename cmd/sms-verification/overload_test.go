package main

import (
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

// TestOverload: while MAX_IN_FLIGHT creates wait for Flowroute, another is refused at
// once, and checks go on.
func TestOverload(t *testing.T) {
	t.Parallel()
	p, sim := service(t, "MAX_IN_FLIGHT=1")
	code := sendCode(t, sim, p.URL, "checked", "12065550199")
	fail(t, sim, anyone, flowroutetest.Fault{Kind: flowroutetest.Slow, Delay: 2 * time.Second})
	slow := make(chan *answer, 1)
	go func() { slow <- create(t, p.URL, "slow", anyone) }()
	eventually(t, 5*time.Second, "the create is at Flowroute", func() bool { return len(sim.Messages()) == 2 })
	took := timed(1, func(int) {
		create(t, p.URL, "refused", "12065550166").want(t, 503, gotUnavailable)
		verify(t, p.URL, "checked", code).want(t, 200, "")
	})
	if took > patient(500*time.Millisecond) {
		t.Errorf("refused and checked after %v", took)
	}
	(<-slow).want(t, 200, "")
}
