package api

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// twilio is the dialect of Twilio Verify, for Twilio's client libraries: forms in, JSON
// out, API keys as Basic passwords. A verification is found by its number, or by the SID
// that is derived from the number. See twilio-openapi.yaml.
type twilio struct {
	services map[string]string // as Options.TwilioServices
	hasher   *codes.Hasher
}

// twilioPath is the start of every Twilio path.
const twilioPath = "/v2/"

var (
	serviceSID      = regexp.MustCompile(`^VA[0-9a-fA-F]{32}$`)
	verificationSID = regexp.MustCompile(`^VE[0-9a-fA-F]{32}$`)
)

// service returns the service in the path, and its profile.
func (t twilio) service(c echo.Context) (sid, profile string, err error) {
	sid = c.Param("service")
	if !serviceSID.MatchString(sid) {
		return "", "", fail(NotFound, "")
	}
	return sid, t.services["VA"+strings.ToLower(sid[2:])], nil
}

// parseTo parses a number in E.164 form, as Twilio requires it.
func parseTo(text string) (codes.Phone, bool) {
	to, err := codes.ParsePhone(text)
	return to, err == nil && text[0] == '+'
}

func (t twilio) readCreate(c echo.Context) (r codes.CreateRequest, err error) {
	if r.Service, r.Profile, err = t.service(c); err != nil {
		return r, err
	}
	form, err := fromForm(c, "To", "Channel", "Locale")
	if err != nil {
		return r, err
	}
	var ok bool
	if r.Recipient, ok = parseTo(form.Get("To")); !ok {
		return r, invalidParameter("To")
	}
	if form.Get("Channel") != "sms" {
		return r, invalidParameter("Channel")
	}
	if form.Has("Locale") {
		if r.Locale, err = codes.ParseLocale(form.Get("Locale")); err != nil {
			return r, invalidParameter("Locale")
		}
	}
	r.Key, err = idempotencyKey(c)
	return r, err
}

func (t twilio) readCheck(c echo.Context) (r codes.CheckRequest, err error) {
	if r.Service, r.Profile, err = t.service(c); err != nil {
		return r, err
	}
	form, err := fromForm(c, "Code", "To", "VerificationSid")
	if err != nil {
		return r, err
	}
	if form.Has("VerificationSid") {
		if !verificationSID.MatchString(form.Get("VerificationSid")) {
			return r, invalidParameter("VerificationSid")
		}
		r.ID = codes.ID(form.Get("VerificationSid"))
	}
	if form.Has("To") || r.ID == "" {
		var ok bool
		if r.Recipient, ok = parseTo(form.Get("To")); !ok {
			return r, invalidParameter("To")
		}
	}
	if r.Code, err = codes.ParseCode(form.Get("Code")); err != nil {
		return r, invalidParameter("Code")
	}
	r.Key, err = idempotencyKey(c)
	return r, err
}

// readID reads the service, and the SID or the number, in the path.
func (t twilio) readID(c echo.Context) (r codes.StatusRequest, err error) {
	if r.Service, r.Profile, err = t.service(c); err != nil {
		return r, err
	}
	text, err := url.PathUnescape(c.Param("sid"))
	if err == nil && verificationSID.MatchString(text) {
		r.ID = codes.ID(text)
		return r, nil
	}
	var ok bool
	if r.Recipient, ok = parseTo(text); err != nil || !ok {
		return r, fail(NotFound, "")
	}
	return r, nil
}

func (t twilio) readCancel(c echo.Context) (codes.StatusRequest, error) {
	r, err := t.readID(c)
	if err != nil {
		return r, err
	}
	form, err := fromForm(c, "Status")
	if err == nil && form.Get("Status") != "canceled" {
		err = invalidParameter("Status")
	}
	return r, err
}

// verificationBody has the members that all answers about a verification share.
type verificationBody struct {
	SID         string    `json:"sid"`
	ServiceSID  string    `json:"service_sid"`
	AccountSID  string    `json:"account_sid"`
	To          *string   `json:"to"` // null if not known
	Channel     string    `json:"channel"`
	Status      string    `json:"status"`
	Valid       bool      `json:"valid"`
	Amount      *string   `json:"amount"` // null
	Payee       *string   `json:"payee"`  // null
	DateCreated time.Time `json:"date_created"`
	DateUpdated time.Time `json:"date_updated"`
}

