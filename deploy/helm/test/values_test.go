package test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	apps "k8s.io/api/apps/v1"
)

// TestBadValues: wrong values are refused before anything reaches the cluster,
// and missing ones with what to do.
func TestBadValues(t *testing.T) {
	for _, tt := range []struct{ file, changes, want string }{
		{"existing-secret", `replicaCount: 0`, "at '/replicaCount': minimum: got 0, want 1"},
		{"existing-secret", `replicaCount: many`, "at '/replicaCount': got string, want integer"},
		{"existing-secret", `replicas: 5`, "additional properties 'replicas' not allowed"},
		{"existing-secret", `ingress: {enable: true}`, "at '/ingress': additional properties 'enable' not allowed"},
		{"existing-secret", `config: {CODE_LENGHT: 6}`, "at '/config': additional properties 'CODE_LENGHT' not allowed"},
		{"existing-secret", `config: {CODE_LENGTH: "6"}`, "at '/config/CODE_LENGTH': got string, want integer"},
		{"existing-secret", `config: {SHUTDOWN_DELAY: 5}`, "at '/config/SHUTDOWN_DELAY': got number, want string"},
		{"existing-secret", `config: {SHUTDOWN_DELAY: "5"}`, "at '/config/SHUTDOWN_DELAY': '5' does not match pattern"},
		{"existing-secret", `config: {SHUTDOWN_TIMEOUT: null}`, "at '/config': missing property 'SHUTDOWN_TIMEOUT'"},
		{"existing-secret", `config: {FLOWROUTE_NUMBER: 12065550101}`, "at '/config/FLOWROUTE_NUMBER': got number, want string"},
		{"existing-secret", `config: {PROFILES: [login]}`, "at '/config/PROFILES': got array, want string or object"},
		{"existing-secret", `config: {PROFILES: {login: 6}}`, "at '/config/PROFILES/login': got number, want object"},
		{"existing-secret", `config: {DEBUG_MODE: "false"}`, "at '/config/DEBUG_MODE': got string, want boolean"},
		{"existing-secret", `config: {REDIS_URL: "redis://x"}`, "at '/config': additional properties 'REDIS_URL' not allowed"},
		{"existing-secret", `config: {LISTEN_ADDR: ":80"}`, "at '/config': additional properties 'LISTEN_ADDR' not allowed"},
		{"existing-secret", `secrets: {existingKeys: [PASSWORD]}`, "at '/secrets/existingKeys/0': value must be one of"},
		{"existing-secret", `secrets: {existingKeys: []}`, "at '/secrets/existingKeys': minItems: got 0, want 1"},
		{"secret", `secrets: {values: {CODE_LENGTH: "6"}}`, "at '/secrets/values': additional properties 'CODE_LENGTH' not allowed"},
		{"secret", `secrets: {values: {REDIS_URL: ""}}`, "at '/secrets/values/REDIS_URL': minLength: got 0, want 1"},
		{"existing-secret", `image: {tag: 1.5}`, "at '/image/tag': got number, want integer or string"},
		{"existing-secret", `networkPolicy: {dnsPorts: []}`, "at '/networkPolicy/dnsPorts': minItems: got 0, want 1"},
		{"existing-secret", `podSecurityContext: {runAsUser: 0}`, "at '/podSecurityContext/runAsUser': minimum: got 0, want 1"},
		{"existing-secret", `deploymentAnnotations: {a: true}`, "at '/deploymentAnnotations/a': got boolean, want string"},
		{"existing-secret", `extraVolumes: {name: x}`, "at '/extraVolumes': got object, want array"},
		{"existing-secret", `ingress: {paths: [webhooks]}`, "at '/ingress/paths/0': 'webhooks' does not match pattern '^/'"},
		{"existing-secret", `httpRoute: {parentRefs: [{gateway: public}]}`, "at '/httpRoute/parentRefs/0': additional properties 'gateway' not allowed"},
		{"existing-secret", `service: {port: 70000}`, "at '/service/port': maximum: got 70,000, want 65,535"},
		{"existing-secret", `podDisruptionBudget: {maxUnavailable: 0}`, "at '/podDisruptionBudget/maxUnavailable': minimum: got 0, want 1"},

		{"existing-secret", `config: {IDLE_TIMEOUT: 120}`, "at '/config/IDLE_TIMEOUT': got number, want string"},

		{"existing-secret", `image: {repository: ""}`, "image.repository is required: set it to where you pushed the image"},
		{"existing-secret", `image: {tag: latest}`, "image.tag: latest is not a version"},
		{"debug", `{config: {DEBUG_MODE: false}, secrets: {existing: mine}}`, "config.FLOWROUTE_NUMBER is required: set it to the number"},
		{"existing-secret", `secrets: {existing: ""}`, "secrets.values.FLOWROUTE_ACCESS_KEY is required: set it to the access key"},
		{"existing-secret", `secrets: {existing: "", values: {FLOWROUTE_ACCESS_KEY: a}}`, "secrets.values.FLOWROUTE_SECRET_KEY is required: set it to the secret key"},
		{"existing-secret", `secrets: {existing: "", values: {FLOWROUTE_ACCESS_KEY: a, FLOWROUTE_SECRET_KEY: b}}`, "secrets.values.REDIS_URL is required: set it to the address of Redis"},
		{"secret", `secrets: {existing: mine}`, "secrets.existing and secrets.values are both set; keep one of the two"},
		{"secret", `secrets: {redisPassword: {secret: redis}, values: {REDIS_PASSWORD: marked}}`, "REDIS_PASSWORD"},
		{"existing-secret", `secrets: {redisPassword: {secret: redis}, existingKeys: [REDIS_URL, REDIS_PASSWORD]}`, "existingKeys"},
		{"existing-secret", `ingress: {enabled: true}`, "ingress.hosts is empty: set it to the host names"},
		{"existing-secret", `httpRoute: {enabled: true}`, "httpRoute.parentRefs is empty: set it to the Gateways"},
		{"everything", `autoscaling: {minReplicas: 9}`, "autoscaling.minReplicas is greater than autoscaling.maxReplicas"},
		{"debug", `replicaCount: 2`, "config.DEBUG_MODE: each pod would have its own Redis"},
		{"debug", `autoscaling: {enabled: true}`, "config.DEBUG_MODE: each pod would have its own Redis"},
	} {
		_, err := render(caseValues(t, tt.file, tt.changes))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: %v, want %s", tt.file, tt.changes, err, tt.want)
		}
	}
}

