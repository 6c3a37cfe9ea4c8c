package api

import (
	"encoding/json"
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
	sent := 0
	for _, path := range a.api.Doc.Paths.InMatchingOrder() {
		for method, operation := range a.api.Doc.Paths.Value(path).Operations() {
			target, headers := exampleTarget(path, operation.Parameters)
			for name, body := range exampleBodies(t, operation) {
				got := a.do(t, method, target, body, headers...)
				refused := []string{"InvalidAPIUsage", "IdempotencyConflict", "Unauthorized", "NotFound", "MethodNotAllowed"}
				if slices.Contains(refused, got.reason()) || operation.OperationID == "create" && got.status != 200 {
					t.Errorf("%s %s, example %s: %d %s", method, target, name, got.status, got.text)
				}
				headers = nil // one Idempotency-Key is for one request
				sent++
			}
		}
	}
	if sent < 15 {
		t.Errorf("%d requests: the description shows more", sent)
	}
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

// exampleBodies returns the example bodies of an operation by name, or one empty body.
func exampleBodies(t *testing.T, operation *openapi3.Operation) map[string]string {
	if operation.RequestBody == nil {
		return map[string]string{"": ""}
	}
	bodies := map[string]string{}
	for media, content := range operation.RequestBody.Value.Content {
		for name, example := range content.Examples {
			text, err := json.Marshal(example.Value.Value)
			if err != nil {
				t.Fatal(err)
			}
			bodies[name] = string(text)
		}
		if len(content.Examples) == 0 {
			t.Errorf("%s: %s without example", operation.OperationID, media)
		}
	}
	return bodies
}
