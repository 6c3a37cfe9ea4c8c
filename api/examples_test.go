package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestDescribedRequests sends every example request of the description. Each is accepted,
// and its answer is described too.
func TestDescribedRequests(t *testing.T) {
	a := newAPI(t, withReceipts, withProfiles, func(f *fixture) { f.Webhook.Token = "0a3f6c1be5d24978" }) // of the example
	refused := []string{"InvalidAPIUsage", "IdempotencyConflict", "Unauthorized", "NotFound", "MethodNotAllowed"}
	sent := a.sendExamples(t, a.api.Doc, func(operation string, got answer) bool {
		return !slices.Contains(refused, got.reason()) && (operation != "create" || got.status == 200)
	})
	if sent < 15 {
		t.Errorf("%d requests: the description shows more", sent)
	}
}

func TestTwilioDescribedRequests(t *testing.T) {
	a := newAPI(t, withTwilio)
	sent := a.sendExamples(t, twilioDescribed().Doc, func(_ string, got answer) bool {
		return got.status < 400 || slices.Contains([]string{"20404", "60202"}, fmt.Sprint(got.json["code"]))
	})
	if sent < 6 {
		t.Errorf("%d requests: the description shows more", sent)
	}
}

// sendExamples sends the example requests of a description and returns their number.
// accepted judges the answer to an operation.
func (a *testAPI) sendExamples(t *testing.T, doc *openapi3.T, accepted func(operation string, got answer) bool) (sent int) {
	t.Helper()
	for _, path := range doc.Paths.InMatchingOrder() {
		item := doc.Paths.Value(path)
		for method, operation := range item.Operations() {
			target, headers := exampleTarget(path, slices.Concat(item.Parameters, operation.Parameters))
			for _, body := range exampleBodies(t, operation) {
				got := a.do(t, method, target, body.text, append(headers, "Content-Type", body.media)...)
				if !accepted(operation.OperationID, got) {
					t.Errorf("%s %s %s: %d %s", method, target, body.text, got.status, got.text)
				}
				headers = nil // one Idempotency-Key is for one request
				sent++
			}
		}
	}
	return sent
}

// exampleTarget returns the target and headers of a route with the example parameters.
func exampleTarget(path string, parameters openapi3.Parameters) (target string, headers []string) {
	query := url.Values{}
	for _, p := range parameters {
		example, _ := p.Value.Example.(string)
		switch p.Value.In {
		case "query":
			query.Set(p.Value.Name, example)
		case "path":
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", example)
		case "header":
			headers = append(headers, p.Value.Name, example)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, headers
}

type exampleBody struct{ media, text string }

// exampleBodies returns the example bodies of an operation, or one empty body.
func exampleBodies(t *testing.T, operation *openapi3.Operation) (bodies []exampleBody) {
	t.Helper()
	if operation.RequestBody == nil {
		return []exampleBody{{}}
	}
	for media, content := range operation.RequestBody.Value.Content {
		for _, example := range content.Examples {
			bodies = append(bodies, exampleBody{media, encode(t, media, example.Value.Value)})
		}
		if len(content.Examples) == 0 {
			t.Errorf("%s: %s without example", operation.OperationID, media)
		}
	}
	return bodies
}

func encode(t *testing.T, media string, value any) string {
	t.Helper()
	if media == "application/x-www-form-urlencoded" {
		form := url.Values{}
		for name, member := range value.(map[string]any) {
			form.Set(name, fmt.Sprint(member))
		}
		return form.Encode()
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
