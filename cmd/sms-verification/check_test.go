package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// recommended are the settings that the standards ask for.
func recommended() []string {
	return []string{
		"CODE_LENGTH=6", "CODE_EXPIRATION=600", "RETRIES_ALLOWED=5", "SEND_LIMITS=5/10m,20/24h", "GUESS_LIMITS=20/24h",
		"ALLOWED_PREFIXES=us,ca", "API_KEYS=shop:" + strings.Repeat("0a", 32), "CODE_SECRET=0123456789abcdef0123456789abcdef",
	}
}

// TestCheck: what the settings are worth, on a Redis that can be used.
func TestCheck(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t, flowroutetest.Options{})
	plain, snapshots := redistest.Server(t), redistest.Server(t, "save 3600 1")
	const rdb = "snapshots without an append-only file"
	for _, c := range []struct {
		name       string
		redis      *redistest.Instance
		env        []string
		want, lack []string
	}{
		{
			name: "defaults", redis: plain, env: []string{"SEND_LIMITS=5/10m,20/24h", "GUESS_LIMITS=20/24h"},
			want: []string{
				"Settings: fine", "Message: 1 segment(s), ASCII", "4 digit(s), 3 wrong codes per entry, at most 80 compared",
				"      1 number(s): 0.008\n", "   1000 number(s): 1\n", "  10000 number(s): 1\n", " 100000 number(s): 1\n",
				"Redis: reached", "at least six digits", "at most ten minutes", "API_KEYS is empty", "ALLOWED_PREFIXES is empty",
			},
			lack: []string{rdb, "CANNOT", "100 failures", "GUESS_LIMITS", "SEND_LIMITS"},
		},
		{
			name: "recommended", redis: plain, env: recommended(),
			want: []string{
				"6 digit(s), 5 wrong codes per entry, at most 45 compared",
				"      1 number(s): 4.5e-05\n", "   1000 number(s): 0.044\n", "  10000 number(s): 0.36\n", " 100000 number(s): 0.99\n",
			},
			lack: []string{"NIST", "Warning"},
		},
		{
			name: "weakest", redis: plain, env: []string{"RETRIES_ALLOWED=101"},
			want: []string{"any number compared per number and day", "1 number(s): 1\n", "at most 100 failures", "set GUESS_LIMITS", "SEND_LIMITS is off"},
		},
		{
			name: "long and not ASCII", redis: plain, env: []string{"ORG_NAME=Café " + strings.Repeat("o", 60)},
			want: []string{"Message: 2 segment(s), UCS-2"},
		},
		{name: "long ASCII", redis: plain, env: []string{"ORG_NAME=" + strings.Repeat("o", 300)}, want: []string{"Message: 3 segment(s), ASCII"}},
		{name: "snapshots", redis: snapshots, env: recommended(), want: []string{"Redis: reached", "Warning: ", rdb}, lack: []string{"NIST"}},
	} {
		status, out, errOut := command(t, environment(c.redis, sim, c.env...), "check")
		if status != 0 || errOut != "" {
			t.Errorf("%s: status %d, stderr %q", c.name, status, errOut)
		}
		contains(t, c.name, out, c.want...)
		for _, part := range c.lack {
			if strings.Contains(out, part) {
				t.Errorf("%s: %q in\n%s", c.name, part, out)
			}
		}
	}
	if n := sim.Requests(); n != (flowroutetest.Counts{}) {
		t.Errorf("Flowroute was called: %+v", n)
	}
}

// permissions reads what the documentation of package redisstore says a user needs.
func permissions(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../redisstore/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(doc), "resetchannels ")
	list, _, ended := strings.Cut(list, "\n//\n")
	if !found || !ended || !strings.Contains(list, "+evalsha") {
		t.Fatal("no permissions in the documentation")
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(list, "//", "")), " ")
}

