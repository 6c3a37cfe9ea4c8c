package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// yaml reads the settings in a file.
func (l *loader) yaml(name string, data []byte) map[string]any {
	top, line, problem := l.document(data)
	switch {
	case line > 0:
		l.add("%s line %d: %s", name, line, problem)
	case problem != "":
		l.add("%s: %s", name, problem)
	case top == nil:
	case top.Kind != yaml.MappingNode:
		l.add("%s: is not a mapping; write lines such as code_length: 6", name)
	default:
		return l.section(value{origin: name, node: top}, "", l.byKey)
	}
	return nil
}

// document parses a text, nil if it has only comments. It returns nodes, because
// decoded values lose repeated keys, types and line numbers.
func (l *loader) document(data []byte) (top *yaml.Node, line int, problem string) {
	if line := notUTF8(data); line > 0 {
		return nil, line, "is not UTF-8, perhaps Latin-1 or Windows-1252; save the file as UTF-8"
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, 0, ""
	}
	if err == nil {
		if err = dec.Decode(&more); err == nil {
			return nil, 0, "contains several documents; keep one"
		}
	}
	if !errors.Is(err, io.EOF) {
		if line, what := l.misread(data); line > 0 {
			return nil, line, "is not valid YAML: " + what + "; put the text in quotes"
		}
		return nil, errorLine(err), "is not valid YAML; put text with special characters in quotes"
	}
	top = doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.ShortTag() == "!!null" && top.Value == "" {
		return nil, 0, "" // a document marker and only comments
	}
	return top, 0, ""
}

var lineNumber = regexp.MustCompile(`line (\d+)`)

// errorLine returns the line of a parse error, or 0. The rest of the parser's
// message may repeat a secret, such as one that starts with *.
func errorLine(err error) int {
	found := lineNumber.FindStringSubmatch(err.Error())
	if found == nil {
		return 0
	}
	line, _ := strconv.Atoi(found[1])
	return line
}

// notUTF8 returns the first line that is not UTF-8, or 0. It accepts UTF-16 with
// a byte-order mark, which the parser reads too.
func notUTF8(data []byte) int {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return 0
	}
	line := 0
	for text := range bytes.Lines(data) {
		if line++; !utf8.Valid(text) {
			return line
		}
	}
	return 0
}

var keyAndValue = regexp.MustCompile(`^\s*([A-Za-z_-]+):[ \t]+(.*\S)`)

// misread returns the first line of a broken file where unquoted text has a
// meaning in YAML, and the reason. The parser reports another line, or none.
func (l *loader) misread(data []byte) (line int, what string) {
	for text := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		line++
		found := keyAndValue.FindSubmatch(text)
		if found == nil || yaml.Unmarshal(text, &yaml.Node{}) == nil {
			continue
		}
		key, value := "a value", string(found[2])
		if _, known := l.byKey[strings.ToUpper(string(found[1]))]; known {
			key = string(found[1])
		}
		switch first := value[:1]; {
		case strings.Contains("*&!%@`", first), strings.HasPrefix(value, "- "), strings.HasPrefix(value, "? "):
			return line, fmt.Sprintf("%s starts with %s, which is special in YAML", key, first)
		case first == "{" && !strings.HasSuffix(value, "}"), first == "{" && strings.Count(value, "}") > 1:
			return line, key + " starts with {, which opens a mapping"
		case first == "[" && !strings.HasSuffix(value, "]") && strings.Contains(value, "]"):
			return line, key + " starts with [, which opens a list"
		case strings.Contains("'\"", first) && strings.Count(value, first) > 1:
			return line, key + " continues after its closing quote"
		case !strings.Contains("{['\"", first) && (strings.Contains(value, ": ") || strings.HasSuffix(value, ":")):
			return line, key + " has a colon that YAML reads as the end of a key"
		}
	}
	return 0, ""
}

// plainKey matches a key that looks like a name and may be shown. Anything else
// may be a misplaced secret.
var plainKey = regexp.MustCompile(`^[A-Za-z][A-Za-z_.-]{0,29}[0-9]{0,2}$`)

