package redisstore_test

import (
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestAgainstModel compares random operations with the reference model, on
// the one Redis whose clock can be moved.
func TestAgainstModel(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *redistest.Instance)
	}{
		{"store", func(t *testing.T, i *redistest.Instance) {
			codestest.RunStoreModel(t, func(t testing.TB) codestest.Backend {
				return codestest.Backend{Store: openURL(t, i.URL, i.Mode, freshPrefix(), codes.Limits{}), Advance: i.Advance}
			})
		}},
		{"limiter", func(t *testing.T, i *redistest.Instance) {
			codestest.RunLimiterModel(t, func(t testing.TB, l codes.Limits) codestest.LimiterBackend {
				return codestest.LimiterBackend{Limiter: openURL(t, i.URL, i.Mode, freshPrefix(), l), Advance: i.Advance}
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, redistest.Mini(t))
		})
	}
}
