package migrate

import (
	"testing"

	"loggregator_exporter/compat"
	"loggregator_exporter/resolver"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// newMigrator makes a Migrator with the default settings.
func newMigrator(tb testing.TB, names ...Name) *Migrator {
	tb.Helper()
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		tb.Fatal(err)
	}
	old, err := compat.New(compat.Options{Namespace: "firehose", NodeIndex: "0"})
	if err != nil {
		tb.Fatal(err)
	}
	m, err := New(Options{
		Old: old,
		New: resolver.New(resolver.Options{
			Tagger: rules, Naming: naming.Style{Namespace: "cf"},
			HTTP: resolver.HTTPOptions{Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}, Labels: []string{
				"bosh_deployment", "component", "app_id", "app_name", "space_name", "organization_name", "process_type",
				"method", "status",
			}},
		}),
		Names: names,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}
