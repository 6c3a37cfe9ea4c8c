package flowroutetest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

const (
	controlPrefix = "/_sim/"
	defaultNumber = "default" // in a path, where Fail has ""
)

// controlFault is a [Fault] on the wire.
type controlFault struct {
	Kind   Kind   `json:"kind"`
	Status int    `json:"status"`
	Delay  string `json:"delay"` // a Go duration such as 200ms
	Times  int    `json:"times"`
}

// control answers the requests by which tests of another process see what was
// accepted and set faults.
func (s *Simulator) control(w http.ResponseWriter, r *http.Request, path string) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if !s.options.OpenControl && (err != nil || !from.Addr().Unmap().IsLoopback()) {
		s.fail(w, http.StatusNotFound, "The requested URL was not found on the server.")
		return
	}
	number, isFault := strings.CutPrefix(path, "faults/")
	recipient, isDelivery := strings.CutPrefix(path, "receipts/")
	if recipient == defaultNumber {
		recipient = ""
	}
	if number == defaultNumber {
		number = ""
	}
	switch {
	case path == "messages" && r.Method == http.MethodGet:
		s.controlMessages(w, digits(r.URL.Query().Get("to")))
	case path == "messages" && r.Method == http.MethodDelete:
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	case isFault && r.Method == http.MethodPut:
		s.controlSetFault(w, r, number)
	case isFault && r.Method == http.MethodDelete:
		_ = s.Fail(number, Fault{}) // the zero Fault is never an error
		w.WriteHeader(http.StatusNoContent)
	case isDelivery && r.Method == http.MethodPut:
		var d Delivery
		s.controlled(w, r, &d, func() error { return s.Deliver(recipient, d) })
	case path == "inbound" && r.Method == http.MethodPost:
		var in struct {
			From, To, Body string
			V2             bool
		}
		s.controlled(w, r, &in, func() error { s.Inbound(in.From, in.To, in.Body, in.V2); return nil })
	default:
		s.fail(w, http.StatusNotFound, "The requested URL was not found on the server.")
	}
}

// controlMessages answers with the counts and the kept messages to a number;
// "" is all.
func (s *Simulator) controlMessages(w http.ResponseWriter, to string) {
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

func (s *Simulator) controlSetFault(w http.ResponseWriter, r *http.Request, number string) {
	var wire controlFault
	s.controlled(w, r, &wire, func() (err error) {
		fault := Fault{Kind: wire.Kind, Status: wire.Status, Times: wire.Times}
		if wire.Delay != "" {
			fault.Delay, err = time.ParseDuration(wire.Delay)
		}
		if err == nil {
			err = s.Fail(number, fault)
		}
		return err
	})
}

// controlled reads what is wanted and does it.
func (s *Simulator) controlled(w http.ResponseWriter, r *http.Request, wire any, do func() error) {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(wire)
	if err == nil {
		err = do()
	}
	if err != nil {
		s.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
