package codestest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// ReceiptsBackend are receipts under test, and the store whose entries they
// are about.
type ReceiptsBackend struct {
	Store    codes.Store
	Receipts codes.Receipts
	Advance  func(time.Duration) // as in Backend
	Parallel bool                // as in Backend
}

type receiptsTest struct {
	testing.TB
	ReceiptsBackend
}

// The receipts that there can be of a message, each with its content.
var (
	submitted = codes.Receipt{Content: "1:smsc submit:", Stage: codes.Sent}
	buffered  = codes.Receipt{Content: "2:message buffered:1003", Stage: codes.Delivered}
	delivered = codes.Receipt{Content: "2:delivered:", Stage: codes.Delivered}
	rejected  = codes.Receipt{Content: "2:smsc reject:1110", Stage: codes.Failed, Failure: codes.ByPhone}
	failed    = codes.Receipt{Content: "2:failed:", Stage: codes.Failed, Failure: codes.BySomeone}
)

// made puts an entry, and returns its message.
func (r receiptsTest) made() (codes.Entry, codes.SentMessage) {
	r.Helper()
	e := entry(3, time.Minute, time.Minute)
	storeTest{r, Backend{Store: r.Store}}.put(e)
	return e, sentFor(e)
}

func sentFor(e codes.Entry) codes.SentMessage {
	return codes.SentMessage{
		Message: Fresh(), Entry: e.ID, Place: codes.Place{Recipient: e.Recipient, Op: e.Op, Paid: true},
		Area: codes.AreaUS, Caller: "shop", Keep: time.Hour,
	}
}

func (r receiptsTest) sent(m codes.SentMessage, want codes.News) {
	r.Helper()
	want.Area, want.Caller = m.Area, m.Caller
	if got, err := r.Receipts.Sent(context.Background(), m); err != nil || got != want {
		r.Fatalf("Sent = %+v, %v; want %+v", got, err, want)
	}
}

func note(m codes.SentMessage, receipt codes.Receipt) codes.Note {
	return codes.Note{Receipt: receipt, Message: m.Message, Op: codes.NewOp(), Keep: 2 * time.Second}
}

// early takes a receipt whose message is not known.
func (r receiptsTest) early(m codes.SentMessage, receipt codes.Receipt, want codes.Result) {
	r.Helper()
	r.receive(note(m, receipt), codes.Received{Result: want})
}

// joins takes a receipt of a known message.
func (r receiptsTest) joins(m codes.SentMessage, receipt codes.Receipt, want codes.Result, news codes.News) {
	r.Helper()
	r.receive(note(m, receipt), known(m, want, news))
}

func known(m codes.SentMessage, result codes.Result, news codes.News) codes.Received {
	news.Area, news.Caller = m.Area, m.Caller
	return codes.Received{Result: result, Known: true, Place: m.Place, News: news}
}

func (r receiptsTest) receive(n codes.Note, want codes.Received) {
	r.Helper()
	if got, err := r.Receipts.Receive(context.Background(), n); err != nil || got != want {
		r.Fatalf("Receive(%s) = %+v, %v; want %+v", n.Content, got, err, want)
	}
}

func (r receiptsTest) stands(m codes.SentMessage, stage codes.Stage, by codes.Failure) {
	r.Helper()
	got, gotBy, err := r.Receipts.Delivery(context.Background(), m.Message)
	if err != nil || got != stage || gotBy != by {
		r.Fatalf("Delivery = %v by %q, %v; want %v by %q", got, gotBy, err, stage, by)
	}
}

func (r receiptsTest) looks(id codes.Digest, stage codes.Stage, left int64, message codes.Digest) {
	r.Helper()
	got, err := r.Store.Look(context.Background(), id)
	live := stage == codes.Made || stage == codes.Sent
	if err != nil || got.Stage != stage || got.Left != left || got.Message != message ||
		(got.Remaining > 0) != live || got.Remaining > time.Minute {
		r.Fatalf("Look = %+v, %v; want stage %v, %d left, message %v", got, err, stage, left, message)
	}
}

