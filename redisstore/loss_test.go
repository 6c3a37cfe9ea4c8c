package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// opTimeout is how long the store goes on trying, and slack what a busy
// machine may add to it.
const (
	opTimeout = 500 * time.Millisecond
	slack     = 200 * time.Millisecond
)

// wire loses replies: the script runs, its reply arrives and is thrown away,
// and the connection breaks.
type wire struct {
	mu    sync.Mutex
	next  int    // replies to lose
	lost  int    // replies lost
	after func() // runs once, after the first loss
}

// lose makes the next n replies of scripts get lost. What after does happens
// when the script has run and before it is sent again; it may be nil.
func (w *wire) lose(n int, after func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next, w.lost, w.after = n, 0, after
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

func (w *wire) loses() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == 0 {
		return false
	}
	w.next--
	w.lost++
	if w.after != nil {
		w.after()
		w.after = nil
	}
	return true
}

// DialHook puts the wire between the client and Redis.
func (w *wire) DialHook(dial redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &wiredConn{Conn: conn, wire: w}, nil
	}
}

func (w *wire) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (w *wire) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

type wiredConn struct {
	net.Conn
	wire   *wire
	script bool // the reply to come is a script's
}

func (c *wiredConn) Write(p []byte) (int, error) {
	c.script = bytes.Contains(bytes.ToLower(p[:min(len(p), 32)]), []byte("\r\neval"))
	return c.Conn.Write(p)
}

func (c *wiredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	// An error, such as that the server does not know the script, is no loss.
	if err == nil && n > 0 && c.script && p[0] == '*' && c.wire.loses() {
		_ = c.Close()
		return 0, io.EOF
	}
	return n, err
}

// lossTest is a store that loses replies, and one on the same data that does not.
type lossTest struct {
	testing.TB
	*redisstore.Store
	wire    *wire
	losses  int
	clean   *redisstore.Store
	advance func(time.Duration)
}

func openLossTest(t testing.TB, i *redistest.Instance, losses int, limits codes.Limits) lossTest {
	client, err := redisstore.Dial(i.URL, i.Mode)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	switch c := client.(type) {
	case *redis.Client: // of a master behind sentinels too
		c.AddHook(w)
	case *redis.ClusterClient:
		c.OnNewNode(func(node *redis.Client) { node.AddHook(w) })
	default:
		t.Fatalf("a client without hooks: %T", c)
	}
	prefix := freshPrefix()
	store := redisstore.New(client, prefix, limits)
	t.Cleanup(func() { _ = store.Close() })
	clean := openURL(t, i.URL, i.Mode, prefix, limits)
	for _, s := range []*redisstore.Store{store, clean} {
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return lossTest{TB: t, Store: store, wire: w, losses: losses, clean: clean, advance: i.Advance}
}

// losing makes call lose its replies, and checks that it did.
func (l lossTest) losing(after func(), call func()) {
	l.Helper()
	l.wire.lose(l.losses, after)
	call()
	if lost := l.wire.count(); lost != l.losses {
		l.Errorf("%d replies lost, want %d", lost, l.losses)
	}
}

func (l lossTest) put(e codes.Entry) {
	l.Helper()
	if err := l.clean.Put(l.Context(), e); err != nil {
		l.Fatalf("Put: %v", err)
	}
}

// try is a fresh try on the store given.
func (l lossTest) try(s *redisstore.Store, id, code codes.Digest, want codes.Outcome) {
	l.Helper()
	got, err := s.Try(l.Context(), codes.Try{ID: id, Code: code, Op: codes.NewOp()})
	if err != nil || got != want {
		l.Errorf("Try = %+v, %v; want %+v", got, err, want)
	}
}

func (l lossTest) take(s *redisstore.Store, recipient codes.Digest, want string) {
	l.Helper()
	_, err := s.Take(l.Context(), codes.Place{Recipient: recipient, Op: codes.NewOp()})
	var full *codes.LimitError
	switch {
	case err == nil && want == "":
	case errors.As(err, &full) && full.Limit == want:
	default:
		l.Errorf("Take = %v, want %q", err, want)
	}
}

func newEntry(attempts int64) codes.Entry {
	return codes.Entry{
		ID: codestest.Fresh(), Code: codestest.Fresh(), Recipient: codestest.Fresh(),
		Attempts: attempts, Expiration: time.Minute, Notice: time.Minute, Op: codes.NewOp(),
	}
}

func wrongLeft(e codes.Entry, left int64) codes.Outcome {
	return codes.Outcome{Status: codes.Wrong, Left: left, Recipient: e.Recipient}
}

var (
	right   = codes.Outcome{Status: codes.Right}
	unknown = codes.Outcome{Status: codes.Unknown}
	expired = codes.Outcome{Status: codes.Expired}
)

// TestLostReply: a reply that is lost after its script ran changes nothing,
// whatever somebody else does before the script runs again.
func TestLostReply(t *testing.T) {
	everyBackend(t, func(t *testing.T, _ string, instance *redistest.Instance) {
		for _, test := range []struct {
			name   string
			limits codes.Limits
			run    func(lossTest)
		}{
			{"right", codes.Limits{}, lostRight},
			{"wrong", codes.Limits{}, lostWrong},
			{"last wrong", codes.Limits{}, lostLastWrong},
			{"unknown", codes.Limits{}, lostUnknown},
			{"expired", codes.Limits{}, lostExpired},
			{"put", codes.Limits{}, lostPut},
			{"delete", codes.Limits{}, lostDelete},
			{"take", codes.Limits{Sends: codestest.Windows(t, "2/1h")}, lostTake},
			{"take of all", codes.Limits{Total: codestest.Windows(t, "2/1h")}, lostTotal},
			{"return", codes.Limits{Sends: codestest.Windows(t, "1/1h")}, lostReturn},
			{"turn", codes.Limits{Rate: 2, MaxWait: time.Minute}, lostTurn},
			{"count", codes.Limits{Guesses: codestest.Windows(t, "2/1h")}, lostCount},
			{"claim", codes.Limits{}, lostClaim},
		} {
			for _, losses := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s %d", test.name, losses), func(t *testing.T) {
					test.run(openLossTest(t, instance, losses, test.limits))
				})
			}
		}
	})
}

