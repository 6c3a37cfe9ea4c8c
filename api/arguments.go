package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// maxBody bounds a request body, in bytes.
const maxBody = 4 << 10

// fromBody returns the named members of a JSON body as text. The first required ones must
// be present. An optional one is "" if it is missing, so it must not be given as "".
func fromBody(c echo.Context, required int, names ...string) ([]string, error) {
	r := c.Request()
	media := mediaType(r.Header)
	if _, subtype, _ := strings.Cut(media, "/"); media != echo.MIMEApplicationJSON && !strings.HasSuffix(subtype, "+json") {
		return nil, invalid(http.StatusUnsupportedMediaType, "the body must be JSON: Content-Type must be application/json, without Content-Encoding")
	}
	body, err := readBody(c, maxBody)
	if err != nil {
		return nil, err
	}
	raw, err := decodeObject(body, names...)
	if err != nil {
		return nil, invalid(0, "the body must "+err.Error())
	}
	values := make([]string, len(names))
	for i, name := range names {
		if raw[i] == nil && i >= required {
			continue
		}
		if raw[i] == nil {
			return nil, invalid(0, name+" is missing")
		}
		if values[i], err = text(raw[i]); err != nil {
			return nil, invalid(0, name+" must be "+err.Error())
		}
		if i >= required && values[i] == "" {
			return nil, invalid(0, name+" must not be empty")
		}
	}
	return values, nil
}

// readBody reads a body of at most limit bytes.
func readBody(c echo.Context, limit int64) (body []byte, err error) {
	r := c.Request()
	if r.ContentLength < 0 || r.ContentLength > limit {
		body, err = io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, limit))
	} else {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, body)
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, invalid(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body must be at most %d KiB", limit>>10))
	}
	if err != nil {
		return nil, invalid(0, "the body ended early; send all of it")
	}
	return body, nil
}

// mediaType returns the media type of a body, or "" if the body is encoded, not UTF-8, or
// its type is not given exactly once.
func mediaType(h http.Header) string {
	for _, encoding := range h[echo.HeaderContentEncoding] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return ""
		}
	}
	types := h[echo.HeaderContentType]
	if len(types) != 1 {
		return ""
	}
	if types[0] == echo.MIMEApplicationJSON {
		return types[0] // the common case, without parsing
	}
	media, parameters, err := mime.ParseMediaType(types[0])
	charset, given := parameters["charset"]
	if err != nil || given && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") {
		return ""
	}
	return media
}

// fromQuery is fromBody for arguments in the URL.
func fromQuery(c echo.Context, required int, names ...string) ([]string, error) {
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, invalid(0, "the query must be URL-encoded, including semicolons")
	}
	values := make([]string, len(names))
	for i, name := range names {
		switch given := query[name]; {
		case len(given) == 0 && i >= required:
		case len(given) == 0:
			return nil, invalid(0, name+" is missing")
		case len(given) > 1:
			return nil, invalid(0, name+" must be given once")
		case !utf8.ValidString(given[0]):
			return nil, invalid(0, name+" must be valid UTF-8")
		case i >= required && given[0] == "":
			return nil, invalid(0, name+" must not be empty")
		default:
			values[i] = given[0]
		}
	}
	return values, nil
}

const maxKey = 255 // characters of an idempotency key

// idempotencyKey returns the key of a request; its value is empty if there is none.
func idempotencyKey(c echo.Context) (codes.IdempotencyKey, error) {
	values := c.Request().Header["Idempotency-Key"]
	if len(values) == 0 {
		return codes.IdempotencyKey{}, nil
	}
	value := values[0]
	visible := strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	if len(values) > 1 || value == "" || len(value) > maxKey || !visible {
		return codes.IdempotencyKey{}, invalid(0, "Idempotency-Key must be given once and be 1 to 255 visible ASCII characters")
	}
	return codes.IdempotencyKey{Route: routeOf(c), Value: value}, nil
}
