package redisstore_test

import (
	"testing"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestAgainstModel compares random operations with the reference model, on miniredis,
// whose clock can be moved.
func TestAgainstModel(t *testing.T) {
	for name, run := range map[string]func(*testing.T, func(testing.TB) codestest.Backend){
		"entries": codestest.RunStoreModel, "limits": codestest.RunLimiterModel,
	} {
		t.Run(name, func(t *testing.T) {
			instance := redistest.Mini(t)
			client, err := redisstore.Dial(redisstore.DialOptions{URL: instance.URL, Mode: instance.Mode})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			run(t, func(testing.TB) codestest.Backend {
				store := redisstore.New(client, redisstore.Options{Prefix: freshPrefix()})
				return codestest.Backend{Store: store, Advance: instance.Advance}
			})
		})
	}
}
