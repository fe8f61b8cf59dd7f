package store

import (
	"math/bits"
	"time"
)

// pace is what is known of the intervals between the samples of a series, in two bytes: how many gaps were seen, and the longest of
// late, in units of 2^30 ns, about a second: arrival times are compared by a shift, and samples within one unit are one.
//
// The longest gap fades by an eighth of the time that passes, so that one lost sample, which doubles a gap, is forgotten after a
// few intervals. Once a series is known, one gap lengthens it by half at most: a series that was away, at another exporter, has
// not become slow. Irregular series are known by their long gaps.
type pace uint16

const (
	paceUnit  = 30 // the unit is 1<<paceUnit nanoseconds
	paceFade  = 3  // the longest gap fades by a unit in 1<<paceFade units
	paceBits  = 13 // of the longest gap; the rest counts gaps
	paceMax   = pace(1)<<paceBits - 1
	paceKnown = 4 // gaps after which a series is known

	missedIntervals = 3
	// With what rounding adds to three intervals, at most 3.2 s, it is 15 s.
	missedSlack = 12 * time.Second
)

func (p pace) known() bool   { return p>>paceBits >= paceKnown }
func (p pace) longest() pace { return p & paceMax }

// learn takes the arrival of a sample and of the one before it, and returns the new pace.
func (p pace) learn(before, now int64) pace {
	gap := now>>paceUnit - before>>paceUnit
	if gap <= 0 {
		return p
	}
	seen, longest := p>>paceBits, int64(p.longest())
	faded := max(1, longest-(now>>(paceUnit+paceFade)-before>>(paceUnit+paceFade)))
	switch {
	case seen >= paceKnown:
		gap = min(gap, longest+max(1, longest/2))
	case p.longest() == paceMax:
		// It came back after it had expired too early: its gaps are not judged before it is known.
		if seen++; seen < paceKnown {
			faded = longest
		} else {
			faded = gap
		}
	default:
		seen++
	}
	return seen<<paceBits | pace(min(max(faded, gap), int64(paceMax)))
}

// after is how long a series of this pace may be silent.
func (p pace) after() int64 {
	return missedIntervals*int64(p.longest())<<paceUnit + int64(missedSlack)
}

// adaptive expires series by their own intervals: who has missed three of them has ended, or is at another exporter now, where it
// must not stand twice for longer. It is never later than the configuration's expiration, and not for what a rule gives
// an expiry of its own, nor for histograms, which end with the traffic and must not begin anew each time.
//
// A counter that is not known keeps the expiration: it may be rare. An unknown gauge is expected to come as often as three quarters
// of the known ones do. One that is slower expires too early twice: when it comes back again, it is recognized, and keeps the expiration
// until it is known. Once is not enough, since who went to another exporter comes back too.
type adaptive struct {
	on      bool
	typical pace     // of gauges; 0 while unknown
	early   []uint16 // by the low bits of their hash: the high bits of unknown gauges that expired early, and in the lowest two how often
	lengths [paceBits + 1]int
}

const (
	earlyBits  = 16
	earlyOften = 2
	// Among fewer known gauges than this there is no typical pace.
	typicalOf = 10
)

// set switches it on or off.
func (a *adaptive) set(on bool) {
	a.on = on
	if on && a.early == nil {
		a.early = make([]uint16, 1<<earlyBits)
	}
}

// begin returns the pace of a new entry.
func (a *adaptive) begin(hash uint64) pace {
	if at := a.early[hash&(1<<earlyBits-1)]; at&^3 == uint16(hash>>48)&^3 && at&3 >= earlyOften {
		return paceMax
	}
	return 0
}

// ended notes a gauge that expired before it was known.
func (a *adaptive) ended(hash uint64) {
	if !a.on {
		return
	}
	at, tag := &a.early[hash&(1<<earlyBits-1)], uint16(hash>>48)&^3
	if *at&^3 != tag {
		*at = tag
	}
	if *at&3 < 3 {
		*at++
	}
}

// count takes a known gauge into account for the typical pace, which summarize works out after all.
func (a *adaptive) count(p pace) { a.lengths[bits.Len16(uint16(p.longest()))]++ }

func (a *adaptive) summarize() {
	total := 0
	for _, n := range a.lengths {
		total += n
	}
	a.typical = 0
	if total >= typicalOf {
		below := 0
		for length, n := range a.lengths {
			if below += n; 4*below >= 3*total {
				a.typical = pace(1)<<length - 1
				break
			}
		}
	}
	clear(a.lengths[:])
}

// expired says whether an entry has been silent for too long.
func (s *Store) expired(e *series, now int64) bool {
	silent := now - e.arrived
	return silent >= int64(s.expiries[e.expiry]) || e.state == statePiece && s.left(e) || s.adaptive.on && silent >= int64(missedSlack) && s.missed(e, silent)
}

// missed says whether the sample of an entry is overdue by its own pace.
func (s *Store) missed(e *series, silent int64) bool {
	if e.state != stateLive && e.state != statePiece || e.expiry != 0 {
		return false
	}
	if e.pace.known() {
		return silent >= e.pace.after()
	}
	if e.state == statePiece {
		return false
	}
	switch typical := s.adaptive.typical; s.ids.names[e.name].kind {
	case nameGauge:
		return typical > 0 && e.pace.longest() <= typical && silent >= typical.after()
	case nameHistogram, nameSummary:
		// Their pieces know when they are overdue; a scrape must not show until the next sweep what none of them is for any more.
		for pos := range s.composites.all[e.extra].all() {
			if p := s.slab.at(pos); !p.pace.known() || e.arrived+silent-p.arrived < p.pace.after() {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// learns says whether entries of a kind have a pace.
func (k nameKind) learns() bool { return k == nameGauge || k == nameCounter }

// survey is the part of a sweep that serves adaptive expiry: it looks at an entry that stays.
func (s *Store) survey(e *series) {
	if e.state == stateLive && e.pace.known() && s.ids.names[e.name].kind == nameGauge {
		s.adaptive.count(e.pace)
	}
}

// forget is the part of free that serves adaptive expiry.
func (s *Store) forget(e *series) {
	if e.state == stateLive && !e.pace.known() && s.ids.names[e.name].kind == nameGauge {
		s.adaptive.ended(s.contentHash(e))
	}
}

// contentHash is the same whenever an identity gets an entry, whereas its positions change.
func (s *Store) contentHash(e *series) uint64 {
	return (s.ids.tagsets[e.tagset].hash ^ bits.RotateLeft64(s.ids.names[e.name].hash, 32)) * 0x9e3779b97f4a7c15
}
