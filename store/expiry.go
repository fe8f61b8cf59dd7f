package store

import (
	"math/bits"
	"slices"
	"time"
)

// pace is what is known about the intervals between the samples of a series, in two bytes: how many gaps were seen,
// and the longest recent one, in units of 2^30 ns, about a second: arrival times are compared by a shift, and
// samples within one unit count as one.
//
// The longest gap fades by an eighth of the time that passes, so that one lost sample, which doubles a gap, is
// forgotten after a few intervals. Once a series is known, one gap lengthens it by half at most: a series that was
// away, at another exporter, has not become slow. Irregular series are known by their long gaps.
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

// adaptive expires series by their own intervals: a series that has missed three of them has ended, or is at another
// exporter now and must not be shown twice for longer. It is never later than the configured expiration. It does not
// apply to series that a rule gives an expiry of their own, nor to histograms of timers, which end with the traffic
// and must not begin anew each time.
//
// A counter, histogram or summary that is not known keeps the expiration: it may be rare. An unknown gauge is expected
// to come as often as three quarters of the known ones do. A slower one expires too early twice: when it comes back
// again, it is recognized, and keeps the expiration until it is known. Once is not enough, since gauges that went to
// another exporter come back too.
type adaptive struct {
	on      bool
	typical pace // of gauges; 0 while unknown
	// By the low bits of their hash, the high bits of unknown gauges that expired early; how often, in the lowest two
	// bits.
	early   []uint16
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

// learns reports whether entries of a kind have a pace.
func (k nameKind) learns() bool { return k <= nameSummary }

type periodPos uint16

// expiry decides when entries have been silent for too long.
type expiry struct {
	adaptive

	entries    *entries
	composites *composites
	// periods are the configured expiration, then those that rules ask for: at most maxPeriods; the rest get the
	// configured one.
	periods []time.Duration
}

const maxPeriods = 1 << 12

// period interns what a rule says about expiry; 0 is the configured one.
func (x *expiry) period(d time.Duration) periodPos {
	if d <= 0 {
		return 0
	}
	i := slices.Index(x.periods, d)
	if i < 0 && len(x.periods) < maxPeriods {
		x.periods = append(x.periods, d)
		i = len(x.periods) - 1
	}
	return periodPos(max(i, 0))
}

// expired reports whether an entry has been silent for too long.
func (x *expiry) expired(e *entry, now int64) bool {
	silent := now - e.arrived
	return silent >= int64(x.periods[e.expiry]) || e.state == statePart && x.leftBehind(e) ||
		x.on && silent >= int64(missedSlack) && x.missed(e, silent)
}

// leftBehind reports whether a part is no longer sent while its composite is: an emitter that restarts with other
// buckets never sends the old ones again, and they must not stand beside the new ones until they expire.
func (x *expiry) leftBehind(e *entry) bool {
	of := e.dependsOn()
	return e.pace.known() && x.entries.alive(of) && x.entries.at(of.pos).arrived-e.arrived >= e.pace.after()
}

// missed reports whether the sample of an entry is overdue by its own pace.
func (x *expiry) missed(e *entry, silent int64) bool {
	if e.state != stateLive && e.state != statePart && e.state != stateLoose || e.expiry != 0 {
		return false
	}
	if e.pace.known() {
		return silent >= e.pace.after()
	}
	if e.state != stateLive {
		return false
	}
	switch x.entries.kindOf(e) {
	case nameGauge:
		return x.typical > 0 && e.pace.longest() <= x.typical && silent >= x.typical.after()
	case nameCompositeHistogram, nameCompositeSummary:
		// A scrape between two sweeps must not show a composite of which every part is overdue.
		for pos := range x.composites.at(e.composite()).all() {
			if p := x.entries.at(pos); !p.pace.known() || e.arrived+silent-p.arrived < p.pace.after() {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// gauge reports whether an entry is a live gauge.
func (x *expiry) gauge(e *entry) bool {
	return e.state == stateLive && x.entries.kindOf(e) == nameGauge
}

// kept is the part of a sweep that concerns an entry that stays.
func (x *expiry) kept(e *entry) {
	if x.on && e.pace.known() && x.gauge(e) {
		x.count(e.pace)
	}
}

// removed is the part of a sweep that concerns an entry that has expired.
func (x *expiry) removed(e *entry) {
	if x.on && !e.pace.known() && x.gauge(e) {
		x.ended(x.entries.contentHash(e))
	}
}
