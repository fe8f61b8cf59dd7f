package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A name that loses to itself is told what the other sender has that it has not, and which setting makes them one series.
func TestReasonOfASameName(t *testing.T) {
	vm := func(index string) []string {
		return []string{"origin", "rep", "job", "cell", "index", index, "ip", "10.0.0." + index}
	}
	for name, tt := range map[string]struct {
		drop []string
		send func(s *Store)
		want string
	}{
		"dropped labels": {
			[]string{"bosh_job_id", "bosh_job_ip"},
			func(s *Store) { write(s, gauge("a", 1, vm("1")...)); write(s, gauge("a", 1, vm("2")...)) },
			`its series belongs to the same name with index "1", ip "10.0.0.1"; they would differ in labels that are removed by ` +
				`metrics.labels.drop: bosh_job_id, bosh_job_ip`,
		},
		"another name, too": {
			[]string{"bosh_job_id"},
			func(s *Store) {
				write(s, gauge("memoryStats.numFrees", 1, "origin", "rep", "index", "1"))
				write(s, gauge("rep.memoryStats.numFrees", 1, "origin", "rep", "index", "2"))
			},
			`its series belongs to raw name "memoryStats.numFrees"; they would differ in labels that are removed by ` +
				`metrics.labels.drop: bosh_job_id`,
		},
		"units": {
			nil,
			func(s *Store) {
				for _, unit := range []string{"ms", "s"} {
					e := gauge("ttl", 1, "origin", "rep")
					e.Points[0].Unit = []byte(unit)
					write(s, e)
				}
			},
			`its series belongs to the same name with unit "ms"`,
		},
		"fewer tags": {
			[]string{"a", "b", "c", "d", "e", "f"},
			func(s *Store) {
				write(s, gauge("x", 1, "a", "1", "b", "1", "c", "1", "d", "1", "e", "1"))
				write(s, gauge("x", 1, "f", "1"))
			},
			`its series belongs to the same name with a "1", b "1", c "1", d "1", 1 more and without f; they would differ in labels ` +
				`that are removed by metrics.labels.drop: a, b, c, d, e, f`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := testStore(t, func(o *Settings) { o.DropLabels = tt.drop })
			tt.send(s)
			refusals, seen := s.Refusals(), walked(s)
			if len(refusals) != 1 || refusals[0].Reason != tt.want {
				t.Errorf("got  %+v\nwant %s", refusals, tt.want)
			}
			if last := seen[len(seen)-1]; !strings.HasSuffix(last, ": "+tt.want) {
				t.Errorf("a walk says %s", last)
			}
		})
	}
}

// What the list of names has no room for is known of each entry all the same.
func TestReasonsBeyondTheList(t *testing.T) {
	s := testStore(t, func(o *Settings) {
		o.MaxSeries, o.DropLabels, o.Limits.PerMetric, o.Reserved = 10_000, []string{"bosh_job_ip"}, 1, []string{"cf_own_"}
	})
	write(s, gauge("limited", 1))
	write(s, timer("typed", time.Second))
	for i := range maxRefusals {
		name := fmt.Sprintf("n%d", i)
		write(s, gauge(name, 1, "ip", "1"))
		write(s, gauge(name, 1, "ip", "2"))
		write(s, gauge("limited", 1, "l", fmt.Sprint(i)))
	}
	for i := range maxRefusals { // each leads to a metric of its own
		write(s, gauge(fmt.Sprintf("m%d", i), 1))
		write(s, gauge(fmt.Sprintf("m%d", i), 1, "l", "1"))
	}
	write(s, gauge("last", 1, "ip", "1"))
	write(s, gauge("last", 1, "ip", "2"))
	write(s, gauge("last", 1, "l", "1"))
	write(s, gauge("typed.seconds.sum", 1))
	write(s, gauge("own.x", 1))
	var got []string
	for _, line := range walked(s) {
		if strings.Contains(line, "refused") && (strings.Contains(line, " last ") || strings.Contains(line, "typed") || strings.Contains(line, "own.x")) {
			got = append(got, line)
		}
	}
	want := []string{
		`gauge last refused origin= cf_last untagged conflict: its series belongs to the same name with ip "1"; they would differ in ` +
			`labels that are removed by metrics.labels.drop: bosh_job_ip`,
		"gauge last refused origin= untagged over_limit: metrics.max_series_per_metric is reached",
		"gauge typed.seconds.sum refused origin= untagged conflict: cf_typed_seconds of type histogram has the name of its metric, or one of the " +
			"names that this would take",
		"gauge own.x refused origin= untagged conflict: its name begins like those of the exporter's own metrics, or of " +
			"metrics.compatibility",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
