package flowroutetest

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Options describe the simulated account. They print masked, because they hold
// the keys.
type Options struct {
	AccessKey, SecretKey string
	Numbers              []string      // the account's own numbers, which may send; 11 digits each
	OptOuts              []Pair        // who sent STOP to which number
	StrictDigits         bool          // refuse a leading + on v2 and v2.1
	Rate                 int           // requests per clock second and endpoint; 0 is no limit, the real one is 5
	LookupDelay          time.Duration // from acceptance until a message can be looked up; 0 is 1s, below 0 is none
	Keep                 int           // how many of the newest accepted messages are kept; 0 is 10,000
	OpenControl          bool          // answer requests under /_sim/ from any address, not only from loopback
	ReceiptDelay         time.Duration // from acceptance to the first receipt, and between receipts; 0 is 100ms, below 0 is none
	ReceiptRetry         time.Duration // until a receipt that was not answered with 200 is posted again; 0 is 30s
	CallbackHosts        []string      // hosts to which receipts may be posted, beside loopback

	// OnMessage is called after each acceptance, before the answer, from
	// parallel goroutines.
	OnMessage func(Message)
	Now       func() time.Time // nil is time.Now
}

// Format masks the options under every verb.
func (Options) Format(f fmt.State, _ rune) { codes.Redact(f, "flowroutetest options") }

// MarshalText masks the options in JSON and in log attributes.
func (Options) MarshalText() ([]byte, error) { return []byte("[flowroutetest options]"), nil }

// Pair is a subscriber and a number from which it refuses messages.
type Pair struct{ To, From string }

// Message is an accepted message.
type Message struct {
	ID       string    `json:"id"`
	To       string    `json:"to"`   // 11 digits
	From     string    `json:"from"` // 11 digits
	Body     string    `json:"body"`
	Segments int       `json:"segments"` // as Flowroute bills them
	Encoding int       `json:"encoding"` // 0 is ASCII, 8 is UCS-2
	At       time.Time `json:"at"`
	Endpoint string    `json:"endpoint"` // v2, v2.1 or v2.2
	Callback string    `json:"dlr_callback,omitempty"`

	mms bool
}

// Counts are exact, however few messages are kept.
type Counts struct {
	Requests int64 `json:"requests"` // all but those under /_sim/
	Limited  int64 `json:"limited"`  // answered 429
	Accepted int64 `json:"accepted"` // messages

	Receipts    int64 `json:"receipts,omitempty"`    // answered with 200
	Unanswered  int64 `json:"unanswered,omitempty"`  // posts of receipts that were not answered with 200
	Lost        int64 `json:"lost,omitempty"`        // receipts given up: too many failures, too many pending, or a forbidden host
	Delivered   int64 `json:"delivered,omitempty"`   // messages with an answered receipt of delivery to the carrier
	Undelivered int64 `json:"undelivered,omitempty"` // messages with an answered receipt of rejection
}

// Simulator is the simulated API. It is an http.Handler and safe for
// concurrent use.
type Simulator struct {
	options    Options
	owned      map[string]bool
	magic      map[string]Fault
	poster     *poster
	controlAPI http.Handler

	mu       sync.Mutex
	messages []Message // oldest first, at most options.Keep
	counts   Counts
	faults   map[string]Fault  // by recipient; "" is the default
	windows  map[string]window // by method and endpoint

	optOuts    map[Pair]bool
	deliveries map[string]Delivery // by recipient; "" is the default
	callbacks  map[Callback]string
}

// window counts the requests in one clock second.
type window struct {
	second int64
	count  int
}

