package api

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"
)

// description is openapi.yaml, read.
type description map[string]any

func readDescription(t testing.TB) description {
	t.Helper()
	var d map[string]any // and so is every object in it
	if err := yaml.Unmarshal(openAPI, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// at follows keys from n on, and references on the way. It is nil where there
// is nothing.
func (d description) at(n any, keys ...string) any {
	for {
		m, _ := n.(map[string]any)
		if ref, ok := m["$ref"].(string); ok {
			n = d.at(map[string]any(d), strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			continue
		}
		if len(keys) == 0 {
			return n
		}
		n, keys = m[keys[0]], keys[1:]
	}
}

func (d description) object(n any, keys ...string) map[string]any {
	m, _ := d.at(n, keys...).(map[string]any)
	return m
}

func (d description) root() map[string]any { return d }

// strings of a list.
func (d description) list(n any, keys ...string) []string {
	items, _ := d.at(n, keys...).([]any)
	var texts []string
	for _, item := range items {
		text, _ := item.(string)
		texts = append(texts, text)
	}
	return texts
}

// check fails unless the description tells of the answer: its status, headers
// and reason, and by an example its members.
func (d description) check(t testing.TB, method, path string, got answer) {
	t.Helper()
	if strings.HasPrefix(path, webhookPath) {
		path = webhookPath + "{token}"
	}
	operation := d.object(d.root(), "paths", path, strings.ToLower(method))
	response := d.object(operation, "responses", strconv.Itoa(got.status))
	switch got.status {
	case http.StatusNotFound:
		response = d.object(d.root(), "components", "responses", "NotFound")
	case http.StatusMethodNotAllowed:
		response = d.object(d.root(), "components", "responses", "MethodNotAllowed")
	case http.StatusNoContent:
		return
	}
	if response == nil {
		t.Errorf("%s %s: status %d is not described", method, path, got.status)
		return
	}
	for _, name := range []string{"X-Request-Id", "Cache-Control", "Retry-After", "Www-Authenticate", "Allow"} {
		described := false
		for header := range d.object(response, "headers") {
			described = described || http.CanonicalHeaderKey(header) == name
		}
		if sent := got.header.Get(name) != ""; sent != described {
			t.Errorf("%s %s: %d: header %s sent %v, described %v", method, path, got.status, name, sent, described)
		}
	}
	content := d.object(response, "content", got.header.Get("Content-Type"))
	if content == nil {
		t.Errorf("%s %s: %d: type %q is not described", method, path, got.status, got.header.Get("Content-Type"))
	}
	if got.json == nil {
		return
	}
	if reason := got.reason(); got.status >= 400 && !slices.Contains(d.reasons(response), reason) {
		t.Errorf("%s %s: %d: reason %s is not described", method, path, got.status, reason)
	}
	for _, example := range d.object(content, "examples") {
		value := d.object(example, "value")
		reason, _ := value["reason"].(string)
		if reason == got.reason() && slices.Equal(slices.Sorted(maps.Keys(value)), slices.Sorted(maps.Keys(got.json))) {
			return
		}
	}
	t.Errorf("%s %s: %d: no example is like %s", method, path, got.status, got.text)
}

// reasons of an error response.
func (d description) reasons(response any) []string {
	all, _ := d.at(response, "content", "application/json", "schema", "allOf").([]any)
	if len(all) != 2 {
		return nil
	}
	return d.list(all[1], "properties", "reason", "enum")
}

func TestDescribedRoutes(t *testing.T) {
	d := readDescription(t)
	if version, _ := d["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		t.Errorf("OpenAPI %q", version)
	}
	var described []string
	for path := range d.object(d.root(), "paths") {
		for method := range d.object(d.root(), "paths", path) {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(described)
	var registered []string
	for _, route := range newAPI(t).handler.(*echo.Echo).Routes() {
		registered = append(registered, route.Method+" "+strings.Replace(route.Path, ":token", "{token}", 1))
	}
	slices.Sort(registered)
	if !slices.Equal(described, registered) {
		t.Errorf("described\n%q\nregistered\n%q", described, registered)
	}
}

// Every reason that there is has its status, is described, and is the reason
// of a response with that status.
func TestDescribedReasons(t *testing.T) {
	d := readDescription(t)
	var listed []string
	for reason := range Statuses() {
		listed = append(listed, string(reason))
	}
	slices.Sort(listed)
	if declared := declaredReasons(t); !slices.Equal(declared, listed) {
		t.Errorf("declared\n%q\nwith a status\n%q", declared, listed)
	}
	described := d.list(d.root(), "components", "schemas", "Reason", "enum")
	slices.Sort(described)
	if !slices.Equal(described, listed) {
		t.Errorf("described\n%q\nwith a status\n%q", described, listed)
	}
	used := map[string]bool{
		// Of no operation: they are for what is not one.
		string(NotFound): true, string(MethodNotAllowed): true,
	}
	for path := range d.object(d.root(), "paths") {
		for method, operation := range d.object(d.root(), "paths", path) {
			for code, response := range d.object(operation, "responses") {
				status, _ := strconv.Atoi(code)
				reasons := d.reasons(response)
				if len(reasons) == 0 && status >= 400 {
					t.Errorf("%s %s: %s without reasons", method, path, code)
				}
				for _, reason := range reasons {
					used[reason] = true
					if Statuses()[Reason(reason)] != status && !hasFurther(Reason(reason), status) {
						t.Errorf("%s %s: %s for %s", method, path, code, reason)
					}
				}
			}
		}
	}
	for _, reason := range listed {
		if !used[reason] {
			t.Errorf("%s is in no response", reason)
		}
	}
}

// hasFurther tells the statuses that two reasons have besides their own.
func hasFurther(r Reason, status int) bool {
	return slices.Contains(map[Reason][]int{
		InvalidAPIUsage:     {http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
		IdempotencyConflict: {http.StatusConflict},
	}[r], status)
}

// declaredReasons are the values of the constants of type Reason.
func declaredReasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reasons.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	slices.Sort(values)
	return values
}

// What is an answer in Go is a schema with the same members, types and
// obligations, and the other way round.
func TestDescribedMembers(t *testing.T) {
	d := readDescription(t)
	kinds := map[reflect.Kind]string{reflect.String: "string", reflect.Int64: "integer", reflect.Bool: "boolean"}
	for schema, goType := range answerTypes() {
		required := d.list(d.root(), "components", "schemas", schema, "required")
		properties := d.object(d.root(), "components", "schemas", schema, "properties")
		for i := range goType.NumField() {
			field := goType.Field(i)
			name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			if slices.Contains(required, name) == (options == "omitempty") {
				t.Errorf("%s.%s: required %v", schema, name, options == "omitempty")
			}
			kind := field.Type
			if kind.Kind() == reflect.Pointer {
				kind = kind.Elem()
			}
			if d.at(properties, name, "type") != kinds[kind.Kind()] {
				t.Errorf("%s.%s: described as %v, is %s", schema, name, d.at(properties, name, "type"), kind)
			}
		}
		if len(properties) != goType.NumField() {
			t.Errorf("%s: %d members described, %d in Go", schema, len(properties), goType.NumField())
		}
	}
}

func answerTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Created":  reflect.TypeFor[createdBody](),
		"Verified": reflect.TypeFor[verifiedBody](),
		"Removed":  reflect.TypeFor[cancelledBody](),
		"Status":   reflect.TypeFor[statusBody](),
		"Received": reflect.TypeFor[receivedBody](),
		"Health":   reflect.TypeFor[healthBody](),
		"Error":    reflect.TypeFor[errorBody](),
	}
}

// Every JSON answer has examples, and each is one that the Go type can give.
func TestDescribedExamples(t *testing.T) {
	d := readDescription(t)
	for path := range d.object(d.root(), "paths") {
		for method, operation := range d.object(d.root(), "paths", path) {
			for code, response := range d.object(operation, "responses") {
				for media, content := range d.object(response, "content") {
					examples := d.object(content, "examples")
					if len(examples) == 0 {
						t.Errorf("%s %s: %s without example", method, path, code)
					}
					if media != "application/json" {
						continue
					}
					schema, _ := d.object(response, "content", media)["schema"].(map[string]any)
					ref, _ := schema["$ref"].(string)
					name := strings.TrimPrefix(ref, "#/components/schemas/")
					if ref == "" {
						name = "Error"
					}
					for example := range examples {
						checkExample(t, d.object(examples, example, "value"), answerTypes()[name], d.reasons(response))
					}
				}
			}
		}
	}
}

func checkExample(t *testing.T, example map[string]any, goType reflect.Type, reasons []string) {
	t.Helper()
	if goType == nil {
		t.Errorf("of no known type: %v", example)
		return
	}
	text, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	value := reflect.New(goType)
	if err := decoder.Decode(value.Interface()); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	if reason, ok := example["reason"].(string); ok && goType == reflect.TypeFor[errorBody]() && !slices.Contains(reasons, reason) {
		t.Errorf("%s: not one of %q", text, reasons)
	}
}
