package store

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// Tags that are within the bounds one by one may not make series of a megabyte each together.
func TestIdentityIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) {
			o.TimerLabels = nil
			for i := range 20 {
				o.TimerLabels = append(o.TimerLabels, fmt.Sprintf("tag%02d", i))
			}
		})
		for name, envelope := range map[string]func(pairs ...string) *metric.Envelope{
			"gauge":   func(pairs ...string) *metric.Envelope { return gauge("g", 1, pairs...) },
			"counter": func(pairs ...string) *metric.Envelope { return counter("c", 1, 0, pairs...) },
			"timer":   func(pairs ...string) *metric.Envelope { return timer("t", time.Second, pairs...) },
		} {
			// Source id and instance id are empty, each a byte; a tag has three bytes for its two lengths.
			const each = 2000
			var pairs []string
			left := metric.MaxIdentityBytes - 2
			for i := 0; left > 0; i++ {
				value := min(each, left) - len("tag00") - 3
				pairs = append(pairs, fmt.Sprintf("tag%02d", i), strings.Repeat("x", value))
				left -= min(each, left)
			}
			if got := write(s, envelope(pairs...)); got != "stored" {
				t.Errorf("%s at the bound: %s", name, got)
			}
			pairs[len(pairs)-1] += "x"
			e := envelope(pairs...)
			if got := write(s, e); got != "invalid" {
				t.Errorf("%s beyond the bound: %s", name, got)
			}
			const want = "the envelope's tags exceed the bounds (256 tags, 4096 bytes each and 32768 together)"
			if _, err := Identities(s.resolver, e); err == nil || err.Error() != want {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
