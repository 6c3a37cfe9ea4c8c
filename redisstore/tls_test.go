package redisstore_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

const awkward = "p%40@:/?# '" // a password that a URL cannot hold unencoded

// TestTLS: in every mode, both sides verify certificates and the user logs in.
func TestTLS(t *testing.T) {
	t.Parallel()
	if _, err := x509.SystemCertPool(); err != nil { // reads many files, once: not within the deadline of an operation
		t.Fatal(err)
	}
	ca, foreign := redistest.NewAuthority(t), redistest.NewAuthority(t)
	for mode, start := range map[string]func(t *testing.T, config []string) (url string){
		redisstore.Standalone: startTLS, redisstore.Sentinel: startSentinelTLS, redisstore.Cluster: startClusterTLS,
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			url := start(t, []string{
				"tls-auth-clients yes", "tls-replication yes", "tls-cluster yes",
				"tls-cert-file " + ca.CertFile, "tls-key-file " + ca.KeyFile, "tls-ca-cert-file " + ca.File,
			})
			good := redisstore.DialOptions{
				URL: url, Mode: mode, Username: "app", Password: awkward,
				CAFile: ca.File, CertFile: ca.CertFile, KeyFile: ca.KeyFile,
			}
			tryTLS(t, "everything", good, "")
			wrong := good
			wrong.Password = "other"
			tryTLS(t, "wrong password", wrong, "WRONGPASS")
			wrong = good
			wrong.CertFile, wrong.KeyFile = "", ""
			tryTLS(t, "no client certificate", wrong, "certificate")
			wrong = good
			wrong.CAFile = ""
			tryTLS(t, "the system's authorities", wrong, "certificate")
			if mode == redisstore.Standalone {
				wrong.URL += "?skip_verify=true"
				tryTLS(t, "any authority", wrong, "")
			}
			wrong = good
			wrong.CAFile = foreign.File
			tryTLS(t, "another authority", wrong, "certificate")
			wrong = good
			wrong.CertFile, wrong.KeyFile = foreign.CertFile, foreign.KeyFile
			tryTLS(t, "a client certificate of another authority", wrong, "unknown certificate authority")
		})
	}
}

// TestNoTLS: a server that does not speak TLS does not answer, which the error says.
func TestNoTLS(t *testing.T) {
	t.Parallel()
	addr := redistest.Server(t).Addr
	for mode, url := range map[string]string{
		redisstore.Standalone: "rediss://" + addr, redisstore.Sentinel: "rediss://" + addr + "?master_name=mymaster", redisstore.Cluster: "rediss://" + addr,
	} {
		tryTLS(t, mode, redisstore.DialOptions{URL: url, Mode: mode}, "TLS got no answer")
	}
	port := redistest.FreePort(t)
	tryTLS(t, "nothing there", redisstore.DialOptions{URL: "rediss://127.0.0.1:" + port, Mode: redisstore.Standalone}, "connection refused")
}

