package store

import (
	"slices"
	"strings"

	"loggregator_exporter/metric"
)

// Dialect turns identities into series in the place of rules and naming, for those who know the same samples by other names. Resolve is
// called under the store's lock, once for each series: it must not call the store, and keeps nothing of what it is given.
type Dialect interface {
	Resolve(id *Identity) Resolved
}

// resolve turns an identity into what is exposed.
func (s *Store) resolve(id *Identity) Resolved {
	if s.dialect != nil {
		return s.dialect.Resolve(id)
	}
	return s.resolver.Resolve(id, nil)
}

// Observe takes one observation of the family that the dialect makes of a timer of e's name: a histogram or summary takes the value, a
// counter counts one. In contrast to Write all of e's tags and its source id tell series apart, so that it is the caller who chooses
// them; instance id, start and stop are not looked at. Values that are negative or NaN are invalid.
func (w *Writer) Observe(e *metric.Envelope, v float64) metric.Outcome {
	want := w.wanted(e, nameTimer, w.identify(e) && v >= 0)
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, outcome := s.entry(&want)
	if outcome != metric.Stored {
		return outcome
	}
	switch owner := s.slab.at(pos); s.families.all[owner.family].typ {
	case metric.TypeHistogram:
		s.observe(owner, v, &TraceID{}, e.Arrived)
	case metric.TypeSummary:
		s.summarize(owner, v, e.Arrived)
	case metric.TypeCounter:
		s.countOne(owner, e.Arrived)
	case metric.TypeGauge:
		owner.value, owner.stamp = v, e.Arrived
	}
	return metric.Stored
}

// countOne counts an observation. Nothing was counted before the first one, so the start is known.
func (s *Store) countOne(e *series, arrived int64) {
	if e.flags&flagDeltas == 0 {
		s.sumDeltas(e, 0)
		s.side(e).start = arrived
	}
	e.stamp = arrived
	e.aux = int64(addUp(uint64(e.aux), 1))
	s.setCount(e, uint64(e.aux))
}

// Stores are several stores that are scraped as one. Their names must be kept apart, see Options.Reserved.
type Stores []*Store

// Families returns the families of all stores by name.
func (all Stores) Families() []Family {
	var out []Family
	for _, s := range all {
		out = mergeFamilies(out, s.Families())
	}
	return out
}

// mergeFamilies merges two lists by name. Of families of one name only the first list's is taken: a page holds none twice.
func mergeFamilies(a, b []Family) []Family {
	if len(a) == 0 {
		return b
	}
	out := slices.Grow([]Family(nil), len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := strings.Compare(a[0].Name, b[0].Name); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			b = b[1:]
		}
	}
	return append(append(out, a...), b...)
}
