package api

import (
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/api/apitest"
	"github.com/flowroute/sms-verification/codes"
)

// The descriptions are read once: an answer that passed in one test is not checked again
// in another.
var (
	described       = sync.OnceValue(func() *apitest.Description { return mustDescribe(openAPI) })
	twilioDescribed = sync.OnceValue(func() *apitest.Description { return mustDescribe(twilioOpenAPI) })
)

func mustDescribe(text []byte) *apitest.Description {
	d, err := apitest.New(text)
	if err != nil {
		panic(err)
	}
	return d
}

func TestDescriptionsServed(t *testing.T) {
	a := newAPI(t, withKey, withTwilio)
	for path, want := range map[string][]byte{"/openapi.yaml": openAPI, "/v2/openapi.yaml": twilioOpenAPI} {
		got := a.do(t, "GET", path, "")
		if got.status != 200 || got.text != string(want) || got.header.Get("Content-Type") != "application/yaml" {
			t.Errorf("%s: %d %s, %d bytes", path, got.status, got.header.Get("Content-Type"), len(got.text))
		}
		a.do(t, "HEAD", path, "")
	}
}

func TestDescribedRoutes(t *testing.T) {
	var described, registered []string
	a := newAPI(t, withTwilio)
	for _, doc := range []*openapi3.T{a.api.Doc, twilioDescribed().Doc} {
		if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
			t.Errorf("OpenAPI %q", doc.OpenAPI)
		}
		for path, item := range doc.Paths.Map() {
			for method := range item.Operations() {
				described = append(described, method+" "+path)
			}
		}
	}
	parameters := strings.NewReplacer(":token", "{token}", ":service", "{ServiceSid}", ":sid", "{Sid}")
	for _, route := range a.handler.(*echo.Echo).Routes() {
		registered = append(registered, route.Method+" "+parameters.Replace(route.Path))
	}
	slices.Sort(described)
	slices.Sort(registered)
	if !slices.Equal(described, registered) {
		t.Errorf("described\n%q\nregistered\n%q", described, registered)
	}
}

