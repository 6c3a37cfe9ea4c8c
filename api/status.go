package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

type statusBody struct {
	AuthID       string `json:"auth_id"`
	State        string `json:"state"`
	Reason       string `json:"reason,omitempty"`
	Description  string `json:"description,omitempty"`
	AttemptsLeft int64  `json:"attempts_left"`
	ExpiresIn    int64  `json:"expires_in"`
}

// status tells how a code and its message stand. It spends nothing, and tells
// nothing that brings a guess nearer.
func (s *Server) status(c echo.Context) error {
	const usage = "Required arguments: auth_id"
	arguments, err := fromQuery(c, usage, "auth_id")
	if err != nil {
		return err
	}
	id, err := codes.ParseID(arguments[0])
	if err != nil {
		return invalid(0, usage+"; "+err.Error())
	}
	progress, err := s.progress(c.Request().Context(), id)
	if err != nil {
		return err
	}
	body := statusBody{
		AuthID: string(id), AttemptsLeft: progress.Left,
		ExpiresIn: int64((progress.Remaining + time.Second - 1) / time.Second),
	}
	switch progress.Stage {
	case codes.Made:
		body.State = "created"
	case codes.Sent:
		body.State = "sent"
	case codes.Delivered:
		body.State = "delivered"
	case codes.Failed:
		body.State = "failed"
		body.Reason, body.Description = why(progress.Failure)
	case codes.Over:
		return noCode(ExpiredAuthCode, "Expired code", 0)
	default:
		return noCode(UnknownAuthID, "Unknown auth id", 0)
	}
	return reply(c, http.StatusOK, body)
}

// progress looks behind the gate of the checks.
func (s *Server) progress(ctx context.Context, id codes.ID) (codes.Progress, error) {
	if err := s.checks.enter(); err != nil {
		return codes.Progress{}, err
	}
	defer s.checks.leave()
	return s.Tracker.Progress(ctx, id)
}

// why puts a failure into words: one for programs, and a sentence.
func why(f codes.Failure) (reason, description string) {
	switch f {
	case codes.ByPhone:
		return "PhoneRejected", "The network took the message, but the phone rejected it: it is off, full, or blocks the sender"
	case codes.ByNetwork:
		return "NetworkRejected", "The network rejected the message"
	}
	return "NotDelivered", "The message was not delivered; the network does not say why"
}
