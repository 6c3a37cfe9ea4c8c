package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"

	"github.com/flowroute/sms-verification/codes"
)

// description is a parsed description. Package apitest checks all answers of the tests
// against it.
type description map[string]any

func readDescription(t testing.TB) description {
	t.Helper()
	return parseDescription(t, openAPI)
}

func parseDescription(t testing.TB, text []byte) description {
	t.Helper()
	var d map[string]any
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// at follows keys and references from n. It returns nil if there is nothing.
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

// list returns the strings of a list.
func (d description) list(n any, keys ...string) []string {
	items, _ := d.at(n, keys...).([]any)
	var texts []string
	for _, item := range items {
		text, _ := item.(string)
		texts = append(texts, text)
	}
	return texts
}

// reasons returns the reasons in the description of an error response.
func (d description) reasons(response any) []string {
	return named(d.at(response, "description"), "`([A-Z][a-z][A-Za-z]*)`")
}

// listed returns the values that the description of a plain string lists.
func (d description) listed(schema any) []string {
	return named(d.at(schema, "description"), "(?m)^\\* `(\\w+)`: ")
}

// named returns the matches of a pattern in a text, sorted and without duplicates.
func named(text any, pattern string) []string {
	all, _ := text.(string)
	var names []string
	for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(all, -1) {
		names = append(names, found[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// routes returns the methods and paths.
func (d description) routes() (all []string) {
	for path := range d.object(d.root(), "paths") {
		for method := range d.object(d.root(), "paths", path) {
			if method != "parameters" {
				all = append(all, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

func TestDescribedRoutes(t *testing.T) {
	d := readDescription(t)
	if version, _ := d["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		t.Errorf("OpenAPI %q", version)
	}
	described := d.routes()
	var registered []string
	for _, route := range newAPI(t).handler.(*echo.Echo).Routes() {
		registered = append(registered, route.Method+" "+strings.Replace(route.Path, ":token", "{token}", 1))
	}
	slices.Sort(registered)
	if !slices.Equal(described, registered) {
		t.Errorf("described\n%q\nregistered\n%q", described, registered)
	}
}

// TestDescribedReasons: every reason has a status, is described, is known to package
// client, and is in a response with its status.
func TestDescribedReasons(t *testing.T) {
	d := readDescription(t)
	var listed []string
	for reason := range statuses {
		listed = append(listed, string(reason))
	}
	slices.Sort(listed)
	for _, file := range []string{"reasons.go", "client/errors.go"} {
		if declared := declaredReasons(t, file); !slices.Equal(declared, listed) {
			t.Errorf("declared in %s\n%q\nwith a status\n%q", file, declared, listed)
		}
	}
	if described := d.listed(d.at(d.root(), "components", "schemas", "Reason")); !slices.Equal(described, listed) {
		t.Errorf("described\n%q\nwith a status\n%q", described, listed)
	}
	used := map[string]bool{
		// In no operation, since they mean that there is none.
		string(NotFound): true, string(MethodNotAllowed): true,
	}
	for path := range d.object(d.root(), "paths") {
		for method, operation := range d.object(d.root(), "paths", path) {
			for code, response := range d.object(operation, "responses") {
				status, _ := strconv.Atoi(code)
				if status < 400 || method == "head" { // no error body
					continue
				}
				reasons := d.reasons(response)
				if shown := d.shownReasons(response); len(reasons) == 0 || !slices.Equal(shown, reasons) {
					t.Errorf("%s %s: %s: described %q, in examples %q", method, path, code, reasons, shown)
				}
				for _, reason := range reasons {
					used[reason] = true
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

// TestDescribedDefaults: clients read a status of a later version as an error.
func TestDescribedDefaults(t *testing.T) {
	d := readDescription(t)
	for path := range d.object(d.root(), "paths") {
		for method, operation := range d.object(d.root(), "paths", path) {
			other := d.object(operation, "responses", "default")
			isError := d.at(other, "content", "application/json", "schema", "properties", "reason") != nil
			if other == nil || isError == (method == "head") {
				t.Errorf("%s %s: default is %v", method, path, other)
			}
		}
	}
}

// TestDescribedAllOf: generators merge the parts of an allOf only if each is an object.
func TestDescribedAllOf(t *testing.T) {
	d := readDescription(t)
	for name := range d.object(d.root(), "components", "schemas") {
		parts, _ := d.at(d.root(), "components", "schemas", name, "allOf").([]any)
		for i := range parts {
			if d.at(parts[i], "type") != "object" {
				t.Errorf("%s: part %d of allOf without type: object", name, i)
			}
		}
	}
}

// shownReasons returns the reasons in the examples of a response.
func (d description) shownReasons(response any) []string {
	var reasons []string
	for _, example := range d.object(response, "content", "application/json", "examples") {
		reason, _ := d.at(example, "value", "reason").(string)
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	return slices.Compact(reasons)
}

// TestReasonsArePlainStrings: clients must accept reasons that they do not know.
func TestReasonsArePlainStrings(t *testing.T) {
	d := readDescription(t)
	for _, schema := range []any{
		d.at(d.root(), "components", "schemas", "Reason"),
		d.at(d.root(), "components", "schemas", "Status", "properties", "reason"),
	} {
		if d.at(schema, "type") != "string" || d.at(schema, "enum") != nil || d.at(schema, "const") != nil {
			t.Errorf("not a plain string: %v", schema)
		}
	}
}

func TestDescribedFailures(t *testing.T) {
	var reasons []string
	for _, failure := range []codes.Failure{codes.ByPhone, codes.ByNetwork, codes.BySomeone} {
		reason, _ := describeFailure(failure)
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	d := readDescription(t)
	if described := d.listed(d.at(d.root(), "components", "schemas", "Status", "properties", "reason")); !slices.Equal(described, reasons) {
		t.Errorf("described %q, answered %q", described, reasons)
	}
}

// hasFurther reports whether a reason has this status beside its own.
func hasFurther(r Reason, status int) bool {
	return slices.Contains(map[Reason][]int{
		InvalidAPIUsage:     {http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
		IdempotencyConflict: {http.StatusConflict},
	}[r], status)
}

// declaredReasons returns the values of the constants of type Reason in a file.
func declaredReasons(t *testing.T, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
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

// TestDescribedMembers: each body in Go and its schema have the same members, with the same
// types, and require the same.
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
