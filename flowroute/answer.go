package flowroute

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

const (
	maxAnswer = 64 << 10 // bytes of an answer that are read

	// Flowroute limits each clock second, so a second is enough.
	defaultPause = time.Second
	maxPause     = time.Hour // a longer Retry-After is ignored
)

// StatusError is an HTTP answer, other than 429, that does not accept the
// message. It wraps [codes.ErrRejected], [codes.ErrSenderRefused] or
// [codes.ErrUnconfirmed]. It leaves out Flowroute's own text, which may repeat
// the number.
type StatusError struct {
	Status  int    // HTTP status
	ErrorID string // Flowroute's id of the error, for its support; may be empty
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%v: status %d", e.Unwrap(), e.Status)
	if e.Status >= 200 && e.Status < 300 {
		text += " without a message id"
	}
	if e.ErrorID != "" {
		text += ", error id " + e.ErrorID
	}
	return text
}

// Unwrap returns what the status means for the message.
func (e *StatusError) Unwrap() error {
	switch {
	case e.Status == http.StatusBadRequest, e.Status == http.StatusUnprocessableEntity:
		return codes.ErrRejected
	case e.Status == http.StatusRequestTimeout: // perhaps from a proxy that passed the message on
		return codes.ErrUnconfirmed
	case e.Status >= 400 && e.Status < 500:
		return codes.ErrSenderRefused
	}
	return codes.ErrUnconfirmed
}

// answer returns the message id in res, or what the answer means as an error.
func answer(res *http.Response) (string, error) {
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode < 200 { // the body of a 101 is the open connection
		return "", &StatusError{Status: res.StatusCode}
	}
	// Only a connection whose answer was read to the end is used again.
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	readable := err == nil && len(body) <= maxAnswer

	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		return "", &codes.UnavailableError{RetryAfter: retryAfter(res.Header), Cause: "status 429"}
	case res.StatusCode >= 200 && res.StatusCode < 300 && !readable:
		return "", fmt.Errorf("%w: status %d, the answer is cut off or too long", codes.ErrUnconfirmed, res.StatusCode)
	case res.StatusCode >= 200 && res.StatusCode < 300:
		if id := messageID(body); id != "" {
			return id, nil
		}
	}
	return "", &StatusError{Status: res.StatusCode, ErrorID: errorID(body)}
}

// messageID returns the id of an accepted message. It ignores everything else,
// because Flowroute adds members without notice.
func messageID(body []byte) string {
	var accepted struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &accepted) != nil {
		return ""
	}
	return accepted.Data.ID
}

// errorID returns Flowroute's id of the first error if it is a UUID. Anything
// else might be something that must not be logged.
func errorID(body []byte) string {
	var failed struct {
		Errors []struct {
			ID string `json:"id"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &failed) != nil || len(failed.Errors) == 0 {
		return ""
	}
	id := failed.Errors[0].ID
	if ok, _ := regexp.MatchString(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`, id); !ok {
		return ""
	}
	return id
}

// retryAfter returns how long to wait after a 429.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 1 || seconds > int(maxPause/time.Second) {
		return defaultPause
	}
	return time.Duration(seconds) * time.Second
}

// dialCause returns why there is no connection. It repeats only errors that
// hold nothing but addresses, host names and certificates: one about the proxy
// setting would reveal its password.
func dialCause(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return certificate.Error()
	case errors.As(err, &dns):
		return dns.Error()
	case errors.As(err, &op) && op.Op == "dial":
		return op.Error()
	}
	return lostCause(err)
}

// lostCause returns why there is no answer. It does not repeat the error,
// which may quote the answer.
func lostCause(err error) string {
	var errno syscall.Errno
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.As(err, &network) && network.Timeout(): // also a context's deadline
		return "timeout"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	}
	return "protocol error"
}
