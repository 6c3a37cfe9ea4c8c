package redisstore

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestTwoVersionsAtOnce: during a rolling update the released scripts and the
// ones of this tree work on the same data. testdata/released holds the scripts
// of the last release; a change that they cannot work with takes a new schema.
func TestTwoVersionsAtOnce(t *testing.T) {
	// The one in this process goes first and alone, as in the other tests.
	t.Run("miniredis", func(t *testing.T) { runVersions(t, redistest.Mini(t), false) })
	t.Parallel()
	t.Run("standalone", func(t *testing.T) { runVersions(t, redistest.Server(t), true) })
}

func runVersions(t *testing.T, instance *redistest.Instance, waits bool) {
	pair := func(t testing.TB, l codes.Limits) *versions {
		client, err := Dial(DialOptions{URL: instance.URL, Mode: instance.Mode})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		prefix := "versions-" + codes.NewOp().String() + ":"
		v := &versions{New(client, prefix, l), New(client, prefix, l)}
		v.released.scripts = loadScripts(releasedScripts{})
		return v
	}
	codestest.RunStore(t, func(t testing.TB) codestest.Backend {
		return codestest.Backend{Store: pair(t, codes.Limits{}), Advance: instance.Advance, Parallel: waits}
	})
	both := pair(t, codes.Limits{})
	codestest.RunStoreConcurrency(t, both.released, both.ours)
	codestest.RunLimiter(t, func(t testing.TB, l codes.Limits) codestest.LimiterBackend {
		return codestest.LimiterBackend{Limiter: pair(t, l), Advance: instance.Advance, Parallel: waits}
	})
	codestest.RunClaims(t, codestest.ClaimsBackend{Claims: pair(t, codes.Limits{}), Advance: instance.Advance})
	codestest.RunReceipts(t, func(t testing.TB) codestest.ReceiptsBackend {
		v := pair(t, codes.Limits{})
		return codestest.ReceiptsBackend{Store: v, Receipts: v, Advance: instance.Advance, Parallel: waits}
	})
}

// releasedScripts are those of the last release, and ours of operations that
// it did not have.
type releasedScripts struct{}

func (releasedScripts) Open(name string) (fs.File, error) {
	file, err := os.DirFS("testdata/released").Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return ourScripts().Open(name)
	}
	return file, err
}

// versions sends each call to one of two replicas, by chance.
type versions struct{ released, ours *Store }

func (v *versions) any() *Store {
	if rand.IntN(2) == 0 {
		return v.released
	}
	return v.ours
}

func (v *versions) Put(ctx context.Context, e codes.Entry) (time.Duration, error) {
	return v.any().Put(ctx, e)
}
func (v *versions) Try(ctx context.Context, t codes.Try) (codes.Outcome, error) {
	return v.any().Try(ctx, t)
}
func (v *versions) Delete(ctx context.Context, d codes.Deletion) (time.Duration, error) {
	return v.any().Delete(ctx, d)
}
func (v *versions) Look(ctx context.Context, id codes.Digest) (codes.Sight, error) {
	return v.any().Look(ctx, id)
}
func (v *versions) Sent(ctx context.Context, m codes.SentMessage) (codes.News, error) {
	return v.any().Sent(ctx, m)
}
func (v *versions) Receive(ctx context.Context, n codes.Note) (codes.Received, error) {
	return v.any().Receive(ctx, n)
}
func (v *versions) Delivery(ctx context.Context, message codes.Digest) (codes.Stage, codes.Failure, error) {
	return v.any().Delivery(ctx, message)
}
func (v *versions) Take(ctx context.Context, p codes.Place) (time.Duration, error) {
	return v.any().Take(ctx, p)
}
func (v *versions) Return(ctx context.Context, p codes.Place) error { return v.any().Return(ctx, p) }
func (v *versions) CountWrong(ctx context.Context, p codes.Place) error {
	return v.any().CountWrong(ctx, p)
}
func (v *versions) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	return v.any().Claim(ctx, c)
}
func (v *versions) Settle(ctx context.Context, c codes.Claim, answer string) (bool, error) {
	return v.any().Settle(ctx, c, answer)
}
