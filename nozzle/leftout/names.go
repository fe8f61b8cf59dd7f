package leftout

import (
	"sync"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
)

// maxNames bounds how many filtered names are counted one by one: some 300 bytes each, and not more than some 2 KiB.
const maxNames = 1000

// Name says of one metric, or of several together, what the filters left out.
type Name struct {
	// Name, Unit and Kind are those of the metric; empty for what is counted together.
	Name, Unit string
	Kind       metric.Kind
	// Origin and SourceID are those of the first sample, cut.
	Origin, SourceID string
	// Setting is the key of the setting that left out the last one.
	Setting string
	// Samples counts all, InEnvelopes those in envelopes of which nothing was kept. Envelopes counts such envelopes, each
	// at its first metric.
	Samples, InEnvelopes, Envelopes uint64
	// Arrived is the time of the last sample, in nanoseconds since the epoch.
	Arrived int64

	by int // what Setting is made of
}

type nameKey struct {
	kind metric.Kind
	name string
}

// Names counts filtered metrics by name. It is safe for concurrent use.
type Names struct {
	mu sync.Mutex
	table[nameKey, Name]
}

// NewNames makes a count of nothing.
func NewNames() *Names { return &Names{table: newTable[nameKey, Name](maxNames)} }

// Add counts what the filters left out of an envelope, of which nothing is kept if whole is set. Of names that are
// known it costs a look-up and no allocation.
func (n *Names) Add(e *metric.Envelope, refused []filter.Refused, whole bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range refused {
		r := &refused[i]
		of := n.by[nameKey{e.Kind, string(r.Name)}]
		if of == nil {
			of = n.add(e, r)
		}
		of.Samples++
		of.Arrived, of.by = e.Arrived, r.By
		if whole {
			of.InEnvelopes++
			if i == 0 {
				of.Envelopes++
			}
		}
	}
}

// add makes room for a name, if there is any.
func (n *Names) add(e *metric.Envelope, r *filter.Refused) *Name {
	if n.full() || len(r.Name) == 0 || len(r.Name) > metric.MaxNameBytes {
		return &n.rest
	}
	of := &Name{
		Name: string(r.Name), Unit: text(r.Unit), Kind: e.Kind, Origin: text(e.Tag("origin")), SourceID: text(e.SourceID),
	}
	n.by[nameKey{e.Kind, of.Name}] = of
	return of
}

// List returns the names in no order, the last one being what is counted together.
func (n *Names) List() []Name {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]Name, 0, len(n.by)+1)
	for _, of := range n.by {
		all = append(all, *of)
		all[len(all)-1].Setting = filter.Setting(of.by)
	}
	return append(all, n.rest)
}