// startedBody is the body of a verification.
type startedBody struct {
	verificationBody
	Lookup           struct{}          `json:"lookup"`
	SendCodeAttempts []sendAttemptBody `json:"send_code_attempts"`
	SNA              *string           `json:"sna"` // null
	URL              string            `json:"url"`
}

type sendAttemptBody struct {
	Time       time.Time `json:"time"`
	Channel    string    `json:"channel"`
	AttemptSID string    `json:"attempt_sid"`
}

// checkedBody is the body of a check.
type checkedBody struct {
	verificationBody
	SNAAttemptsErrorCodes []string `json:"sna_attempts_error_codes"` // empty
}

// body returns a verification by its id, or by its number if the id is empty.
func (t twilio) body(c echo.Context, id codes.ID, to codes.Phone, status string) verificationBody {
	now := time.Now().UTC().Truncate(time.Second) // twilio-python parses no fractions; the real times are not stored
	b := verificationBody{
		SID: string(id), ServiceSID: c.Param("service"), Channel: "sms", Status: status, Valid: status == "approved",
		DateCreated: now, DateUpdated: now,
	}
	b.AccountSID, _, _ = c.Request().BasicAuth()
	if id == "" {
		b.SID = string(t.hasher.Verification(b.ServiceSID, to))
	}
	if to != "" {
		number := "+" + string(to)
		b.To = &number
	}
	return b
}

// writeVerification answers with a verification.
func (t twilio) writeVerification(c echo.Context, httpStatus int, id codes.ID, to codes.Phone, status string) error {
	b := startedBody{verificationBody: t.body(c, id, to, status)}
	b.SendCodeAttempts = []sendAttemptBody{{Time: b.DateCreated, Channel: "SMS", AttemptSID: "VL" + strings.TrimPrefix(b.SID, "VE")}}
	scheme := "http"
	if c.Request().Header.Get(echo.HeaderXForwardedProto) == "https" { // trusted from anyone: only this client sees the result
		scheme = "https"
	}
	b.URL = scheme + "://" + c.Request().Host + twilioPath + "Services/" + b.ServiceSID + "/Verifications/" + b.SID
	return reply(c, httpStatus, b)
}

func (t twilio) writeCreated(c echo.Context, r codes.CreateRequest, _ codes.Created) error {
	return t.writeVerification(c, http.StatusCreated, "", r.Recipient, "pending")
}

func (t twilio) writeChecked(c echo.Context, r codes.CheckRequest, o codes.Outcome) error {
	status := "pending"
	switch {
	case o.Status == codes.Right:
		status = "approved"
	case o.Status == codes.Expired:
		return fail(ExpiredAuthCode, "")
	case o.Status != codes.Wrong:
		return fail(UnknownAuthID, "")
	case o.AttemptsLeft == 0:
		return fail(InvalidAuthCode, "")
	}
	return reply(c, http.StatusOK, checkedBody{t.body(c, r.ID, r.Recipient, status), []string{}})
}

// writeLive returns the writer of a route that answers with the status of a live
// verification.
func (t twilio) writeLive(status string) func(echo.Context, codes.StatusRequest, codes.Progress) error {
	return func(c echo.Context, r codes.StatusRequest, p codes.Progress) error {
		switch p.Stage {
		case codes.StageExpired:
			return fail(ExpiredAuthCode, "")
		case codes.StageUnknown:
			return fail(UnknownAuthID, "")
		}
		return t.writeVerification(c, http.StatusOK, r.ID, r.Recipient, status)
	}
}

// apiKey returns the password of HTTP Basic.
func (twilio) apiKey(h http.Header) (key string, sent bool) {
	if len(h[echo.HeaderAuthorization]) != 1 {
		return "", false
	}
	_, key, sent = (&http.Request{Header: h}).BasicAuth()
	return key, sent
}
