package test

import (
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	k8s "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	level "k8s.io/pod-security-admission/api"
	security "k8s.io/pod-security-admission/policy"
)

// pods returns the pods of the service and of helm test.
func pods(t *testing.T, r release) map[string]core.PodTemplateSpec {
	t.Helper()
	check := one[*core.Pod](t, r)
	return map[string]core.PodTemplateSpec{
		"service": one[*apps.Deployment](t, r).Spec.Template,
		"check":   {ObjectMeta: check.ObjectMeta, Spec: check.Spec},
	}
}

// TestPods: the pods satisfy the strictest Pod Security Standard, and have no
// other rights that they do not need.
func TestPods(t *testing.T) {
	standard, err := security.NewEvaluator(security.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := level.LevelVersion{Level: level.LevelRestricted, Version: level.LatestVersion()}
	eachCase(t, func(t *testing.T, r release) {
		for name, pod := range pods(t, r) {
			if verdict := security.AggregateCheckResults(standard.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec)); !verdict.Allowed {
				t.Errorf("%s: not admitted by the Pod Security Standard restricted: %s", name, verdict.ForbiddenDetail())
			}
			spec, container := pod.Spec, pod.Spec.Containers[0]
			for rule, kept := range map[string]bool{
				"user of the image":           strings.HasSuffix(t.Name(), "/openshift") || *spec.SecurityContext.RunAsUser == 65532 && *spec.SecurityContext.RunAsGroup == 65532,
				"one container":               strings.HasSuffix(t.Name(), "/openshift") || len(spec.Containers) == 1 && len(spec.InitContainers) == 0,
				"root file system read-only":  *container.SecurityContext.ReadOnlyRootFilesystem,
				"no service links":            spec.EnableServiceLinks != nil && !*spec.EnableServiceLinks,
				"no token":                    spec.AutomountServiceAccountToken != nil && !*spec.AutomountServiceAccountToken,
				"own service account":         spec.ServiceAccountName == one[*core.ServiceAccount](t, r).Name,
				"requests and limits":         bounded(container.Resources.Requests) && bounded(container.Resources.Limits),
				"request within limit":        container.Resources.Requests.Memory().Cmp(*container.Resources.Limits.Memory()) <= 0,
				"an image of one version":     pinned(container.Image),
				"volumes read-only, no paths": readOnly(spec),
			} {
				if !kept {
					t.Errorf("%s: broken: %s", name, rule)
				}
			}
		}
	})
}

func bounded(list core.ResourceList) bool { return !list.Cpu().IsZero() && !list.Memory().IsZero() }

func pinned(image string) bool {
	_, tag, tagged := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return tagged && tag != "" && tag != "latest"
}

// readOnly reports whether a pod mounts only Secrets and ConfigMaps, all
// read-only, and the Secrets not readable by all users.
func readOnly(spec core.PodSpec) bool {
	kept := len(spec.Volumes) == len(spec.Containers[0].VolumeMounts)
	for i, volume := range spec.Volumes {
		kept = kept && (volume.Secret != nil && volume.Secret.DefaultMode != nil && *volume.Secret.DefaultMode == 0o440 || volume.ConfigMap != nil) &&
			spec.Containers[0].VolumeMounts[i].ReadOnly && spec.Containers[0].VolumeMounts[i].Name == volume.Name
	}
	return kept
}

// TestRollout: neither an update nor a stop loses a request.
func TestRollout(t *testing.T) {
	eachCase(t, func(t *testing.T, r release) {
		spec := one[*apps.Deployment](t, r).Spec
		rolling := spec.Strategy.RollingUpdate
		if rolling.MaxUnavailable.IntValue() != 0 || rolling.MaxSurge.IntValue() != 1 {
			t.Errorf("%v pods may be missing, %v be more", rolling.MaxUnavailable, rolling.MaxSurge)
		}
		container := spec.Template.Spec.Containers[0]
		for want, probe := range map[string]*core.Probe{
			"/healthz": container.LivenessProbe, "/readyz": container.ReadinessProbe, "/healthz ": container.StartupProbe,
		} {
			if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != strings.TrimSpace(want) || probe.HTTPGet.Port != intstr.FromString("http") {
				t.Errorf("the probe of %s is %v", want, probe)
			}
		}
		if container.Lifecycle != nil {
			t.Error("there is a preStop hook, which is not needed: the service itself keeps serving")
		}
	})
}

// TestNames: Kubernetes accepts the names, labels and ports.
func TestNames(t *testing.T) {
	eachCase(t, func(t *testing.T, r release) {
		seen := map[string]bool{}
		for _, object := range r.objects {
			about, err := meta.Accessor(object)
			if err != nil {
				t.Fatal(err)
			}
			kind := object.GetObjectKind().GroupVersionKind().Kind
			id := kind + " " + about.GetName()
			if seen[id] {
				t.Errorf("%s is there twice", id)
			}
			seen[id] = true
			problems := append(k8s.IsDNS1123Subdomain(about.GetName()), path.IsValidPathSegmentName(about.GetName())...)
			if kind == "Service" {
				problems = append(problems, k8s.IsDNS1035Label(about.GetName())...)
			}
			for _, err := range validation.ValidateLabels(about.GetLabels(), field.NewPath("labels")) {
				problems = append(problems, err.Error())
			}
			for key := range about.GetAnnotations() {
				problems = append(problems, k8s.IsQualifiedName(strings.ToLower(key))...)
			}
			if len(problems) > 0 || about.GetNamespace() != "" || about.GetLabels()["app.kubernetes.io/instance"] != "try" {
				t.Errorf("%s: %q, namespace %q, labels %v", id, problems, about.GetNamespace(), about.GetLabels())
			}
		}
		testPodNames(t, r)
	})
}

func testPodNames(t *testing.T, r release) {
	t.Helper()
	for name, pod := range pods(t, r) {
		var problems []string
		for _, err := range validation.ValidateLabels(pod.Labels, field.NewPath("labels")) {
			problems = append(problems, err.Error())
		}
		for key := range pod.Annotations {
			problems = append(problems, k8s.IsQualifiedName(key)...)
		}
		for _, port := range pod.Spec.Containers[0].Ports {
			problems = append(problems, k8s.IsValidPortName(port.Name)...)
		}
		for _, env := range pod.Spec.Containers[0].Env {
			problems = append(problems, k8s.IsEnvVarName(env.Name)...)
		}
		if len(problems) > 0 {
			t.Errorf("%s: %q", name, problems)
		}
	}
	for _, config := range all[*core.ConfigMap](r) {
		for key := range config.Data {
			if problems := k8s.IsConfigMapKey(key); len(problems) > 0 {
				t.Errorf("%s: %q", key, problems)
			}
		}
	}
}