// TestReadmeExamples: the values in README.md are valid.
func TestReadmeExamples(t *testing.T) {
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readFile(t, readmeFile), -1)
	if len(examples) == 0 {
		t.Error("there is none")
	}
	for _, example := range examples {
		values, err := common.ReadValues(example[1])
		if err != nil {
			t.Fatal(err)
		}
		mustRender(t, values)
	}
}

// TestGracePeriod: the template computes durations as Go does.
func TestGracePeriod(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	durations := []string{"0s", "1ns", "999ms", "1.5s", "1m30s", "10m", "1h0m0.000000001s", "2.25h", "100us1µs"}
	for range 40 {
		durations = append(durations, time.Duration(random.Int64N(int64(2*time.Hour))).String())
	}
	for pair := range slices.Chunk(durations, 2) {
		delay, timeout := pair[0], pair[len(pair)-1]
		changes := fmt.Sprintf("config: {SHUTDOWN_DELAY: %s, SHUTDOWN_TIMEOUT: %s}", delay, timeout)
		spec := one[*apps.Deployment](t, mustRender(t, caseValues(t, "existing-secret", changes))).Spec.Template.Spec
		want := seconds(t, delay) + seconds(t, timeout) + 5
		if got := *spec.TerminationGracePeriodSeconds; got != want {
			t.Errorf("%s and %s: %d s, want %d", delay, timeout, got, want)
		}
	}
}

// seconds parses a duration and rounds it up.
func seconds(t *testing.T, text string) int64 {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return int64((d + time.Second - 1) / time.Second)
}

// TestPodsAreReplaced: a change that the service reads at start replaces the
// pods; other changes do not.
func TestPodsAreReplaced(t *testing.T) {
	template := func(changes string) string {
		return one[*apps.Deployment](t, mustRender(t, caseValues(t, "secret", changes))).Spec.Template.String()
	}
	before := template("")
	for changes, want := range map[string]bool{
		`config: {CODE_LENGTH: 8}`:                true,
		`secrets: {values: {CODE_SECRET: other}}`: true,
		`image: {digest: "", tag: "2"}`:           true,
		`podSecurityContext: {runAsUser: 1000}`:   true,
		`resources: {limits: {memory: 512Mi}}`:    true,
		`deploymentAnnotations: {a: b}`:           false,
		`replicaCount: 5`:                         false,
		`networkPolicy: {enabled: false}`:         false,
	} {
		if got := template(changes) != before; got != want {
			t.Errorf("%s: the pods are replaced: %v, want %v", changes, got, want)
		}
	}
}
