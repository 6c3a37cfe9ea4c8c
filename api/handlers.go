package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// face is a shape of the API: how its requests and answers look on the wire.
// Beside these methods it has a reader and a writer for each of its routes.
type face interface {
	// apiKey returns the API key that came with a request.
	apiKey(h http.Header) (key string, sent bool)

	// writeError answers a request that failed.
	writeError(c echo.Context, f *failure) error
}

// faceOf returns the face that answers a request, whether or not it has a route.
func (s *Server) faceOf(r *http.Request) face {
	if s.TwilioServices != nil && strings.HasPrefix(r.URL.Path, twilioPath) {
		return twilio{services: s.TwilioServices, hasher: s.Hasher}
	}
	return native{}
}

// A reader reads the arguments of a request. The handler adds the caller.
type reader[Request any] func(echo.Context) (Request, error)

// A writer answers a request. An error that it returns is written by the face.
type writer[Request, Answer any] func(echo.Context, Request, Answer) error

// knownProfile returns the name of a profile that the service has, or nothing. Any
// other name may be personal data, which does not belong in the log.
func (s *Server) knownProfile(name string) string {
	if slices.Contains(s.Profiles, name) {
		return name
	}
	return ""
}

// create returns the handler of a route that makes codes.
func (s *Server) create(read reader[codes.CreateRequest], write writer[codes.CreateRequest, codes.Created]) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, err := read(c)
		if err != nil {
			return err
		}
		info := infoOf(c)
		r.Caller, r.Arrived = info.caller, info.arrived
		info.profile = s.knownProfile(r.Profile)
		if r.Client != "" {
			info.client = s.Hasher.Client(r.Caller, r.Client)
		}
		info.sent = true // also if the service panics
		created, err := s.Service.Create(c.Request().Context(), r)
		info.recipient, info.lastTwo = created.Recipient, r.Recipient.LastTwo()
		info.sent = !created.Repeated && mayHaveSent(err)
		if err != nil {
			return err
		}
		return write(c, r, created)
	}
}

// mayHaveSent reports whether a create that ended with err sent its message, or may
// have.
func mayHaveSent(err error) bool {
	if err == nil {
		return true
	}
	reason := asFailure(err).reason
	return reason == MessageUnconfirmed || reason == InternalError
}

// check returns the handler of a route that checks codes.
func (s *Server) check(read reader[codes.CheckRequest], write writer[codes.CheckRequest, codes.Outcome]) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, err := read(c)
		if err != nil {
			return err
		}
		info := infoOf(c)
		r.Caller, info.profile = info.caller, s.knownProfile(r.Profile)
		outcome, err := s.Service.Check(c.Request().Context(), r)
		if err != nil {
			return err
		}
		info.recipient = outcome.Recipient
		return write(c, r, outcome)
	}
}

// cancel returns the handler of a route that drops entries.
func (s *Server) cancel(read reader[codes.CancelRequest], write func(echo.Context, codes.CancelRequest) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, err := read(c)
		if err != nil {
			return err
		}
		info := infoOf(c)
		r.Caller, info.profile = info.caller, s.knownProfile(r.Profile)
		if err := s.Service.Cancel(c.Request().Context(), r); err != nil {
			return err
		}
		return write(c, r)
	}
}

// cancelLive is cancel for a route whose answer says whether there was an entry.
func (s *Server) cancelLive(read reader[codes.CancelRequest], write writer[codes.CancelRequest, codes.Progress]) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, err := read(c)
		if err != nil {
			return err
		}
		info := infoOf(c)
		r.Caller, info.profile = info.caller, s.knownProfile(r.Profile)
		progress, err := s.Service.Status(c.Request().Context(), codes.StatusRequest(r))
		if err != nil {
			return err
		}
		if progress.Stage != codes.StageUnknown && progress.Stage != codes.StageExpired {
			if err := s.Service.Cancel(c.Request().Context(), r); err != nil {
				return err
			}
		}
		return write(c, r, progress)
	}
}

// status returns the handler of a route that says how an entry and its message
// stand.
func (s *Server) status(read reader[codes.StatusRequest], write writer[codes.StatusRequest, codes.Progress]) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, err := read(c)
		if err != nil {
			return err
		}
		info := infoOf(c)
		r.Caller, info.profile = info.caller, s.knownProfile(r.Profile)
		progress, err := s.Service.Status(c.Request().Context(), r)
		if err != nil {
			return err
		}
		return write(c, r, progress)
	}
}
