package redisstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// backends are the kinds of Redis on which every promise must hold.
var backends = map[string]func(testing.TB) *redistest.Instance{
	"miniredis":  redistest.Mini,
	"standalone": func(t testing.TB) *redistest.Instance { return redistest.Server(t) },
	"sentinel":   redistest.Sentinel,
	"cluster":    redistest.Cluster,
	"proxied":    proxied,
}

// proxied starts a cluster that looks like a standalone server, as behind a proxy: it
// refuses keys of several slots in one script.
func proxied(t testing.TB) *redistest.Instance {
	instance := redistest.Server(t, "cluster-enabled yes", "cluster-require-full-coverage no")
	if err := instance.Client().ClusterAddSlotsRange(context.Background(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if instance.Client().Set(context.Background(), "ready", "1", time.Second).Err() == nil {
			return instance
		}
	}
	t.Fatal("the cluster of one node does not start")
	return nil
}

// everyServer runs a test on each backend that is a redis-server.
func everyServer(t *testing.T, run func(*testing.T, string, *redistest.Instance)) {
	t.Helper()
	t.Parallel()
	for name, start := range backends {
		if name != "miniredis" {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, name, start(t))
			})
		}
	}
}

// everyBackend runs a test on each backend.
func everyBackend(t *testing.T, run func(*testing.T, *redistest.Instance)) {
	t.Helper()
	everyServer(t, func(t *testing.T, _ string, i *redistest.Instance) { run(t, i) })
	t.Run("miniredis", func(t *testing.T) { run(t, redistest.Mini(t)) })
}

// openStore opens a store on an instance, under the given prefix.
func openStore(t testing.TB, i *redistest.Instance, prefix string) *redisstore.Store {
	t.Helper()
	return openURL(t, i.URL, i.Mode, redisstore.Options{Prefix: prefix})
}

func openURL(t testing.TB, url, mode string, o redisstore.Options, hooks ...redis.Hook) *redisstore.Store {
	t.Helper()
	client, err := redisstore.Dial(redisstore.DialOptions{URL: url, Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	for _, hook := range hooks {
		client.AddHook(hook)
		if cluster, ok := client.(*redis.ClusterClient); ok { // whose nodes dial
			cluster.OnNewNode(func(node *redis.Client) { node.AddHook(dialHook{hook}) })
		}
	}
	store := redisstore.New(client, o)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// dialHook is the part of a hook that concerns dialling.
type dialHook struct{ redis.Hook }

func (dialHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (dialHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// openPrepared opens and prepares a store on an instance, under a fresh prefix.
func openPrepared(t testing.TB, i *redistest.Instance) (s *redisstore.Store, prefix string) {
	t.Helper()
	prefix = freshPrefix()
	s = openStore(t, i, prefix)
	prepare(t, s)
	return s, prefix
}

// prepare prepares a store as the service does. It retries, because the first calls may
// be late on a machine that starts many servers.
func prepare(t testing.TB, store *redisstore.Store) {
	t.Helper()
	err := store.Prepare(t.Context())
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); err = store.Prepare(t.Context()) {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func freshPrefix() string { return "test-" + rand.Text() + ":" }

// newReservation returns a reservation of an entry, under limits of its recipient and
// of the service.
func newReservation(attempts int64, limits ...codes.Limit) codes.Reservation {
	r := codes.Reservation{
		Op: codes.NewOp(),
		Entry: codes.Entry{
			Name: codes.EntryName{Current: codestest.Fresh()}, Code: codestest.Fresh(), Recipient: codestest.Fresh(),
			Attempts: attempts, Lifetime: time.Minute, Notice: time.Minute,
		},
		Limits: limits,
	}
	for i := range r.Limits {
		if r.Limits[i].Kind != codes.TotalLimit {
			r.Limits[i].Subject = r.Entry.Recipient
		}
	}
	return r
}

// again returns another reservation of the same entry.
func again(r codes.Reservation) codes.Reservation {
	r.Op = codes.NewOp()
	return r
}

// withLifetime returns the reservation with another lifetime of its entry.
func withLifetime(r codes.Reservation, d time.Duration) codes.Reservation {
	r.Entry.Lifetime = d
	return r
}

// newTurn returns a reservation of a turn alone.
func newTurn() codes.Reservation {
	return codes.Reservation{Op: codes.NewOp(), Pace: codes.Pace{Rate: 1, MaxWait: time.Minute}, WaitLeft: time.Minute}
}

// receiptOf returns a receipt of a message.
func receiptOf(m codes.SentMessage, stage codes.Stage) codes.StoredReceipt {
	return codes.StoredReceipt{
		Receipt: codes.Receipt{Content: fmt.Sprint("2:", stage), Stage: stage}, Message: m.Message, Op: codes.NewOp(), Keep: time.Hour,
	}
}

func sends(t testing.TB, windows ...string) codes.Limit {
	return codes.Limit{Kind: codes.SendLimit, Windows: codestest.Windows(t, windows...)}
}

func guesses(t testing.TB, windows ...string) codes.Limit {
	return codes.Limit{Kind: codes.GuessLimit, Windows: codestest.Windows(t, windows...)}
}

func total(t testing.TB, windows ...string) codes.Limit {
	return codes.Limit{Kind: codes.TotalLimit, Windows: codestest.Windows(t, windows...)}
}

// mustReserve reserves, and fails the test if that is refused.
func mustReserve(t testing.TB, s *redisstore.Store, r codes.Reservation) codes.Reserved {
	t.Helper()
	reserved, err := s.Reserve(t.Context(), r)
	if err != nil {
		t.Fatalf("Reserve: %v", err)
	}
	return reserved
}

// checkOf returns a check of an entry, with an op of its own.
func checkOf(r codes.Reservation, code codes.Digest) codes.Check {
	return codes.Check{Name: r.Entry.Name, Code: code, PreviousCode: code, Op: codes.NewOp()}
}

// guessOf returns a check that counts a wrong code under windows.
func guessOf(r codes.Reservation, code codes.Digest, windows []codes.Window) codes.Check {
	c := checkOf(r, code)
	c.Guesses = windows
	return c
}

// check checks an entry with its code.
func check(ctx context.Context, s *redisstore.Store, r codes.Reservation) (codes.Outcome, error) {
	checked, err := s.Check(ctx, checkOf(r, r.Entry.Code))
	return checked.Outcome, err
}

// wrongLeft returns the outcome of a wrong code for an entry.
func wrongLeft(r codes.Reservation, left int64) codes.Outcome {
	return codes.Outcome{Status: codes.Wrong, AttemptsLeft: left, Recipient: r.Entry.Recipient}
}

var (
	right   = codes.Outcome{Status: codes.Right}
	unknown = codes.Outcome{Status: codes.Unknown}
	expired = codes.Outcome{Status: codes.Expired}
)

// expect checks a code and compares the outcome, without the recipient of a right code.
func expect(t testing.TB, s *redisstore.Store, r codes.Reservation, code codes.Digest, want codes.Outcome) {
	t.Helper()
	got, err := s.Check(t.Context(), checkOf(r, code))
	if got.Status == codes.Right {
		got.Recipient = codes.Digest{}
	}
	if err != nil || got.Outcome != want {
		t.Errorf("Check = %+v, %v; want %+v", got, err, want)
	}
}
