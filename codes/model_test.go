package codes_test

import (
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

func TestModel(t *testing.T) {
	model := codestest.NewModel(codes.Limits{})
	codestest.RunStore(t, func(testing.TB) codestest.Backend {
		return codestest.Backend{Store: model, Advance: model.Advance}
	})
	codestest.RunStoreConcurrency(t, model, model)
	codestest.RunLimiter(t, func(_ testing.TB, l codes.Limits) codestest.LimiterBackend {
		m := codestest.NewModel(l)
		return codestest.LimiterBackend{Limiter: m, Advance: m.Advance}
	})
}
