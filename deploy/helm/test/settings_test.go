package test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// settingsOf returns the settings in the ConfigMap that the pods read.
func settingsOf(t *testing.T, r release) map[string]string {
	t.Helper()
	name := one[*apps.Deployment](t, r).Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name
	for _, c := range all[*core.ConfigMap](r) {
		if c.Name == name {
			return c.Data
		}
	}
	t.Fatalf("there is no ConfigMap %s", name)
	return nil
}

// existingSecret is a Secret that already exists in the cluster.
var existingSecret = map[string]string{
	"FLOWROUTE_ACCESS_KEY": "access-key", "FLOWROUTE_SECRET_KEY": "secret-key", "REDIS_URL": "rediss://127.0.0.1:6379", "REDIS_PASSWORD": "p@ss",
	"CODE_SECRET": "0123456789abcdef", "CODE_SECRET_PREVIOUS": "fedcba9876543210",
	"redis-root-password": "password",
}

// environment returns the environment of the pod's container, with the files of
// its Secret moved to a directory of the test.
func environment(t *testing.T, r release, spec core.PodSpec, existing map[string]string) []string {
	t.Helper()
	content := existing
	for _, secret := range all[*core.Secret](r) {
		content = secret.StringData
	}
	// The chart's own volumes come first.
	files := map[string]string{}
	for i, volume := range spec.Volumes {
		if volume.Name != "secrets" {
			continue
		}
		for _, item := range volume.Secret.Items {
			if content[item.Key] == "" {
				t.Fatalf("the Secret has no %s", item.Key)
			}
			file := filepath.Join(t.TempDir(), item.Path)
			if err := os.WriteFile(file, []byte(content[item.Key]), 0o600); err != nil {
				t.Fatal(err)
			}
			files[filepath.Join(spec.Containers[0].VolumeMounts[i].MountPath, item.Path)] = file
		}
	}
	var environ []string
	for key, value := range settingsOf(t, r) {
		environ = append(environ, key+"="+value)
	}
	for _, env := range spec.Containers[0].Env {
		if value := files[env.Value]; value != "" {
			environ = append(environ, env.Name+"="+value)
			delete(files, env.Value)
		} else if from := env.ValueFrom; from != nil && from.SecretKeyRef != nil {
			environ = append(environ, env.Name+"="+content[from.SecretKeyRef.Key])
		} else if strings.HasSuffix(env.Name, "_FILE") {
			t.Errorf("%s names %s, which is not mounted", env.Name, env.Value)
		}
	}
	for mounted := range files {
		t.Errorf("%s is mounted, but no variable names it", mounted)
	}
	return environ
}

// TestSettings: the service accepts the settings of its pods, the ConfigMap has
// nothing else, and the grace period is long enough.
func TestSettings(t *testing.T) {
	known := map[string]string{}
	for _, s := range config.Settings() {
		known[s.Name] = s.Kind
	}
	existing, ca := maps.Clone(existingSecret), redistest.NewAuthority(t)
	for key, file := range map[string]string{"ca.crt": ca.File, "tls.crt": ca.CertFile, "tls.key": ca.KeyFile} {
		existing[key] = string(readFile(t, file))
	}
	eachCase(t, func(t *testing.T, r release) {
		for name, pod := range pods(t, r) {
			c, err := config.Load(config.Source{Environ: environment(t, r, pod.Spec, existing)})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if grace := pod.Spec.TerminationGracePeriodSeconds; name == "service" && float64(*grace) < (c.ShutdownDelay+c.ShutdownTimeout).Seconds() {
				t.Errorf("the grace period of %d s is shorter than %s and %s", *grace, c.ShutdownDelay, c.ShutdownTimeout)
			}
		}
		for name := range settingsOf(t, r) {
			if kind := known[name]; kind == "" || kind == "secret" {
				t.Errorf("the ConfigMap has %s, of kind %q", name, kind)
			}
		}
	})
}

// TestRedisTLS: only the files that settings name are mounted.
func TestRedisTLS(t *testing.T) {
	for values, want := range map[string][]string{
		`redisTLS: {secret: ""}`:                          nil,
		`redisTLS: null`:                                  nil, // as in the values of an older chart
		`redisTLS: {secret: redis}`:                       {"REDIS_TLS_CA=ca.crt", "REDIS_TLS_CERT=tls.crt", "REDIS_TLS_KEY=tls.key"},
		`redisTLS: {secret: redis, cert: "", key: ""}`:    {"REDIS_TLS_CA=ca.crt"},
		`redisTLS: {secret: redis, ca: "", key: key.pem}`: {"REDIS_TLS_CERT=tls.crt", "REDIS_TLS_KEY=key.pem"},
	} {
		r := mustRender(t, caseValues(t, "existing-secret", values))
		for pod, template := range pods(t, r) {
			var got, files []string
			for _, env := range template.Spec.Containers[0].Env {
				if file, found := strings.CutPrefix(env.Value, "/run/secrets/redis-tls/"); found {
					got = append(got, env.Name+"="+file)
				}
			}
			for _, volume := range template.Spec.Volumes {
				if volume.Secret != nil && volume.Secret.SecretName == "redis" {
					for _, item := range volume.Secret.Items {
						files = append(files, item.Path)
					}
				}
			}
			if !slices.Equal(got, want) || len(files) != len(want) {
				t.Errorf("%s, %s: %v with the files %v, want %v", values, pod, got, files, want)
			}
		}
	}
}

