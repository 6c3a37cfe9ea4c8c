package test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	chartutil "helm.sh/helm/v4/pkg/chart/common/util"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

const (
	chartDir  = "../sms-verification"
	namespace = "accounts"
)

// release is the chart rendered with some values.
type release struct {
	objects []runtime.Object
	notes   string
}

// eachCase runs a test for each values file in ci.
func eachCase(t *testing.T, run func(t *testing.T, r release)) {
	t.Helper()
	files, err := filepath.Glob(chartDir + "/ci/*-values.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("only %d files of values (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), "-values.yaml"), func(t *testing.T) {
			run(t, mustRender(t, readValues(t, file)))
		})
	}
}

func readValues(t *testing.T, file string) common.Values {
	t.Helper()
	values, err := common.ReadValuesFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// caseValues returns the values of a file in ci, merged with changes.
func caseValues(t *testing.T, name, changes string) common.Values {
	t.Helper()
	changed, err := common.ReadValues([]byte(changes))
	if err != nil {
		t.Fatal(err)
	}
	return loader.MergeMaps(readValues(t, chartDir+"/ci/"+name+"-values.yaml"), changed)
}

func mustRender(t *testing.T, values common.Values) release {
	t.Helper()
	r, err := render(values)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// render works as helm template, and decodes as strictly as a server with field
// validation: unknown, repeated and wrongly cased fields fail.
func render(values common.Values) (release, error) {
	chart, err := loader.Load(chartDir)
	if err != nil {
		return release{}, err
	}
	return renderChart(chart, values)
}

func renderChart(chart *v2.Chart, values common.Values) (release, error) {
	options := common.ReleaseOptions{Name: "try", Namespace: namespace, IsInstall: true, Revision: 1}
	all, err := chartutil.ToRenderValues(chart, values, options, nil)
	if err != nil {
		return release{}, err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return release{}, err
	}
	r := release{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case strings.HasSuffix(name, "NOTES.txt"):
			r.notes = files[name]
		case strings.HasSuffix(name, ".yaml"):
			objects, err := decode(files[name])
			if err != nil {
				return release{}, errors.Join(errors.New(name), err)
			}
			r.objects = append(r.objects, objects...)
		}
	}
	return r, nil
}

func decode(text string) ([]runtime.Object, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, autoscaling.AddToScheme, core.AddToScheme, gateway.Install, monitoring.AddToScheme, networking.AddToScheme, policy.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	strict := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		object, _, err := strict.Decode(document, nil, nil)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

// all returns the objects of a type.
func all[T runtime.Object](r release) []T {
	var found []T
	for _, object := range r.objects {
		if o, ok := object.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

// one returns the only object of a type.
func one[T runtime.Object](t *testing.T, r release) T {
	t.Helper()
	found := all[T](r)
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}

// TestLint is helm lint --strict: a warning is an error.
func TestLint(t *testing.T) {
	values := map[string]common.Values{"defaults": {}}
	files, _ := filepath.Glob(chartDir + "/ci/*.yaml")
	for _, file := range files {
		values[filepath.Base(file)] = readValues(t, file)
	}
	for name, v := range values {
		for _, m := range lint.RunAll(chartDir, v, namespace).Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}
