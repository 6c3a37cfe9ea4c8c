package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yaml reads the settings in a file. It looks at the nodes and not at decoded
// values, which have forgotten repeated keys, types and lines.
func (l *loader) yaml(name string, data []byte) map[string]any {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil // nothing but comments
	}
	if err == nil {
		if err = dec.Decode(&more); err == nil {
			l.add("%s: holds several documents; keep one", name)
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		l.add("%s%s: is not valid YAML; put text with special characters in quotes", name, errorLine(err))
		return nil
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.ShortTag() == "!!null" && top.Value == "" {
		return nil // the mark of a document, and nothing but comments
	}
	if top.Kind != yaml.MappingNode {
		l.add("%s: is not a mapping; write lines such as code_length: 6", name)
		return nil
	}
	return l.mapping(name, top)
}

var lineNumber = regexp.MustCompile(`line \d+`)

// errorLine returns where a file is wrong. The rest of the parser's message
// may repeat what is there, such as a secret that begins with *.
func errorLine(err error) string {
	if at := lineNumber.FindString(err.Error()); at != "" {
		return " " + at
	}
	return ""
}

// plainKey is a key that may be shown: it looks like a name. Anything else may
// be a secret that stands in the wrong place.
var plainKey = regexp.MustCompile(`^[A-Za-z][A-Za-z_.-]{0,29}[0-9]{0,2}$`)

// mapping reads the settings in the top level of a file.
func (l *loader) mapping(name string, top *yaml.Node) map[string]any {
	settings := map[string]any{}
	lines := map[string]int{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, node := top.Content[i], top.Content[i+1]
		origin := fmt.Sprintf("%s line %d", name, key.Line)
		s, known := l.byKey[strings.ToUpper(key.Value)]
		switch {
		case !known || key.Kind != yaml.ScalarNode:
			which := ""
			if key.Kind == yaml.ScalarNode && plainKey.MatchString(key.Value) {
				which = " " + key.Value
			}
			l.add("%s: unknown key%s; correct or remove it, config.sample.yaml has all keys", origin, which)
		case lines[s.key] > 0:
			l.bad(s.key, origin, fmt.Errorf("is given twice, first in line %d; keep one", lines[s.key]))
		case key.Value != strings.ToLower(s.key):
			lines[s.key] = key.Line
			l.bad(s.key, origin, errors.New("unknown key; write it in lower case: "+strings.ToLower(s.key)))
		default:
			lines[s.key] = key.Line
			values, err := s.fromYAML(node)
			if err != nil {
				l.bad(s.key, origin, err)
				continue
			}
			settings[key.Value] = value{values, origin}
		}
	}
	return settings
}

// fromYAML returns the values in a node as they are written there.
func (f field) fromYAML(n *yaml.Node) ([]string, error) {
	n = target(n)
	switch {
	case n.Kind == yaml.ScalarNode:
		if err := f.checkScalar(n); err != nil {
			return nil, err
		}
		return f.split(n.Value), nil
	case n.Kind != yaml.SequenceNode:
		return nil, errors.New("is a mapping; give one value")
	case f.kind != list:
		return nil, errors.New("is a list; give one value")
	}
	values := make([]string, 0, len(n.Content))
	for i, element := range n.Content {
		element = target(element)
		if element.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("element %d is no plain text; write it as one", i+1)
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

// checkScalar refuses what YAML takes for something else than the setting is.
// Text must be text for YAML too: elsewhere 0123456701 is the number 21913025.
func (f field) checkScalar(n *yaml.Node) error {
	var what string
	switch n.ShortTag() {
	case "!!str":
		return nil
	case "!!null":
		return errors.New("has no value; give it one, in quotes if it is text, or remove the line")
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
	case number, seconds, duration, boolean, level:
		return nil // the text is looked at more strictly than YAML does
	case secret:
		return fmt.Errorf("is %s; put it in quotes", what)
	default:
		return fmt.Errorf("is %s; put it in quotes%s", what, quoted(n.Value))
	}
}

// quoted returns a short value in quotes, as an example.
func quoted(s string) string {
	if len(s) > 32 {
		return ""
	}
	return fmt.Sprintf(": %q", s)
}