// section reads the settings in a mapping: the top level of a file, or below a
// path. known has the settings by upper-case key.
func (l *loader) section(in value, path string, known map[string]setting) map[string]any {
	settings := map[string]any{}
	lines := map[string]int{}
	for i := 0; i+1 < len(in.node.Content); i += 2 {
		key, node := in.node.Content[i], in.node.Content[i+1]
		origin := in.at(key)
		s, isKnown := known[strings.ToUpper(key.Value)]
		switch {
		case !isKnown || key.Kind != yaml.ScalarNode:
			l.unknown(path, origin, key)
		case lines[s.key] > 0:
			l.bad(s.key, origin, fmt.Errorf("is given twice, first in line %d; keep one", lines[s.key]))
		case key.Value != strings.ToLower(key.Value):
			lines[s.key] = key.Line
			l.bad(s.key, origin, errors.New("unknown key; write it in lower case: "+strings.ToLower(key.Value)))
		case s.kind == mapping:
			lines[s.key] = key.Line
			settings[key.Value] = value{values: in.values, origin: in.origin, node: target(node)}
		default:
			lines[s.key] = key.Line
			values, err := s.fromYAML(node)
			if err != nil {
				l.bad(s.key, origin, err)
				continue
			}
			settings[key.Value] = value{values: values, origin: origin}
		}
	}
	return settings
}

// unknown reports an unknown key.
func (l *loader) unknown(path, origin string, key *yaml.Node) {
	const hint = "correct or remove it; config.sample.yaml lists all keys"
	name := ""
	if key.Kind == yaml.ScalarNode && plainKey.MatchString(key.Value) {
		name = key.Value
	}
	switch {
	case path == "":
		l.add("%s: %s; %s", origin, strings.TrimSpace("unknown key "+name), hint)
	case name == "":
		l.bad(path, origin, errors.New("has an unknown key; "+hint))
	default:
		l.bad(path+"."+name, origin, errors.New("unknown key; "+hint))
	}
}

// fromYAML returns the values in a node as text.
func (f field) fromYAML(n *yaml.Node) ([]string, error) {
	n = target(n)
	switch {
	case n.Kind == yaml.ScalarNode:
		if err := f.checkScalar(n); err != nil {
			return nil, err
		}
		return f.split(n.Value), nil
	case n.Kind != yaml.SequenceNode:
		return nil, errors.New("is a mapping; give one value, in quotes if it is text that starts with {")
	case f.kind != list:
		return nil, errors.New("is a list; give one value, in quotes if it is text that starts with [")
	}
	values := make([]string, 0, len(n.Content))
	for i, element := range n.Content {
		element = target(element)
		if element.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("element %d is not a plain value; write it as one", i+1)
		}
		if err := f.checkScalar(element); err != nil {
			return nil, fmt.Errorf("element %d %w", i+1, err)
		}
		values = append(values, element.Value)
	}
	return values, nil
}

// target follows an alias.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// checkScalar refuses a value whose YAML type differs from the setting's: as a
// YAML number the text 0123456701 is 21913025.
func (f field) checkScalar(n *yaml.Node) error {
	var what string
	switch n.ShortTag() {
	case "!!str":
		return nil
	case "!!null":
		return errors.New("has no value; add one, in quotes if it is text, or remove the line")
	case "!!int", "!!float":
		what = "a YAML number"
	case "!!bool":
		what = "a YAML boolean"
	case "!!timestamp":
		what = "a YAML date"
	default:
		return errors.New("has a YAML tag; put text in quotes")
	}
	switch f.kind {
	case number, amount, seconds, duration, boolean, level:
		return nil // the field parses the text more strictly than YAML
	}
	if f.kind == secret || len(n.Value) > 32 {
		return fmt.Errorf("is %s; put it in quotes", what)
	}
	return fmt.Errorf("is %s; put it in quotes: %q", what, n.Value)
}
