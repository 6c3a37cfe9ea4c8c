package test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v4/pkg/chart/v2/loader"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/config"
)

var update = flag.Bool("update", false, "rewrite the settings in values.schema.json and the table of values in README.md")

const (
	schemaFile = chartDir + "/values.schema.json"
	readmeFile = chartDir + "/README.md"
)

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

type schema = map[string]any

func readSchema(t *testing.T) schema {
	t.Helper()
	var s schema
	if err := json.Unmarshal(readFile(t, schemaFile), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// kinds maps the kinds of settings to the YAML that they take.
var kinds = map[string]schema{
	"text":     {"type": "string"},
	"number":   {"type": "integer"},
	"amount":   {"type": []string{"number", "string"}},
	"seconds":  {"type": []string{"integer", "string"}},
	"duration": {"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`},
	"boolean":  {"type": "boolean"},
	"level":    {"type": []string{"integer", "string"}},
	"list":     {"type": []string{"string", "array"}, "items": schema{"type": "string"}},
	"mapping":  {"type": []string{"string", "object"}, "additionalProperties": schema{"type": "object"}},
}

// chartOwned are the settings that the chart itself sets.
var chartOwned = map[string]bool{"LISTEN_ADDR": true, "ADMIN_ADDR": true}

// TestSchemaIsUpToDate: the schema has the settings of the service.
func TestSchemaIsUpToDate(t *testing.T) {
	settings, secrets, names := schema{}, schema{}, []string{}
	for _, s := range config.Settings() {
		switch {
		case s.Kind == "secret":
			secrets[s.Name] = schema{"type": "string", "minLength": 1}
			names = append(names, s.Name)
		case kinds[s.Kind] == nil:
			t.Fatalf("%s: no schema for the kind %s", s.Name, s.Kind)
		case !chartOwned[s.Name]:
			settings[s.Name] = kinds[s.Kind]
		}
	}
	s := readSchema(t)
	s["definitions"] = schema{
		"config": schema{
			"type": "object", "additionalProperties": false, "properties": settings,
			"required": []string{"SHUTDOWN_DELAY", "SHUTDOWN_TIMEOUT"}, // the grace period is computed from them
		},
		"secrets":    schema{"type": "object", "additionalProperties": false, "properties": secrets},
		"secretName": schema{"enum": names},
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(s); err != nil {
		t.Fatal(err)
	}
	codestest.Generated(t, schemaFile, want.String(), *update)
}

// TestSchemaIsStrict: the schema has exactly the values of the chart, and refuses
// unknown keys everywhere.
func TestSchemaIsStrict(t *testing.T) {
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	var compare func(path string, s schema, values map[string]any)
	compare = func(path string, s schema, values map[string]any) {
		properties, _ := s["properties"].(schema)
		if s["additionalProperties"] != false {
			t.Errorf("%s takes unknown keys", path)
		}
		for name, p := range properties {
			p := p.(schema)
			value, there := values[name]
			if !there && name != "global" { // which Helm adds for subcharts
				t.Errorf("%s/%s is in the schema only", path, name)
			}
			if p["properties"] != nil {
				compare(path+"/"+name, p, value.(map[string]any))
			}
		}
		for name := range values {
			if properties[name] == nil {
				t.Errorf("%s/%s has no schema", path, name)
			}
		}
	}
	compare("", readSchema(t), chart.Values)
}

// TestReadmeIsUpToDate: the table has the comments in values.yaml.
func TestReadmeIsUpToDate(t *testing.T) {
	var root yaml.Node
	if err := yaml.Unmarshal(readFile(t, chartDir+"/values.yaml"), &root); err != nil {
		t.Fatal(err)
	}
	table := "| value | default | meaning |\n| --- | --- | --- |\n" + rows(t, "", root.Content[0])
	codestest.GeneratedPart(t, readmeFile, "values", table, *update)
}

// rows returns a line for each value with a comment. A value without one is part
// of the value above it.
func rows(t *testing.T, path string, mapping *yaml.Node) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		inner := ""
		if value.Kind == yaml.MappingNode {
			inner = rows(t, path+key.Value+".", value)
		}
		comment := key.HeadComment
		if i := strings.LastIndex(comment, "\n\n"); i >= 0 { // the part before is not about the key
			comment = comment[i+2:]
		}
		comment = strings.ReplaceAll(strings.TrimPrefix(comment, "# "), "\n# ", " ")
		switch {
		case comment == "" && inner == "" && path == "":
			t.Errorf("%s has no comment", key.Value)
		case comment != "":
			b.WriteString("| `" + path + key.Value + "` | " + defaultOf(t, value, inner) + " | " + strings.ReplaceAll(comment, "|", `\|`) + " |\n")
		}
		b.WriteString(inner)
	}
	return b.String()
}

// defaultOf returns a default as one line of YAML, unless it has rows of its own.
func defaultOf(t *testing.T, value *yaml.Node, inner string) string {
	t.Helper()
	if inner != "" {
		return ""
	}
	var v any
	if err := value.Decode(&v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return "`" + string(text) + "`"
}

// TestVersion: the chart has the version of the newest release in the changelog.
func TestVersion(t *testing.T) {
	newest := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)`).FindSubmatch(readFile(t, "../../../CHANGELOG.md"))
	if newest == nil {
		t.Fatal("the changelog has no release")
	}
	want := string(newest[1])
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	if chart.Metadata.AppVersion != want || chart.Metadata.Version != want {
		t.Errorf("version %s and appVersion %s, want %s", chart.Metadata.Version, chart.Metadata.AppVersion, want)
	}
}