// TestRenewedCertificate: a new connection uses the certificate that is in the files now.
func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	ca, foreign := redistest.NewAuthority(t), redistest.NewAuthority(t)
	url := startTLS(t, []string{"tls-auth-clients yes", "tls-cert-file " + ca.CertFile, "tls-key-file " + ca.KeyFile, "tls-ca-cert-file " + ca.File})
	dir := t.TempDir()
	options := redisstore.DialOptions{URL: url, Mode: redisstore.Standalone, CAFile: ca.File, CertFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key")}
	put := func(from redistest.Authority) {
		for to, file := range map[string]string{options.CertFile: from.CertFile, options.KeyFile: from.KeyFile} {
			content, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(to, content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	put(foreign)
	client, err := redisstore.Dial(options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Fatal("Redis accepts any certificate")
	}
	put(ca)
	err = client.Ping(t.Context()).Err()
	for end := time.Now().Add(5 * time.Second); err != nil && time.Now().Before(end); err = client.Ping(t.Context()).Err() {
		time.Sleep(20 * time.Millisecond) // on a busy machine the first calls may be late
	}
	if err != nil {
		t.Errorf("after the renewal: %v", err)
	}
}

func TestDialOptionsRefused(t *testing.T) {
	ca := redistest.NewAuthority(t)
	for name, test := range map[string]struct {
		options redisstore.DialOptions
		want    string
	}{
		"both twice":            {redisstore.DialOptions{URL: "redis://us3r:s3cr3t@h", Mode: redisstore.Standalone, Username: "s3cr3t", Password: "us3r"}, "REDIS_USERNAME and REDIS_PASSWORD are set too"},
		"no password":           {redisstore.DialOptions{URL: "redis://h", Mode: redisstore.Standalone, Username: "s3cr3t"}, "set REDIS_PASSWORD"},
		"two users":             {redisstore.DialOptions{URL: "redis://us3r@h", Mode: redisstore.Standalone, Username: "s3cr3t"}, "contains a user, but REDIS_USERNAME is set too"},
		"two passwords":         {redisstore.DialOptions{URL: "redis://:us3r@h", Mode: redisstore.Cluster, Password: "s3cr3t"}, "contains a password, but REDIS_PASSWORD is set too"},
		"two for the servers":   {redisstore.DialOptions{URL: "redis://h?master_name=m&password=us3r", Mode: redisstore.Sentinel, Password: "s3cr3t"}, "contains a password"},
		"certificate, no TLS":   {redisstore.DialOptions{URL: "redis://h", Mode: redisstore.Standalone, CAFile: ca.File}, "begin it with rediss://"},
		"no certificate inside": {redisstore.DialOptions{URL: "rediss://h", Mode: redisstore.Standalone, CAFile: ca.KeyFile}, "holds no certificate"},
		"no such file":          {redisstore.DialOptions{URL: "rediss://h", Mode: redisstore.Standalone, CAFile: "/no/such"}, "no such file"},
	} {
		err := redisstore.CheckOptions(test.options)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "us3r") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	for name, options := range map[string]redisstore.DialOptions{
		"user here, password there": {URL: "redis://user@h", Mode: redisstore.Standalone, Password: "p"},
		"the sentinels' own":        {URL: "redis://user:p@h?master_name=m", Mode: redisstore.Sentinel, Username: "u", Password: "q"},
	} {
		if err := redisstore.CheckOptions(options); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// tryTLS dials and runs every script. The error must contain want, or there must be none
// if want is empty.
func tryTLS(t *testing.T, name string, options redisstore.DialOptions, want string) {
	t.Helper()
	client, err := redisstore.Dial(options)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	store := redisstore.New(client, redisstore.Options{Prefix: freshPrefix()})
	defer func() { _ = store.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for err = store.Prepare(ctx); ctx.Err() == nil; err = store.Prepare(ctx) { // on a busy machine the first calls may be late
		if want == "" && err == nil || want != "" && err != nil && strings.Contains(err.Error(), want) {
			if want != "" && !errors.Is(err, codes.ErrUnavailable) {
				t.Errorf("%s: %v, want one that is unavailable", name, err)
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%s: %v, want %q", name, err, want)
}

// startTLS starts a server that also speaks TLS.
func startTLS(t *testing.T, config []string) string {
	t.Helper()
	port := redistest.FreePort(t)
	redistest.Server(t, append(config, "tls-port "+port, `user app on "`+">"+awkward+`" ~* &* +@all`)...)
	return "rediss://127.0.0.1:" + port
}

func startSentinelTLS(t *testing.T, config []string) string {
	t.Helper()
	master := strings.TrimPrefix(startTLS(t, config), "rediss://")
	port := redistest.FreePort(t)
	redistest.SentinelOf(t, master, append(config, "tls-port "+port)...)
	return "rediss://127.0.0.1:" + port + "?master_name=mymaster"
}

// startClusterTLS starts a cluster of one server.
func startClusterTLS(t *testing.T, config []string) string {
	t.Helper()
	port := redistest.FreePort(t)
	instance := redistest.Server(t, append(config, "cluster-enabled yes", "tls-port "+port, `user app on "`+">"+awkward+`" ~* &* +@all`)...)
	if err := instance.Client().Do(t.Context(), "cluster", "addslotsrange", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	return "rediss://127.0.0.1:" + port
}

// TestTLSNames: the name in the URL must be in the certificate, and old versions of TLS
// are refused.
func TestTLSNames(t *testing.T) {
	t.Parallel()
	ca := redistest.NewAuthority(t)
	url := startTLS(t, []string{"tls-auth-clients no", "tls-cert-file " + ca.CertFile, "tls-key-file " + ca.KeyFile, "tls-ca-cert-file " + ca.File})
	other := strings.Replace(url, "127.0.0.1", "localhost", 1)
	tryTLS(t, "its name", redisstore.DialOptions{URL: url, Mode: redisstore.Standalone, CAFile: ca.File}, "")
	tryTLS(t, "another name", redisstore.DialOptions{URL: other, Mode: redisstore.Standalone, CAFile: ca.File}, "certificate")
	client, err := redisstore.Dial(redisstore.DialOptions{URL: url, Mode: redisstore.Standalone})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if c := client.(*redis.Client).Options().TLSConfig; c.MinVersion < tls.VersionTLS12 {
		t.Errorf("takes TLS version %x", c.MinVersion)
	}
	tryTLS(t, "no TLS at all", redisstore.DialOptions{URL: strings.Replace(url, "rediss", "redis", 1), Mode: redisstore.Standalone}, "redis: ")
}
