package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	results = "../kubernetes.md"
	// How long the cluster may take to notice that a process was killed.
	noticed = 5 * time.Second
)

// step is a script that runs while clients use a release.
type step struct {
	what, want string
	before     string // the load begins
	script     string
	after      pods
	replaced   bool          // no earlier pod may be left
	tolerated  time.Duration // how long requests may fail
}

// pods is what a release must have when a step is over.
type pods struct {
	release string
	n       int
	tag     string
}

const (
	values = ` --wait --timeout=120s --set image.repository=` + repository + ` --set image.tag=` + firstTag + ` --set service.type=NodePort \
		--set secrets.existing=sms --set 'secrets.existingKeys={FLOWROUTE_ACCESS_KEY,FLOWROUTE_SECRET_KEY,REDIS_URL,CODE_SECRET}' \
		--set-string config.FLOWROUTE_NUMBER=12065550101 --set config.FLOWROUTE_BASE_URL=http://$NODE:9999 \
		--set config.FLOWROUTE_INSECURE=true --set config.FLOWROUTE_RATE=0`
	secret = `kubectl create secret generic sms --dry-run=client -o yaml --from-literal=CODE_SECRET=0123456789abcdef0123456789abcdef \
		--from-literal=FLOWROUTE_ACCESS_KEY=$FLOWROUTE_ACCESS_KEY --from-literal=FLOWROUTE_SECRET_KEY=$FLOWROUTE_SECRET_KEY \
		--from-literal=REDIS_URL=redis://:$PASSWORD@$NODE:6379/0 | kubectl apply -f -
		`
	upgrade = "helm upgrade sms ../sms-verification --reuse-values --wait --timeout=120s "
)

var steps = []step{
	{
		what: "install, `helm install --wait`", want: "serves from then on",
		before: "kubectl create namespace " + namespace + "; kubectl label namespace " + namespace + " pod-security.kubernetes.io/enforce=restricted\n" +
			"PASSWORD=first; " + secret + "helm install sms ../sms-verification" + values,
		after: pods{"sms", 3, firstTag},
	},
	{what: "`helm test`", want: "succeeds", script: "helm test sms --logs --timeout=60s", after: pods{"sms", 3, firstTag}},
	{
		what: "upgrade of the image, `--set image.tag=" + secondTag + "`", want: "each pod is replaced",
		script: upgrade + "--set image.tag=" + secondTag, after: pods{"sms", 3, secondTag}, replaced: true,
	},
	{
		what: "a changed setting, `--set config.ORG_NAME=Other`", want: "each pod is replaced",
		script: upgrade + "--set config.ORG_NAME=Other", after: pods{"sms", 3, secondTag}, replaced: true,
	},
	{what: "scaling to 5 pods", want: "5 are ready", script: "kubectl scale deployment/sms-sms-verification --replicas=5", after: pods{"sms", 5, secondTag}},
	{what: "scaling to 2 pods", want: "2 are left", script: "kubectl scale deployment/sms-sms-verification --replicas=2", after: pods{"sms", 2, secondTag}},
	{what: "scaling to 3 pods", want: "3 are ready", script: "kubectl scale deployment/sms-sms-verification --replicas=3", after: pods{"sms", 3, secondTag}},
	{
		what: "a deleted pod", want: "another replaces it",
		script: "kubectl delete $(kubectl get pods -l app.kubernetes.io/component=server -o name | head -1)", after: pods{"sms", 3, secondTag},
	},
	{
		what: "a killed process (SIGKILL)", want: "requests fail until the cluster notices, at most " + noticed.String() + " long", tolerated: noticed,
		script: `id=$(kubectl get pods -l app.kubernetes.io/component=server -o 'jsonpath={.items[0].status.containerStatuses[0].containerID}')
			ctr tasks kill -s SIGKILL "${id#containerd://}"`,
		after: pods{"sms", 3, secondTag},
	},
	{
		what: "a rotated Secret: a second password of Redis, then `kubectl rollout restart`", want: "each pod is replaced",
		script: "redis-cli -e -h $NODE -a first ACL SETUSER default '>second'\nPASSWORD=second; " + secret +
			"kubectl rollout restart deployment/sms-sms-verification\nkubectl rollout status deployment/sms-sms-verification",
		after: pods{"sms", 3, secondTag}, replaced: true,
	},
	{
		what: "the first password removed", want: "nothing changes",
		script: "redis-cli -e -h $NODE -a second ACL SETUSER default '<first'; sleep 3", after: pods{"sms", 3, secondTag},
	},
	{
		what: "upgrade with `--reuse-values` from the chart with the values of an earlier one", want: "each pod is replaced",
		before: "cp -r ../sms-verification $STATE/earlier; cp ../test/testdata/earlier-values.yaml $STATE/earlier/values.yaml\n" +
			"helm install earlier $STATE/earlier --set replicaCount=2" + values,
		script: strings.Replace(upgrade, " sms ", " earlier ", 1) + "--set image.tag=" + secondTag, after: pods{"earlier", 2, secondTag}, replaced: true,
	},
	{
		what: "a wrong setting, `--set config.CODE_LENGTH=0`", want: "the upgrade fails, the old pods keep serving",
		script: "if " + upgrade + "--set config.CODE_LENGTH=0 --timeout=20s; then exit 1; fi", after: pods{release: "sms"},
	},
	{what: "`helm rollback` after that", want: "3 pods are left, all ready", script: "helm rollback sms --wait --timeout=90s", after: pods{"sms", 3, secondTag}},
}

