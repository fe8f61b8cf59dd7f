package config

import "testing"

// TestDeterministicName: what the platform says names the instance, unless the user does, or wants no name.
func TestDeterministicName(t *testing.T) {
	t.Setenv("CF_INSTANCE_INDEX", "3")
	for _, c := range []struct {
		args       []string
		name, from string
	}{
		{nil, "3", "CF_INSTANCE_INDEX"},
		{[]string{"--nozzle.deterministic_name=blue"}, "blue", ""},
		{[]string{"--nozzle.deterministic_name="}, "", ""},
	} {
		cfg, _, err := load(t, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		if s := cfg.Nozzle.Stream; s.DeterministicName != c.name || s.NameFrom != c.from {
			t.Errorf("%v: %q from %q, want %q from %q", c.args, s.DeterministicName, s.NameFrom, c.name, c.from)
		}
	}
}
