package api

import (
	_ "embed"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// maxBody bounds a request body, in bytes.
const maxBody = 4 << 10

//go:embed openapi.yaml
var openAPI []byte

type createdBody struct {
	Message      string `json:"message"`
	AuthID       string `json:"auth_id"`
	ExpiresIn    int64  `json:"expires_in"`
	AttemptsLeft int64  `json:"attempts_left"`
}

type verifiedBody struct {
	Authenticated bool   `json:"authenticated"`
	AuthID        string `json:"auth_id"`
	Message       string `json:"message"`
}

type cancelledBody struct {
	Message string `json:"message"`
	AuthID  string `json:"auth_id"`
}

func (s *Server) create(c echo.Context) error {
	const usage = "Required arguments: auth_id and recipient"
	arguments, err := fromBody(c, usage, "auth_id", "recipient")
	if err != nil {
		return err
	}
	id, err := codes.ParseID(arguments[0])
	if err != nil {
		return invalid(0, usage+"; "+err.Error())
	}
	to, err := codes.ParsePhone(arguments[1])
	if err != nil {
		return invalid(0, usage+"; "+err.Error())
	}
	key, err := idempotencyKey(c, usage)
	if err != nil {
		return err
	}
	n, begun := noteOf(c), time.Now()
	ctx := codes.WithCaller(c.Request().Context(), n.caller)
	var created codes.Created
	if key.Value == "" {
		created, err = s.Service.Create(ctx, id, to)
	} else {
		created, err = s.Service.CreateOnce(ctx, key, id, to)
	}
	n.recipient, n.ends = created.Recipient, to.LastTwo()
	s.funnel.created(n.caller, begun, created, err)
	if err != nil {
		return err
	}
	s.created(c, created)
	return reply(c, http.StatusOK, createdBody{
		Message:      "Success: Verification code created.",
		AuthID:       string(id),
		ExpiresIn:    seconds(created.Expiration),
		AttemptsLeft: created.Attempts,
	})
}

const verifyUsage = "Required arguments: auth_id and code"

func (s *Server) verifyQuery(c echo.Context) error {
	arguments, err := fromQuery(c, verifyUsage, "auth_id", "code")
	if err != nil {
		return err
	}
	return s.verify(c, arguments[0], arguments[1])
}

func (s *Server) verifyBody(c echo.Context) error {
	arguments, err := fromBody(c, verifyUsage, "auth_id", "code")
	if err != nil {
		return err
	}
	return s.verify(c, arguments[0], arguments[1])
}

func (s *Server) verify(c echo.Context, authID, digits string) error {
	id, err := codes.ParseID(authID)
	if err != nil {
		return invalid(0, verifyUsage+"; "+err.Error())
	}
	code, err := codes.ParseCode(digits)
	if err != nil {
		return invalid(0, verifyUsage+"; "+err.Error())
	}
	key, err := idempotencyKey(c, verifyUsage)
	if err != nil {
		return err
	}
	var outcome codes.Outcome
	if key.Value == "" {
		outcome, err = s.Service.Verify(c.Request().Context(), id, code)
	} else {
		outcome, err = s.Service.VerifyOnce(c.Request().Context(), key, id, code)
	}
	if err != nil {
		return err
	}
	n := noteOf(c)
	n.recipient = outcome.Recipient
	s.funnel.checked(n.caller, outcome)
	switch outcome.Status {
	case codes.Right:
		return reply(c, http.StatusOK, verifiedBody{
			Authenticated: true,
			AuthID:        string(id),
			Message:       "Success: Authorization code verified.",
		})
	case codes.Wrong:
		return noCode(InvalidAuthCode, "Invalid code", outcome.Left)
	case codes.Expired:
		return noCode(ExpiredAuthCode, "Expired code", 0)
	default:
		return noCode(UnknownAuthID, "Unknown auth id", 0)
	}
}

func (s *Server) cancel(c echo.Context) error {
	const usage = "Required arguments: auth_id"
	arguments, err := fromQuery(c, usage, "auth_id")
	if err != nil {
		return err
	}
	id, err := codes.ParseID(arguments[0])
	if err != nil {
		return invalid(0, usage+"; "+err.Error())
	}
	rest, err := s.Service.Cancel(c.Request().Context(), id)
	s.funnel.cancelled(rest)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, cancelledBody{Message: "Success: Verification code removed.", AuthID: string(id)})
}

func (s *Server) describe(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", openAPI)
}

// fromBody reads the named arguments from a JSON body.
func fromBody(c echo.Context, usage string, names ...string) ([]string, error) {
	r := c.Request()
	if !isJSON(r.Header) {
		return nil, invalid(http.StatusUnsupportedMediaType, usage+" as JSON; Content-Type must be application/json, without Content-Encoding")
	}
	body, err := readBody(c.Response(), r)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, invalid(http.StatusRequestEntityTooLarge, usage+"; the body must be at most 4 KiB")
	}
	if err != nil {
		return nil, invalid(0, usage+"; the body must arrive whole")
	}
	raw, err := decodeObject(body, names...)
	if err != nil {
		return nil, invalid(0, usage+"; the body must "+err.Error())
	}
	values := make([]string, len(names))
	for i, name := range names {
		if raw[i] == nil {
			return nil, invalid(0, usage+"; "+name+" is missing")
		}
		if values[i], err = text(raw[i]); err != nil {
			return nil, invalid(0, usage+"; "+name+" must be "+err.Error())
		}
	}
	return values, nil
}

// readBody reads a body of at most maxBody bytes.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

func isJSON(h http.Header) bool {
	for _, encoding := range h[echo.HeaderContentEncoding] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return false
		}
	}
	types := h[echo.HeaderContentType]
	if len(types) != 1 {
		return false
	}
	if types[0] == "application/json" {
		return true // as nearly all are
	}
	mediaType, parameters, err := mime.ParseMediaType(types[0])
	if err != nil {
		return false
	}
	_, subtype, _ := strings.Cut(mediaType, "/")
	charset, given := parameters["charset"]
	return (mediaType == "application/json" || strings.HasSuffix(subtype, "+json")) &&
		(!given || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8"))
}

// fromQuery reads the named arguments from the URL.
func fromQuery(c echo.Context, usage string, names ...string) ([]string, error) {
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, invalid(0, usage+"; the query must be URL-encoded, a semicolon too")
	}
	values := make([]string, len(names))
	for i, name := range names {
		switch given := query[name]; {
		case len(given) == 0:
			return nil, invalid(0, usage+"; "+name+" is missing")
		case len(given) > 1:
			return nil, invalid(0, usage+"; "+name+" must be given once")
		case !utf8.ValidString(given[0]):
			return nil, invalid(0, usage+"; "+name+" must be valid UTF-8")
		default:
			values[i] = given[0]
		}
	}
	return values, nil
}

const maxKey = 255 // characters of an idempotency key

// idempotencyKey reads the request's key; its value is empty if there is none.
func idempotencyKey(c echo.Context, usage string) (codes.Key, error) {
	values := c.Request().Header["Idempotency-Key"]
	if len(values) == 0 {
		return codes.Key{}, nil
	}
	value := values[0]
	visible := strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	if len(values) > 1 || value == "" || len(value) > maxKey || !visible {
		return codes.Key{}, invalid(0, usage+"; Idempotency-Key must be given once and be 1 to 255 visible ASCII characters")
	}
	return codes.Key{Caller: noteOf(c).caller, Route: routeOf(c), Value: value}, nil
}
