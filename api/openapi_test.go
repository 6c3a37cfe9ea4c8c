package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"
)

// description is openapi.yaml, read. What it says of an answer is checked by
// package apitest, for every answer of the tests.
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
	for reason := range statuses {
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
					if !d.hasExample(response, reason) {
						t.Errorf("%s %s: %s: no example of %s", method, path, code, reason)
					}
					if statuses[Reason(reason)] != status && !hasFurther(Reason(reason), status) {
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

// hasExample tells whether a response shows what it looks like for a reason.
func (d description) hasExample(response any, reason string) bool {
	for _, example := range d.object(response, "content", "application/json", "examples") {
		if d.at(example, "value", "reason") == reason {
			return true
		}
	}
	return false
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
