package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// value is the text that one source gives for a setting. Viper only layers the
// values; this package parses them, because viper's conversions guess
// (GetInt("010") is 8, GetInt("many") is 0).
type value struct {
	values []string   // one, or the elements of a list
	origin string     // for messages; empty for a default
	node   *yaml.Node // for a mapping in a file, which has no values
}

// loader reads the sources and collects their problems.
type loader struct {
	viper    *viper.Viper
	settings []setting
	byKey    map[string]setting
	origins  map[string]string // of the settings that a source sets
	wrong    map[string]bool   // settings with a problem
	problems []string
	hint     string   // end of the error
	ignored  []string // warnings about files that are not read

	redis func(*Config) error // see Source.CheckRedis
}

// Load reads and validates the settings. Its error is an *[Error] with every
// problem.
func Load(o Source) (*Config, error) {
	c := &Config{}
	l := newLoader(c)
	l.read(o)
	if err := l.finish(c); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadAdminAddr is [Load] for ADMIN_ADDR alone, for commands that query a
// running service without its credentials. Empty is off.
func LoadAdminAddr(o Source) (string, error) {
	c, err := loadOnly(o, keyAdminAddr)
	return c.AdminAddr, err
}

// LoadAccount is [Load] for the keys of the Flowroute account only.
func LoadAccount(o Source) (access, secret Secret, err error) {
	c, err := loadOnly(o, keyAccessKey, keySecretKey)
	return c.FlowrouteAccessKey, c.FlowrouteSecretKey, err
}

// loadOnly loads some settings and ignores problems with the others.
func loadOnly(o Source, keys ...string) (*Config, error) {
	c := &Config{}
	l := newLoader(c)
	l.settings = nil
	for _, key := range keys {
		l.settings = append(l.settings, l.byKey[key])
	}
	l.read(o)
	l.apply()
	if l.problems != nil {
		return &Config{}, &Error{Problems: l.problems, hint: l.hint}
	}
	return c, nil
}

// read adds the sources, weakest first.
func (l *loader) read(o Source) {
	l.redis = o.CheckRedis
	l.layer(l.file(o, "config", o.ConfigFile))
	l.layer(l.file(o, "credentials", o.CredentialsFile))
	l.layer(l.environment(o.Environ))
	l.flags(o.Flags)
	l.override(o.Set)
}

// newLoader returns a loader that will fill c in.
func newLoader(c *Config) *loader {
	l := &loader{viper: viper.New(), settings: c.settings(), byKey: map[string]setting{}, origins: map[string]string{}, wrong: map[string]bool{}}
	for _, s := range l.settings {
		l.byKey[s.key] = s
	}
	return l
}

// finish parses and validates what the sources give, and fills c.
func (l *loader) finish(c *Config) error {
	l.apply()
	l.profiles(c)
	l.check(c)
	c.ignoredFiles = l.ignored
	if l.problems != nil {
		return &Error{Problems: l.problems, Warnings: l.ignored, hint: l.hint}
	}
	return nil
}

// apply parses what the sources give, and fills the Config.
func (l *loader) apply() {
	l.defaults()
	for _, s := range l.settings {
		if v, ok := l.value(s); ok {
			l.origins[s.key] = v.origin
			if s.kind == mapping {
				continue // profiles inherit, so they are read last
			}
			if err := s.apply(v.values); err != nil {
				l.bad(s.key, v.origin, err)
			}
		}
	}
}

// add reports a problem that belongs to no setting.
func (l *loader) add(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// bad reports a problem of a setting.
func (l *loader) bad(key, origin string, err error) {
	l.wrong[key] = true
	if origin == "" {
		l.add("%s: %v", key, err)
	} else {
		l.add("%s (%s): %v", key, origin, err)
	}
}

func (l *loader) layer(settings map[string]any) {
	if err := l.viper.MergeConfigMap(settings); err != nil {
		l.add("the settings cannot be merged: %v", err)
	}
}

// file reads the file that was named, which must exist, or else NAME.yaml in
// the directory if it exists.
func (l *loader) file(o Source, flag, path string) map[string]any {
	if f := lookup(o.Flags, flag); path == "" && f != nil && f.Changed {
		if path = f.Value.String(); path == "" {
			l.add("--%s: is empty; give a file name", flag)
			return nil
		}
	}
	name, optional := path, path == ""
	if optional {
		if o.Dir == "" {
			return nil
		}
		name = flag + ".yaml"
		path = filepath.Join(o.Dir, name)
		if _, err := os.Lstat(filepath.Join(o.Dir, flag+".yml")); err == nil {
			l.ignored = append(l.ignored, fmt.Sprintf("%s.yml is not read; rename it to %s, or name it with --%s", flag, name, flag))
		}
	}
	data, err := os.ReadFile(path)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		l.add("%s: cannot be read: %v", name, reason(err))
		return nil
	}
	return l.yaml(name, data)
}

// reason removes the path from an error: in NAME_FILE it may be the secret
// itself, set by mistake.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func (l *loader) environment(environ []string) map[string]any {
	env := map[string]string{}
	for _, e := range environ {
		if name, s, _ := strings.Cut(e, "="); env[name] == "" {
			env[name] = s
		}
	}
	settings := map[string]any{}
	for _, s := range l.settings {
		text, path := env[s.key], ""
		if s.isSecret() {
			path = env[s.key+"_FILE"]
		}
		switch {
		case text != "" && path != "":
			l.bad(s.key, "environment", fmt.Errorf("%s_FILE is set too; keep one of the two", s.key))
		case text != "":
			settings[strings.ToLower(s.key)] = value{values: s.split(text), origin: "environment"}
		case path != "":
			content, err := secretFile(path)
			if err != nil {
				l.bad(s.key, s.key+"_FILE", err)
				continue
			}
			settings[strings.ToLower(s.key)] = value{values: []string{content}, origin: s.key + "_FILE"}
		}
	}
	return settings
}

