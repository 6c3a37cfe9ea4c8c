package codes_test

import (
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

func modelStore(testing.TB) codestest.Backend {
	m := codestest.NewModel(codes.Limits{})
	return codestest.Backend{Store: m, Advance: m.Advance}
}

func modelLimiter(_ testing.TB, l codes.Limits) codestest.LimiterBackend {
	m := codestest.NewModel(l)
	return codestest.LimiterBackend{Limiter: m, Advance: m.Advance}
}

func TestModel(t *testing.T) {
	codestest.RunStore(t, modelStore)
	model := codestest.NewModel(codes.Limits{})
	codestest.RunStoreConcurrency(t, model, model)
	codestest.RunClaims(t, codestest.ClaimsBackend{Claims: model, Advance: model.Advance})
	codestest.RunLimiter(t, modelLimiter)
	receipts := codestest.ReceiptsBackend{Store: model, Receipts: model, Advance: model.Advance}
	codestest.RunReceipts(t, func(testing.TB) codestest.ReceiptsBackend { return receipts })
	codestest.RunReceiptsConcurrency(t, receipts, receipts)
}

// TestModelAgainstItself shows that the comparisons let a right store pass.
func TestModelAgainstItself(t *testing.T) {
	t.Run("store", func(t *testing.T) { codestest.RunStoreModel(t, modelStore) })
	t.Run("limiter", func(t *testing.T) { codestest.RunLimiterModel(t, modelLimiter) })
}