func lostRight(l lossTest) {
	e, later := newEntry(3), newEntry(3)
	later.ID, later.Code = e.ID, e.Code
	l.put(e)
	l.losing(nil, func() { l.try(l.Store, e.ID, e.Code, right) })
	l.try(l.clean, e.ID, e.Code, unknown)

	l.put(later)
	l.losing(func() { l.put(e2(later)) }, func() { l.try(l.Store, e.ID, e.Code, right) })
	l.try(l.clean, e.ID, e.Code, right) // of the put that came between
}

// e2 is the same entry, made by another put.
func e2(e codes.Entry) codes.Entry {
	e.Op = codes.NewOp()
	return e
}

func lostWrong(l lossTest) {
	e := newEntry(3)
	e.Recipient = codes.Digest{'\n', 0, ' ', 0xff, '%', '\r', '\n'}
	l.put(e)
	l.losing(nil, func() { l.try(l.Store, e.ID, codestest.Fresh(), wrongLeft(e, 2)) })
	l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 1))

	next := e2(e)
	l.losing(func() { l.put(next) }, func() { l.try(l.Store, e.ID, codestest.Fresh(), wrongLeft(e, 0)) })
	l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 2)) // the put that came between is not charged
}

func lostLastWrong(l lossTest) {
	e := newEntry(1)
	l.put(e)
	l.losing(nil, func() { l.try(l.Store, e.ID, codestest.Fresh(), wrongLeft(e, 0)) })
	l.try(l.clean, e.ID, e.Code, unknown)
}

func lostUnknown(l lossTest) {
	l.losing(nil, func() { l.try(l.Store, codestest.Fresh(), codestest.Fresh(), unknown) })
}

func lostExpired(l lossTest) {
	e := newEntry(3)
	e.Expiration = time.Second
	l.put(e)
	l.advance(1100 * time.Millisecond)
	l.losing(nil, func() { l.try(l.Store, e.ID, e.Code, expired) })
	l.try(l.clean, e.ID, e.Code, unknown)
}

func lostPut(l lossTest) {
	put := func(e codes.Entry) func() {
		return func() {
			if err := l.Put(l.Context(), e); err != nil {
				l.Errorf("Put: %v", err)
			}
		}
	}
	e := newEntry(3)
	l.losing(nil, put(e))
	l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 2))

	again := e2(e)
	l.losing(func() { l.try(l.clean, e.ID, e.Code, right) }, put(again))
	l.try(l.clean, e.ID, e.Code, unknown) // a used code does not come back
}

func lostDelete(l lossTest) {
	e := newEntry(3)
	l.put(e)
	later := e2(e)
	for _, made := range []codes.Op{{}, later.Op} {
		l.losing(func() { l.put(later) }, func() {
			if err := l.Delete(l.Context(), codes.Deletion{ID: e.ID, Made: made, Op: codes.NewOp()}); err != nil {
				l.Errorf("Delete: %v", err)
			}
		})
		later.Op = codes.NewOp()
		l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 2))
	}
}

