package resolver_test

import (
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
)

// What tells two identities apart, and what removes it, is said of rules and of settings.
func TestCompare(t *testing.T) {
	of := newResolver(t, `version: 1
rules:
  - pattern: "dropping"
    labels: {drop: [team]}
`).Options()
	of.Labels.Drop = []string{"bosh_job_ip", "product"}
	r := resolver.New(of)
	id := func(name string, tags ...string) *store.Identity {
		id := &store.Identity{Kind: metric.KindGauge, Name: name}
		for i := 0; i < len(tags); i += 2 {
			id.Tags = append(id.Tags, metric.Label{Name: tags[i], Value: tags[i+1]})
		}
		return id
	}
	for _, tt := range []struct {
		a, b *store.Identity
		want string
	}{
		{id("x", "ip", "1"), id("x", "ip", "1"), ""},
		{id("x", "ip", "1", "team", "a"), id("x", "ip", "1", "team", "b"), ""},
		{id("x", "ip", "1"), id("x", "ip", "2"), "they would differ in labels that are removed by metrics.labels.drop: bosh_job_ip"},
		{id("x"), id("x", "ip", "2"), "they would differ in labels that are removed by metrics.labels.drop: bosh_job_ip"},
		{id("dropping", "team", "a"), id("dropping", "team", "b"), "they would differ in labels that are removed by a rule: team"},
		{
			id("dropping", "product", "p", "team", "a"), id("dropping", "team", "b"),
			"they would differ in labels that are removed by a rule and metrics.labels.drop: product, team",
		},
	} {
		if got := r.Compare(tt.a, tt.b); got != tt.want {
			t.Errorf("%v and %v: %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
}
