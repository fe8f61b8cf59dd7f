// Package store holds the series: it finds the series of a sample by its identity, asks its Resolver on a miss only,
// keeps values, counters and histograms right, expires what is silent, and gives scrapes a consistent view.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"loggregator_exporter/metric"
)

// Options configure a Store. The zero value of a field is not a default: the configuration holds those.
type Options struct {
	Resolver   Resolver
	Expiration time.Duration // a series without a sample for this long is removed
	// AdaptiveExpiration removes gauges, counters, and histograms and summaries that their senders have counted after
	// three of their own intervals and 15 s, if that is sooner.
	AdaptiveExpiration bool
	// MaxSeries is how many series may live at once. Of refused, dropped and joined entries at most half as many are
	// remembered.
	MaxSeries int
	Limits    LimitOptions
	// NativeHistograms counts timers in native histograms too.
	NativeHistograms bool
	// Reserved are beginnings of names that belong to others on the same page: a family whose name begins so is a
	// conflict.
	Reserved []string
	Log      *slog.Logger
}

// Store holds all series. One mutex guards everything: it is held for the time of a batch of samples, or of one chunk
// of a scrape, never while something is written or compiled. Longer are only the copy of a changed family's list of
// series, the beginning of a reload, and the end of a family.
type Store struct {
	mu sync.Mutex
	registry

	view      view
	surveyed  largest                   // by the last survey
	offenders atomic.Pointer[Offenders] // of the last survey
}

// registry is what the lock guards: the entries and all that belongs to them.
type registry struct {
	resolver         Resolver
	session          Session                        // the resolver's, nil while there is nothing to resolve
	resolved         int                            // by the session since the last sweep
	identification   atomic.Pointer[Identification] // the resolver's; writers read it without the lock
	nativeHistograms bool

	entries       entries
	families      families
	limits        limits
	counters      counters
	distributions arena[distributionPos, distribution]
	composites    composites
	conversions   conversions
	expiry        expiry
	refusals      refusals
	leftOut       refusals
	overrides     overrides
	identity      Identity // the last one that was resolved
	key, part     []byte   // scratch memory
	touched       uint32   // what readAhead read

	resting bool          // Run waits for the first entry
	wake    chan struct{} // ends that
}

// New makes an empty store.
func New(o Options) (*Store, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{registry: registry{wake: make(chan struct{}, 1)}}
	s.nativeHistograms = o.NativeHistograms
	s.families = newFamilies(o.Reserved, &s.entries)
	s.limits = limits{LimitOptions: o.Limits, maxSeries: o.MaxSeries, byName: map[string]senderPos{}}
	s.conversions = newConversions()
	s.refusals = newRefusals(maxRefusals, o.Log, func() Resolver { return s.resolver })
	s.leftOut = newRefusals(maxLeftOut, nil, nil)
	s.overrides = overrides{}
	s.entries = newEntries(&s.limits)
	s.counters = counters{conversions: &s.conversions, totals: sharedTotals{entries: &s.entries}}
	s.composites = composites{entries: &s.entries, families: &s.families, conversions: &s.conversions}
	s.expiry = expiry{entries: &s.entries, composites: &s.composites, periods: []time.Duration{o.Expiration}}
	s.expiry.set(o.AdaptiveExpiration)
	s.setResolver(o.Resolver)
	return s, nil
}

func (o *Options) validate() error {
	switch {
	case o.Resolver == nil:
		return errors.New("store: no resolver")
	case o.Expiration <= 0:
		return fmt.Errorf("store: expiration %v: must be positive", o.Expiration)
	case o.MaxSeries <= 0:
		return fmt.Errorf("store: max series %d: must be positive", o.MaxSeries)
	default:
		return o.Limits.validate()
	}
}

// setResolver makes the store go by another resolver from now on. The caller holds the lock.
func (s *registry) setResolver(r Resolver) {
	s.resolver, s.session = r, nil
	of := r.Identification()
	s.identification.Store(&of)
}