// TestValuesArriveAsWritten: no number is rounded, and no character is lost.
func TestValuesArriveAsWritten(t *testing.T) {
	r := mustRender(t, caseValues(t, "secret", ""))
	got := settingsOf(t, r)
	for name, want := range map[string]string{
		"ORG_NAME":         `{{ .Release.Name }}: "A" & Söhne, #1`,
		"AUTH_MESSAGE":     "{code}\n{org}, {minutes} min",
		"CODE_EXPIRATION":  "9000000000",
		"RETRIES_ALLOWED":  "9007199254740991",
		"LOG_LEVEL":        "20",
		"SEND_LIMITS":      "5/10m,20/24h",
		"ALLOWED_PREFIXES": "us,1250",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if got := one[*core.Secret](t, r).StringData["FLOWROUTE_SECRET_KEY"]; got != "marked-secret-key: {{ x }} 'y'" {
		t.Errorf("the secret is %q", got)
	}
}

// TestProfilesArriveAsWritten: the service reads the mapping in the values.
func TestProfilesArriveAsWritten(t *testing.T) {
	environ := []string{"DEBUG_MODE=true"}
	for name, value := range settingsOf(t, mustRender(t, caseValues(t, "everything", ""))) {
		environ = append(environ, name+"="+value)
	}
	c, err := config.Load(config.Source{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Profiles[0]
	if p.Name != "login" || p.CodeExpiration != 9_000_000_000*time.Second || len(p.SendLimitsTotal) != 2 || !slices.Equal(p.Callers, []string{"shop"}) {
		t.Errorf("%+v", p)
	}
	if got := p.AuthMessage.Render("1", "O", 0); got != "1 <O & \"Söhne\">\n" {
		t.Errorf("auth_message is %q", got)
	}
	if got := p.Messages["es"].Render("1", "O", 0); got != "1 es tu código 🔑" {
		t.Errorf("messages.es is %q", got)
	}
}

// TestSecretsStayInSecrets: secrets appear in the Secret only.
func TestSecretsStayInSecrets(t *testing.T) {
	r := mustRender(t, caseValues(t, "secret", ""))
	seen := false
	for _, object := range r.objects {
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		_, isSecret := object.(*core.Secret)
		if marked := strings.Contains(string(text), "marked"); marked != isSecret {
			t.Errorf("secrets in %T: %v", object, marked)
		}
		seen = seen || isSecret
	}
	if !seen || strings.Contains(r.notes, "marked") {
		t.Errorf("a Secret was seen: %v; the notes:\n%s", seen, r.notes)
	}
}

// TestEmbeddedFiles: the chart ships the alerts and the dashboard unchanged.
func TestEmbeddedFiles(t *testing.T) {
	r := mustRender(t, caseValues(t, "everything", ""))
	var want monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(readFile(t, chartDir+"/files/alerts.yaml"), &want); err != nil {
		t.Fatal(err)
	}
	got := one[*monitoring.PrometheusRule](t, r).Spec
	if len(want.Groups) == 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("the rules are %v, want %v", got, want)
	}
	dashboard := readFile(t, chartDir+"/files/dashboard.json")
	for _, c := range all[*core.ConfigMap](r) {
		if text := c.Data["sms-verification.json"]; text != "" {
			if !json.Valid([]byte(text)) || strings.TrimSpace(text) != strings.TrimSpace(string(dashboard)) {
				t.Errorf("the dashboard is %.200s", text)
			}
			return
		}
	}
	t.Error("there is no dashboard")
}

// TestNotes: the notes show a request that can be copied.
func TestNotes(t *testing.T) {
	for name, want := range map[string][]string{
		"existing-secret": {"kubectl -n accounts port-forward service/try-sms-verification 8000:8000", `-d '{"auth_id": "signup-1", "recipient": "12065550142"}'`, "helm -n accounts test try", "WARNING: config.API_KEYS is empty"},
		"everything":      {" 8000:80 ", `-H "Authorization: Bearer $API_KEY"`, "connections to Redis only on port 6379, 26379"},
		"debug":           {"no SMS is sent", "logs deployment/try-sms-verification"},
	} {
		notes := mustRender(t, caseValues(t, name, "")).notes
		for _, text := range want {
			if !strings.Contains(notes, text) {
				t.Errorf("%s: no %s in\n%s", name, text, notes)
			}
		}
		if warned := strings.Contains(notes, "WARNING"); warned != (name == "existing-secret") {
			t.Errorf("%s: warned: %v", name, warned)
		}
	}
}