// named returns the matches of a pattern in a text, sorted and without duplicates.
func named(text, pattern string) []string {
	var names []string
	for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names = append(names, found[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// shown returns the JSON examples of a response.
func shown(response *openapi3.ResponseRef) (examples []map[string]any) {
	if content := response.Value.Content["application/json"]; content != nil {
		for _, example := range content.Examples {
			examples = append(examples, example.Value.Value.(map[string]any))
		}
	}
	return examples
}

// listedReasons returns the reasons that have a status.
func listedReasons() (listed []string) {
	for reason := range statuses {
		listed = append(listed, string(reason))
	}
	slices.Sort(listed)
	return listed
}

// TestReasons: every reason has a status, is described, and is known to package client.
// It is described as a plain string, since clients must accept reasons that they do not
// know.
func TestReasons(t *testing.T) {
	listed := listedReasons()
	for _, file := range []string{"reasons.go", "client/errors.go"} {
		text, err := os.ReadFile(file)
		if declared := named(string(text), `\bReason += "(\w+)"`); err != nil || !slices.Equal(declared, listed) {
			t.Errorf("declared in %s\n%q\nwith a status\n%q", file, declared, listed)
		}
	}
	var failures []string
	for _, failure := range []codes.Failure{codes.ByPhone, codes.ByNetwork, codes.BySomeone} {
		reason, _ := describeFailure(failure)
		failures = append(failures, reason)
	}
	slices.Sort(failures)
	schemas := described().Doc.Components.Schemas
	for schema, want := range map[*openapi3.SchemaRef][]string{
		schemas["Reason"]: listed,
		schemas["Status"].Value.Properties["reason"]: failures,
	} {
		s := schema.Value
		if !s.Type.Is("string") || s.Enum != nil || s.Const != nil {
			t.Errorf("not a plain string: %v", s)
		}
		if got := named(s.Description, "(?m)^\\* `(\\w+)`: "); !slices.Equal(got, want) {
			t.Errorf("described %q, answered %q", got, want)
		}
	}
}

// TestDescribedReasons: every reason is in a response with its status, and every response
// shows each of its reasons.
func TestDescribedReasons(t *testing.T) {
	unused := listedReasons()
	for path, item := range described().Doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for code, response := range operation.Responses.Map() {
				status, _ := strconv.Atoi(code)
				if status < 400 || method == http.MethodHead { // no error body
					continue
				}
				var examples []string
				for _, example := range shown(response) {
					examples = append(examples, fmt.Sprint(example["reason"]))
				}
				slices.Sort(examples)
				reasons := named(*response.Value.Description, "`([A-Z][a-z][A-Za-z]*)`")
				if len(reasons) == 0 || !slices.Equal(slices.Compact(examples), reasons) {
					t.Errorf("%s %s: %s: described %q, in examples %q", method, path, code, reasons, examples)
				}
				for _, reason := range reasons {
					if statuses[Reason(reason)] != status && !hasFurther(Reason(reason), status) {
						t.Errorf("%s %s: %s for %s", method, path, code, reason)
					}
				}
				unused = slices.DeleteFunc(unused, func(reason string) bool { return slices.Contains(reasons, reason) })
			}
		}
	}
	// MethodNotAllowed is in no operation, since it means that there is none.
	if !slices.Equal(unused, []string{string(MethodNotAllowed)}) {
		t.Errorf("in no response: %q", unused)
	}
}

// hasFurther reports whether a reason has this status beside its own.
func hasFurther(r Reason, status int) bool {
	return slices.Contains(map[Reason][]int{
		InvalidAPIUsage:     {http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
		IdempotencyConflict: {http.StatusConflict},
	}[r], status)
}

// TestDescribedDefaults: clients read a status of a later version as an error.
func TestDescribedDefaults(t *testing.T) {
	for path, item := range described().Doc.Paths.Map() {
		for method, operation := range item.Operations() {
			other := operation.Responses.Default()
			if other == nil {
				t.Errorf("%s %s: no default", method, path)
				continue
			}
			content := other.Value.Content["application/json"]
			isError := content != nil && content.Schema.Value.Properties["reason"] != nil
			if isError == (method == http.MethodHead) {
				t.Errorf("%s %s: default is %v", method, path, other.Value)
			}
		}
	}
}

// TestDescribedAllOf: generators merge the parts of an allOf only if each is an object.
func TestDescribedAllOf(t *testing.T) {
	for name, schema := range described().Doc.Components.Schemas {
		for i, part := range schema.Value.AllOf {
			if !part.Value.Type.Is("object") {
				t.Errorf("%s: part %d of allOf without type: object", name, i)
			}
		}
	}
}

// TestDescribedMembers: each body in Go and its schema have the same members, with the same
// types, and require the same.
func TestDescribedMembers(t *testing.T) {
	schemas, twilioSchemas := described().Doc.Components.Schemas, twilioDescribed().Doc.Components.Schemas
	for _, test := range []struct {
		body   reflect.Type
		schema *openapi3.SchemaRef
	}{
		{reflect.TypeFor[createdBody](), schemas["Created"]},
		{reflect.TypeFor[verifiedBody](), schemas["Verified"]},
		{reflect.TypeFor[cancelledBody](), schemas["Removed"]},
		{reflect.TypeFor[statusBody](), schemas["Status"]},
		{reflect.TypeFor[receivedBody](), schemas["Received"]},
		{reflect.TypeFor[healthBody](), schemas["Health"]},
		{reflect.TypeFor[errorBody](), schemas["Error"]},
		{reflect.TypeFor[startedBody](), twilioSchemas["Verification"]},
		{reflect.TypeFor[checkedBody](), twilioSchemas["Check"]},
		{reflect.TypeFor[twilioErrorBody](), twilioSchemas["Error"]},
	} {
		members, schema := 0, test.schema.Value
		for _, field := range reflect.VisibleFields(test.body) {
			if field.Anonymous {
				continue
			}
			members++
			name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			member, required := schema.Properties[name], slices.Contains(schema.Required, name)
			if member == nil || required == (options == "omitempty") || !describes(member.Value.Type, field.Type) {
				t.Errorf("%v.%s of type %v: described %v, required %v", test.body, name, field.Type, member != nil, required)
			}
		}
		if len(schema.Properties) != members {
			t.Errorf("%v: %d members described, %d in Go", test.body, len(schema.Properties), members)
		}
	}
}

// describes reports whether a JSON type is that of a Go type.
func describes(described *openapi3.Types, goType reflect.Type) bool {
	switch goType.Kind() {
	case reflect.Pointer:
		return described.Is("null") || describes(described, goType.Elem())
	case reflect.Struct:
		return described.Is("object") || described.Is("string") // a time
	default:
		return described.Includes(map[reflect.Kind]string{
			reflect.String: "string", reflect.Int: "integer", reflect.Int64: "integer", reflect.Bool: "boolean", reflect.Slice: "array",
		}[goType.Kind()])
	}
}

// TestTwilioDescribedErrors: the description names every error beside its status.
func TestTwilioDescribedErrors(t *testing.T) {
	var described []string
	for _, response := range twilioDescribed().Doc.Components.Responses {
		for _, example := range shown(response) {
			for _, code := range named(*response.Value.Description, `(\d{5}): `) {
				described = append(described, fmt.Sprintf("%v %s", example["status"], code))
			}
		}
	}
	all := []twilioError{tooManySends, tooManyChecks, blockedByGuard, {409, 20409, ""}, {413, 20413, ""}, {415, 20415, ""}}
	for reason, e := range twilioErrors {
		if e.status < 400 || e.code < 20000 {
			t.Errorf("%s: %+v", reason, e)
		}
		all = append(all, e)
	}
	for _, e := range all {
		if !slices.Contains(described, fmt.Sprintf("%d %d", e.status, e.code)) {
			t.Errorf("error %d is not described under status %d", e.code, e.status)
		}
	}
	if len(twilioErrors) != len(statuses) {
		t.Errorf("Twilio errors for %d of %d reasons", len(twilioErrors), len(statuses))
	}
}
