package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestMessageRecipes: what deploy/messages.md shows of a message is what comes
// of it, in one segment by either rule and understood by phones.
func TestMessageRecipes(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../deploy/messages.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile("(?s)```yaml\n(.*?)```\n\n```text\n(.*?)\n```").FindAllStringSubmatch(string(document), -1)
	if len(recipes) != strings.Count(string(document), "```yaml") || len(recipes) < 3 {
		t.Fatalf("%d recipes with their messages", len(recipes))
	}
	for _, recipe := range recipes {
		p := startIn(t, dirWith(t, "config.yaml", recipe[1]), debugEnvironment(recommended()...), "check", "--json")
		p.exit(t, 30*time.Second)
		var found report
		if err := json.Unmarshal([]byte(p.stdout.String()), &found); err != nil || found.Message == nil {
			t.Errorf("%s%s%s", recipe[1], p.stdout, p.stderr)
			continue
		}
		if m := found.Message; m.Text != recipe[2] || m.Segments != 1 || m.StandardSegments != 1 || len(found.Warnings) != 0 {
			t.Errorf("of\n%scomes %+v, with warnings %q; want\n%s", recipe[1], *m, found.Warnings, recipe[2])
		}
	}
}

// TestMessageMistakes: check and serve warn of a mistake in the message, with
// the name of the setting.
func TestMessageMistakes(t *testing.T) {
	t.Parallel()
	for i, c := range []struct{ set, want string }{
		{`AUTH_MESSAGE={code} is your code.\n\n@shop.example #{code}`, `AUTH_MESSAGE: \n is typed as separate characters`},
		{"AUTH_MESSAGE={code} is your code.\n\n@shop.example #{code}\nCODE_LENGTH=3", "AUTH_MESSAGE: WebOTP takes codes of 4 to 10 characters only"},
		{"AUTH_MESSAGE={code} is your code.\n\n@shop.example #{code}\nCODE_LENGTH=11", "AUTH_MESSAGE: WebOTP takes codes of 4 to 10 characters only"},
		{"AUTH_MESSAGE=@shop.example #{code}", "AUTH_MESSAGE: the line for phones is the whole message"},
		{"AUTH_MESSAGE={code} is your {organization} code", "AUTH_MESSAGE: {organization} is no placeholder"},
		{"AUTH_MESSAGE={code} lasts {minute} minutes", "AUTH_MESSAGE: {minute} is no placeholder"},
		{`AUTH_MESSAGE="{code} is your code"`, "AUTH_MESSAGE: the quotes around the text go out with it"},
		{"ORG_NAME=Example\r", "ORG_NAME: a carriage return is in the text"},
		{"AUTH_MESSAGE={{}}\nWelcome to {}! Use this one-time code to complete your signup.", "AUTH_MESSAGE: {{}} goes out with braces"},
		{"AUTH_MESSAGE={}\nWelcome to {}! Use this one-time code to complete your signup.", "AUTH_MESSAGE: {} is the code wherever it stands"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			set, length, _ := strings.Cut(c.set, "\nCODE_LENGTH")
			env := debugEnvironment(append(recommended(), set)...)
			if length != "" {
				env = append(env, "CODE_LENGTH"+length)
			}
			status, out, errOut := command(t, env, "check")
			if status != 0 {
				t.Errorf("check: status %d, %s", status, errOut)
			}
			contains(t, "check", out, "Warning: "+c.want)
			p := serve(t, env)
			eventually(t, time.Second, "a warning in the log", func() bool {
				for line := range strings.Lines(p.stderr.String()) {
					var logged struct{ Level, Msg string }
					if json.Unmarshal([]byte(line), &logged) == nil && logged.Level == "WARN" && strings.HasPrefix(logged.Msg, c.want) {
						return true
					}
				}
				return false
			})
		})
	}
}
