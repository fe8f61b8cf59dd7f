// Package migrate rewrites queries from firehose_exporter's names and labels to those of this exporter.
//
// It holds no table of names. Both resolvers, that of firehose_exporter's names and that of ours, are run on the same
// raw names, and what they make of each is compared: so a changed rule changes what a query becomes. The labels are
// compared in the same way, by a tag with a value that can be recognised.
package migrate

import (
	"errors"
	"slices"

	"loggregator_exporter/compat"
	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/promql"
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
	// Names are those of a foundation. The built-in ones come after them: where a name is among both, these say with
	// which unit it is sent.
	Names []Name
}

// Migrator rewrites queries. It is immutable, and serves any number of goroutines.
type Migrator struct {
	old   *compat.Resolver
	new   *resolver.Resolver
	wide  *resolver.Resolver // new, with all labels that requests can have
	names *names

	recorded map[string][]Rename // labels of what recording rules write
}

// New makes a Migrator.
func New(o Options) (*Migrator, error) {
	if o.Old == nil || o.New == nil {
		return nil, errors.New("both resolvers are needed")
	}
	m := &Migrator{old: o.Old, new: o.New, wide: widen(o.New)}
	known, err := builtInNames()
	if err != nil {
		return nil, err
	}
	m.names = newNames(m.old, m.new, slices.Concat(o.Names, known))
	return m, nil
}

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
	// Needs are the labels that metrics.http.labels must list beside what it lists, for the result to be that of the old
	// query. Notes say so, too.
	Needs []string
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
func (m *Migrator) Query(expr string) Result {
	r := m.query(expr, (*rewriter).rewriteAll)
	r.tellNeeds()
	return r
}

// seriesOf rewrites a selector of which labels or names are asked, and no values.
func (m *Migrator) seriesOf(selector string) Result {
	return m.query(selector, (*rewriter).rewriteSelectors)
}

func (m *Migrator) query(expr string, rewrite func(*rewriter) error) Result {
	q, err := promql.Parse(expr)
	if err != nil {
		return refused(expr, "it cannot be parsed: "+err.Error())
	}
	r := &rewriter{m: m, q: q, selectors: map[*promql.Selector]*translation{}, lists: map[int][]string{}}
	if err := r.selectAll(); err != nil {
		return refused(expr, err.Error())
	}
	if len(r.selectors) == 0 {
		return Result{Migrated: expr, OK: true}
	}
	r.findParents()
	if apart := r.splitQuantiles(); apart != "" {
		if result := m.query(apart, rewrite); result.OK {
			return result
		}
	}
	if err := rewrite(r); err != nil {
		return refused(expr, err.Error())
	}
	migrated, err := q.Apply(r.edits)
	if err == nil {
		_, err = promql.Parse(migrated)
	}
	if err != nil {
		return refused(expr, "the rewritten query cannot be parsed ("+err.Error()+"): please report this query")
	}
	r.result.Migrated, r.result.OK, r.result.Changed = migrated, true, migrated != expr
	return r.result
}

func refused(expr, reason string) Result { return Result{Migrated: expr, Notes: []string{reason}} }