func lostTake(l lossTest) {
	one := codestest.Fresh()
	l.losing(nil, func() { l.take(l.Store, one, "") })
	l.losing(nil, func() { l.take(l.Store, one, "") }) // the last place: it is the caller's own
	l.take(l.clean, one, "SEND_LIMITS 2/1h")
}

func lostTotal(l lossTest) {
	l.losing(nil, func() { l.take(l.Store, codestest.Fresh(), "") })
	l.losing(nil, func() { l.take(l.Store, codestest.Fresh(), "") })
	l.take(l.clean, codestest.Fresh(), "SEND_LIMITS_TOTAL 2/1h")
}

func lostReturn(l lossTest) {
	p := codes.Place{Recipient: codestest.Fresh(), Op: codes.NewOp()}
	if _, err := l.Take(l.Context(), p); err != nil {
		l.Fatal(err)
	}
	l.losing(func() { l.take(l.clean, p.Recipient, "") }, func() {
		if err := l.Return(l.Context(), p); err != nil {
			l.Errorf("Return: %v", err)
		}
	})
	l.take(l.clean, p.Recipient, "SEND_LIMITS 1/1h") // the place that was taken between stays
}

func lostTurn(l lossTest) {
	turn := func(s *redisstore.Store) (wait time.Duration) {
		wait, err := s.Take(l.Context(), codes.Place{Recipient: codestest.Fresh(), Op: codes.NewOp()})
		if err != nil {
			l.Errorf("Take: %v", err)
		}
		return wait
	}
	first := time.Now()
	l.losing(nil, func() {
		if wait := turn(l.Store); wait != 0 {
			l.Errorf("wait %v for the first turn", wait)
		}
	})
	if wait := turn(l.clean); wait != 0 {
		l.Errorf("wait %v for the second turn", wait)
	}
	l.losing(nil, func() { turn(l.Store) })
	// Four turns at two in a span: the fourth comes with the third, one span
	// after the first. Had a loss taken one more it would come after two.
	if wait := turn(l.clean); time.Since(first)+wait > codestest.TurnSpan+opTimeout {
		l.Errorf("the fourth turn comes %v after the first", time.Since(first)+wait)
	}
}

func lostCount(l lossTest) {
	one := codestest.Fresh()
	l.losing(nil, func() {
		if err := l.CountWrong(l.Context(), codes.Place{Recipient: one, Op: codes.NewOp()}); err != nil {
			l.Errorf("CountWrong: %v", err)
		}
	})
	l.take(l.clean, one, "")
	if err := l.clean.CountWrong(l.Context(), codes.Place{Recipient: one, Op: codes.NewOp()}); err != nil {
		l.Errorf("CountWrong: %v", err)
	}
	l.take(l.clean, one, "GUESS_LIMITS 2/1h")
}

func lostClaim(l lossTest) {
	c := codes.Claim{Key: codestest.Fresh(), Arguments: codestest.Fresh(), Op: codes.NewOp(), Lease: time.Minute}
	other := c
	other.Op = codes.NewOp()
	running := func(s *redisstore.Store) {
		l.Helper()
		var busy *codes.InProgressError
		if _, _, err := s.Claim(l.Context(), other); !errors.As(err, &busy) {
			l.Errorf("Claim = %v, want in progress", err)
		}
	}
	l.losing(func() { running(l.clean) }, func() {
		if answer, op, err := l.Claim(l.Context(), c); err != nil || answer != "" || op != c.Op {
			l.Errorf("Claim = %q, %v, %v; want its own op", answer, op, err)
		}
	})
	l.losing(nil, func() { running(l.Store) })
	// Dropped, claimed by somebody else, and dropped once more by repetition.
	l.losing(func() {
		if _, op, err := l.clean.Claim(l.Context(), other); err != nil || op != other.Op {
			l.Errorf("Claim = %v, %v", op, err)
		}
	}, func() {
		if err := l.Settle(l.Context(), c, ""); err != nil {
			l.Errorf("Settle: %v", err)
		}
	})
	third := other
	third.Op = codes.NewOp()
	var busy *codes.InProgressError
	if _, _, err := l.clean.Claim(l.Context(), third); !errors.As(err, &busy) {
		l.Errorf("Claim = %v, want in progress", err)
	}
}

