package test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// TestReuseValues renders with the default values of an earlier chart, as
// helm upgrade --reuse-values does. A missing key has the effect of its default.
func TestReuseValues(t *testing.T) {
	earlier := readValues(t, "testdata/earlier-values.yaml")
	for _, name := range []string{"debug", "everything", "existing-secret", "openshift", "secret"} {
		chart, err := loader.Load(chartDir)
		if err != nil {
			t.Fatal(err)
		}
		chart.Values = earlier
		got, err := renderChart(chart, caseValues(t, name, ""))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := mustRender(t, caseValues(t, name, "")); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the earlier values render to\n%v\nand the current defaults to\n%v", name, got, want)
		}
	}
}

// TestImageTag: a numeric tag arrives as written, from --set and from a file.
func TestImageTag(t *testing.T) {
	for tag, want := range map[string]string{
		"20260101": ":20260101", "123456789012345": ":123456789012345", "0": ":0", "1.2.3": ":1.2.3", "": ":1.0.0", "null": ":1.0.0",
	} {
		fromFile := caseValues(t, "existing-secret", "image: {tag: "+tag+"}")
		fromFlag := caseValues(t, "existing-secret", "")
		if err := strvals.ParseInto("image.tag="+tag, fromFlag); err != nil {
			t.Fatal(err)
		}
		for way, values := range map[string]map[string]any{"file": fromFile, "--set": fromFlag} {
			image := one[*apps.Deployment](t, mustRender(t, values)).Spec.Template.Spec.Containers[0].Image
			if !strings.HasSuffix(image, want) {
				t.Errorf("%s, tag %q: %s, want %s", way, tag, image, want)
			}
		}
	}
}

// TestUsers: OpenShift refuses pods that choose their user or group.
func TestUsers(t *testing.T) {
	for name, pod := range pods(t, mustRender(t, caseValues(t, "openshift", ""))) {
		s := pod.Spec.SecurityContext
		if s.RunAsUser != nil || s.RunAsGroup != nil || s.FSGroup != nil || !*s.RunAsNonRoot {
			t.Errorf("%s: %v", name, s)
		}
	}
	for name, pod := range pods(t, mustRender(t, caseValues(t, "existing-secret", `podSecurityContext: {runAsUser: 1000720000, fsGroup: null}`))) {
		s := pod.Spec.SecurityContext
		if *s.RunAsUser != 1000720000 || *s.RunAsGroup != 65532 || s.FSGroup != nil {
			t.Errorf("%s: %v", name, s)
		}
	}
}

// TestGoMemoryLimit: GOMEMLIMIT is 90 % of the container's limit, in all notations.
func TestGoMemoryLimit(t *testing.T) {
	for _, limit := range []string{"256Mi", "1Gi", "1.5Gi", "100M", "0.25G", "64000Ki", "128e6", "2E8", "300000000", "200000000000m", "1Ti"} {
		q := resource.MustParse(limit)
		want := float64(q.Value()) * 0.9
		for name, pod := range pods(t, mustRender(t, caseValues(t, "existing-secret", "resources: {limits: {memory: "+limit+"}}"))) {
			got, err := strconv.ParseFloat(env(pod.Spec, "GOMEMLIMIT").Value, 64)
			if err != nil || got < want-1 || got > want+1 {
				t.Errorf("%s, limit %s: GOMEMLIMIT is %v, want %.0f (%v)", name, limit, got, want, err)
			}
		}
	}
	for _, none := range []string{`resources: {limits: null}`, `resources: {limits: {memory: null}}`, `resources: null`} {
		if got := env(pods(t, mustRender(t, caseValues(t, "existing-secret", none)))["service"].Spec, "GOMEMLIMIT"); got.Name != "" {
			t.Errorf("%s: %v", none, got)
		}
	}
	spec := pods(t, mustRender(t, caseValues(t, "existing-secret", `extraEnv: [{name: GOMEMLIMIT, value: 100MiB}]`)))["service"].Spec
	if got := env(spec, "GOMEMLIMIT"); got.Value != "100MiB" {
		t.Errorf("GOMEMLIMIT of extraEnv became %v", got)
	}
}

