package codestest

import (
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

func openModel(testing.TB) Backend {
	m := NewModel()
	return Backend{Store: m, Peers: []codes.Store{m}, Advance: m.Advance}
}

// TestModel runs every suite on the model.
func TestModel(t *testing.T) {
	for name, run := range Suites() {
		t.Run(name, func(t *testing.T) { run(t, openModel) })
	}
}

// TestModelAgainstItself: the comparisons accept a correct store.
func TestModelAgainstItself(t *testing.T) {
	t.Run("store", func(t *testing.T) { RunStoreModel(t, openModel) })
	t.Run("limits", func(t *testing.T) { RunLimiterModel(t, openModel) })
}
