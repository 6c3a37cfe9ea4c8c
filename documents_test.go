package smsverification_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// notRun are commands in documents that TestDocuments does not run, each with
// the reason. A command that begins with one of them is not run either.
var notRun = map[string]string{
	"go test":      "runs this very test, or more than there is time for",
	"make":         "the same; only the existence of the target is checked",
	"bash .ci/run": "runs this very test",
	"docker":       "the tests of package deploy run it",
	"helm":         "the tests of package deploy run it",
	"kubectl":      "needs a cluster",
	"redis-cli":    "needs the reader's Redis",
}

// placeholder is what only the reader knows: such a command is not run either.
var placeholder = regexp.MustCompile(`\b10\.\d+\.\d+\.\d+\b|\bexample\.(com|org|net)\b`)

// starting is a block that starts the service and leaves it running for those after it.
var starting = regexp.MustCompile(`^(\w+=\S+ )*(go run \./cmd/)?sms-verification( serve)?\n$`)

// recipes are the languages of blocks that are programs to be run against the
// service that the document has started, with the person's code on stdin.
var recipes = map[string]struct {
	program, file string
	optional      bool // need not be there with REQUIRE_REDIS=1
}{
	"python": {"python3", "recipe.py", false},
	"php":    {"php", "recipe.php", false},
	"js":     {"node", "recipe.mjs", true},
}

// block is a fenced block of a document.
type block struct {
	line       int
	info, text string // the words after the fence, and what is inside
}

func blocksOf(t *testing.T, document string) (blocks []block) {
	t.Helper()
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	fence := regexp.MustCompile("(?ms)^ *```([a-z][^\n]*)\n(.*?)^ *```$")
	for _, found := range fence.FindAllSubmatchIndex(content, -1) {
		line := 1 + bytes.Count(content[:found[0]], []byte("\n"))
		blocks = append(blocks, block{line, string(content[found[2]:found[3]]), string(content[found[4]:found[5]])})
	}
	return blocks
}

// TestDocuments runs the commands of every document, in its order, in a clean
// copy of the checkout.
func TestDocuments(t *testing.T) {
	checkout := copyOfCheckout(t)
	for _, document := range documents(t) {
		t.Run(document, func(t *testing.T) {
			r := &reader{T: t, dir: checkout}
			defer r.stop()
			r.inline(document)
			for _, b := range blocksOf(t, document) {
				if !r.isCommand(b) {
					continue
				}
				t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) {
					r.T = t
					r.follow(b)
				})
			}
		})
	}
}

func documents(t *testing.T) (paths []string) {
	t.Helper()
	walk(t, ".md", func(path string) { paths = append(paths, path) })
	return paths
}

// copyOfCheckout copies what git knows, or would, and builds the program there.
func copyOfCheckout(t *testing.T) string {
	t.Helper()
	list, err := exec.Command("git", "ls-files", "-co", "--exclude-standard", "-z").Output()
	if err != nil {
		missing(t, "git, and a checkout")
	}
	dir := t.TempDir()
	for path := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // removed, but not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := codestest.Build(filepath.Join(dir, "bin"), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// missing skips a test, or fails it where nothing may be missing.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_REDIS") == "1" {
		t.Fatalf("%s is not here, and REQUIRE_REDIS=1", what)
	}
	t.Skipf("%s is not here", what)
}

// reader does what a document says.
type reader struct {
	*testing.T
	dir    string
	server *exec.Cmd         // nil until the document has started it
	addr   string            // of the server, in place of 127.0.0.1:8000
	admin  string            // in place of 127.0.0.1:9464
	phone  *codestest.Output // the server's stdout, where the SMS are
}

const stepTimeout = 2 * time.Minute // on a busy machine, with a compiler to wait for

// isCommand reports whether a block is run, not only read.
func (r *reader) isCommand(b block) bool {
	language, _, _ := strings.Cut(b.info, " ")
	_, isRecipe := recipes[language]
	return isRecipe && r.server != nil || slices.Contains([]string{"sh", "bash", "shell", "console"}, language)
}

func (r *reader) follow(b block) {
	r.Helper()
	recipe, isRecipe := recipes[b.info]
	switch {
	case b.info == "sh" && starting.MatchString(b.text):
		r.serve(b.text)
	case b.info == "sh":
		r.shell(b.text)
	case isRecipe:
		if _, err := exec.LookPath(recipe.program); err != nil && recipe.optional {
			r.Skipf("%s is not here", recipe.program)
		}
		r.recipe(recipe.program, recipe.file, b.text)
	default:
		r.Errorf("```%s: write ```sh, which is run", b.info)
	}
}

// shell runs a block, unless it is one that is not run.
func (r *reader) shell(text string) {
	r.Helper()
	if placeholder.MatchString(text) {
		r.Skip("has the reader's own addresses in it")
	}
	for line := range strings.Lines(text) {
		command := regexp.MustCompile(`^(\w+=\S* )*`).ReplaceAllString(strings.TrimSpace(line), "")
		for prefix, reason := range notRun {
			if command == prefix || strings.HasPrefix(command, prefix+" ") {
				r.mustExist(command)
				r.Skipf("%s: %s", prefix, reason)
			}
		}
		for part := range strings.SplitSeq(command, "|") {
			if program, _, _ := strings.Cut(strings.TrimSpace(part), " "); slices.Contains([]string{"curl", "go", "sha256sum"}, program) {
				r.need(program)
			}
		}
	}
	if r.server == nil && strings.Contains(text, "http://127.0.0.1:") {
		r.serve("DEBUG_MODE=true sms-verification")
	}
	cmd := r.command("sh", "-eu", "-c", r.rewritten(text))
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Errorf("%v\n%s\n%s", err, text, out)
	}
}

