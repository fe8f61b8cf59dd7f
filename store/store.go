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
	// AdaptiveExpiration removes gauges and counters after three of their own intervals and 15 s, if that is sooner.
	AdaptiveExpiration bool
	// MaxSeries is how many series may live at once, and twice as many as the refused and dropped ones that are remembered.
	MaxSeries int
	Limits    LimitOptions
	// NativeHistograms counts timers in native histograms too.
	NativeHistograms bool
	// Reserved are beginnings of names that belong to others on the same page: a family whose name begins so is a conflict.
	Reserved []string
	Log      *slog.Logger
}

// Store holds all series. One mutex guards everything: it is held for the time of one envelope, or of one chunk of
// a scrape, never while something is written or compiled.
type Store struct {
	sweepEvery       time.Duration
	nativeHistograms bool
	identification   atomic.Pointer[Identification] // the resolver's, for writers, which need it before they lock

	mu          sync.Mutex
	resolver    Resolver
	maxSeries   int
	limits      LimitOptions
	ids         identities
	pairs       index // tag set and name to series
	slab        slab
	exposed     map[exposedKey]uint32
	families    families
	labels      labelSets
	hists       []histogram
	freeHists   []uint32
	counters    counterSides
	siblings    siblings
	conversions []conversion
	expiries    []time.Duration // the configuration's, then those that rules ask for
	adaptive    adaptive
	refusals    refusals
	overrides   map[overrideKey]uint64
	composites  composites
	pieceKey    []byte // the identity of the composite of the piece that is being made
	live        int    // stateLive
	others      int    // stateRefused, stateDropped and stateJoined
	pieces      int    // statePiece

	offenders atomic.Pointer[Offenders] // as of the last survey

	// What the scrape that holds sorting keeps for the next.
	order        []namedFamily // live families by name
	orderVersion uint64
	sorting      sync.Mutex // held by the scrape that puts new series in order
}

// exposedKey is what a scrape may hold only once.
type exposedKey struct {
	family, labels uint32
}

type conversion struct {
	mul, div float64
}

// New makes an empty store.
func New(o Options) (*Store, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		nativeHistograms: o.NativeHistograms, maxSeries: o.MaxSeries,
		limits:      o.Limits,
		sweepEvery:  max(time.Second, min(o.Expiration/20, 15*time.Second)),
		ids:         newIdentities(),
		exposed:     map[exposedKey]uint32{},
		families:    newFamilies(o.Reserved),
		labels:      labelSets{by: map[metric.Labels]uint32{}},
		conversions: []conversion{{1, 1}},
		expiries:    []time.Duration{o.Expiration},
		refusals:    newRefusals(o.Log),
		overrides:   map[overrideKey]uint64{},
	}
	s.setResolver(o.Resolver)
	s.adaptive.set(o.AdaptiveExpiration)
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
func (s *Store) setResolver(r Resolver) {
	s.resolver = r
	of := r.Identification()
	s.identification.Store(&of)
}

// Resolver returns the resolver in force.
func (s *Store) Resolver() Resolver {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resolver
}

// find returns the entry of a tag set and a name.
func (s *Store) find(tagset, name uint32) (uint32, bool) {
	return s.pairs.find(s.ids.hashPair(tagset, name), func(pos uint32) bool {
		e := s.slab.at(pos)
		return e.tagset == tagset && e.name == name
	})
}

// create runs the rules on an identity that has no entry yet and makes one, whatever comes of them, so that they do not run
// again for it; but see forgetRefused, after which tagset is not known.
func (s *Store) create(tagset *uint32, name uint32, arrived int64) (uint32, metric.Outcome) {
	pos := s.place(*tagset, name, arrived)
	e := s.slab.at(pos)
	id := s.identity(*tagset, name)
	r := s.resolver.Resolve(&id)
	s.tag(e, &r)
	e.expiry = s.expiryOf(r.Expiry)
	if s.adaptive.on {
		e.pace = s.adaptive.begin(s.contentHash(e))
	}
	if r.Dropped {
		e.state = stateDropped
		s.others++
		if id.Composite != metric.TypeGauge {
			s.adopt(pos) // x_sum and x_count find it
		} else {
			s.forgetRefused(pos, tagset)
		}
		return pos, metric.DroppedByRule
	}
	outcome, at := s.expose(pos, e, &id, &r), pos
	if e.state == stateJoined {
		at = e.owner().pos
		s.slab.at(at).arrived = arrived
	}
	if e.state != stateLive {
		s.forgetRefused(pos, tagset)
	}
	return at, outcome
}

// forgetRefused frees an entry that is not live where there are many such: then rules run for each of its samples. To remember them
// all would let a sender that is over its limit, and makes up new names, use up the room of everybody's new series.
func (s *Store) forgetRefused(pos uint32, tagset *uint32) {
	if 2*s.others > s.maxSeries {
		s.free(pos)
		*tagset = noTagset
	}
}

// place makes an empty entry of an identity.
func (s *Store) place(tagset, name uint32, arrived int64) uint32 {
	pos, e := s.slab.take()
	e.tagset, e.name, e.arrived = tagset, name, arrived
	s.ids.tagsets[tagset].refs++
	s.ids.names[name].refs++
	s.pairs.insert(s.ids.hashPair(tagset, name), pos, func(p uint32) uint64 {
		e := s.slab.at(p)
		return s.ids.hashPair(e.tagset, e.name)
	})
	return pos
}

