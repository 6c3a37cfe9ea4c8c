package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

const (
	maxReceiptBody = 64 << 10 // bytes

	// maxReceipts is how many requests with receipts are worked on at a time:
	// half of what there are connections to the store, so that no flood of
	// receipts keeps creates and checks from it. The carrier sends again what
	// is refused.
	maxReceipts = 32
)

// Tracker follows messages on their way. *codes.Once is one.
type Tracker interface {
	Receive(ctx context.Context, r codes.Receipt) (codes.Received, error)
	Progress(ctx context.Context, id codes.ID) (codes.Progress, error)
}

// Webhook is how the carrier sends delivery receipts. The zero Webhook takes none.
type Webhook struct {
	Token string                                // end of the path; a secret; empty takes no receipts
	Parse func([]byte) ([]codes.Receipt, error) // reads a body
}

// receiptMetrics count what becomes of messages.
type receiptMetrics struct {
	receipts, delivered, undelivered *prometheus.CounterVec
	untracked                        prometheus.Counter
}

func newReceiptMetrics(callers []string, r prometheus.Registerer) receiptMetrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := receiptMetrics{
		receipts: counter("smsv_receipts_total",
			"Delivery receipts, by what they say and what became of them.", "status", "result"),
		delivered: counter("smsv_codes_delivered_total",
			"Messages that the network or the phone took, as receipts say; each once.", "area", "caller"),
		undelivered: counter("smsv_codes_undelivered_total",
			"Messages that were rejected on their way, as receipts say; each once.", "area", "caller"),
		untracked: prometheus.NewCounter(prometheus.CounterOpts{Name: "smsv_codes_untracked_total",
			Help: "Messages that were sent but could not be noted, so that their receipts do not count."}),
	}
	for _, caller := range callers {
		for area := range codes.Area(codes.Areas) {
			m.delivered.WithLabelValues(area.String(), caller)
			m.undelivered.WithLabelValues(area.String(), caller)
		}
	}
	r.MustRegister(m.receipts, m.delivered, m.undelivered, m.untracked)
	return m
}

// tell counts news; those of one message come to one replica alone.
func (m receiptMetrics) tell(n codes.News) {
	if n.Delivered {
		m.delivered.WithLabelValues(n.Area.String(), n.Caller).Inc()
	}
	if n.Failed {
		m.undelivered.WithLabelValues(n.Area.String(), n.Caller).Inc()
	}
}

// created tells what receipts said before their message was answered.
func (s *Server) created(c echo.Context, created codes.Created) {
	s.news.tell(created.News)
	if created.NoteErr != nil {
		s.news.untracked.Inc()
		s.Logger.LogAttrs(c.Request().Context(), slog.LevelWarn, "message sent, but its receipts will not be known",
			slog.String("request_id", idOf(c)), slog.String("error", created.NoteErr.Error()))
	}
}

type receivedBody struct {
	Message string `json:"message"`
}

// receive takes delivery receipts. The carrier sends again what is not
// answered with 200, so that is the answer to all that sending again would not
// help. The body holds the text of the message: nothing of it is kept.
func (s *Server) receive(c echo.Context) error {
	if !s.Webhook.accepts(c.Param("token")) {
		return echo.ErrNotFound // as if there were no such route
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxReceiptBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return invalid(http.StatusRequestEntityTooLarge, "The body must be at most 64 KiB")
	}
	if err != nil {
		return invalid(0, "The body must arrive whole")
	}
	receipts, err := s.Webhook.Parse(body)
	if err != nil {
		s.news.receipts.WithLabelValues("other", "malformed").Inc()
		s.Logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "receipt not understood",
			slog.String("request_id", idOf(c)), slog.String("error", err.Error()))
	}
	if err := s.receiveAll(c.Request().Context(), receipts); err != nil {
		return err
	}
	return reply(c, http.StatusOK, receivedBody{"Success: Receipt noted."})
}

func (s *Server) receiveAll(ctx context.Context, receipts []codes.Receipt) error {
	if err := s.receiving.enter(); err != nil {
		return err
	}
	defer s.receiving.leave()
	for _, r := range receipts {
		received, err := s.Tracker.Receive(ctx, r)
		s.news.tell(received.News)
		if err != nil {
			return err
		}
		s.news.receipts.WithLabelValues(r.Status, string(received.Result)).Inc()
	}
	return nil
}

// accepts compares in the same time whatever the token.
func (w Webhook) accepts(token string) bool {
	want, got := sha256.Sum256([]byte(w.Token)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && w.Token != ""
}
