package redistest

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed testdata/clock.c
var clockSource []byte

// ServerWithClock is Server with a clock that is off from the true time by what
// setClock sets. It skips the test if gcc is not installed.
func ServerWithClock(t testing.TB, config ...string) (i *Instance, setClock func(off time.Duration)) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("redistest: gcc is not installed, so the clock of Redis cannot be set")
	}
	dir := t.TempDir()
	source, library, shift := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so"), filepath.Join(dir, "shift")
	setClock = func(off time.Duration) {
		t.Helper()
		// In place, because the server has mapped the file.
		file, err := os.OpenFile(shift, os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = file.Write(binary.NativeEndian.AppendUint64(nil, uint64(off.Milliseconds())))
		}
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			t.Fatalf("redistest: set the clock: %v", err)
		}
	}
	setClock(0)
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatalf("redistest: %v", err)
	}
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("redistest: gcc: %v\n%s", err, out)
	}
	node := startNodeIn(t, []string{"LD_PRELOAD=" + library, "CLOCK_SHIFT=" + shift}, config)
	return connect(t, &Instance{
		URL: "redis://" + node.Addr + "/0", Mode: Standalone, Addr: node.Addr, Nodes: []*Node{node},
	}), setClock
}
