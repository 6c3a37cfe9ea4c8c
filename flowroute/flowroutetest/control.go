package flowroutetest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"time"
)

const (
	controlPrefix = "/_sim/"
	defaultNumber = "default" // in a path, for all numbers without a fault or delivery of their own
)

// newControlAPI returns the handler of the requests by which tests in another
// process see what was accepted and set faults.
func (s *Simulator) newControlAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sim/messages", s.controlMessages)
	mux.HandleFunc("DELETE /_sim/messages", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /_sim/faults/{number}", func(w http.ResponseWriter, r *http.Request) {
		var wire struct {
			Kind   Kind
			Status int
			Delay  string // a Go duration such as 200ms
			Times  int
		}
		s.control(w, r, &wire, func() (err error) {
			fault := Fault{Kind: wire.Kind, Status: wire.Status, Times: wire.Times}
			if wire.Delay != "" {
				fault.Delay, err = time.ParseDuration(wire.Delay)
			}
			if err == nil {
				err = s.Fail(pathNumber(r), fault)
			}
			return err
		})
	})
	mux.HandleFunc("DELETE /_sim/faults/{number}", func(w http.ResponseWriter, r *http.Request) {
		_ = s.Fail(pathNumber(r), Fault{}) // the zero Fault is never an error
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /_sim/receipts/{number}", func(w http.ResponseWriter, r *http.Request) {
		var d Delivery
		s.control(w, r, &d, func() error { return s.Deliver(pathNumber(r), d) })
	})
	mux.HandleFunc("POST /_sim/inbound", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			From, To, Body string
			V2             bool
		}
		s.control(w, r, &in, func() error { s.Inbound(in.From, in.To, in.Body, in.V2); return nil })
	})
	mux.HandleFunc(controlPrefix, s.notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if !s.options.OpenControl && (err != nil || !from.Addr().Unmap().IsLoopback()) {
			s.notFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// pathNumber returns the number in a path, as Fail and Deliver take it.
func pathNumber(r *http.Request) string {
	if number := r.PathValue("number"); number != defaultNumber {
		return number
	}
	return ""
}

// controlMessages answers with the counts and the kept messages, all or those
// to one number.
func (s *Simulator) controlMessages(w http.ResponseWriter, r *http.Request) {
	to := digits(r.URL.Query().Get("to"))
	messages := []Message{} // never null
	for _, m := range s.Messages() {
		if to == "" || m.To == to {
			messages = append(messages, m)
		}
	}
	answer(w, http.StatusOK, struct {
		Counts
		Messages []Message `json:"messages"`
	}{s.Requests(), messages})
}

// control decodes the body of a request and then calls do.
func (s *Simulator) control(w http.ResponseWriter, r *http.Request, body any, do func() error) {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(body)
	if err == nil {
		err = do()
	}
	if err != nil {
		s.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