// Resolver returns the resolver in force.
func (s *Store) Resolver() Resolver {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resolver
}

// Run expires silent series until ctx is done. While the store is empty it has no timer.
func (s *Store) Run(ctx context.Context) error {
	sweep := time.NewTimer(s.sweepEvery())
	defer sweep.Stop()
	survey := time.NewTimer(firstSurvey)
	defer survey.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-sweep.C:
			s.sweep(now)
			if s.rest() {
				survey.Stop()
				s.findOffenders() // there are none
			} else {
				sweep.Reset(s.sweepEvery())
			}
		case <-survey.C:
			s.findOffenders()
			survey.Reset(surveyEvery)
		case <-s.wake:
			sweep.Reset(s.sweepEvery())
			survey.Reset(firstSurvey)
		}
	}
}

// rest reports whether the store is empty; the next entry then wakes Run up.
func (s *Store) rest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting = s.entries.inUse() == 0
	return s.resting
}

// sweepEvery is the time from one sweep to the next, by the expiration in force.
func (s *Store) sweepEvery() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(time.Second, min(s.expiry.periods[0]/20, 15*time.Second))
}

// Reloaded says what a reload did to the entries that were there.
type Reloaded struct {
	Kept    int // resolved as before
	Retired int // removed; they come back with their next sample, as the resolver in force has it
}

// reloadChunk bounds how many entries are resolved under one hold of the lock.
const reloadChunk = 256

// Reload makes the store go by another resolver, expiration and limits from now on. Series that the resolver
// resolves as before keep their values and observations; the others are retired. Options.NativeHistograms and
// Reserved stay as they were. Samples are taken in meanwhile.
func (s *Store) Reload(o Options) (Reloaded, error) {
	if err := o.validate(); err != nil {
		return Reloaded{}, err
	}
	s.mu.Lock()
	s.setResolver(o.Resolver)
	s.families.reloads++
	s.limits.set(o.Limits, o.MaxSeries, &s.entries)
	s.expiry.periods[0] = o.Expiration
	s.expiry.set(o.AdaptiveExpiration)
	s.conversions.compact(&s.entries)
	s.mu.Unlock()
	var done Reloaded
	for from := entryPos(1); s.reloadChunk(from, &done); from += reloadChunk {
	}
	return done, nil
}

// reloadChunk reports whether there are more entries.
func (s *Store) reloadChunk(from entryPos, done *Reloaded) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := min(from+reloadChunk, s.entries.last+1)
	for pos := from; pos < to; pos++ {
		e := s.entries.at(pos)
		switch {
		case e.state == stateFree:
		case s.unchanged(e):
			done.Kept++
		default:
			s.remove(pos)
			done.Retired++
		}
	}
	return to <= s.entries.last
}

// unchanged reports whether an entry is resolved as before. Help and unit of its family follow the new rules.
func (s *registry) unchanged(e *entry) bool {
	_, r := s.resolve(e)
	if e.state == statePart || e.state == stateLoose {
		return !r.Dropped && r.Invalid == "" // the rest depends on its composite
	}
	s.entries.tag(e, r.Untagged, r.Described)
	switch e.state {
	case stateDropped:
		return r.Dropped
	case stateLive: // compared below
	default:
		return false
	}
	f := s.families.at(e.family)
	if r.Dropped || f.name != r.Metric || f.typ != r.Type ||
		f.typ == metric.TypeHistogram && !slices.Equal(f.bounds, r.Buckets) ||
		string(s.families.labels.text(e.labels)) != string(r.Text) ||
		s.conversions[e.conversion] != conversionOf(s.entries.kindOf(e), &r) {
		return false
	}
	s.families.describe(f, &r)
	e.expiry = s.expiry.period(r.Expiry)
	if f.makeup == ofParts {
		for pos := range s.composites.at(e.composite()).all() {
			part := s.entries.at(pos)
			s.entries.tagAs(part, e)
			part.expiry = e.expiry
		}
	}
	return true
}
