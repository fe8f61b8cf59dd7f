package live

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// LeftOut says of samples of one name, or of several together, that they were not stored for one reason.
type LeftOut struct {
	Outcome metric.Outcome
	// Name is empty for what is counted together.
	Name, Unit string
	Kind       metric.Kind
	Samples    uint64
	// Envelopes counts, of filtered samples, envelopes of which nothing was kept, each at its first metric; InEnvelopes
	// the samples in them.
	Envelopes, InEnvelopes uint64
	Last                   time.Time
	// Late is how much older the last outdated sample was than the value of its series, MostLate the most of all.
	Late, MostLate time.Duration
	// Reason says why, Setting is the key of the setting that has left out filtered samples.
	Reason, Setting string
	// Sender is that of the first sample, as far as it is known.
	Sender store.Sender
	// Rival owns the series of the last sample in conflict.
	Rival store.Rival
}

// leftOutOf returns what a store says of samples that it has not stored.
func leftOutOf(r *store.Refusal) LeftOut {
	return LeftOut{
		Outcome: r.Outcome, Name: cmp.Or(r.Name(), r.RawName), Unit: r.Unit, Kind: r.Kind, Samples: r.Count,
		Last: time.Unix(0, r.Arrived), Late: time.Duration(r.Late), MostLate: time.Duration(r.MostLate), Reason: r.Reason,
		Sender: r.Sender, Rival: r.Visited().Rival,
	}
}

// AllLeftOut returns what a store has not stored since the start, and what filtered, which may be nil, says.
func AllLeftOut(s *store.Store, filtered func() []LeftOut) []LeftOut {
	var all []LeftOut
	for _, list := range [][]store.Refusal{s.Refusals(), s.LeftOut()} {
		for i := range list {
			all = append(all, leftOutOf(&list[i]))
		}
	}
	if filtered != nil {
		all = append(all, filtered()...)
	}
	return all
}

// add adds up what is counted together.
func (l *LeftOut) add(more *LeftOut) {
	if more.Last.After(l.Last) {
		l.Last = more.Last
	}
	l.Outcome = more.Outcome
	l.Samples += more.Samples
	l.Envelopes += more.Envelopes
	l.InEnvelopes += more.InEnvelopes
}

// leaveOut notes samples that are not stored at their name. Where no identity of it is known, it is one of the others.
func (c *census) leaveOut(l *LeftOut) {
	c.Total[l.Outcome].add(l)
	if l.Name == "" {
		together := &c.Together[l.Outcome]
		if together.add(l); l.Outcome != metric.Filtered && together.Sender == (store.Sender{}) {
			together.Sender = l.Sender
		}
		return
	}
	key := rowKey{l.Name, l.Unit, l.Kind}
	if at, ok := named(c.Names, key); ok {
		c.Names[at].LeftOut = append(c.Names[at].LeftOut, *l)
		return
	}
	at, ok := c.others[key]
	if !ok {
		at = len(c.Others)
		c.others[key] = at
		c.Others = append(c.Others, Name{
			Name: l.Name, Unit: l.Unit, Kind: l.Kind, Sender: l.Sender, Origins: []uint32{c.text(OriginOf(l.Sender))},
		})
	}
	n := &c.Others[at]
	n.LeftOut = append(n.LeftOut, *l)
	n.LastSeen = max(n.LastSeen, l.Last.UnixNano())
	n.Filtered = n.Filtered || l.Outcome == metric.Filtered && l.IsCurrent(c.Taken)
}

// IsCurrent reports whether samples are left out still.
func (l *LeftOut) IsCurrent(now time.Time) bool { return now.Sub(l.Last) <= Lately }

// Kept returns what a resolver makes of identities if no rule drops them.
func Kept(r store.Resolver) func(id *store.Identity) store.Resolved {
	if kept, ok := r.(interface {
		Kept(id *store.Identity) store.Resolved
	}); ok {
		return kept.Kept
	}
	return r.Resolve
}

// addUnexposed fills in the metric that a name would lead to, for names of which nothing is exposed: dropped by a rule,
// filtered, or refused and not remembered; and those that names of which some is exposed would lead to besides.
func (c *census) addUnexposed(r store.Resolver) {
	kept := Kept(r)
	metricOf := func(id store.Identity) (set []uint32) { // of one, or none
		if would := kept(&id); would.Metric != "" {
			set = []uint32{c.text(strings.Clone(would.Metric))}
		}
		return set
	}
	for _, names := range [][]Name{c.Names, c.Others} {
		for i := range names {
			n := &names[i]
			if len(n.Metrics) == 0 {
				n.Metrics = metricOf(n.Ruled())
				continue
			}
			for k := range n.LeftOut {
				l := &n.LeftOut[k]
				if l.Outcome != metric.Filtered && l.Outcome != metric.DroppedByRule || !l.IsCurrent(c.Taken) {
					continue
				}
				for _, pos := range metricOf(l.Sender.Whole(n.Name, n.Unit, n.Part)) {
					if !slices.Contains(n.Metrics, pos) {
						c.Besides = append(c.Besides, Beside{Name: n.Name, Metric: pos, Outcome: l.Outcome})
					}
				}
			}
		}
	}
}

// Of returns what was not stored of a name with an outcome, or nil. A name that leads to several metrics may have been
// refused for each.
func (n *Name) Of(outcome metric.Outcome) *LeftOut {
	var of *LeftOut
	for i := range n.LeftOut {
		l := &n.LeftOut[i]
		switch {
		case l.Outcome != outcome:
		case of == nil:
			of = l
		default:
			sum := *of
			sum.add(l)
			of = &sum
		}
	}
	return of
}
