package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	nodeIP    = "10.10.0.1" // of Redis and the simulator too: the cluster has no DNS
	podNet    = "10.244.0.0/24"
	state     = "/run/cluster"
	namespace = "accounts"
)

// programs are started in this order, each when the script of the one before succeeds.
var programs = []struct{ line, ready string }{
	{"etcd --data-dir=$STATE/etcd --unsafe-no-fsync", ""},
	{`kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=127.0.0.1 --advertise-address=$NODE --endpoint-reconciler-type=none
		--cert-dir=$STATE/api --token-auth-file=$STATE/tokens.csv --authorization-mode=RBAC --anonymous-auth=false
		--service-account-issuer=https://127.0.0.1:6443 --service-account-signing-key-file=$STATE/accounts.pem
		--service-account-key-file=$STATE/accounts.pem --service-cluster-ip-range=10.96.0.0/16
		--kubelet-preferred-address-types=InternalIP`, "kubectl get --raw /readyz"},
	{`kube-controller-manager --kubeconfig=$KUBECONFIG --authentication-skip-lookup --leader-elect=false --flex-volume-plugin-dir=$STATE/volumes --use-service-account-credentials
		--service-account-private-key-file=$STATE/accounts.pem --root-ca-file=$STATE/api/apiserver.crt`, ""},
	{"kube-scheduler --kubeconfig=$KUBECONFIG --authentication-skip-lookup --leader-elect=false", ""},
	{"containerd --config=$STATE/containerd.toml", "ctr images import $LOGS/images.tar"},
	{"kubelet --kubeconfig=$KUBECONFIG --config=$STATE/kubelet.yaml --root-dir=$STATE/kubelet --hostname-override=node --node-ip=$NODE", ""},
	{`kube-proxy --kubeconfig=$KUBECONFIG --hostname-override=node --proxy-mode=iptables --cluster-cidr=$PODS
		--conntrack-max-per-core=0 --iptables-localhost-nodeports=true`, "kubectl wait --for=condition=Ready node/node --timeout=5s"},
	{"redis-server --bind $NODE --requirepass first --save ''", "redis-cli -e -h $NODE -a first PING"},
	{"sms-verification flowroute-sim --listen=$NODE:9999 --number=12065550101 --rate=0 --open-control", ""},
}

// startCluster starts everything in the namespaces of this process, and
// returns when the node is ready.
func startCluster(ctx context.Context, dir string) error {
	here, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"PATH": here + ":" + os.Getenv("PATH"), "HOME": state, "STATE": state, "LOGS": dir, "NODE": nodeIP, "PODS": podNet,
		"KUBECONFIG":         state + "/kubeconfig",
		"CONTAINERD_ADDRESS": state + "/containerd.sock", "CONTAINERD_NAMESPACE": "k8s.io", "CONTAINERD_SNAPSHOTTER": "native",
		"FLOWROUTE_ACCESS_KEY": "access-key", "FLOWROUTE_SECRET_KEY": "secret-key",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if err := errors.Join(isolate(ctx), writeFiles()); err != nil {
		return err
	}
	for _, p := range programs {
		if err := start(dir, p.line); err != nil {
			return err
		}
		if err := eventually(ctx, func() error { _, err := sh(ctx, p.ready); return err }); err != nil {
			return fmt.Errorf("%.30s… is not ready: %w", p.line, err)
		}
	}
	return nil
}

// isolate hides the directories and kernel settings that Kubernetes writes to, and makes a network.
func isolate(ctx context.Context) error {
	err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""), syscall.Mount("proc", "/proc", "proc", 0, ""),
		syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""), syscall.Mount("tmpfs", "/var/lib", "tmpfs", 0, ""), syscall.Mount("tmpfs", "/var/log", "tmpfs", 0, ""))
	if err == nil {
		_, err = sh(ctx, `hostname node; echo 1 >/proc/sys/net/ipv4/ip_forward; mkdir -p $STATE/sysctl
			for f in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
				copy=$STATE/sysctl/$(basename $f); cat /proc/sys/$f >$copy; mount --bind $copy /proc/sys/$f
			done
			ip link set lo up; ip link add node0 type bridge; ip addr add $NODE/24 dev node0; ip link set node0 up; ip route add default dev node0`)
	}
	return err
}

func writeFiles() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(state+"/cni", 0o700); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"accounts.pem": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		"tokens.csv":   "only-for-this-run,admin,admin,system:masters\n",
		"resolv.conf":  "",
		"kubeconfig": `{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {token: only-for-this-run}}],
clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}}],
contexts: [{name: c, context: {cluster: c, user: u, namespace: ` + namespace + `}}]}`,
		"kubelet.yaml": `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://` + state + `/containerd.sock
resolvConf: ` + state + `/resolv.conf
volumePluginDir: ` + state + `/volumes
authentication: {webhook: {enabled: false}, anonymous: {enabled: true}}
authorization: {mode: AlwaysAllow}
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
localStorageCapacityIsolation: false
evictionHard: {memory.available: 1Mi}
`,
		"containerd.toml": `version = 2
root = "` + state + `/containerd"
state = "` + state + `/containerd-state"
[grpc]
  address = "` + state + `/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "` + state + `/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + pauseImage + `"
  # Else runc fails with "can't get final child's PID from pipe".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "` + state + `/cni"
`,
		"cni/pods.conflist": `{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true,
"ipam": {"type": "host-local", "subnet": "` + podNet + `", "routes": [{"dst": "0.0.0.0/0"}]}}]}`,
	} {
		if err := os.WriteFile(filepath.Join(state, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// start starts a program that runs until the namespaces end.
func start(logs, line string) error {
	name, _, _ := strings.Cut(line, " ")
	log, err := os.Create(filepath.Join(logs, filepath.Base(name)+".log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the program has its own copy
	cmd := exec.Command("sh", "-c", "exec "+strings.ReplaceAll(line, "\n", " "))
	cmd.Stdout, cmd.Stderr = log, log
	// Linux divides the processor between sessions: in one session Redis would wait for the clients.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

// sh runs a script and returns what it printed.
func sh(ctx context.Context, script string) (string, error) {
	return run(ctx, ".", "sh", "-ec", script)
}

// eventually repeats try until it succeeds.
func eventually(ctx context.Context, try func() error) error {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		err := try()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return errors.Join(err, ctx.Err())
		}
		time.Sleep(200 * time.Millisecond)
	}
}
