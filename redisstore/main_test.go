package redisstore_test

import (
	"flag"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
)

// libraryLog is the log of the Redis library, which has one logger for the whole program.
var libraryLog codestest.Output

func TestMain(m *testing.M) {
	// Most of these tests wait, for a clock or a server, and compute little.
	_ = flag.Set("test.parallel", "12") // the command line may say otherwise
	redisstore.LogTo(slog.New(slog.NewTextHandler(&libraryLog, &slog.HandlerOptions{Level: slog.LevelDebug})))
	goleak.VerifyTestMain(m)
}