// New returns a simulator. The caller must Close it if messages have a
// callback.
func New(o Options) *Simulator {
	o.Keep = cmp.Or(max(o.Keep, 0), 10_000)
	o.LookupDelay = cmp.Or(o.LookupDelay, time.Second)
	o.ReceiptDelay = cmp.Or(o.ReceiptDelay, 100*time.Millisecond)
	o.ReceiptRetry = cmp.Or(o.ReceiptRetry, 30*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Simulator{
		options: o,
		owned:   make(map[string]bool),
		optOuts: make(map[Pair]bool),
		magic:   MagicNumbers(),
		faults:  make(map[string]Fault),
		windows: make(map[string]window),
		poster:  newPoster(),

		deliveries: make(map[string]Delivery),
		callbacks:  make(map[Callback]string),
	}
	for _, number := range o.Numbers {
		s.owned[digits(number)] = true
	}
	for _, p := range o.OptOuts {
		s.optOuts[Pair{digits(p.To), digits(p.From)}] = true
	}
	s.controlAPI = s.newControlAPI()
	return s
}

// Messages returns the accepted messages that are kept, oldest first.
func (s *Simulator) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// count adds 1 to one of s.counts.
func (s *Simulator) count(counter *int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*counter++
}

// Requests returns the counts since the start or the last Reset.
func (s *Simulator) Requests() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Reset forgets the messages and the counts. Faults stay.
func (s *Simulator) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages, s.counts = nil, Counts{}
}

// ServeHTTP answers one request.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		s.controlAPI.ServeHTTP(w, r)
		return
	}
	s.count(&s.counts.Requests)
	endpoint, id, found := parsePath(r.URL.Path)
	method := http.MethodPost
	if id != "" {
		method = http.MethodGet
	}
	callback, isCallback := callbackOf(id)
	found = found && (isCallback || !strings.HasSuffix(id, "_callback"))
	if isCallback && slices.Contains([]string{http.MethodPut, http.MethodDelete}, r.Method) {
		method = r.Method
	}
	switch {
	case !found:
		s.notFound(w, r)
	case r.Method != method:
		w.Header().Set("Allow", method)
		s.fail(w, http.StatusMethodNotAllowed, "The method is not allowed for the requested URL.")
	case !s.authorized(r):
		w.Header().Set("WWW-Authenticate", `Basic realm="Flowroute"`)
		s.fail(w, http.StatusUnauthorized, "The credentials are missing or wrong.")
	case !s.underRate(method + " " + endpoint):
		s.fail(w, http.StatusTooManyRequests, "Too many requests in this second.")
	case isCallback:
		s.account(w, r, callback)
	case id != "":
		s.lookUp(w, endpoint, id)
	default:
		s.send(w, r, endpoint)
	}
}

// send checks a message, accepts it and answers, or simulates a fault.
func (s *Simulator) send(w http.ResponseWriter, r *http.Request, endpoint string) {
	m, refused := s.check(r, endpoint)
	if refused != nil {
		s.fail(w, refused.status, refused.detail)
		return
	}
	fault := s.nextFault(m.To)
	if fault.accepts() {
		m = s.accept(m)
		if s.options.OnMessage != nil {
			s.options.OnMessage(m)
		}
		s.sendReceipts(m)
	}
	s.respond(w, r, fault, m)
}

// accept gives the message its id and time and keeps it.
func (s *Simulator) accept(m Message) Message {
	prefix := "mdr2-"
	if m.Endpoint == "v2" {
		prefix = "mdr1-"
	}
	m.ID = prefix + randomHex()
	segments, ascii := codes.Segments(codes.Text(m.Body))
	m.Segments = segments
	if !ascii {
		m.Encoding = 8
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	m.At = s.options.Now()
	s.counts.Accepted++
	if len(s.messages) == s.options.Keep {
		s.messages[0] = Message{} // so that its strings are freed before the array is
		s.messages = s.messages[1:]
	}
	s.messages = append(s.messages, m)
	return m
}

// underRate counts a request, even one that it refuses, and reports whether
// Rate allows it in this clock second.
func (s *Simulator) underRate(endpoint string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now().Unix()
	w := s.windows[endpoint]
	if w.second != now {
		w = window{second: now}
	}
	w.count++
	s.windows[endpoint] = w
	return s.options.Rate <= 0 || w.count <= s.options.Rate
}

// digits returns the form in which numbers are kept and compared.
func digits(number string) string { return strings.TrimPrefix(number, "+") }

// randomHex returns 32 digits.
func randomHex() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}
