package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

const (
	maxReceiptBody = 64 << 10 // bytes

	// maxReceipts is how many requests with receipts are worked on at a time. It is half
	// of the connections to the store, so that a flood of receipts leaves the rest to
	// creates and checks. The carrier repeats refused receipts.
	maxReceipts = 32
)

// Webhook is how the carrier delivers receipts. The zero Webhook accepts none.
type Webhook struct {
	Token string                                // last element of the path; a secret
	Parse func([]byte) ([]codes.Receipt, error) // parses a request body
}

type receivedBody struct {
	Message string `json:"message"`
}

// receive handles delivery receipts. The carrier repeats a request that is not answered
// with 200, so 200 is the answer wherever a repetition would not help. Nothing of the body
// is stored or logged: it holds the text of the message.
func (s *Server) receive(c echo.Context) error {
	if !s.Webhook.accepts(c.Param("token")) {
		return echo.ErrNotFound // indistinguishable from a missing route
	}
	body, err := readBody(c, maxReceiptBody)
	if err != nil {
		return err
	}
	receipts, err := s.Webhook.Parse(body)
	if err != nil {
		s.receipts.WithLabelValues("other", "malformed").Inc()
		s.Logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "receipt not understood",
			slog.String("request_id", idOf(c)), slog.String("error", err.Error()))
	}
	if err := s.receiving.enter(); err != nil {
		return err
	}
	defer s.receiving.leave()
	for _, r := range receipts {
		result, err := s.Service.Receive(c.Request().Context(), r)
		if err != nil {
			return err
		}
		s.receipts.WithLabelValues(r.Status, string(result)).Inc()
	}
	return reply(c, http.StatusOK, receivedBody{"Success: Receipt noted."})
}

// accepts compares in constant time.
func (w Webhook) accepts(token string) bool {
	want, got := sha256.Sum256([]byte(w.Token)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && w.Token != ""
}
