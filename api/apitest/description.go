// Package apitest checks the answers of a running service against openapi.yaml. A status,
// header, reason or member that is not described is an error, and so is an answer without
// an example of its shape.
package apitest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing/iotest"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Description is an API description that allows nothing it does not name. It is safe for
// concurrent use.
type Description struct {
	Doc  *openapi3.T
	seen sync.Map // answers that passed; checking is slow because schemas are compiled each time
}

// New reads a description. It returns an error if the description or an example in it is
// invalid, or if an answer has no example.
func New(text []byte) (*Description, error) {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("apitest: %w", err)
	}
	for _, path := range doc.Paths.InMatchingOrder() {
		for method, operation := range doc.Paths.Value(path).Operations() {
			for status, response := range operation.Responses.Map() {
				if err := makeStrict(response.Value); err != nil {
					return nil, fmt.Errorf("apitest: %s %s: %s: %w", method, path, status, err)
				}
			}
		}
	}
	for name, response := range doc.Components.Responses {
		if err := makeStrict(response.Value); err != nil {
			return nil, fmt.Errorf("apitest: response %s: %w", name, err)
		}
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("apitest: %w", err)
	}
	return &Description{Doc: doc}, nil
}

// makeStrict forbids members that the schema does not name. The published description
// cannot do so, since clients must accept members of later versions.
func makeStrict(response *openapi3.Response) error {
	for media, content := range response.Content {
		if len(content.Examples) == 0 {
			return fmt.Errorf("%s: no example", media)
		}
		if media == "application/json" {
			strict := false
			content.Schema.Value.UnevaluatedProperties = openapi3.BoolSchema{Has: &strict}
		}
	}
	return nil
}

var (
	idForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	authID = regexp.MustCompile(`"auth_id":"(?:[^"\\]|\\.)*"`) // chosen by the caller, so irrelevant to the check
)

// Exchange is a request and its answer.
type Exchange struct {
	Method, Path string
	Status       int
	Header       http.Header
	Body         []byte
}

// Check returns an error if the answer does not match the description.
func (d *Description) Check(x Exchange) error {
	response, name := d.response(x)
	if response == nil {
		return fmt.Errorf("%s %s: status %d is not described", x.Method, name, x.Status)
	}
	header := maps.Clone(x.Header)
	delete(header, "Date")
	delete(header, "X-Request-Id")
	key := fmt.Sprintf("%s %s %d %v %s", x.Method, name, x.Status, header, authID.ReplaceAll(x.Body, []byte(`"auth_id":""`)))
	if _, known := d.seen.Load(key); known && idForm.MatchString(x.Header.Get("X-Request-Id")) {
		return nil
	}
	if err := d.checkResponse(response, x); err != nil {
		return fmt.Errorf("%s %s: %d: %w", x.Method, name, x.Status, err)
	}
	d.seen.Store(key, nil)
	return nil
}

// response returns the description of an answer, and the name of the route. Answers
// without a route or with a wrong method are described as components.
func (d *Description) response(x Exchange) (*openapi3.ResponseRef, string) {
	route, operation := d.operation(x.Method, x.Path)
	components := d.Doc.Components.Responses
	switch {
	case x.Status == http.StatusNoContent && x.Method == http.MethodOptions:
		return components["Options"], route
	case operation != nil:
		return operation.Responses.Status(x.Status), route
	case x.Status == http.StatusNotFound:
		return components["NotFound"], route
	case x.Status == http.StatusMethodNotAllowed:
		return components["MethodNotAllowed"], route
	}
	return nil, route
}

// operation returns the route and the operation of a request.
func (d *Description) operation(method, path string) (route string, operation *openapi3.Operation) {
	segments := strings.Split(path, "/")
	for _, route := range d.Doc.Paths.InMatchingOrder() {
		same := func(pattern, segment string) bool {
			return pattern == segment || strings.HasPrefix(pattern, "{") && segment != ""
		}
		if slices.EqualFunc(strings.Split(route, "/"), segments, same) {
			return route, d.Doc.Paths.Value(route).Operations()[method]
		}
	}
	return "no route", nil
}

func (d *Description) checkResponse(response *openapi3.ResponseRef, x Exchange) error {
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: &http.Request{Method: x.Method, URL: &url.URL{Path: x.Path}},
			Route: &routers.Route{Spec: d.Doc, Operation: &openapi3.Operation{
				Responses: openapi3.NewResponses(openapi3.WithStatus(x.Status, response)),
			}},
		},
		Status: x.Status,
		Header: x.Header,
		Body:   io.NopCloser(bytes.NewReader(x.Body)),
	})
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n") // the rest is the schema
		return errors.New(text)
	}
	if err := checkHeaders(response.Value, x.Header); err != nil {
		return err
	}
	content := response.Value.Content.Get(x.Header.Get("Content-Type"))
	if content == nil || len(x.Body) == 0 || response.Value.Content["application/json"] == nil {
		return nil
	}
	for _, example := range content.Examples {
		text, err := json.Marshal(example.Value.Value)
		if err == nil && shapeOf(text) == shapeOf(x.Body) {
			return nil
		}
	}
	return fmt.Errorf("no example is like %s", x.Body)
}

// ofHTTP are headers of HTTP itself, or of a proxy in between.
var ofHTTP = []string{"Connection", "Content-Length", "Content-Type", "Date", "Server"}

func checkHeaders(response *openapi3.Response, sent http.Header) error {
	described := map[string]bool{}
	for name, header := range response.Headers {
		name = http.CanonicalHeaderKey(name)
		described[name] = true
		if header.Value.Required && len(sent[name]) == 0 {
			return fmt.Errorf("header %s is described, but was not sent", name)
		}
	}
	for name := range sent {
		if !described[name] && !slices.Contains(ofHTTP, name) {
			return fmt.Errorf("header %s is not described", name)
		}
	}
	return nil
}

// shapeOf returns the shape of a JSON answer: its members, their types, and its reason.
func shapeOf(body []byte) string {
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return ""
	}
	kinds := make([]string, 0, len(members)+1)
	for name, value := range members {
		kinds = append(kinds, fmt.Sprintf("%s:%T", name, value))
	}
	slices.Sort(kinds)
	return fmt.Sprint(kinds, members["reason"])
}

// Transport returns a RoundTripper that fails a request whose answer does not match the
// description. Answers outside the description pass: other routes of debug and admin, and
// errors of net/http or a proxy, which have no request id.
func (d *Description) Transport(next http.RoundTripper) http.RoundTripper {
	return transport{d, next}
}

type transport struct {
	description *Description
	next        http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	if err != nil || !isOurs(r, response) {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), iotest.ErrReader(cmp.Or(err, io.EOF))), response.Body}
	if err != nil {
		return response, nil // cut off; the caller gets the error when it reads the body
	}
	if err := t.description.Check(Exchange{Method: r.Method, Path: r.URL.Path, Status: response.StatusCode, Header: response.Header, Body: body}); err != nil {
		return nil, errors.Join(err, response.Body.Close())
	}
	return response, nil
}

// CloseIdleConnections is called by http.Client's method of that name.
func (t transport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

func isOurs(r *http.Request, response *http.Response) bool {
	for _, page := range []string{"/metrics", "/debug/", "/_sim/", "/v2"} {
		if strings.HasPrefix(r.URL.Path, page) {
			return false
		}
	}
	media, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return media != "text/plain" && media != "text/html" && response.Header.Get("X-Request-Id") != ""
}
