package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// kind says how a setting is written.
type kind int

const (
	text     kind = iota // used literally
	secret               // trimmed, never shown
	word                 // trimmed text
	number               // whole number
	amount               // decimal number
	seconds              // whole seconds or a duration
	duration             // with a unit
	boolean
	level   // name or number
	list    // of words
	mapping // kept as a YAML node
)

func (k kind) String() string {
	return [...]string{"text", "secret", "text", "number", "amount", "seconds", "duration", "boolean", "level", "list", "mapping"}[k]
}

// field validates a setting and stores it.
type field struct {
	kind kind
	rule string                      // the allowed values, for the documentation
	set  func(values []string) error // takes one value, or those of a list; its errors say what to do and never show a secret
}

// apply trims the values and sets the field.
func (f field) apply(values []string) error {
	clean := make([]string, len(values))
	for i, v := range values {
		if !utf8.ValidString(v) {
			return errors.New("is not valid UTF-8; write it in UTF-8")
		}
		switch f.kind {
		case text:
		case secret:
			if v = trimSecret(v); isQuoted(v) {
				return errors.New("is in quotes, which would be part of the secret; remove the quotes")
			}
		default:
			v = strings.TrimSpace(v)
		}
		if f.kind == list && v == "" {
			return errors.New("has an empty element; remove the extra comma")
		}
		clean[i] = v
	}
	return f.set(clean)
}

// split returns the values in one text.
func (f field) split(s string) []string {
	switch {
	case f.kind != list:
		return []string{s}
	case strings.TrimSpace(s) == "":
		return nil
	default:
		return strings.Split(s, ",")
	}
}

// single makes a field of one value.
func single(k kind, rule string, set func(string) error) field {
	return field{k, rule, func(values []string) error { return set(values[0]) }}
}

// parsed makes a field of one value, read by parse.
func parsed[T any](k kind, rule string, p *T, parse func(string) (T, error)) field {
	return single(k, rule, func(s string) error {
		v, err := parse(s)
		if err == nil {
			*p = v
		}
		return err
	})
}

// shown quotes a value for an error message. It hides a long value, which may
// be a misplaced secret.
func shown(s string) string {
	if len(s) > 32 {
		return "the value"
	}
	return strconv.Quote(s)
}

// textField makes a field of one text. A secret must not be empty.
func textField[T ~string](k kind, p *T, checks ...func(string) error) field {
	return single(k, "", func(s string) error {
		*p = T(s)
		if k == secret && s == "" {
			return errors.New("is empty; give it a value or remove it")
		}
		for _, check := range checks {
			if err := check(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// decimal excludes leading zeros, which other programs read as octal.
var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// parseInt parses a decimal number from lo to hi.
func parseInt(s string, lo, hi int64) (int64, error) {
	if !decimal.MatchString(s) {
		return 0, fmt.Errorf("%s is not a whole number; write decimal digits without leading zeros", shown(s))
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("%s is out of range; write %d to %d", shown(s), lo, hi)
	}
	return n, nil
}

func intField[T int | int64](p *T, lo, hi int64) field {
	return parsed(number, fmt.Sprintf("%d to %d", lo, hi), p, func(s string) (T, error) {
		n, err := parseInt(s, lo, hi)
		return T(n), err
	})
}

var price = regexp.MustCompile(`^(0|[1-9][0-9]{0,3})(\.[0-9]{1,6})?$`)

// priceField takes a positive amount; empty is none.
func priceField(p *float64) field {
	return parsed(amount, "more than 0, at most six digits after the point", p, func(s string) (float64, error) {
		if s == "" {
			return 0, nil
		}
		n, err := strconv.ParseFloat(s, 64)
		if !price.MatchString(s) || err != nil || n <= 0 {
			return 0, fmt.Errorf("%s is not a price; write a number such as 0.0040, more than 0 and less than 10000, or remove it", shown(s))
		}
		return n, nil
	})
}

func secondsField(p *time.Duration, lo, hi int64) field {
	rule := fmt.Sprintf("whole seconds, %d to %d, or a duration such as `10m`", lo, hi)
	return parsed(seconds, rule, p, func(s string) (time.Duration, error) {
		if strings.Trim(s, "-0123456789") != "" {
			d, err := time.ParseDuration(s)
			if err != nil {
				return 0, fmt.Errorf("%s is not a duration; write %s", shown(s), plain(rule))
			}
			if d%time.Second != 0 {
				return 0, fmt.Errorf("%s is not a whole number of seconds; round it", shown(s))
			}
			s = strconv.FormatInt(int64(d/time.Second), 10)
		}
		n, err := parseInt(s, lo, hi)
		return time.Duration(n) * time.Second, err
	})
}

func durationField(p *time.Duration, lo, hi time.Duration) field {
	rule := short(lo) + " to " + short(hi)
	return parsed(duration, rule, p, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil && decimal.MatchString(s) {
			return 0, fmt.Errorf("%s has no unit; write %s for seconds", shown(s), shown(s+"s"))
		}
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration; write one such as 10s or 1m30s, from %s", shown(s), rule)
		}
		if d < lo || d > hi {
			return 0, fmt.Errorf("%s is out of range; write %s", shown(s), rule)
		}
		return d, nil
	})
}

// short formats a duration without zero parts: 5m, not 5m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "t", "1", "yes", "on":
		return true, nil
	case "false", "f", "0", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%s is not a boolean; write true or false", shown(s))
}

func boolField(p *bool) field {
	return parsed(boolean, "`true` or `false` (also `1 0 yes no on off`)", p, parseBool)
}

// choiceField takes the name of one of the values.
func choiceField[T any](p *T, names []string, values ...T) field {
	return parsed(word, "`"+strings.Join(names, "`, `")+"`", p, func(s string) (value T, err error) {
		i := slices.Index(names, s)
		if i < 0 {
			return value, fmt.Errorf("%s is unknown; write one of %s", shown(s), strings.Join(names, ", "))
		}
		return values[i], nil
	})
}

// each makes a field of a list, whose elements are read by parse. Errors give
// the position of an element, because some elements must not be shown.
func each[T any](rule string, p *[]T, parse func(string) (T, error)) field {
	return field{list, rule, func(values []string) error {
		var all []T
		var errs []string
		for i, s := range values {
			v, err := parse(s)
			if err != nil {
				errs = append(errs, fmt.Sprintf("element %d %v", i+1, err))
			}
			all = append(all, v)
		}
		*p = all
		if errs != nil {
			return errors.New(strings.Join(errs, "; "))
		}
		return nil
	}}
}

// limitsField makes a field of a list, which package codes parses. Its errors repeat the
// element, so an element that is too long for a limit is refused before: it may be a
// misplaced secret.
func limitsField(rule, hint string, longest int, invalid string, set func(values []string) error) field {
	return field{list, rule, func(values []string) error {
		switch {
		case len(values) == 0:
			return errors.New("is empty; write " + hint)
		case slices.ContainsFunc(values, func(s string) bool { return len(s) > longest }):
			return errors.New("contains an invalid " + invalid)
		}
		return set(values)
	}}
}

// plain removes Markdown's backquotes.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }
