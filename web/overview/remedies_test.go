package overview

import (
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger/naming"
)

// TestRemedies: what is usual asks for nothing, and conflicts that a setting makes name that setting.
func TestRemedies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.point()
		time.Sleep(2 * time.Minute)
		f.sources = []Source{well("rlp")}
		f.sources[0].Received, f.sources[0].Samples = 9990, map[string]uint64{"stored": 9, "conflict": 1}
		f.losses = []Loss{{Origin: "loggregator.doppler", Direction: "ingress", Count: 1}}
		rules, err := compiled()
		if err != nil {
			t.Fatal(err)
		}
		if f.store, err = store.New(store.Options{
			Resolver: resolver.New(resolver.Options{
				Tagger: rules, Naming: naming.Style{Namespace: "cf"}, Labels: resolver.LabelOptions{Drop: []string{"bosh_job_ip"}},
			}),
			Expiration: time.Hour, MaxSeries: 10,
		}); err != nil {
			t.Fatal(err)
		}
		f.options.Store = f.store
		for _, ip := range []string{"10.0.0.1", "10.0.0.2"} {
			e := metric.Envelope{
				Kind: metric.KindGauge, Timestamp: time.Now().UnixNano(), Arrived: time.Now().UnixNano(),
				Points: []metric.Point{{Name: []byte("queue.a.depth"), Value: 1}},
			}
			e.AddTag([]byte("ip"), []byte(ip))
			var tally metric.Tally
			f.store.Writer().Write(&e, &tally)
		}
		got := map[string]string{}
		status, err := f.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range status.Problems {
			got[p.ID] = p.Remedy
		}
		for id, want := range map[string]string{
			"conflicts": "metrics.labels.drop makes one series of these senders. Keep a label that tells them apart, or filter out " +
				"what nobody needs.",
			"upstream_loss": "Up to 1 % is usual, and there is nothing to do. If it becomes more, the dopplers are too slow: " +
				"add doppler VMs.",
		} {
			if got[id] != want {
				t.Errorf("%s: %q, want %q", id, got[id], want)
			}
		}
	})
}
