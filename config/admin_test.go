package config

import "testing"

// TestLoadAdminAddr: what is wrong with other settings does not matter.
func TestLoadAdminAddr(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string
	}{
		{nil, "127.0.0.1:9464"},
		{[]string{"CODE_LENGTH=none", "CODE_SECRET=a", "CODE_SECRET_FILE=/nonexistent"}, "127.0.0.1:9464"},
		{[]string{"ADMIN_ADDR=10.0.0.1:1"}, "10.0.0.1:1"},
		{[]string{"ADMIN_ADDR=off"}, ""},
	} {
		if got, err := LoadAdminAddr(Source{Environ: c.set}); err != nil || got != c.want {
			t.Errorf("%v: %q, %v; want %q", c.set, got, err, c.want)
		}
	}
	if _, err := LoadAdminAddr(Source{Environ: []string{"ADMIN_ADDR=nowhere"}}); err == nil {
		t.Error("an address that is none")
	}
}