// runInside runs the cluster and the steps in the namespaces of this process,
// and writes the results.
func runInside(ctx context.Context, dir string) error {
	begun := time.Now()
	if err := startCluster(ctx, dir); err != nil {
		return err
	}
	versions, err := sh(ctx, "kubectl get node/node -o 'jsonpath=Kubernetes {.status.nodeInfo.kubeletVersion}, {.status.nodeInfo.containerRuntimeVersion}'")
	if err != nil {
		return err
	}
	fmt.Printf("%s, ready after %s\n", versions, time.Since(begun).Round(time.Second))
	var failed error
	table := ""
	for _, s := range steps {
		measured, err := s.underLoad(ctx)
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.what, err))
			measured = "FAILED " + measured
			about, _ := sh(ctx, "kubectl get pods -o wide; kubectl describe pods; kubectl logs -l app.kubernetes.io/component=server --prefix --since=2m --tail=-1 || true")
			_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf("pods-%d.log", time.Now().Unix())), []byte(about), 0o600)
		}
		fmt.Printf("%s: %s\n", s.what, measured)
		table += fmt.Sprintf("| %s | %s | %s |\n", s.what, s.want, measured)
	}
	return errors.Join(failed, os.WriteFile(results, fmt.Appendf(nil, head, clients, versions, table), 0o644))
}

const head = `# The chart on Kubernetes

The effect of upgrades and failures on requests. The file is generated: ` + "`make kubernetes`" + ` builds a Kubernetes of one
node, installs the chart on it, and writes here what it measured.

During each step %d clients request codes, enter a wrong one, the right one, and the right one again, through a NodePort.
Half of them keep their connections, half open one for each request. A request fails if its answer is missing or is not
the right one, or if its code was not sent exactly once. The pods run under the Pod Security Standard restricted. The
network of this node does not enforce the NetworkPolicy.

%s.

| step | expected | measured |
| --- | --- | --- |
%s`

// underLoad runs a step while clients use its release.
func (s step) underLoad(ctx context.Context) (measured string, err error) {
	if _, err := sh(ctx, s.before); err != nil {
		return "", err
	}
	port, err := sh(ctx, "kubectl get service "+s.after.release+"-sms-verification -o 'jsonpath={.spec.ports[0].nodePort}'")
	if err != nil {
		return "", err
	}
	old, err := list(ctx, s.after.release)
	if err != nil {
		return "", err
	}
	l := startLoad("http://"+nodeIP+":"+port, "http://"+nodeIP+":9999")
	time.Sleep(time.Second)
	begun := time.Now()
	if _, err = sh(ctx, s.script); err == nil && s.after.n > 0 {
		err = eventually(ctx, func() error { return s.check(ctx, old) })
	}
	took := time.Since(begun)
	time.Sleep(time.Second)
	answers, failures := l.finish()
	measured = fmt.Sprintf("%d answers, %d failed; %s", answers, len(failures), took.Round(time.Second))
	for i, f := range failures {
		if after := f.begun.Sub(begun); (after < -time.Second || after > s.tolerated) && i < 10 {
			err = errors.Join(err, fmt.Errorf("after %s: %s", after, f.what))
		}
	}
	if answers < 100 {
		err = errors.Join(err, errors.New("hardly any load"))
	}
	return measured, err
}

// list returns a line for each pod of a release: name, image, whether it is ready, and when it got SIGTERM.
func list(ctx context.Context, release string) (string, error) {
	return sh(ctx, "kubectl get pods -l app.kubernetes.io/component=server,app.kubernetes.io/instance="+release+` -o 'jsonpath={range .items[*]}`+
		`{.metadata.name} {.spec.containers[0].image} {.status.containerStatuses[0].ready} {.metadata.deletionTimestamp}{"\n"}{end}'`)
}

// check returns an error unless a release has the pods that it must have after a step, and no other.
func (s step) check(ctx context.Context, old string) error {
	now, err := list(ctx, s.after.release)
	lines := strings.Split(now, "\n")
	if err != nil || len(lines) != s.after.n {
		return errors.Join(err, fmt.Errorf("%d pods, not %d:\n%s", len(lines), s.after.n, now))
	}
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != repository+":"+s.after.tag || fields[2] != "true" {
			return fmt.Errorf("not ready with the image %s: %s", s.after.tag, line)
		}
		if s.replaced && strings.Contains(old, fields[0]) {
			return fmt.Errorf("not replaced: %s", line)
		}
	}
	return nil
}
