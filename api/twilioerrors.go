package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// invalidParameter is the error of a form with a bad parameter.
func invalidParameter(name string) *failure {
	f := invalid(0, "Invalid parameter: "+name)
	f.argument = name
	return f
}

// unsupported are parameters that have no counterpart here. A client that relies on one
// must get an error, not a success.
var unsupported = []string{"CustomCode", "Amount", "Payee"}

// fromForm reads a form of at most maxBody bytes. Its errors name a parameter only if it
// is one of names, the parameters of the route.
func fromForm(c echo.Context, names ...string) (url.Values, error) {
	r := c.Request()
	if mediaType(r.Header) != echo.MIMEApplicationForm {
		return nil, invalid(http.StatusUnsupportedMediaType, "the Content-Type must be application/x-www-form-urlencoded, without Content-Encoding")
	}
	body, err := readBody(c, maxBody)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalid(0, "the body must be URL-encoded, including semicolons")
	}
	for name, values := range form {
		if len(values) == 1 && utf8.ValidString(name) && utf8.ValidString(values[0]) {
			continue
		}
		if slices.Contains(names, name) {
			return nil, invalidParameter(name)
		}
		return nil, invalid(0, "Invalid parameter: each must be given once, in UTF-8")
	}
	for _, name := range unsupported {
		if form.Has(name) {
			return nil, invalidParameter(name)
		}
	}
	r.PostForm = form // writeError needs the number
	return form, nil
}

// twilioErrorBody is the body of every error. It must not have the members type and
// title: Twilio's clients take an error with these for another class of error.
type twilioErrorBody struct {
	Code     int    `json:"code"`
	Message  string `json:"message"`
	MoreInfo string `json:"more_info"`
	Status   int    `json:"status"`
}

// twilioError is Twilio's error for a reason. An empty message stands for that of the
// failure.
type twilioError struct {
	status, code int
	message      string
}

var (
	tooManySends   = twilioError{http.StatusTooManyRequests, 60203, "Max send attempts reached"}
	tooManyChecks  = twilioError{http.StatusTooManyRequests, 60202, "Max check attempts reached"}
	blockedByGuard = twilioError{http.StatusForbidden, 60410, "Verification delivery attempt blocked"}
)

// twilioErrors is the one table from reason to Twilio's error. See twilioErrorOf for the
// exceptions: some limits, and failures with a status of their own.
var twilioErrors = map[Reason]twilioError{
	InvalidAuthCode:     tooManyChecks,
	ExpiredAuthCode:     {http.StatusNotFound, 20404, ""},
	UnknownAuthID:       {http.StatusNotFound, 20404, ""},
	NotFound:            {http.StatusNotFound, 20404, ""},
	InvalidAPIUsage:     {http.StatusBadRequest, 60200, ""},
	Unauthorized:        {http.StatusUnauthorized, 20003, "Authenticate"},
	RecipientNotAllowed: {http.StatusForbidden, 60605, "Verification delivery attempt blocked"},
	ProfileNotAllowed:   {http.StatusForbidden, 20003, ""},
	MethodNotAllowed:    {http.StatusMethodNotAllowed, 20004, ""},
	IdempotencyConflict: {http.StatusUnprocessableEntity, 20422, ""},
	RateLimited:         {http.StatusTooManyRequests, 20429, "Too many requests"},
	MessageRejected:     {http.StatusBadRequest, 60200, "Invalid parameter `To`: the carrier refuses messages to this number"},
	MessageUnconfirmed:  {http.StatusInternalServerError, 20500, ""}, // never used: writeError answers with a verification
	SenderRefused:       {http.StatusInternalServerError, 20500, "Internal Server Error"},
	InternalError:       {http.StatusInternalServerError, 20500, "Internal Server Error"},
	ServiceUnavailable:  {http.StatusServiceUnavailable, 20503, ""},
}

// twilioErrorOf returns the error of a failure.
func twilioErrorOf(f *failure) twilioError {
	e := twilioErrors[f.reason]
	setting, _, _ := strings.Cut(f.limit, " ")
	switch {
	case setting == "SEND_LIMITS":
		e = tooManySends
	case setting == "GUESS_LIMITS":
		e = tooManyChecks
	case setting == "UNVERIFIED_LIMITS":
		e = blockedByGuard
	case f.status != 0:
		e.status, e.code = f.status, 20000+f.status
	}
	if e.message == "" {
		e.message = f.message
	}
	return e
}

func (t twilio) writeError(c echo.Context, f *failure) error {
	if f.reason == MessageUnconfirmed { // the message may arrive, so the code must be usable
		to, _ := parseTo(c.Request().PostForm.Get("To"))
		return t.writeVerification(c, http.StatusCreated, "", to, "pending")
	}
	e := twilioErrorOf(f)
	switch e.status {
	case http.StatusUnauthorized:
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Basic realm="sms-verification"`)
	case http.StatusNotFound:
		e.message = "The requested resource " + resource(c) + " was not found"
	}
	return reply(c, e.status, twilioErrorBody{
		Code:     e.code,
		Message:  e.message,
		MoreInfo: "https://www.twilio.com/docs/errors/" + strconv.Itoa(e.code),
		Status:   e.status,
	})
}

// resource names the target of a request by its route, since the path may hold a number.
func resource(c echo.Context) string {
	if c.Path() == "" {
		return "at this address"
	}
	return strings.NewReplacer(":service", "{ServiceSid}", ":sid", "{Sid}").Replace(c.Path())
}
