// Package diff says what a change of rules or settings does to series: it lets two sides, the old one and the new one,
// make series of the same names, each in a store of its own, and compares what became of each name.
package diff

import (
	"context"
	"iter"

	"loggregator_exporter/compat"
	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/documents"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
)

// Name is one metric of one sender, as the nozzle would hand it over. The order of names matters: of those that lead to
// one series the first owns it, as in a running exporter.
type Name struct {
	Origin, Name, Unit   string
	Kind                 metric.Kind
	SourceID, InstanceID string
	Tags                 []metric.Label // without origin, in any order
	// Series is the number of series that the name stands for, where only one of them is known; 0 is 1.
	Series int
}

// Resolver is what makes series of identities, and says which rules did it.
type Resolver interface {
	store.Resolver
	// Explain is Resolve with more to show. It records each step in tr unless that is nil.
	Explain(id *store.Identity, tr *resolver.Trace) resolver.Resolution
}

// Side is one of the two states that are compared.
type Side struct {
	// Own are rules, naming and labels of the exporter's own names; nil where it has none.
	Own *resolver.Options
	// Answers stands in for Own where another exporter has said what it makes of the names.
	Answers Resolver
	// Stated are settings, by key, as the configuration file spells them, and the version. They explain what changes where
	// another exporter answers, which cannot be tried with one setting changed.
	Stated map[string]string
	// Compat say how the names of firehose_exporter are made, beside the others or alone; nil where there are none.
	Compat *compat.Options
}

// Options bound what a comparison costs.
type Options struct {
	// MaxNames is how many names are compared; the rest is left out, and the report says so. 0 is DefaultMaxNames.
	MaxNames int
	// Documents are dashboards and rule files whose queries are looked at.
	Documents []*documents.Document
	// MaxChanges is how many changes a group lists; they are counted all. 0 is all.
	MaxChanges int
}

// DefaultMaxNames bounds the names of a comparison, which take some 2 KiB each.
const DefaultMaxNames = 2_000_000

// Compare says what becomes of names on both sides. Names that come twice count once. It gives up when ctx is done. It
// keeps the names, so that they must not change.
func Compare(ctx context.Context, names iter.Seq[*Name], before, after *Side, o Options) (*Report, error) {
	if o.MaxNames == 0 {
		o.MaxNames = DefaultMaxNames
	}
	c := comparison{options: o, sides: [2]*Side{before, after}}
	for i, side := range c.sides {
		var err error
		if c.made[i], err = side.make(o.MaxNames); err != nil {
			return nil, err
		}
	}
	if err := c.read(ctx, names); err != nil {
		return nil, err
	}
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	return c.report(ctx)
}