// env returns a variable of the first container. It must not be there twice, which
// server-side apply refuses.
func env(spec core.PodSpec, name string) core.EnvVar {
	var found core.EnvVar
	for _, e := range spec.Containers[0].Env {
		if e.Name == name && found.Name != "" {
			panic(fmt.Sprintf("%s is there twice", name))
		}
		if e.Name == name {
			found = e
		}
	}
	return found
}

// TestRedisPassword: the password comes from another chart's Secret and key.
func TestRedisPassword(t *testing.T) {
	for name, pod := range pods(t, mustRender(t, caseValues(t, "openshift", ""))) {
		got := env(pod.Spec, "REDIS_PASSWORD").ValueFrom
		if got == nil || got.SecretKeyRef == nil || got.SecretKeyRef.Name != "redis" || got.SecretKeyRef.Key != "redis-root-password" {
			t.Errorf("%s: %v", name, got)
		}
	}
	r := mustRender(t, caseValues(t, "existing-secret", ""))
	if got := env(pods(t, r)["service"].Spec, "REDIS_PASSWORD"); got.Name != "" {
		t.Errorf("without the option: %v", got)
	}
}

// TestExtras: volumes, mounts and containers reach the right pods.
func TestExtras(t *testing.T) {
	r := mustRender(t, caseValues(t, "openshift", ""))
	if got := one[*apps.Deployment](t, r).Annotations["reloader.stakater.com/auto"]; got != "true" {
		t.Errorf("the annotation of the Deployment is %q", got)
	}
	for name, pod := range pods(t, r) {
		spec := pod.Spec
		if last := spec.Volumes[len(spec.Volumes)-1]; last.Secret == nil || last.Secret.SecretName != "redis-tls" {
			t.Errorf("%s: volumes %v", name, spec.Volumes)
		}
		mounts := spec.Containers[0].VolumeMounts
		if last := mounts[len(mounts)-1]; last.MountPath != "/run/redis-tls" {
			t.Errorf("%s: mounts %v", name, mounts)
		}
		if len(spec.InitContainers) != 1 || spec.InitContainers[0].Name != "proxy" {
			t.Errorf("%s: init containers %v", name, spec.InitContainers)
		}
		// In helm test a container that keeps running would block its end.
		if want := map[string]int{"service": 2, "check": 1}[name]; len(spec.Containers) != want {
			t.Errorf("%s: %d containers, want %d", name, len(spec.Containers), want)
		}
	}
}

// TestDNSPorts: OpenShift's DNS pods listen on 5353, and policies see the pod's port.
func TestDNSPorts(t *testing.T) {
	rule := one[*networking.NetworkPolicy](t, mustRender(t, caseValues(t, "openshift", ""))).Spec.Egress[0]
	var got []string
	for _, port := range rule.Ports {
		got = append(got, fmt.Sprintf("%v/%v", port.Port, *port.Protocol))
	}
	if want := []string{"5353/UDP", "5353/TCP"}; !slices.Equal(got, want) {
		t.Errorf("DNS goes out to %v, want %v", got, want)
	}
}

// TestPaths: an Ingress and an HTTPRoute publish the whole API, or only the webhooks.
func TestPaths(t *testing.T) {
	for _, paths := range [][]string{nil, {"/webhooks"}, {"/webhooks", "/healthz"}} {
		changes := "{ingress: {paths: null}, httpRoute: {paths: null}}"
		if paths != nil {
			list := strings.Join(paths, ", ")
			changes = fmt.Sprintf("{ingress: {paths: [%s]}, httpRoute: {paths: [%s]}}", list, list)
		}
		r := mustRender(t, caseValues(t, "openshift", changes))
		var ingress, route []string
		for _, path := range one[*networking.Ingress](t, r).Spec.Rules[0].HTTP.Paths {
			ingress = append(ingress, path.Path)
		}
		spec := one[*gateway.HTTPRoute](t, r).Spec
		for _, match := range spec.Rules[0].Matches {
			route = append(route, *match.Path.Value)
		}
		want := paths
		if paths == nil {
			want = []string{"/"}
		}
		if !slices.Equal(ingress, want) || !slices.Equal(route, want) {
			t.Errorf("the Ingress has %v, the HTTPRoute %v, want %v", ingress, route, want)
		}
		if len(spec.Hostnames) != 1 || spec.ParentRefs[0].Name != "internal" || *spec.ParentRefs[0].Namespace != "gateways" {
			t.Errorf("the HTTPRoute is %v", spec)
		}
	}
}