// tag notes whether a rule matched an entry.
func (s *Store) tag(e *series, r *Resolved) {
	untagged := r.Untagged
	switch was := e.flags&flagUntagged != 0; {
	case untagged && !was:
		e.flags |= flagUntagged
		s.ids.countUntagged(e.name, 1)
	case was && !untagged:
		e.flags &^= flagUntagged
		s.ids.countUntagged(e.name, -1)
	}
}

// identity puts an entry's identity together again.
func (s *Store) identity(tagset, name uint32) Identity {
	n := &s.ids.names[name]
	source, instance, tags := parseIdentity(s.ids.tagsets[tagset].key)
	return Identity{
		Kind: n.kind.kind(), Composite: n.kind.composite(), ResponseSize: n.kind == nameHTTPSize, Name: n.text, Unit: n.unit,
		SourceID: source, InstanceID: instance, Tags: tags,
	}
}

// maxExpiries bounds how many different expiries rules may ask for; the rest get the configuration's.
const maxExpiries = 1 << 12

// expiryOf interns what a rule says of expiry; 0 is the configuration's.
func (s *Store) expiryOf(d time.Duration) uint16 {
	if d <= 0 {
		return 0
	}
	i := slices.Index(s.expiries, d)
	if i < 0 && len(s.expiries) < maxExpiries {
		s.expiries = append(s.expiries, d)
		i = len(s.expiries) - 1
	}
	return uint16(max(i, 0))
}

// convert interns a conversion: units are few.
func (s *Store) convert(mul, div float64) uint16 {
	c := conversion{mul, div}
	i := slices.Index(s.conversions, c)
	if i < 0 {
		s.conversions = append(s.conversions, c)
		i = len(s.conversions) - 1
	}
	return uint16(i)
}

// free forgets an entry, and with it whatever nothing else refers to.
func (s *Store) free(pos uint32) {
	e := s.slab.at(pos)
	family, lost := uint32(ownFamily), false
	switch e.state {
	case stateLive:
		family = e.family
		s.conceal(e)
		lost = s.freeState(e)
	case statePiece:
		s.pieces--
		s.freeCounter(e)
		s.detach(pos, e)
	default:
		s.others--
	}
	if e.flags&flagUntagged != 0 {
		s.ids.countUntagged(e.name, -1)
	}
	s.pairs.remove(s.ids.hashPair(e.tagset, e.name), pos)
	s.ids.releaseTagset(e.tagset)
	s.ids.releaseName(e.name)
	s.slab.put(pos)
	if family != ownFamily {
		s.leaveFamily(family)
	}
	if lost {
		s.disband(family)
	}
}

// freeState forgets what a live entry has beside itself. Pieces end with their composite; it says whether buckets or quantiles were
// among them.
func (s *Store) freeState(e *series) (lost bool) {
	f := &s.families.all[e.family]
	switch {
	case f.composite:
		e.state = stateFree // or its last piece would free it
		n := len(s.composites.all[e.extra].pieces)
		f.pieces -= n
		for _, piece := range s.composites.put(e.extra) {
			s.free(piece)
		}
		return n > 0
	case f.typ == metric.TypeHistogram, f.typ == metric.TypeSummary && s.ids.names[e.name].kind.timer():
		s.freeHistogram(e.extra)
	default:
		s.freeCounter(e)
	}
	return false
}

// maxDead is how many dead series a family keeps in its lists beyond as many as it has live ones.
const maxDead = 64

// leaveFamily notes that a series of a family was freed.
func (s *Store) leaveFamily(pos uint32) {
	f := &s.families.all[pos]
	f.live--
	f.dead++
	switch {
	case f.live == 0:
		s.families.release(pos)
	case !f.sorting && f.dead > f.live+maxDead:
		// A scrape would do this, too, but nobody may be scraping. One under way may hold sorted: it is replaced, not changed.
		dead := func(m member) bool { return !s.slab.alive(m.ref) }
		f.fresh = slices.DeleteFunc(f.fresh, dead)
		f.sorted = slices.DeleteFunc(slices.Clone(f.sorted), dead)
		f.dead = 0
	}
}

// Run expires silent series until ctx is done.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.sweepEvery)
	defer tick.Stop()
	survey := time.NewTimer(firstSurvey)
	defer survey.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			s.sweep(now)
		case <-survey.C:
			s.findOffenders()
			survey.Reset(surveyEvery)
		}
	}
}

const sweepChunk = 4096

// sweep frees every entry that has been silent for its expiry, a chunk at a time so that nobody waits long.
func (s *Store) sweep(now time.Time) {
	for from := uint32(0); ; from += sweepChunk {
		if !s.sweepChunk(from, now.UnixNano()) {
			return
		}
	}
}

func (s *Store) sweepChunk(from uint32, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := min(from+sweepChunk, s.slab.next)
	for pos := from; pos < to; pos++ {
		e := s.slab.at(pos)
		if e.arrived > now {
			e.arrived = now // the clock was set back, which must not keep alive for so long what has ended
		}
		switch {
		case e.state == stateFree:
		case s.expired(e, now):
			s.forget(e)
			s.free(pos)
		case s.adaptive.on:
			s.survey(e)
		}
	}
	if to < s.slab.next {
		return true
	}
	s.adaptive.summarize()
	return false
}
