package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// native is the service's own dialect: JSON, API keys as bearer tokens, and an error for
// every code that is not right.
type native struct{}

// usage lists the required arguments of a route. Every InvalidAPIUsage begins with it.
func usage(route string) string {
	switch route {
	case "POST /":
		return "Required arguments: auth_id and recipient; "
	case "GET /", "POST /verify":
		return "Required arguments: auth_id and code; "
	case "DELETE /", "GET /status":
		return "Required arguments: auth_id; "
	}
	return ""
}

func (native) readCreate(c echo.Context) (r codes.CreateRequest, err error) {
	arguments, err := fromBody(c, 2, "auth_id", "recipient", "profile", "locale", "client")
	if err != nil {
		return r, err
	}
	if r.ID, err = codes.ParseID(arguments[0]); err != nil {
		return r, err
	}
	if r.Recipient, err = codes.ParsePhone(arguments[1]); err != nil {
		return r, err
	}
	r.Profile = arguments[2]
	if arguments[3] != "" {
		if r.Locale, err = codes.ParseLocale(arguments[3]); err != nil {
			return r, err
		}
	}
	if arguments[4] != "" {
		if r.Client, err = codes.ParseClient(arguments[4]); err != nil {
			return r, err
		}
	}
	r.Key, err = idempotencyKey(c)
	return r, err
}

type createdBody struct {
	Message      string `json:"message"`
	AuthID       string `json:"auth_id"`
	ExpiresIn    int64  `json:"expires_in"`
	AttemptsLeft int64  `json:"attempts_left"`
	ResendAfter  int64  `json:"resend_after"`
}

func (native) writeCreated(c echo.Context, r codes.CreateRequest, created codes.Created) error {
	return reply(c, http.StatusOK, createdBody{
		Message:      "Success: Verification code created.",
		AuthID:       string(r.ID),
		ExpiresIn:    seconds(created.Lifetime),
		AttemptsLeft: created.Attempts,
		ResendAfter:  int64(created.ResendAfter / time.Second),
	})
}

func (n native) readCheckQuery(c echo.Context) (codes.CheckRequest, error) {
	arguments, err := fromQuery(c, 2, "auth_id", "code", "recipient", "profile")
	if err != nil {
		return codes.CheckRequest{}, err
	}
	if number, wasPlus := strings.CutPrefix(arguments[2], " "); wasPlus { // as a plus sign is decoded
		arguments[2] = "+" + number
	}
	return n.checkRequest(c, arguments)
}

func (n native) readCheckBody(c echo.Context) (codes.CheckRequest, error) {
	arguments, err := fromBody(c, 2, "auth_id", "code", "recipient", "profile")
	if err != nil {
		return codes.CheckRequest{}, err
	}
	return n.checkRequest(c, arguments)
}

// checkRequest parses auth_id, code, recipient and profile.
func (native) checkRequest(c echo.Context, arguments []string) (r codes.CheckRequest, err error) {
	if r.ID, err = codes.ParseID(arguments[0]); err != nil {
		return r, err
	}
	if r.Code, err = codes.ParseCode(arguments[1]); err != nil {
		return r, err
	}
	if arguments[2] != "" {
		if r.Recipient, err = codes.ParsePhone(arguments[2]); err != nil {
			return r, err
		}
	}
	r.Profile = arguments[3]
	r.Key, err = idempotencyKey(c)
	return r, err
}

type verifiedBody struct {
	Authenticated bool   `json:"authenticated"`
	AuthID        string `json:"auth_id"`
	Message       string `json:"message"`
}

func (native) writeChecked(c echo.Context, r codes.CheckRequest, o codes.Outcome) error {
	switch o.Status {
	case codes.Right:
		return reply(c, http.StatusOK, verifiedBody{
			Authenticated: true,
			AuthID:        string(r.ID),
			Message:       "Success: Authorization code verified.",
		})
	case codes.Wrong:
		return notVerified(InvalidAuthCode, "Invalid code", o.AttemptsLeft)
	case codes.Expired:
		return notVerified(ExpiredAuthCode, "Expired code", 0)
	default:
		return notVerified(UnknownAuthID, "Unknown auth id", 0)
	}
}

// readID reads the request of a route that needs no more than an auth_id.
func (native) readID(c echo.Context) (r codes.StatusRequest, err error) {
	arguments, err := fromQuery(c, 1, "auth_id", "profile")
	if err != nil {
		return r, err
	}
	r.Profile = arguments[1]
	r.ID, err = codes.ParseID(arguments[0])
	return r, err
}

type cancelledBody struct {
	Message string `json:"message"`
	AuthID  string `json:"auth_id"`
}

func (native) writeCancelled(c echo.Context, r codes.StatusRequest, _ struct{}) error {
	return reply(c, http.StatusOK, cancelledBody{Message: "Success: Verification code removed.", AuthID: string(r.ID)})
}

type statusBody struct {
	AuthID       string `json:"auth_id"`
	State        string `json:"state"`
	Reason       string `json:"reason,omitempty"`
	Description  string `json:"description,omitempty"`
	AttemptsLeft int64  `json:"attempts_left"`
	ExpiresIn    int64  `json:"expires_in"`
}

func (native) writeStatus(c echo.Context, r codes.StatusRequest, p codes.Progress) error {
	body := statusBody{
		AuthID: string(r.ID), AttemptsLeft: p.AttemptsLeft,
		ExpiresIn: int64((p.TTLLeft + time.Second - 1) / time.Second),
	}
	switch p.Stage {
	case codes.StagePending:
		body.State = "created"
	case codes.StageSent:
		body.State = "sent"
	case codes.StageDelivered:
		body.State = "delivered"
	case codes.StageFailed:
		body.State = "failed"
		body.Reason, body.Description = describeFailure(p.Failure)
	case codes.StageExpired:
		return notVerified(ExpiredAuthCode, "Expired code", 0)
	default:
		return notVerified(UnknownAuthID, "Unknown auth id", 0)
	}
	return reply(c, http.StatusOK, body)
}

// describeFailure returns a failure for programs and for developers.
func describeFailure(f codes.Failure) (reason, description string) {
	switch f {
	case codes.ByPhone:
		return "PhoneRejected", "The network took the message, but the phone rejected it: it is off, full, or blocks the sender"
	case codes.ByNetwork:
		return "NetworkRejected", "The network rejected the message"
	}
	return "NotDelivered", "The message was not delivered; the network does not say why"
}

func (native) apiKey(h http.Header) (key string, sent bool) {
	headers := h[echo.HeaderAuthorization]
	if len(headers) != 1 {
		return "", false
	}
	scheme, key, found := strings.Cut(headers[0], " ")
	return key, found && strings.EqualFold(scheme, "Bearer")
}

// errorBody is the body of every error.
type errorBody struct {
	Message      string `json:"message"`
	Reason       Reason `json:"reason"`
	AttemptsLeft *int64 `json:"attempts_left,omitempty"`
	Limit        string `json:"limit,omitempty"`
	RetryAfter   int64  `json:"retry_after,omitempty"`
}

func (native) writeError(c echo.Context, f *failure) error {
	status := f.status
	if status == 0 {
		status = statuses[f.reason]
	}
	if status == http.StatusUnauthorized {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, "Bearer")
	}
	message := f.message
	if f.reason == InvalidAPIUsage {
		message = usage(routeOf(c)) + message
	}
	return reply(c, status, errorBody{
		Message:      message,
		Reason:       f.reason,
		AttemptsLeft: f.attemptsLeft,
		Limit:        f.limit,
		RetryAfter:   f.retryAfter,
	})
}
