package twilio

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestGuide builds the program in the guide, which prints what the guide says.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../from-twilio.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(guide), "```go\n")
	program, _, _ = strings.Cut(program, "```")
	path := filepath.Join(t.TempDir(), "guide")
	if err := os.WriteFile(path+".go", []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", path, path+".go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	r := serve(t)
	cmd := exec.Command(path, r.address, number)
	cmd.Env = append(os.Environ(), "TWILIO_ACCOUNT_SID="+account, "TWILIO_AUTH_TOKEN="+authToken, "TWILIO_SERVICE_SID="+service)
	cmd.WaitDelay = time.Second
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	if errIn != nil || errOut != nil || cmd.Start() != nil {
		t.Fatal(errIn, errOut)
	}
	defer time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
	screen := bufio.NewReader(stdout)
	first, _ := screen.ReadString(':')
	if _, err := io.WriteString(stdin, r.code(t, number)+"\n"); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(screen)
	if err := cmd.Wait(); err != nil || first+string(rest) != "pending\nCode: approved\n" {
		t.Errorf("%v, %q", err, first+string(rest))
	}
}
