package store

import (
	"slices"

	"loggregator_exporter/metric"
)

// Reloaded says what a reload did to the entries that were there.
type Reloaded struct {
	Kept    int // their result is what it was
	Retired int // their result is another: they vanish at once, and come back changed with their next sample
}

// reloadChunk bounds how long the rules run under the lock at a time.
const reloadChunk = 256

// Reload makes the store go by another resolver, expiration and limits from now on. Series that the resolver resolves as before
// keep their values and observations; the others are retired. Options.NativeHistograms and Reserved stay as they were.
// Samples are taken in meanwhile.
func (s *Store) Reload(o Options) (Reloaded, error) {
	if err := o.validate(); err != nil {
		return Reloaded{}, err
	}
	s.mu.Lock()
	s.setResolver(o.Resolver)
	s.maxSeries = o.MaxSeries
	if before := s.limits; before != o.Limits {
		s.limits = o.Limits
		if before.Owner != o.Limits.Owner || (before.PerOwner == 0) != (o.Limits.PerOwner == 0) {
			s.reown()
		}
	}
	s.expiries[0] = o.Expiration
	s.forgetConversions()
	s.adaptive.set(o.AdaptiveExpiration)
	s.mu.Unlock()
	var done Reloaded
	for from := uint32(0); s.reloadChunk(from, &done); from += reloadChunk {
	}
	return done, nil
}

// forgetConversions leaves only those in use, so that reload after reload adds none.
func (s *Store) forgetConversions() {
	before := s.conversions
	s.conversions = []conversion{{1, 1}}
	for pos := range s.slab.next {
		if e := s.slab.at(pos); e.state == stateLive || e.state == statePiece {
			c := before[e.conversion]
			e.conversion = s.convert(c.mul, c.div)
		}
	}
}

func (s *Store) reloadChunk(from uint32, done *Reloaded) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := min(from+reloadChunk, s.slab.next)
	for pos := from; pos < to; pos++ {
		e := s.slab.at(pos)
		if e.state == stateFree {
			continue
		}
		if s.unchanged(e) {
			done.Kept++
		} else {
			s.free(pos)
			done.Retired++
		}
	}
	return to < s.slab.next
}

// unchanged runs the rules on an entry and says whether it may stay. What the family tells of itself follows the new rules.
func (s *Store) unchanged(e *series) bool {
	id := s.identity(e.tagset, e.name)
	r := s.resolver.Resolve(&id)
	if e.state == statePiece {
		return !r.Dropped // all else its composite decides
	}
	s.tag(e, &r)
	switch e.state {
	case stateDropped:
		return r.Dropped
	case stateLive:
	default:
		return false
	}
	if r.Dropped {
		return false
	}
	f := &s.families.all[e.family]
	if f.name != r.Metric || f.typ != r.Type || !slices.Equal(f.bounds, r.Buckets) && f.typ == metric.TypeHistogram ||
		s.labels.all[e.labels].text != metric.RenderLabels(r.Labels) || s.conversions[e.conversion] != (conversion{r.Mul, r.Div}) {
		return false
	}
	f.help, f.unit = r.Help, r.Unit
	e.expiry = s.expiryOf(r.Expiry)
	if f.composite {
		for pos := range s.composites.all[e.extra].all() {
			s.slab.at(pos).expiry = e.expiry
		}
	}
	return true
}