func (r *reader) need(program string) {
	r.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(r.T, program)
	}
}

// mustExist fails the test if the target of a make command does not exist.
func (r *reader) mustExist(command string) {
	r.Helper()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		r.Fatal(err)
	}
	target := regexp.MustCompile(`^make (?:-\S+ )*([a-z-]+)`).FindStringSubmatch(command)
	if target != nil && !strings.Contains(string(makefile), "\n"+target[1]+":") {
		r.Errorf("there is no %s", command)
	}
}

// inline checks the commands within sentences: the program has them, and the
// packages and tests in arguments of go test exist.
func (r *reader) inline(document string) {
	r.Helper()
	content, err := os.ReadFile(document)
	if err != nil {
		r.Fatal(err)
	}
	for _, found := range regexp.MustCompile("`(?:\\w+=\\S+ )?sms-verification ([a-z][a-z-]+)").FindAllStringSubmatch(string(content), -1) {
		help, err := r.command(filepath.Join(r.dir, "bin", "sms-verification"), found[1], "--help").Output()
		if err != nil || !strings.Contains(string(help), "\n  sms-verification "+found[1]+" ") {
			r.Errorf("%s: there is no sms-verification %s", document, found[1])
		}
	}
	for _, found := range regexp.MustCompile("`make ([a-z-]+)`").FindAllStringSubmatch(string(content), -1) {
		r.mustExist("make " + found[1])
	}
	for _, found := range regexp.MustCompile("`go test[^`]*? (?:-run (\\w+) [^`]*)?\\./([a-z/-]*)[^`]*`").FindAllStringSubmatch(string(content), -1) {
		files, err := filepath.Glob(filepath.Join(found[2], "*_test.go"))
		named := found[1] == ""
		for _, file := range files {
			source, readErr := os.ReadFile(file)
			err = errors.Join(err, readErr)
			named = named || bytes.Contains(source, []byte("func "+found[1]+"("))
		}
		if err != nil || len(files) == 0 || !named {
			r.Errorf("%s: there is no %s, %v", document, found[0], err)
		}
	}
}

// rewritten puts this run's addresses in place of the documented ones.
func (r *reader) rewritten(text string) string {
	return strings.NewReplacer("127.0.0.1:8000", r.addr, "127.0.0.1:9464", r.admin).Replace(text)
}

func (r *reader) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "LISTEN_ADDR="+r.addr, "ADMIN_ADDR="+r.admin, "SMS_VERIFICATION_API_KEY=",
		"PATH="+filepath.Join(r.dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run has a child
	cmd.WaitDelay = time.Second
	return cmd
}

// serve starts a block and leaves it running once the service is ready.
func (r *reader) serve(text string) {
	r.Helper()
	r.stop()
	r.addr, r.admin = codestest.FreeAddr(r.T), codestest.FreeAddr(r.T)
	r.phone = &codestest.Output{}
	r.server = r.command("sh", "-eu", "-c", text)
	r.server.Stdout, r.server.Stderr = r.phone, io.Discard
	if err := r.server.Start(); err != nil {
		r.Fatal(err)
	}
	codestest.Await(r.T, stepTimeout, "the service is ready", func() bool {
		res, err := http.Get("http://" + r.addr + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func (r *reader) stop() {
	if r.server != nil {
		_ = syscall.Kill(-r.server.Process.Pid, syscall.SIGKILL)
		_ = r.server.Wait()
		r.server = nil
	}
}

// recipe runs a program as it stands in the document, and is the person who
// reads the SMS and types the code.
func (r *reader) recipe(program, name, text string) {
	r.Helper()
	r.need(program)
	file := filepath.Join(r.TempDir(), name)
	if err := os.WriteFile(file, []byte(r.rewritten(text)), 0o600); err != nil {
		r.Fatal(err)
	}
	shown := len(r.phone.String())
	cmd, out := r.command(program, file), &codestest.Output{}
	cmd.Stdout, cmd.Stderr = out, out
	typed, err := cmd.StdinPipe()
	if err != nil {
		r.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	code := regexp.MustCompile(`│ ([0-9]{4}) +│`)
	codestest.Await(r.T, stepTimeout, "the SMS; so far "+out.String(), func() bool { return code.MatchString(r.phone.String()[shown:]) })
	_, _ = fmt.Fprintln(typed, code.FindStringSubmatch(r.phone.String()[shown:])[1])
	select {
	case err := <-ended:
		if err != nil || !regexp.MustCompile(`(?i)authenticated\W+true|\bverified\b`).MatchString(out.String()) {
			r.Errorf("%v\n%s", err, out)
		}
	case <-time.After(stepTimeout):
		r.Errorf("still running: %s", out)
	}
}
