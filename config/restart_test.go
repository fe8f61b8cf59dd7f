package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every key leads to a field, so that no change goes unnoticed.
func TestValue(t *testing.T) {
	cfg := Default()
	for _, s := range Settings() {
		if cfg.value(s.Key) == nil {
			t.Errorf("%s sets no field", s.Key)
		}
	}
	for _, key := range []string{"", "nozzle.absent", "nozzle.rlp.address.more"} {
		if got := cfg.value(key); got != nil {
			t.Errorf("%q sets %v", key, got)
		}
	}
}

func TestAwaitRestart(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		want []string
	}{
		"nothing changed":    {"nozzle: {udp: {enabled: true}}", nil},
		"a default, written": {"nozzle: {udp: {enabled: true}, shard_id: loggregator_exporter}", nil},
		"what is reloaded": {"nozzle: {udp: {enabled: true}}\ntagger: {catalogue: false}\nmetrics: {namespace: mine, " +
			"labels: {add: [{name: a, value: b}]}}", nil},
		"what is not": {
			"web: {listen_address: ':9999'}\nmetrics: {compatibility: firehose_exporter, http: {labels: [method]}, " +
				"max_series: 10}\n" +
				"nozzle: {udp: {enabled: true}, filters: [{drop: {kind: timer}}], idle_timeout: 40s}",
			[]string{
				"nozzle.idle_timeout", "nozzle.filters", "metrics.http.labels", "metrics.compatibility",
				"web.listen_address",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			writeFile(t, "c.yml", tc.file)
			cfg, _, err := load(t, "-c", "c.yml")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, AwaitRestart(Default(), cfg)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
