package redisstore_test

import (
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// BenchmarkTry is one wrong code after another, from all processors, at one
// entry each that never runs out of attempts.
func BenchmarkTry(b *testing.B) {
	store := openBenchmark(b)
	b.RunParallel(func(pb *testing.PB) {
		e := newEntry(1 << 50)
		if _, err := store.Put(b.Context(), e); err != nil {
			b.Error(err)
		}
		code := codestest.Fresh()
		for pb.Next() {
			got, err := store.Try(b.Context(), codes.Try{ID: e.ID, Code: code, Op: codes.NewOp()})
			if err != nil || got.Status != codes.Wrong {
				b.Errorf("Try = %+v, %v", got, err)
				return
			}
		}
	})
}

// BenchmarkPut is one new entry after another, from all processors.
func BenchmarkPut(b *testing.B) {
	store := openBenchmark(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := store.Put(b.Context(), newEntry(3)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func openBenchmark(b *testing.B) *redisstore.Store {
	instance := redistest.Server(b)
	store := openURL(b, instance.URL, instance.Mode, freshPrefix(), codes.Limits{})
	prepare(b, store)
	b.ReportAllocs()
	b.SetParallelism(8) // callers for each processor: they wait for Redis most of the time
	b.ResetTimer()
	return store
}
