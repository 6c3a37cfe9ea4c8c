package redisstore_test

import (
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// BenchmarkCheck is one wrong code after another, from all processors, at one
// entry each that never runs out of attempts.
func BenchmarkCheck(b *testing.B) {
	store := openBenchmark(b)
	b.RunParallel(func(pb *testing.PB) {
		r := newReservation(1 << 50)
		mustReserve(b, store, r)
		code := codestest.Fresh()
		for pb.Next() {
			got, err := store.Check(b.Context(), checkOf(r, code))
			if err != nil || got.Status != codes.Wrong {
				b.Errorf("Check = %+v, %v", got, err)
				return
			}
		}
	})
}

// BenchmarkReserve is one new entry after another, from all processors.
func BenchmarkReserve(b *testing.B) {
	store := openBenchmark(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := store.Reserve(b.Context(), newReservation(3)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func openBenchmark(b *testing.B) *redisstore.Store {
	instance := redistest.Server(b)
	store := openStore(b, instance, freshPrefix())
	prepare(b, store)
	b.ReportAllocs()
	b.SetParallelism(8) // callers for each processor: they wait for Redis most of the time
	b.ResetTimer()
	return store
}