// RunReceipts checks what the interface codes.Receipts demands, and
// codes.Store.Look.
func RunReceipts(t *testing.T, open func(testing.TB) ReceiptsBackend) {
	b := open(t)
	for name, test := range map[string]func(receiptsTest){
		"in order": func(r receiptsTest) {
			_, m := r.made()
			r.sent(m, codes.News{})
			r.stands(m, codes.Sent, "")
			r.joins(m, submitted, codes.Joined, codes.News{})
			r.stands(m, codes.Sent, "")
			r.joins(m, buffered, codes.Joined, codes.News{Delivered: true})
			r.joins(m, delivered, codes.Joined, codes.News{})
			r.stands(m, codes.Delivered, "")
		},
		"duplicates": func(r receiptsTest) {
			_, m := r.made()
			r.sent(m, codes.News{})
			r.joins(m, buffered, codes.Joined, codes.News{Delivered: true})
			r.joins(m, buffered, codes.Duplicate, codes.News{})
			r.joins(m, submitted, codes.Joined, codes.News{})
			r.joins(m, submitted, codes.Duplicate, codes.News{})
			r.joins(m, buffered, codes.Duplicate, codes.News{})
		},
		"rejected by the phone": func(r receiptsTest) {
			_, m := r.made()
			r.sent(m, codes.News{})
			r.joins(m, rejected, codes.Joined, codes.News{Failed: true})
			r.joins(m, failed, codes.Joined, codes.News{}) // who is told first stays
			r.stands(m, codes.Failed, codes.ByPhone)
		},
		"taken, then rejected": func(r receiptsTest) {
			_, m := r.made()
			r.sent(m, codes.News{})
			r.joins(m, buffered, codes.Joined, codes.News{Delivered: true})
			r.joins(m, failed, codes.Joined, codes.News{Failed: true})
			r.stands(m, codes.Failed, codes.BySomeone)
		},
		"before the message": func(r receiptsTest) {
			_, m := r.made()
			r.early(m, buffered, codes.Early)
			r.early(m, buffered, codes.Duplicate)
			r.early(m, delivered, codes.Early)
			r.early(m, submitted, codes.Early)
			r.sent(m, codes.News{Delivered: true})
			r.joins(m, buffered, codes.Duplicate, codes.News{})
			r.joins(m, rejected, codes.Joined, codes.News{Failed: true})
		},
		"both before the message": func(r receiptsTest) {
			_, m := r.made()
			r.early(m, rejected, codes.Early)
			r.early(m, buffered, codes.Early)
			r.sent(m, codes.News{Delivered: true, Failed: true})
			r.stands(m, codes.Failed, codes.ByPhone)
		},
		"too early": func(r receiptsTest) {
			_, m := r.made()
			r.early(m, buffered, codes.Early)
			r.Advance(2100 * time.Millisecond)
			r.sent(m, codes.News{})
		},
		"an early receipt lives as long as its message": func(r receiptsTest) {
			_, m := r.made()
			r.early(m, buffered, codes.Early)
			r.sent(m, codes.News{Delivered: true})
			r.Advance(2100 * time.Millisecond)
			r.stands(m, codes.Delivered, "")
			r.joins(m, buffered, codes.Duplicate, codes.News{})
		},
		"look":             looked,
		"an ended context": endedReceipts,
	} {
		t.Run(name, func(t *testing.T) {
			if b.Parallel {
				t.Parallel()
			}
			test(receiptsTest{t, b})
		})
	}
}

func looked(r receiptsTest) {
	s := storeTest{r, Backend{Store: r.Store}}
	e, m := r.made()
	r.looks(Fresh(), codes.Gone, 0, codes.Digest{})
	for range 3 { // it spends nothing
		r.looks(e.ID, codes.Made, 3, codes.Digest{})
	}
	s.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 2, Recipient: e.Recipient})
	r.sent(m, codes.News{})
	r.looks(e.ID, codes.Sent, 2, m.Message)

	next := e
	next.Op, next.Expiration = codes.NewOp(), time.Second
	s.put(next)
	r.looks(e.ID, codes.Made, 3, codes.Digest{}) // the message was another code's
	late := sentFor(e)                           // whose answer comes after the entry was replaced
	r.sent(late, codes.News{})
	r.looks(e.ID, codes.Made, 3, codes.Digest{})
	r.sent(sentFor(next), codes.News{})

	r.Advance(1100 * time.Millisecond)
	for range 3 { // nor is it what is told of the expiry
		r.looks(e.ID, codes.Over, 0, codes.Digest{})
	}
	s.try(e.ID, e.Code, codes.Outcome{Status: codes.Expired})
	r.looks(e.ID, codes.Gone, 0, codes.Digest{})
	r.sent(sentFor(next), codes.News{}) // makes no entry
	r.looks(e.ID, codes.Gone, 0, codes.Digest{})
}

func endedReceipts(r receiptsTest) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, m := r.made()
	if _, err := r.Receipts.Receive(ctx, note(m, buffered)); !errors.Is(err, codes.ErrUnavailable) {
		r.Errorf("Receive = %v, want ErrUnavailable", err)
	}
	if _, err := r.Receipts.Sent(ctx, m); !errors.Is(err, codes.ErrUnavailable) {
		r.Errorf("Sent = %v, want ErrUnavailable", err)
	}
	r.early(m, rejected, codes.Early)
	r.sent(m, codes.News{Failed: true})
}

// RunReceiptsConcurrency checks that, however often and in whatever order the
// receipts of a message come to several backends over the same data, before
// and after the message, each news is told once.
func RunReceiptsConcurrency(t *testing.T, backends ...ReceiptsBackend) {
	all := []codes.Receipt{submitted, buffered, delivered, rejected, failed}
	for round := range 10 {
		_, m := receiptsTest{t, backends[0]}.made()
		var mu sync.Mutex
		var told [2]int
		count := func(news codes.News, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if news.Delivered {
				told[0]++
			}
			if news.Failed {
				told[1]++
			}
		}
		together(func(i int) {
			b := backends[i%len(backends)]
			if i == round { // sooner or later among the others
				count(b.Receipts.Sent(context.Background(), m))
			}
			received, err := b.Receipts.Receive(context.Background(), note(m, all[i%len(all)]))
			count(received.News, err)
		})
		if fmt.Sprint(told) != "[1 1]" {
			t.Errorf("delivered and failed told %v times", told)
		}
	}
}
