package resolver_test

import (
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

func newResolver(tb testing.TB, rules ...string) *resolver.Resolver {
	tb.Helper()
	o := tagger.Options{Catalogue: catalogue.Files(), Quarantine: true}
	for _, r := range rules {
		o.UserRules = append(o.UserRules, tagger.Source{File: "rules.yaml", Data: []byte(r)})
	}
	t, warnings, err := tagger.New(o)
	if err != nil || len(warnings) > 0 {
		tb.Fatalf("rules: %v, %v", err, warnings)
	}
	return resolver.New(resolver.Options{Tagger: t, Naming: naming.Style{Namespace: "cf"}})
}

// series returns the series of an identity, with the tags given as names and values.
func series(r *resolver.Resolver, id store.Identity, tags ...string) string {
	for i := 0; i < len(tags); i += 2 {
		id.Tags = append(id.Tags, metric.Label{Name: tags[i], Value: tags[i+1]})
	}
	out := r.Resolve(&id)
	return out.Metric + "{" + string(metric.RenderLabels(out.Labels)) + "}"
}

// No tag takes another's label by a name that only looks like it, or is what the exporter calls the other.
func TestLabelsOfTheirOwnTags(t *testing.T) {
	r := newResolver(t)
	got := series(
		r,
		store.Identity{Kind: metric.KindGauge, Name: "a"},
		"app-id",
		"false",
		"app.id",
		"third",
		"app_id",
		"real",
		"bosh_job_name",
		"false",
		"envelope_le",
		"kept",
		"job",
		"router",
		"le",
		"1",
	)
	want := `cf_a{app_id="real",bosh_job_name="router",envelope_app_id="false",envelope_bosh_job_name="false",envelope_le="1"}`
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	got = series(r, store.Identity{Kind: metric.KindGauge, Name: "b"}, "a-b", "first", "a.b", "second")
	if want := `cf_b{a_b="first",envelope_a_b="second"}`; got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}
