package telemetry

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
)

// TestBudget: the figures are those of Redis. Without Redis only the limits are
// exposed.
func TestBudget(t *testing.T) {
	windows := codestest.Windows(t, "10/1h", "100/24h")
	var down error
	registry := prometheus.NewRegistry()
	RegisterBudget(registry, windows, func(_ context.Context, asked []codes.Window) ([]redisstore.Used, error) {
		return []redisstore.Used{{Window: asked[0], Messages: 3}, {Window: asked[1], Messages: 42}}, down
	})
	const limits = `# HELP smsv_send_budget_limit Messages that SEND_LIMITS_TOTAL allows.
# TYPE smsv_send_budget_limit gauge
smsv_send_budget_limit{limit="10/1h"} 10
smsv_send_budget_limit{limit="100/24h"} 100
`
	const used = `# HELP smsv_send_budget_used Messages of all replicas in the current window of SEND_LIMITS_TOTAL.
# TYPE smsv_send_budget_used gauge
smsv_send_budget_used{limit="10/1h"} 3
smsv_send_budget_used{limit="100/24h"} 42
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(limits+used)); err != nil {
		t.Error(err)
	}
	down = codes.ErrUnavailable
	if err := testutil.GatherAndCompare(registry, strings.NewReader(limits)); err != nil {
		t.Error(err)
	}
}

// TestSettingsOfProfiles: alerts compare with what each profile has.
func TestSettingsOfProfiles(t *testing.T) {
	registry := prometheus.NewRegistry()
	RegisterSettings(registry, []codes.Policy{{CodeLength: 4, Lifetime: time.Hour}, {Profile: "login", CodeLength: 6, Lifetime: time.Minute}})
	const want = `# HELP smsv_code_space Number of possible codes: 10 to the power of CODE_LENGTH.
# TYPE smsv_code_space gauge
smsv_code_space{profile=""} 10000
smsv_code_space{profile="login"} 1e+06
# HELP smsv_codes_lifetime_seconds CODE_EXPIRATION.
# TYPE smsv_codes_lifetime_seconds gauge
smsv_codes_lifetime_seconds{profile=""} 3600
smsv_codes_lifetime_seconds{profile="login"} 60
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "smsv_code_space", "smsv_codes_lifetime_seconds"); err != nil {
		t.Error(err)
	}
}
