package redisstore_test

import (
	"bytes"
	"flag"
	"log/slog"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/flowroute/sms-verification/redisstore"
)

// libraryLog is the log of the Redis library, which has one logger for the whole program.
var libraryLog lockedBuffer

func TestMain(m *testing.M) {
	// Most of these tests wait, for a clock or a server, and compute little.
	_ = flag.Set("test.parallel", "12") // the command line may say otherwise
	redisstore.LogTo(slog.New(slog.NewTextHandler(&libraryLog, &slog.HandlerOptions{Level: slog.LevelDebug})))
	goleak.VerifyTestMain(m)
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
