package migrate

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/compat"
)

// TestOwnMetrics: each metric that the exporter shows of itself under firehose_exporter's names is translated, or there
// is a reason why it is not, other than that the name is not known.
func TestOwnMetrics(t *testing.T) {
	m := newMigrator(t)
	descriptions := make(chan *prometheus.Desc, 100)
	compat.NewReceived("firehose", "").Describe(descriptions)
	close(descriptions)
	name := regexp.MustCompile(`fqName: "(firehose_\w+)"`)
	metrics := 0
	for d := range descriptions {
		found := name.FindStringSubmatch(d.String())
		if found == nil {
			t.Error("no name in", d)
			continue
		}
		metrics++
		r := m.Query("rate(" + found[1] + "[5m])")
		if !r.OK && strings.Contains(r.Notes[0], "not among those that are known") {
			t.Error(r.Notes)
		}
	}
	if metrics != 14 {
		t.Errorf("%d metrics", metrics)
	}
}