// TestEveryReplyLost: the caller is told in time, and at most one attempt is spent.
func TestEveryReplyLost(t *testing.T) {
	everyBackend(t, func(t *testing.T, _ string, instance *redistest.Instance) {
		l := openLossTest(t, instance, math.MaxInt, codes.Limits{})
		e := newEntry(3)
		l.put(e)
		l.wire.lose(l.losses, nil)
		began := time.Now()
		_, err := l.Try(t.Context(), codes.Try{ID: e.ID, Code: codestest.Fresh(), Op: codes.NewOp()})
		if took := time.Since(began); !errors.Is(err, codes.ErrUnavailable) || took > opTimeout+slack {
			t.Errorf("Try = %v after %v", err, took)
		}
		if lost := l.wire.count(); lost < 2 {
			t.Errorf("%d replies lost: it did not go on trying", lost)
		}
		l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 1))
	})
}

// TestFreshOpChargesTwice shows what the ops are for: a caller whose reply is
// lost and who asks again is charged once under the same op, twice under
// another.
func TestFreshOpChargesTwice(t *testing.T) {
	everyBackend(t, func(t *testing.T, _ string, instance *redistest.Instance) {
		for _, test := range []struct {
			name  string
			again func(codes.Op) codes.Op
			left  int64
		}{
			{"same op", func(op codes.Op) codes.Op { return op }, 2},
			{"fresh op", func(codes.Op) codes.Op { return codes.NewOp() }, 1},
		} {
			l := openLossTest(t, instance, 1, codes.Limits{})
			e := newEntry(3)
			l.put(e)
			ctx, cancel := context.WithCancel(t.Context())
			try := codes.Try{ID: e.ID, Code: codestest.Fresh(), Op: codes.NewOp()}
			l.losing(cancel, func() { // the store does not repeat it by itself then
				if _, err := l.Try(ctx, try); !errors.Is(err, codes.ErrUnavailable) {
					t.Errorf("%s: Try = %v", test.name, err)
				}
			})
			try.Op = test.again(try.Op)
			if got, err := l.Try(t.Context(), try); err != nil || got != wrongLeft(e, test.left) {
				t.Errorf("%s: Try = %+v, %v; want %d left", test.name, got, err, test.left)
			}
		}
	})
}

// TestLostReplyOnSockets loses replies between two real sockets.
func TestLostReplyOnSockets(t *testing.T) {
	instance := redistest.Server(t)
	proxy := redistest.NewProxy(t, instance.Addr)
	store := openURL(t, "redis://"+proxy.Addr()+"/0", instance.Mode, freshPrefix(), codes.Limits{})
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := newEntry(3)
	if err := store.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		code codes.Digest
		want codes.Outcome
	}{
		{codestest.Fresh(), wrongLeft(e, 2)},
		{codestest.Fresh(), wrongLeft(e, 1)},
		{e.Code, right},
		{e.Code, unknown},
	} {
		before := proxy.Dropped()
		proxy.DropReplies(2, "evalsha")
		got, err := store.Try(t.Context(), codes.Try{ID: e.ID, Code: step.code, Op: codes.NewOp()})
		if err != nil || got != step.want {
			t.Errorf("Try = %+v, %v; want %+v", got, err, step.want)
		}
		if lost := proxy.Dropped() - before; lost != 2 {
			t.Errorf("%d replies lost", lost)
		}
	}
}

// TestLostReplyWaits: a right answer that is repeated on another connection
// counts no more than the first: only when a replica has it.
func TestLostReplyWaits(t *testing.T) {
	t.Parallel()
	instance := redistest.Sentinel(t)
	l := openLossTest(t, instance, 1, codes.Limits{})
	l.WaitForReplicas(1)
	e := newEntry(3)
	l.put(e)
	// Even a replica that is in step is heard of only once a second at first.
	master := redis.NewClient(&redis.Options{Addr: instance.Nodes[0].Addr, PoolSize: 1})
	defer func() { _ = master.Close() }()
	for began := time.Now(); master.Wait(t.Context(), 1, 50*time.Millisecond).Val() == 0; {
		if time.Since(began) > 10*time.Second {
			t.Fatal("the replica is not heard of")
		}
		master.Del(t.Context(), "nothing")
	}
	op := codes.NewOp()
	try := func() (codes.Outcome, error) {
		return l.Try(t.Context(), codes.Try{ID: e.ID, Code: e.Code, Op: op})
	}
	instance.Nodes[1].Signal(syscall.SIGSTOP)
	l.losing(nil, func() {
		if got, err := try(); !errors.Is(err, codes.ErrUnavailable) {
			t.Errorf("Try = %+v, %v while no replica takes note", got, err)
		}
	})
	instance.Nodes[1].Signal(syscall.SIGCONT)
	if got, err := try(); err != nil || got != right {
		t.Errorf("Try = %+v, %v", got, err)
	}
}
