package flowroutetest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Kind is what a [Fault] does.
type Kind string

// The kinds of fault. Those from Slow on accept the message: it is among
// Messages, because a real SMS would be sent.
const (
	Refuse     Kind = "refuse"      // answer with an error of Status
	BadGateway Kind = "bad_gateway" // answer 502 with a body that is not JSON
	Redirect   Kind = "redirect"    // answer with a redirect of Status, to /v2.2/messages
	Interim    Kind = "interim"     // answer only with an interim status, and keep the connection open
	Hang       Kind = "hang"        // never answer

	Slow           Kind = "slow"            // answer as without a fault, after Delay
	NoID           Kind = "no_id"           // answer with Status, but without a message id
	AcceptHang     Kind = "accept_hang"     // never answer
	AcceptReset    Kind = "accept_reset"    // reset the connection
	AcceptTruncate Kind = "accept_truncate" // cut the answer off
)

// Fault replaces the answer to a message that passes all checks. The zero Fault
// is none.
type Fault struct {
	Kind   Kind
	Status int           // of Refuse (400 to 599), Redirect (301 to 308), Interim (100 to 199) and NoID (200 to 299)
	Delay  time.Duration // before the answer; the message is accepted before
	Times  int           // for how many messages; 0 is all
}

// Fail sets the fault of messages to a number; the zero Fault clears it. The
// number "" stands for all that have neither a fault of their own nor one in
// [MagicNumbers].
func (s *Simulator) Fail(number string, f Fault) error {
	if err := f.validate(); err != nil {
		return fmt.Errorf("flowroutetest: fail: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == (Fault{}) {
		delete(s.faults, digits(number))
	} else {
		s.faults[digits(number)] = f
	}
	return nil
}

// MagicNumbers returns the numbers that have a fault of their own unless Fail
// sets another.
func MagicNumbers() map[string]Fault {
	return map[string]Fault{
		"15005550200": {Kind: NoID, Status: 200},
		"15005550202": {Kind: NoID, Status: 202},
		"15005550302": {Kind: Redirect, Status: 302},
		"15005550307": {Kind: Redirect, Status: 307},
		"15005550400": {Kind: Refuse, Status: 400},
		"15005550401": {Kind: Refuse, Status: 401},
		"15005550403": {Kind: Refuse, Status: 403},
		"15005550404": {Kind: Refuse, Status: 404},
		"15005550408": {Kind: Refuse, Status: 408},
		"15005550422": {Kind: Refuse, Status: 422},
		"15005550429": {Kind: Refuse, Status: 429},
		"15005550500": {Kind: Refuse, Status: 500},
		"15005550502": {Kind: BadGateway},
		"15005550503": {Kind: Refuse, Status: 503},
		"15005550001": {Kind: Slow, Delay: 3 * time.Second},
		"15005550002": {Kind: Hang},
		"15005550003": {Kind: AcceptHang},
		"15005550004": {Kind: AcceptReset},
		"15005550005": {Kind: AcceptTruncate},
		"15005550006": {Kind: Interim, Status: 101},
	}
}

func (f Fault) validate() error {
	low, high := 0, 0
	switch f.Kind {
	case Refuse:
		low, high = 400, 599
	case Redirect:
		low, high = 301, 308
	case Interim:
		low, high = 100, 199
	case NoID:
		low, high = 200, 299
	case "", BadGateway, Hang, Slow, AcceptHang, AcceptReset, AcceptTruncate:
	default:
		return fmt.Errorf("unknown kind %q", f.Kind)
	}
	if f.Status < low || f.Status > high {
		return fmt.Errorf("status %d of %q must be %d to %d", f.Status, f.Kind, low, high)
	}
	if f.Delay < 0 || f.Times < 0 {
		return fmt.Errorf("delay and times of %q must not be negative", f.Kind)
	}
	return nil
}

// accepts reports whether the message is accepted.
func (f Fault) accepts() bool {
	return !slices.Contains([]Kind{Refuse, BadGateway, Redirect, Interim, Hang}, f.Kind)
}

// nextFault returns the fault for a message to a number and counts it.
func (s *Simulator) nextFault(number string) Fault {
	magic, isMagic := s.magic[number]
	s.mu.Lock()
	defer s.mu.Unlock()
	f, found := s.faults[number]
	if !found && isMagic {
		return magic
	}
	if !found {
		number = ""
		f = s.faults[""]
	}
	rest := f
	switch rest.Times--; {
	case rest.Times == 0:
		delete(s.faults, number)
	case rest.Times > 0:
		s.faults[number] = rest
	}
	return f
}

// respond answers as the fault says. The zero Fault gives the normal answer.
func (s *Simulator) respond(w http.ResponseWriter, r *http.Request, f Fault, m Message) {
	if f.Delay > 0 && !wait(r.Context(), f.Delay) {
		return // the client left
	}
	switch f.Kind {
	case Refuse:
		var detail any = http.StatusText(f.Status)
		if f.Status == http.StatusBadRequest {
			detail = optedOut
		}
		s.fail(w, f.Status, detail)
	case BadGateway:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html><h1>502 Bad Gateway</h1></html>\n"))
	case Redirect:
		w.Header().Set("Location", "/v2.2/messages")
		w.WriteHeader(f.Status)
	case Interim:
		switching := f.Status == http.StatusSwitchingProtocols
		if switching {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "sms")
		}
		w.WriteHeader(f.Status)
		if switching { // any other interim status is sent at once, and Flush would send a 200 after it
			_ = http.NewResponseController(w).Flush() // fails only when the client has left
		}
		<-r.Context().Done()
	case Hang, AcceptHang:
		<-r.Context().Done()
	case NoID:
		answer(w, f.Status, map[string]any{"data": map[string]any{"type": "message"}})
	case AcceptReset:
		reset(w)
	case AcceptTruncate:
		status, body := accepted(r, m)
		whole, _ := json.Marshal(body) // strings only: never fails
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		w.WriteHeader(status)
		_, _ = w.Write(whole[:len(whole)/2]) // the server closes the connection, because the body is incomplete
	default:
		status, body := accepted(r, m)
		answer(w, status, body)
	}
}

// reset closes the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server closes the connection
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
