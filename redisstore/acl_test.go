package redisstore_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// documentedRules reads the permissions from the package's documentation, so that the
// tests check what it says: those of the user, and those that a cluster and some
// settings need besides.
func documentedRules(t *testing.T) (user, cluster, settings []string) {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(doc), "\n//", "\n")
	_, rest, _ := strings.Cut(text, "ACL SETUSER smsv ")
	rules, rest, _ := strings.Cut(rest, "\n\n")
	rest, _, _ = strings.Cut(rest, "\n\n")
	onCluster, onSettings, _ := strings.Cut(rest, ";")
	command := regexp.MustCompile(`\+[a-z|]+[a-z]`)
	user, cluster, settings = strings.Fields(rules), command.FindAllString(onCluster, -1), command.FindAllString(onSettings, -1)
	if len(user) < 10 || len(cluster) == 0 || len(settings) == 0 {
		t.Fatalf("not found in doc.go: %q, %q, %q", user, cluster, settings)
	}
	return user, cluster, settings
}

// setUser creates a user with rules on every node, and returns its URL.
func setUser(t *testing.T, i *redistest.Instance, name string, rules []string) string {
	t.Helper()
	args := []any{"acl", "setuser", name, "reset"}
	for _, r := range rules {
		args = append(args, r)
	}
	for _, n := range i.Nodes {
		if err := n.Client().Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", rules, err)
		}
	}
	if i.Mode == redisstore.Sentinel { // the sentinels themselves know no users
		return i.URL + "&username=" + name + "&password=password"
	}
	return strings.Replace(i.URL, "://", "://"+name+":password@", 1)
}

// TestDocumentedPermissions: the service needs no more than the documentation lists. A
// script fails if any of its commands is refused.
func TestDocumentedPermissions(t *testing.T) {
	user, cluster, _ := documentedRules(t)
	everyServer(t, func(t *testing.T, name string, instance *redistest.Instance) {
		rules := slices.Clip(user)
		if name == "cluster" || name == "proxied" {
			rules = append(rules, cluster...)
		}
		url := setUser(t, instance, "smsv", rules)
		runContractsOf(t, instance, url, "smsv:")
	})
}

// TestMissingPermission: Prepare detects a missing permission, and the documentation
// lists none that is not needed.
func TestMissingPermission(t *testing.T) {
	t.Parallel()
	instance := redistest.Server(t)
	rules, _, settings := documentedRules(t)
	prepare := func(url, prefix string) error {
		return openURL(t, url, instance.Mode, redisstore.Options{Prefix: prefix}).Prepare(t.Context())
	}
	without := func(t *testing.T, rule string) {
		rest := slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return r == rule })
		err := prepare(setUser(t, instance, "without"+rule[1:], rest), "smsv:")
		if !errors.Is(err, codes.ErrUnavailable) || !redisstore.IsMissingPermission(err) {
			t.Errorf("Prepare without %s = %v", rule, err)
		}
	}
	without(t, "+eval") // first: once the scripts are loaded, nothing needs it
	for _, rule := range rules {
		// Without HELLO the client falls back to an older protocol, and the
		// server logs a refused command for each connection. INFO is for Inspect.
		if strings.HasPrefix(rule, "+") && !slices.Contains([]string{"+eval", "+hello", "+info"}, rule) {
			t.Run(rule, func(t *testing.T) {
				t.Parallel()
				without(t, rule)
			})
		}
	}
	url := setUser(t, instance, "smsv", rules)
	if err := prepare(url, "other:"); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Prepare under a prefix that is not permitted = %v", err)
	}
	url = strings.TrimSuffix(url, "/0") + "/1"
	if err := prepare(url, "smsv:"); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Prepare on a database that is not permitted = %v", err)
	}
	setUser(t, instance, "smsv", append(slices.Clip(rules), settings...))
	if err := prepare(url, "smsv:"); err != nil {
		t.Errorf("Prepare on database 1 = %v", err)
	}
}
