package redisstore

import (
	"archive/zip"
	"context"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestTwoVersionsAtOnce: during a rolling update, the scripts of the last release and
// those of this tree work on the same data. If a change makes one misread the other's
// data, the key needs a new letter.
func TestTwoVersionsAtOnce(t *testing.T) {
	files, err := zip.OpenReader("testdata/released.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	mixed := newMixed(loadScripts(luaFiles), loadScripts(files))
	t.Run("miniredis", func(t *testing.T) { runVersions(t, redistest.Mini(t), mixed, false) })
	t.Run("standalone", func(t *testing.T) { runVersions(t, redistest.Server(t), mixed, true) })
}

func runVersions(t *testing.T, instance *redistest.Instance, mixed mixed, parallel bool) {
	open := func(t testing.TB) codestest.Backend {
		client, err := Dial(DialOptions{URL: instance.URL, Mode: instance.Mode})
		if err != nil {
			t.Fatal(err)
		}
		client.AddHook(mixed)
		store := New(client, Options{Prefix: "versions-" + codestest.Fresh().String() + ":"})
		t.Cleanup(func() { _ = store.Close() })
		return codestest.Backend{Store: store, Advance: instance.Advance, Parallel: parallel}
	}
	for name, run := range codestest.Suites() {
		t.Run(name, func(t *testing.T) { run(t, open) })
	}
}

// mixed is a hook that replaces a script by one of its two versions, at random. It maps
// the hash and the text of ours to those of both.
type mixed map[any][2]any

func newMixed(ours, released scripts) mixed {
	m := mixed{}
	a, b := reflect.ValueOf(ours), reflect.ValueOf(released)
	for i := range a.NumField() {
		for _, part := range []string{"text", "sha"} {
			one, other := a.Field(i).FieldByName(part).Elem().String(), b.Field(i).FieldByName(part).Elem().String()
			m[one] = [2]any{one, other}
		}
	}
	return m
}

func (m mixed) choose(cmd redis.Cmder) {
	if args := cmd.Args(); len(args) > 1 {
		if versions, known := m[args[1]]; known {
			args[1] = versions[rand.IntN(2)]
		}
	}
}

func (m mixed) DialHook(next redis.DialHook) redis.DialHook { return next }

func (m mixed) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		m.choose(cmd)
		return next(ctx, cmd)
	}
}

func (m mixed) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			m.choose(cmd)
		}
		return next(ctx, cmds)
	}
}