// TestCheckPermissions: the documented permissions are enough, and one less is
// not: a script that stops half-way would spend no attempt.
func TestCheckPermissions(t *testing.T) {
	t.Parallel()
	enough := permissions(t)
	users := []string{"user enough on >pw " + enough, "user elsewhere on >pw " + strings.Replace(enough, "~smsv:", "~other:", 1)}
	// What check says, by user. Inside a script Redis does not tell which command it is.
	refused := map[string]string{"nobody": "WRONGPASS", "elsewhere": "permission"}
	for _, permission := range strings.Fields(enough) {
		name, isCommand := strings.CutPrefix(permission, "+")
		if !isCommand || name == "hello" || name == "ping" || name == "eval" || name == "info" { // there is another way without these
			continue
		}
		users = append(users, "user no-"+name+" on >pw "+enough+" -"+name)
		refused["no-"+name] = "can't run this command"
	}
	refused["no-evalsha"] = "'evalsha' command"
	redis, sim := redistest.Server(t, users...), startSimulator(t, flowroutetest.Options{})
	begin := func(user string) *process {
		url := fmt.Sprintf("REDIS_URL=redis://%s:pw@%s/0", user, redis.Addr)
		return start(t, environment(redis, sim, append(recommended(), url, "REDIS_KEY_PREFIX=smsv:")...), "check")
	}
	p := begin("enough")
	if status := p.exit(t, 10*time.Second); status != 0 || p.stderr.String() != "" || strings.Contains(p.stdout.String(), "Warning") {
		t.Errorf("the documented permissions: status %d, stderr %q", status, p.stderr)
	}
	contains(t, "the documented permissions", p.stdout.String(), "Redis: reached", "Note: the user of Redis may not read save")

	for some := range slices.Chunk(slices.Sorted(maps.Keys(refused)), 5) { // a few at a time: each takes a while to give up
		running := map[string]*process{}
		for _, user := range some {
			running[user] = begin(user)
		}
		for user, p := range running {
			if status := p.exit(t, 10*time.Second); status != 1 || strings.Contains(p.stdout.String(), "may not read") {
				t.Errorf("%s: status %d", user, status)
			}
			contains(t, user, p.stdout.String(), "Redis: CANNOT BE USED", refused[user])
			contains(t, user, p.stderr.String(), "permissions of its user")
		}
	}
	if n := sim.Requests(); n.Requests != 0 {
		t.Errorf("Flowroute was called %d times", n.Requests)
	}
}

// TestCheckWithoutRedis: no Redis, or one that says nothing, is told soon and once.
func TestCheckWithoutRedis(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for _, c := range []struct{ addr, want string }{{closed.Addr().String(), "connection refused"}, {silent.Addr().String(), "i/o timeout"}} {
		begun := time.Now()
		status, out, errOut := command(t, complete("REDIS_URL=redis://"+c.addr+"/0"), "check")
		if took := time.Since(begun); status != 1 || took > 10*time.Second {
			t.Errorf("%s: status %d after %v", c.want, status, took)
		}
		contains(t, c.want, out, "Settings: fine", "NIST", "Redis: CANNOT BE USED")
		contains(t, c.want, errOut, "Redis cannot be used; see REDIS_URL")
		if n := strings.Count(out+errOut, c.want); n != 1 {
			t.Errorf("said %d times: %s\n%s%s", n, c.want, out, errOut)
		}
	}
}

// TestCheckStrict: a warning is enough to fail, and nothing else changes.
func TestCheckStrict(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	warned := append(recommended(), "TRUSTED_PROXIES=10.0.0.0/8,::/0")
	for _, c := range []struct {
		env    []string
		args   string
		status int
		want   string
	}{
		{recommended(), "check --strict", 0, ""},
		{warned, "check", 0, ""},
		{warned, "check --strict", 1, "check: 1 warning(s), and --strict allows none"},
		{warned, "check --strict --json", 1, "--strict allows none"},
	} {
		status, out, errOut := command(t, environment(redis, sim, c.env...), strings.Fields(c.args)...)
		if status != c.status || (errOut == "") != (c.want == "") || strings.Contains(out, "TRUSTED_PROXIES has ::/0") != (len(c.env) > len(recommended())) {
			t.Errorf("%s: status %d, stderr %q, stdout %s", c.args, status, errOut, out)
		}
		contains(t, c.args, errOut, c.want)
	}
}

// TestNewWarnings: check and serve warn of the same.
func TestNewWarnings(t *testing.T) {
	t.Parallel()
	dir := dirWith(t, "config.yml", "code_length: 6\n", "credentials.yml", "")
	env := complete("REDIS_URL=rediss://127.0.0.1:1/0?skip_verify=true", "TRUSTED_PROXIES=0.0.0.0/0", "SHUTDOWN_DELAY=0s")
	want := []string{"config.yml is not read", "credentials.yml is not read", "TRUSTED_PROXIES has 0.0.0.0/0", "REDIS_URL has skip_verify=true"}
	checked := startIn(t, dir, env, "check")
	if status := checked.exit(t, 10*time.Second); status != 1 {
		t.Errorf("check: status %d", status)
	}
	contains(t, "check", checked.stdout.String(), want...)
	p := startIn(t, dir, env)
	p.listening(t)
	contains(t, "serve", p.stderr.String(), want...)

	var found struct{ Problems, Warnings []string }
	wrong := startIn(t, dir, nil, "check", "--json")
	if status := wrong.exit(t, 10*time.Second); status != 2 {
		t.Errorf("check without settings: status %d", status)
	}
	if err := json.Unmarshal([]byte(wrong.stdout.String()), &found); err != nil || len(found.Problems) != 3 || len(found.Warnings) != 2 {
		t.Errorf("check --json: %+v, %v", found, err)
	}
	contains(t, "stderr", wrong.stderr.String(), "is required", "Warning: config.yml is not read")
}

