package tagger

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// TestPromlint holds the families of the catalogue to the naming guidance of Prometheus. What promlint finds and
// stays is listed in promlint.tsv, each with its reason, and nothing else is.
func TestPromlint(t *testing.T) {
	problems, err := promlint.NewWithMetricFamilies(catalogueFamilies(t)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	exceptions := make(map[string]string)
	for _, row := range readTable(t, "promlint.tsv", 3) {
		exceptions[row[0]+": "+row[1]] = row[2]
	}
	for _, p := range problems {
		problem := p.Metric + ": " + p.Text
		if exceptions[problem] == "" {
			t.Error(problem)
		}
		delete(exceptions, problem)
	}
	for _, problem := range slices.Sorted(maps.Keys(exceptions)) {
		t.Errorf("no longer an exception: %s", problem)
	}
}

// catalogueFamilies are the families that the catalogue describes by name, with a sample each.
func catalogueFamilies(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	var families []*dto.MetricFamily
	seen := make(map[string]bool)
	for _, e := range readCatalogueEntries(t) {
		if strings.Contains(e.name, "{") || e.help == "" {
			continue
		}
		typ, kind, sample := metric.TypeGauge, dto.MetricType_GAUGE, &dto.Metric{Gauge: &dto.Gauge{Value: new(float64)}}
		if e.kind == "counter" {
			typ, kind = metric.TypeCounter, dto.MetricType_COUNTER
			sample = &dto.Metric{Counter: &dto.Counter{Value: new(float64)}}
		}
		name := naming.Style{Namespace: "cf"}.Name(cmp.Or(e.metric, e.name), naming.CanonicalUnit(e.unit), typ).Metric
		if !seen[name] {
			family := &dto.MetricFamily{Name: &name, Help: &e.help, Type: &kind, Metric: []*dto.Metric{sample}}
			families = append(families, family)
		}
		seen[name] = true
	}
	return families
}
