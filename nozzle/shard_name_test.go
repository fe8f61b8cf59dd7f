package nozzle

import (
	"testing"
)

func TestDeriveName(t *testing.T) {
	kubernetes := map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
	for _, c := range []struct {
		env        map[string]string
		host       string
		name, from string
	}{
		{nil, "web-1", "", ""},
		{map[string]string{"CF_INSTANCE_INDEX": "0"}, "a1b2-3", "0", "CF_INSTANCE_INDEX"},
		{map[string]string{"CF_INSTANCE_INDEX": "12", "BOSH_INSTANCE_INDEX": "3"}, "", "12", "CF_INSTANCE_INDEX"},
		{map[string]string{"CF_INSTANCE_INDEX": "x"}, "", "", ""},
		{map[string]string{"CF_INSTANCE_INDEX": "-1"}, "", "", ""},
		{map[string]string{"BOSH_INSTANCE_INDEX": "3"}, "", "3", "BOSH_INSTANCE_INDEX"},
		{kubernetes, "exporter-2", "2", "the ordinal in the host name exporter-2"},
		{kubernetes, "exporter-2.exporter.monitoring.svc", "2", "the ordinal in the host name exporter-2"},
		{kubernetes, "exporter-10", "10", "the ordinal in the host name exporter-10"},
		{kubernetes, "exporter-7d9f8c6b5-x2x9z", "", ""},
		{kubernetes, "exporter-7d9f8c6b5-24567", "", ""}, // of a Deployment, by chance
		{kubernetes, "exporter-02", "", ""},
		{kubernetes, "exporter", "", ""},
		{kubernetes, "-1", "", ""},
		{kubernetes, "", "", ""},
	} {
		name, from := DeriveName(func(key string) string { return c.env[key] }, c.host)
		if name != c.name || from != c.from {
			t.Errorf("%v on %q: %q from %q, want %q from %q", c.env, c.host, name, from, c.name, c.from)
		}
	}
}