func secretFile(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the file cannot be read: %w", reason(err))
	}
	if trimSecret(string(data)) == "" {
		return "", errors.New("the file is empty; write the secret into it")
	}
	return string(data), nil
}

// flags binds the flags that were given. For the others viper would use their
// defaults.
func (l *loader) flags(fs *pflag.FlagSet) {
	for _, s := range l.settings {
		if f := lookup(fs, flagName(s.key)); f != nil && f.Changed && !s.isSecret() {
			if err := l.viper.BindPFlag(strings.ToLower(s.key), f); err != nil {
				l.add("--%s: %v", f.Name, err)
			}
		}
	}
}

func (l *loader) override(set map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(set)) {
		s, known := l.byKey[key]
		if !known {
			l.add("%s: unknown setting", key)
			continue
		}
		l.viper.Set(strings.ToLower(key), value{values: s.split(set[key]), origin: "set"})
	}
}

// defaults adds the defaults as the weakest source, those of debug mode if it is
// on.
func (l *loader) defaults() {
	debug := false
	if v, ok := l.value(l.byKey[keyDebugMode]); ok {
		debug, _ = parseBool(strings.TrimSpace(v.values[0])) // apply reports a wrong value
	}
	for _, s := range l.settings {
		text := s.def
		if debug && s.debug != "" {
			text = s.debug
		}
		if text != "" {
			l.viper.SetDefault(strings.ToLower(s.key), value{values: s.split(text)})
		}
	}
}

// value returns a setting from its strongest source.
func (l *loader) value(s setting) (value, bool) {
	switch v := l.viper.Get(strings.ToLower(s.key)).(type) {
	case value:
		return v, true
	case string: // from a flag
		return value{values: s.split(v), origin: "--" + flagName(s.key)}, true
	case []string: // from a flag that may be repeated
		return value{values: s.split(strings.Join(v, ",")), origin: "--" + flagName(s.key)}, true
	}
	return value{}, false
}

// isSet reports whether a source sets the setting.
func (l *loader) isSet(key string) bool { return l.origins[key] != "" }