// TestNoAnswerToTLS: a port that does not speak TLS is named as such.
func TestNoAnswerToTLS(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	env := environment(redis, sim, "REDIS_URL=rediss://"+redis.Addr)
	status, out, _ := command(t, env, "check")
	if status != 1 || strings.Contains(out, "deadline") {
		t.Errorf("check: status %d", status)
	}
	contains(t, "check", out, "CANNOT BE USED", "TLS got no answer", "redis://")
	p := serve(t, env)
	eventually(t, 5*time.Second, "the log says so", func() bool { return strings.Contains(p.stderr.String(), "TLS got no answer") })
}

// TestHostedRedis: a user and password of their own, an authority that nobody
// knows, and a server that demands a certificate.
func TestHostedRedis(t *testing.T) {
	t.Parallel()
	ca, sim := redistest.NewAuthority(t), startSimulator(t, flowroutetest.Options{})
	port := freePort(t)
	redis := redistest.Server(t, "tls-port "+port, "tls-auth-clients yes", "tls-cert-file "+ca.CertFile, "tls-key-file "+ca.KeyFile, "tls-ca-cert-file "+ca.File,
		`user app on ">`+secretPassword+`" ~* &* +@all`)
	password := dirWith(t, "password", secretPassword+"\n") + "/password"
	env := environment(redis, sim, "REDIS_URL=rediss://127.0.0.1:"+port, "REDIS_USERNAME=app", "REDIS_PASSWORD_FILE="+password,
		"REDIS_TLS_CA="+ca.File, "REDIS_TLS_CERT="+ca.CertFile, "REDIS_TLS_KEY="+ca.KeyFile)
	if status, out, errOut := command(t, env, "check"); status != 0 || strings.Contains(out+errOut, secretPassword) {
		t.Errorf("check: status %d: %s%s", status, out, errOut)
	}
	p := serveReady(t, env)
	create(t, p.URL, "a", "12065550142")
	if a := verify(t, p.URL, "a", codeSent(t, sim, "12065550142")); a.status != 200 {
		t.Errorf("the right code: %d %s", a.status, a.raw)
	}
	status, out, _ := command(t, append(env, "REDIS_TLS_CERT=", "REDIS_TLS_KEY="), "check")
	if status != 1 {
		t.Errorf("without a client certificate: status %d", status)
	}
	contains(t, "without a client certificate", out, "CANNOT BE USED", "certificate")
}

// TestWrappedSecrets: what files and shells put around a secret changes nothing.
func TestWrappedSecrets(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	plain := environment(redis, sim, "CODE_SECRET="+secretCode)
	dir := dirWith(t, "credentials.yaml", "flowroute_secret_key: \" "+testSecretKey+" \\n\"\n", "access", "\ufeff"+testAccessKey+"\r\n")
	wrapped := append(slices.Clone(plain), "FLOWROUTE_SECRET_KEY=", "FLOWROUTE_ACCESS_KEY=", "FLOWROUTE_ACCESS_KEY_FILE="+dir+"/access", "CODE_SECRET="+secretCode+"\n")
	a, b := serveReady(t, plain), startIn(t, dir, wrapped)
	b.listening(t)
	eventually(t, 5*time.Second, "ready", func() bool { return get(t, b.URL+"/readyz").status == 200 })
	if made := create(t, b.URL, "a", "12065550142"); made.status != 200 {
		t.Fatalf("create: %d %s", made.status, made.raw)
	}
	if right := verify(t, a.URL, "a", codeSent(t, sim, "12065550142")); right.status != 200 {
		t.Errorf("the right code at the other replica: %d %s", right.status, right.raw)
	}
}

func TestCheckInDebugMode(t *testing.T) {
	t.Parallel()
	status, out, errOut := command(t, debugEnvironment(recommended()...), "check")
	if status != 0 || errOut != "" || strings.Contains(out, "Warning") {
		t.Errorf("status %d, stderr %q", status, errOut)
	}
	contains(t, "debug mode", out, "Settings: fine", "Redis: reached", "4.5e-05")
}
