package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// dialect is a shape of the API: how requests and answers look on the wire. Besides
// these methods it has a reader and a writer for each of its routes; see [handle].
type dialect interface {
	// apiKey returns the API key of a request, and whether there is one.
	apiKey(h http.Header) (key string, sent bool)

	// writeError answers a request that failed.
	writeError(c echo.Context, f *failure) error
}

// dialectOf returns the dialect of a request, whether or not a route matches.
func (s *Server) dialectOf(r *http.Request) dialect {
	if s.TwilioServices != nil && strings.HasPrefix(r.URL.Path, twilioPath) {
		return twilio{services: s.TwilioServices, hasher: s.Hasher}
	}
	return native{}
}

// handle returns the handler of a route: read and write are the dialect's, do calls the
// service. A request without a right key is not read.
func handle[Request, Answer any](
	s *Server,
	read func(echo.Context) (Request, error),
	do func(echo.Context, Request) (Answer, error),
	write func(echo.Context, Request, Answer) error,
) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.authenticate(c); err != nil {
			return err
		}
		r, err := read(c)
		if err != nil {
			return err
		}
		answer, err := do(c, r)
		if err != nil {
			return err
		}
		return write(c, r, answer)
	}
}

// identify returns the caller of a request, and records its profile for the log if the
// service has that profile. Any other name may be personal data.
func (s *Server) identify(c echo.Context, profile string) (caller string) {
	info := infoOf(c)
	if slices.Contains(s.Profiles, profile) {
		info.profile = profile
	}
	return info.caller
}

func (s *Server) create(c echo.Context, r codes.CreateRequest) (codes.Created, error) {
	info := infoOf(c)
	r.Caller, r.Arrived = s.identify(c, r.Profile), info.arrived
	info.lastTwo = r.Recipient.LastTwo()
	if r.Client != "" {
		info.client = s.Hasher.Client(r.Caller, r.Client)
	}
	if err := s.creates.enter(); err != nil {
		return codes.Created{}, err
	}
	defer s.creates.leave()
	info.sent = true // even if the service panics
	created, err := s.Service.Create(c.Request().Context(), r)
	info.recipient = created.Recipient
	info.sent = !created.Repeated && mayHaveSent(err)
	return created, err
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

func (s *Server) check(c echo.Context, r codes.CheckRequest) (codes.Outcome, error) {
	r.Caller = s.identify(c, r.Profile)
	if err := s.checks.enter(); err != nil {
		return codes.Outcome{}, err
	}
	defer s.checks.leave()
	outcome, err := s.Service.Check(c.Request().Context(), r)
	infoOf(c).recipient = outcome.Recipient
	return outcome, err
}

func (s *Server) status(c echo.Context, r codes.StatusRequest) (codes.Progress, error) {
	r.Caller = s.identify(c, r.Profile)
	if err := s.checks.enter(); err != nil {
		return codes.Progress{}, err
	}
	defer s.checks.leave()
	return s.Service.Status(c.Request().Context(), r)
}

// cancel takes a StatusRequest, because both routes are read in the same way.
func (s *Server) cancel(c echo.Context, r codes.StatusRequest) (struct{}, error) {
	r.Caller = s.identify(c, r.Profile)
	if err := s.checks.enter(); err != nil {
		return struct{}{}, err
	}
	defer s.checks.leave()
	return struct{}{}, s.Service.Cancel(c.Request().Context(), codes.CancelRequest(r))
}

// cancelLive is cancel for a route whose answer says whether there was an entry.
func (s *Server) cancelLive(c echo.Context, r codes.StatusRequest) (codes.Progress, error) {
	progress, err := s.status(c, r)
	if err != nil || progress.Stage == codes.StageUnknown || progress.Stage == codes.StageExpired {
		return progress, err
	}
	_, err = s.cancel(c, r)
	return progress, err
}
