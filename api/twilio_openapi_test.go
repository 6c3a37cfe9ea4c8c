package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

func TestTwilioDescriptionServed(t *testing.T) {
	a := newAPI(t, withKey, withTwilio)
	got := a.do(t, "GET", "/v2/openapi.yaml", "")
	if got.status != 200 || got.text != string(twilioOpenAPI) {
		t.Errorf("%d, %d bytes", got.status, len(got.text))
	}
	a.do(t, "HEAD", "/v2/openapi.yaml", "")
}

func TestTwilioDescribedRoutes(t *testing.T) {
	described := parseDescription(t, twilioOpenAPI).routes()
	var registered []string
	for _, route := range newAPI(t, withTwilio).handler.(*echo.Echo).Routes() {
		if strings.HasPrefix(route.Path, twilioPath) {
			path := strings.NewReplacer(":service", "{ServiceSid}", ":sid", "{Sid}").Replace(route.Path)
			registered = append(registered, route.Method+" "+path)
		}
	}
	slices.Sort(registered)
	if !slices.Equal(described, registered) {
		t.Errorf("described\n%q\nregistered\n%q", described, registered)
	}
}

// TestTwilioDescribedMembers: an answer in Go has the members that are described,
// and all of them are always there.
func TestTwilioDescribedMembers(t *testing.T) {
	d := parseDescription(t, twilioOpenAPI)
	for schema, body := range map[string]any{
		"Verification": startedBody{},
		"Check":        checkedBody{},
		"Error":        twilioErrorBody{},
	} {
		required := d.list(d.root(), "components", "schemas", schema, "required")
		properties := d.object(d.root(), "components", "schemas", schema, "properties")
		members := membersOf(reflect.TypeOf(body))
		slices.Sort(members)
		slices.Sort(required)
		if !slices.Equal(members, required) || len(properties) != len(members) {
			t.Errorf("%s: in Go %q, required %q, %d described", schema, members, required, len(properties))
		}
	}
}

func membersOf(body reflect.Type) (names []string) {
	for i := range body.NumField() {
		field := body.Field(i)
		if field.Anonymous {
			names = append(names, membersOf(field.Type)...)
			continue
		}
		names = append(names, field.Tag.Get("json"))
	}
	return names
}

// TestTwilioDescribedErrors: the description names every error beside its status.
func TestTwilioDescribedErrors(t *testing.T) {
	d := parseDescription(t, twilioOpenAPI)
	described := map[string]string{}
	for name := range d.object(d.root(), "components", "responses") {
		text, err := json.Marshal(d.object(d.root(), "components", "responses", name))
		if err != nil {
			t.Fatal(err)
		}
		_, status, _ := strings.Cut(string(text), `"status":`)
		if end := strings.IndexAny(status, "}"); end > 0 {
			described[status[:end]] += string(text)
		}
	}
	all := []twilioError{tooManySends, tooManyChecks, blockedByGuard, {409, 20409, ""}, {413, 20413, ""}, {415, 20415, ""}}
	for _, e := range twilioErrors {
		all = append(all, e)
	}
	for _, e := range all {
		if !strings.Contains(described[fmt.Sprint(e.status)], fmt.Sprintf("%d", e.code)) {
			t.Errorf("error %d is not described under status %d", e.code, e.status)
		}
	}
}

// TestTwilioDescribedRequests sends every request that the description shows.
func TestTwilioDescribedRequests(t *testing.T) {
	a := newAPI(t, withTwilio)
	d, err := twilioDescribed()
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	for _, path := range d.Doc.Paths.InMatchingOrder() {
		item := d.Doc.Paths.Value(path)
		for method, operation := range item.Operations() {
			target, headers := exampleTarget(path, append(slices.Clone(item.Parameters), operation.Parameters...))
			for _, body := range exampleBodies(t, operation) {
				var form []string
				members := map[string]string{}
				if body != "" && json.Unmarshal([]byte(body), &members) != nil {
					t.Errorf("%s %s: %s", method, path, body)
				}
				for name, value := range members {
					form = append(form, name, value)
				}
				var got answer
				if body == "" {
					got = a.do(t, method, target, "", headers...)
				} else {
					got = a.post(t, target, form, headers...)
				}
				if code := fmt.Sprint(got.json["code"]); got.status >= 400 && code != "20404" && code != "60202" {
					t.Errorf("%s %s: %d %s", method, target, got.status, got.text)
				}
				sent++
			}
		}
	}
	if sent < 6 {
		t.Errorf("%d requests", sent)
	}
}
