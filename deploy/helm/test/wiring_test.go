package test

import (
	"fmt"
	"slices"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// selects reports whether a selector matches labels and is not empty, which would
// match everything.
func selects(t *testing.T, selector *meta.LabelSelector, of map[string]string) bool {
	t.Helper()
	s, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return !s.Empty() && s.Matches(labels.Set(of))
}

// TestSelectors: only the NetworkPolicy also selects the pod of helm test.
func TestSelectors(t *testing.T) {
	eachCase(t, func(t *testing.T, r release) {
		type selector struct {
			*meta.LabelSelector
			check bool
		}
		deployment := one[*apps.Deployment](t, r).Spec
		selectors := map[string]selector{"Deployment": {deployment.Selector, false}}
		for _, c := range deployment.Template.Spec.TopologySpreadConstraints {
			selectors["spread over "+c.TopologyKey] = selector{c.LabelSelector, false}
		}
		for _, service := range all[*core.Service](r) {
			selectors["Service "+service.Name] = selector{&meta.LabelSelector{MatchLabels: service.Spec.Selector}, false}
		}
		for _, budget := range all[*policy.PodDisruptionBudget](r) {
			selectors["PodDisruptionBudget"] = selector{budget.Spec.Selector, false}
		}
		for _, network := range all[*networking.NetworkPolicy](r) {
			selectors["NetworkPolicy"] = selector{&network.Spec.PodSelector, true}
		}
		for name, s := range selectors {
			for pod, want := range map[string]bool{"service": true, "check": s.check} {
				if got := selects(t, s.LabelSelector, pods(t, r)[pod].Labels); got != want {
					t.Errorf("%s selects the pod %s: %v, want %v", name, pod, got, want)
				}
			}
		}
		if len(selectors) < 5 {
			t.Errorf("only %d selectors", len(selectors))
		}
	})
}

// TestPorts: the public Service has only the API, the other one only the metrics,
// on the ports that the service listens on.
func TestPorts(t *testing.T) {
	eachCase(t, func(t *testing.T, r release) {
		listens := one[*apps.Deployment](t, r).Spec.Template.Spec.Containers[0].Ports
		settings := settingsOf(t, r)
		want := map[string]string{"http": settings["LISTEN_ADDR"], "metrics": settings["ADMIN_ADDR"]}
		if len(listens) != len(want) {
			t.Errorf("the container has the ports %v", listens)
		}
		for _, port := range listens {
			if addr := fmt.Sprint(":", port.ContainerPort); addr != want[port.Name] {
				t.Errorf("port %s is %s, the service listens on %s", port.Name, addr, want[port.Name])
			}
		}
		public, metrics := services(t, r)
		for service, name := range map[*core.Service]string{public: "http", metrics: "metrics"} {
			ports := service.Spec.Ports
			if len(ports) != 1 || ports[0].Name != name || ports[0].TargetPort.StrVal != name {
				t.Errorf("%s has the ports %v, want %s alone", service.Name, ports, name)
			}
		}
		if metrics.Spec.ClusterIP != core.ClusterIPNone {
			t.Error("the metrics Service is not headless")
		}
	})
}

func services(t *testing.T, r release) (public, metrics *core.Service) {
	t.Helper()
	both := all[*core.Service](r)
	if len(both) != 2 {
		t.Fatalf("%d Services", len(both))
	}
	return both[0], both[1]
}

// TestReferences: references between objects are right.
func TestReferences(t *testing.T) {
	eachCase(t, func(t *testing.T, r release) {
		deployment := one[*apps.Deployment](t, r)
		public, metrics := services(t, r)
		for _, ingress := range all[*networking.Ingress](r) {
			for _, rule := range ingress.Spec.Rules {
				if len(rule.HTTP.Paths) != 1 {
					t.Errorf("%s has the paths %v", rule.Host, rule.HTTP.Paths)
				}
				backend := rule.HTTP.Paths[0].Backend.Service
				if backend.Name != public.Name || backend.Port.Name != public.Spec.Ports[0].Name {
					t.Errorf("%s leads to %v", rule.Host, backend)
				}
				if !slices.Contains(ingress.Spec.TLS[0].Hosts, rule.Host) {
					t.Errorf("%s has no certificate", rule.Host)
				}
			}
			if ingress.Annotations["nginx.ingress.kubernetes.io/proxy-next-upstream"] != "off" {
				t.Error("the ingress repeats requests")
			}
		}
		for _, route := range all[*gateway.HTTPRoute](r) {
			if backend := route.Spec.Rules[0].BackendRefs[0]; string(backend.Name) != public.Name || *backend.Port != public.Spec.Ports[0].Port {
				t.Errorf("the route leads to %v", backend)
			}
		}
		scalers := all[*autoscaling.HorizontalPodAutoscaler](r)
		if (len(scalers) == 0) != (deployment.Spec.Replicas != nil) {
			t.Error("either the Deployment or the autoscaler must set the number of pods")
		}
		for _, scaler := range scalers {
			if scaler.Spec.ScaleTargetRef.Name != deployment.Name || scaler.Spec.ScaleTargetRef.Kind != "Deployment" {
				t.Errorf("it scales %v", scaler.Spec.ScaleTargetRef)
			}
		}
		for _, monitor := range all[*monitoring.ServiceMonitor](r) {
			if !selects(t, &monitor.Spec.Selector, metrics.Labels) || selects(t, &monitor.Spec.Selector, public.Labels) {
				t.Error("the ServiceMonitor must select the Service of the metrics, and it alone")
			}
			endpoint := monitor.Spec.Endpoints[0]
			if job := endpoint.RelabelConfigs[0]; endpoint.Port != metrics.Spec.Ports[0].Name || job.TargetLabel != "job" || *job.Replacement != "sms-verification/try" {
				t.Errorf("it scrapes %s as %v", endpoint.Port, job)
			}
		}
	})
}

// TestSwitches: optional objects exist only if enabled.
func TestSwitches(t *testing.T) {
	count := func(r release) []int {
		return []int{
			len(all[*networking.Ingress](r)), len(all[*gateway.HTTPRoute](r)), len(all[*autoscaling.HorizontalPodAutoscaler](r)), len(all[*monitoring.ServiceMonitor](r)),
			len(all[*monitoring.PrometheusRule](r)), len(all[*core.ConfigMap](r)) - 1,
			len(all[*networking.NetworkPolicy](r)), len(all[*policy.PodDisruptionBudget](r)),
		}
	}
	for name, want := range map[string][]int{
		"existing-secret": {0, 0, 0, 0, 0, 0, 1, 1}, "everything": {1, 0, 1, 1, 1, 1, 1, 1}, "debug": {0, 0, 0, 0, 0, 0, 0, 0},
		"openshift": {1, 1, 0, 0, 0, 0, 1, 1},
	} {
		if got := count(mustRender(t, caseValues(t, name, ""))); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestNetworkPolicy: ingress to API and metrics from the named peers, egress to DNS,
// HTTPS and Redis.
func TestNetworkPolicy(t *testing.T) {
	r := mustRender(t, caseValues(t, "everything", ""))
	spec := one[*networking.NetworkPolicy](t, r).Spec
	if len(spec.PolicyTypes) != 2 || len(spec.Ingress) != 2 {
		t.Fatalf("types %v, %d rules in", spec.PolicyTypes, len(spec.Ingress))
	}
	for i, port := range []string{"http", "metrics"} {
		rule := spec.Ingress[i]
		if len(rule.Ports) != 1 || rule.Ports[0].Port.StrVal != port || len(rule.From) == 0 {
			t.Errorf("rule %d lets %v in on %v, want %s", i, rule.From, rule.Ports, port)
		}
	}
	var out []int
	for _, rule := range spec.Egress {
		for _, port := range rule.Ports {
			out = append(out, port.Port.IntValue())
		}
	}
	if want := []int{53, 53, 443, 6379, 26379, 4318}; !slices.Equal(out, want) || spec.Egress[2].To[0].PodSelector.MatchLabels["app"] != "redis" {
		t.Errorf("out to %v, want %v", out, want)
	}
	// Empty lists allow no one, not everyone.
	r = mustRender(t, caseValues(t, "existing-secret", `networkPolicy: {clients: [], scrapers: []}`))
	if rules := one[*networking.NetworkPolicy](t, r).Spec.Ingress; len(rules) != 0 {
		t.Errorf("without clients and scrapers it lets in %v", rules)
	}
}
