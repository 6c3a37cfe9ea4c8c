package codes_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const (
	seattle codes.Phone = "12065551234"
	toronto codes.Phone = "14165551234"
	premium codes.Phone = "19005550004"
)

var (
	right   = codes.Outcome{Status: codes.Right}
	unknown = codes.Outcome{Status: codes.Unknown}
	expired = codes.Outcome{Status: codes.Expired}
)

// fixture is a service over the model, whose parts can be made to fail. A test
// changes options and then calls open.
type fixture struct {
	*codes.Service
	t       *testing.T
	options codes.Options

	model  *codestest.Model
	sender *codestest.Sender
	store  *faultyStore
	events *events

	finished map[*codes.Service]bool
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, sender: &codestest.Sender{}, model: codestest.NewModel(), events: &events{}, finished: map[*codes.Service]bool{}}
	f.store = &faultyStore{Store: f.model, fail: map[string]error{}, lose: map[string]error{}, calls: map[string]int{}}
	f.options = codes.Options{
		SharedIDs: true, // tests make requests with and without a caller
		Policy: codes.Policy{
			CodeLength: 6, Lifetime: time.Hour, Notice: 10 * time.Minute, Attempts: 3,
			Message: codestest.Template(t, "{org}: {code}"), OrgName: "Org",
			Limits: codes.Limits{Pace: codes.Pace{MaxWait: 2 * time.Second}},
		},
		Secret:      codes.NewHasher([]byte("secret")),
		Store:       f.store,
		Sender:      f.sender,
		SendTimeout: 10 * time.Second,
		Observer:    f.events,
	}
	return f
}

func (f *fixture) limits() *codes.Limits { return &f.options.Policy.Limits }

func (f *fixture) open() *fixture {
	f.Service = f.with(func(*codes.Options) {})
	return f
}

// with returns a service with changed options.
func (f *fixture) with(change func(*codes.Options)) *codes.Service {
	o := f.options
	change(&o)
	service := codes.NewService(o)
	f.t.Cleanup(func() {
		if !f.finished[service] {
			_ = f.finish(service, 0)
		}
	})
	return service
}

// sending returns a service with another sender.
func (f *fixture) sending(s codes.Sender) *codes.Service {
	return f.with(func(o *codes.Options) { o.Sender = s })
}

// finish gives a service some time for its pending cleanup.
func (f *fixture) finish(s *codes.Service, within time.Duration) error {
	f.finished[s] = true
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return s.Finish(ctx)
}

// request asks for a code.
func request(id codes.ID, to codes.Phone) codes.CreateRequest {
	return codes.CreateRequest{ID: id, Recipient: to}
}

// create makes a code, and returns it as it was sent.
func (f *fixture) create(id codes.ID, to codes.Phone) codes.Code {
	f.t.Helper()
	return f.createAs(request(id, to))
}

func (f *fixture) createAs(r codes.CreateRequest) codes.Code {
	f.t.Helper()
	if _, err := f.Create(context.Background(), r); err != nil {
		f.t.Fatalf("Create: %v", err)
	}
	return f.sent()
}

// created makes a code, and expects an answer for its recipient.
func (f *fixture) created(r codes.CreateRequest, want codes.Created) {
	f.t.Helper()
	want.Recipient = f.options.Secret.Phone(r.Recipient)
	if got, err := f.Create(context.Background(), r); err != nil || got != want {
		f.t.Fatalf("Create = %+v, %v; want %+v", got, err, want)
	}
}

// sent returns the code of the last message.
func (f *fixture) sent() codes.Code {
	f.t.Helper()
	messages := f.sender.Messages()
	if len(messages) == 0 {
		f.t.Fatal("nothing was sent")
	}
	return codeIn(messages[len(messages)-1])
}

func codeIn(m codes.Message) codes.Code {
	_, code, _ := strings.Cut(string(m.Text), ": ")
	return codes.Code(code)
}

// limited expects that the limit refuses a create.
func (f *fixture) limited(id codes.ID, to codes.Phone, limit string) {
	f.t.Helper()
	_, err := f.Create(context.Background(), request(id, to))
	var reached *codes.LimitError
	if !errors.As(err, &reached) || reached.Limit != limit {
		f.t.Fatalf("Create = %v, want the limit %s", err, limit)
	}
}

func (f *fixture) check(id codes.ID, code codes.Code, want codes.Outcome) {
	f.t.Helper()
	f.checkAs(codes.CheckRequest{ID: id, Code: code}, want)
}

// checkAs expects an outcome, whose recipient is compared if the code is wrong.
func (f *fixture) checkAs(r codes.CheckRequest, want codes.Outcome) {
	f.t.Helper()
	got, err := f.Check(context.Background(), r)
	if got.Status != codes.Wrong {
		got.Recipient = codes.Digest{}
	}
	if err != nil || got != want {
		f.t.Fatalf("Check = %+v, %v; want %+v", got, err, want)
	}
}

// wrong returns the outcome of a wrong code for an entry under the current secret.
func (f *fixture) wrong(left int64, to codes.Phone) codes.Outcome {
	return codes.Outcome{Status: codes.Wrong, AttemptsLeft: left, Recipient: f.options.Secret.Phone(to)}
}

// notThis returns another code of the same length.
func notThis(c codes.Code) codes.Code {
	digits := []byte(c)
	last := len(digits) - 1
	digits[last] = '0' + (digits[last]-'0'+1)%10
	return codes.Code(digits)
}

// faultyStore counts the calls of its methods. A method with an error in fail returns
// that before anything has happened, one with an error in lose after it took effect.
type faultyStore struct {
	codes.Store
	mu         sync.Mutex
	fail, lose map[string]error
	calls      map[string]int
	claimDelay time.Duration  // of the reply to Claim
	claims     []codes.Digest // Check.Claim
}

// down makes the calls fail that complete a create; nil ends that.
func (s *faultyStore) down(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, method := range []string{"Release", "Claim", "Settle"} {
		s.fail[method] = err
	}
	clear(s.lose)
}

func try[A any](s *faultyStore, method string, call func() (A, error)) (answer A, err error) {
	s.mu.Lock()
	s.calls[method]++
	fail, lose := s.fail[method], s.lose[method]
	s.mu.Unlock()
	if fail != nil {
		return answer, fail
	}
	if answer, err = call(); lose != nil {
		return *new(A), lose
	}
	return answer, err
}

func (s *faultyStore) Reserve(ctx context.Context, r codes.Reservation) (codes.Reserved, error) {
	return try(s, "Reserve", func() (codes.Reserved, error) { return s.Store.Reserve(ctx, r) })
}

func (s *faultyStore) Release(ctx context.Context, r codes.Reservation) (bool, error) {
	return try(s, "Release", func() (bool, error) { return s.Store.Release(ctx, r) })
}

func (s *faultyStore) NextTurn(ctx context.Context, r codes.Reservation) (codes.Turn, error) {
	return try(s, "NextTurn", func() (codes.Turn, error) { return s.Store.NextTurn(ctx, r) })
}

func (s *faultyStore) Refund(ctx context.Context, op codes.Op, limits []codes.Limit) error {
	_, err := try(s, "Refund", func() (any, error) { return nil, s.Store.Refund(ctx, op, limits) })
	return err
}

func (s *faultyStore) Check(ctx context.Context, c codes.Check) (codes.Checked, error) {
	s.mu.Lock()
	s.claims = append(s.claims, c.Claim)
	s.mu.Unlock()
	return try(s, "Check", func() (codes.Checked, error) { return s.Store.Check(ctx, c) })
}

func (s *faultyStore) Cancel(ctx context.Context, c codes.Cancel) (time.Duration, error) {
	return try(s, "Cancel", func() (time.Duration, error) { return s.Store.Cancel(ctx, c) })
}

func (s *faultyStore) RecordSent(ctx context.Context, m codes.SentMessage) (codes.DeliveryEvents, error) {
	return try(s, "RecordSent", func() (codes.DeliveryEvents, error) { return s.Store.RecordSent(ctx, m) })
}

func (s *faultyStore) Receive(ctx context.Context, r codes.StoredReceipt) (codes.Received, error) {
	return try(s, "Receive", func() (codes.Received, error) { return s.Store.Receive(ctx, r) })
}

func (s *faultyStore) Claim(ctx context.Context, c codes.Claim) (answer string, op codes.Op, err error) {
	answer, err = try(s, "Claim", func() (answer string, err error) {
		answer, op, err = s.Store.Claim(ctx, c)
		return answer, err
	})
	time.Sleep(s.claimDelay)
	return answer, op, err
}

func (s *faultyStore) Settle(ctx context.Context, c codes.Claim, answer string) (bool, error) {
	return try(s, "Settle", func() (bool, error) { return s.Store.Settle(ctx, c, answer) })
}

// senderFunc is a sender by a function.
type senderFunc func(context.Context, codes.Message) (string, error)

func (f senderFunc) Send(ctx context.Context, m codes.Message) (string, error) { return f(ctx, m) }

// events is an Observer that keeps all events, from any goroutine.
type events struct {
	mu        sync.Mutex
	created   []codes.CreateEvent
	checked   []codes.CheckEvent
	cancelled []time.Duration
	delivery  []codes.DeliveryEvents // except empty ones
}

func (e *events) Created(c codes.CreateEvent)     { keep(e, &e.created, c) }
func (e *events) Checked(c codes.CheckEvent)      { keep(e, &e.checked, c) }
func (e *events) Cancelled(ttlLeft time.Duration) { keep(e, &e.cancelled, ttlLeft) }

func (e *events) Delivery(d codes.DeliveryEvents) {
	if d.Delivered || d.Failed {
		keep(e, &e.delivery, d)
	}
}

func keep[E any](e *events, list *[]E, event E) {
	e.mu.Lock()
	defer e.mu.Unlock()
	*list = append(*list, event)
}
