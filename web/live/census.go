package live

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// snapshot scans a store.
func snapshot(s *store.Store, filtered func() []LeftOut) *Snapshot {
	c := census{
		by:    cmp.Or(s.LimitState().Owner, store.OwnerSourceID),
		texts: map[string]uint32{}, owners: map[string]uint32{}, others: map[rowKey]int{},
	}
	c.Taken = time.Now()
	var last *store.Scan
	s.Scan(func(chunk *store.Scan) bool {
		last = chunk
		c.learn(chunk)
		for i := range chunk.Marks {
			c.count(&chunk.Marks[i])
		}
		return true
	})
	if last != nil {
		c.list(last)
	}
	c.addRefused(s.Visit(c.refused))
	c.addForgotten(s.Refusals())
	leftOut := AllLeftOut(s, filtered)
	for i := range leftOut {
		c.leaveOut(&leftOut[i])
	}
	c.addUnexposed(s.Resolver())
	c.finish()
	found := c.Snapshot // by itself: nothing else that was needed to make it is kept
	return &found
}

// census counts the identities that a scan passes. What it keeps of each name while the scan goes on fits into one line
// of the processor's cache.
type census struct {
	Snapshot

	by      store.Owner
	texts   map[string]uint32 // positions in Snapshot.Texts
	owners  map[string]uint32 // positions in Snapshot.Owners
	names   []tally           // by number of the scan
	senders []belongs         // by number of the scan
	metrics []uint32          // by number of the scan: positions in Snapshot.Texts
	more    blocks
	refused []store.Mark   // the first of each name and outcome
	others  map[rowKey]int // positions in Snapshot.Others
}

// tally is what is counted of a name. Numbers and positions are one more than they are: 0 is none.
type tally struct {
	lastSeen                                                 int64
	series, untagged, conflicts, overLimit, invalid, dropped uint32
	sender                                                   uint32             // the lowest number
	origins                                                  [fewOrigins]uint32 // the first ones
	metric                                                   uint32             // the first one
	moreOrigins, moreMetrics                                 uint32             // the others; see blocks
	composite                                                bool
	part                                                     metric.Type // as Name.Part
}

// fewOrigins is how many origins most names have at most.
const fewOrigins = 3

// belongs is the origin of a sender, and its owner: one more than the position, 0 if nobody is.
type belongs struct{ origin, owner uint32 }

func (c *census) text(s string) uint32 {
	pos, ok := c.texts[s]
	if !ok {
		pos = uint32(len(c.Texts))
		c.Texts = append(c.Texts, s)
		c.texts[s] = pos
	}
	return pos
}

// learn makes room for the texts that a chunk has passed first.
func (c *census) learn(s *store.Scan) {
	if c.names == nil { // there is room in a scan for what was there when it began
		c.names, c.senders = make([]tally, 0, min(cap(s.Names), maxNames)), make([]belongs, 0, cap(s.Senders))
		c.metrics, c.texts = make([]uint32, 0, cap(s.Metrics)), make(map[string]uint32, 2*cap(s.Metrics))
		c.Texts = make([]string, 0, 2*cap(s.Metrics))
	}
	for i := len(c.names); i < min(len(s.Names), maxNames); i++ {
		c.names = append(c.names, tally{composite: s.Names[i].Composite()})
	}
	for _, sender := range s.Senders[len(c.senders):] {
		owner := sender.Owner(c.by)
		of := belongs{origin: c.text(OriginOf(sender))}
		if owner != "" {
			if of.owner = c.owners[owner]; of.owner == 0 {
				c.Owners = append(c.Owners, Owner{Name: owner, Sender: sender})
				of.owner = uint32(len(c.Owners))
				c.owners[owner] = of.owner
			}
		}
		c.senders = append(c.senders, of)
	}
	for _, name := range s.Metrics[len(c.metrics):] {
		c.metrics = append(c.metrics, c.text(name))
	}
}

// count adds an identity.
func (c *census) count(m *store.Mark) {
	of := c.senders[m.Sender]
	if m.State == store.EntryLive {
		c.Series++
		if of.owner > 0 {
			c.Owners[of.owner-1].Series++
		}
	}
	if int(m.Name) >= len(c.names) {
		c.Identities++
		c.Omitted++
		return
	}
	n := &c.names[m.Name]
	if n.composite {
		return // its parts are what was sent
	}
	c.Identities++
	if n.count(m) {
		c.refused = append(c.refused, *m)
	}
	if n.origins[0] != of.origin+1 {
		c.includeOrigin(n, of.origin+1)
	}
	if m.Metric > 0 {
		c.includeMetric(n, c.metrics[m.Metric-1]+1)
	}
}

// count adds what became of an identity, and reports whether it is the first that is refused with its outcome.
func (n *tally) count(m *store.Mark) (first bool) {
	n.lastSeen = max(n.lastSeen, m.Arrived)
	if n.sender == 0 || m.Sender+1 < n.sender {
		n.sender = m.Sender + 1
	}
	if m.Untagged {
		n.untagged++
	}
	n.part = max(n.part, m.Part)
	switch m.State {
	case store.EntryLive, store.EntryPart, store.EntryJoined:
		n.series++
	case store.EntryDropped:
		n.dropped++
	case store.EntryRefused:
		of := n.refused(m.Outcome)
		*of++
		return *of == 1
	case store.EntryWaiting:
	}
	return false
}

// refused counts the identities that are refused with an outcome.
func (n *tally) refused(outcome metric.Outcome) *uint32 {
	switch outcome {
	case metric.Conflict:
		return &n.conflicts
	case metric.OverLimit:
		return &n.overLimit
	default:
		return &n.invalid
	}
}

func (c *census) includeOrigin(n *tally, origin uint32) {
	for i := range n.origins {
		switch n.origins[i] {
		case 0:
			n.origins[i] = origin
			return
		case origin:
			return
		}
	}
	c.more.include(&n.moreOrigins, origin, maxSet-fewOrigins)
}

func (c *census) includeMetric(n *tally, metric uint32) {
	switch n.metric {
	case 0:
		n.metric = metric
	case metric:
	default:
		c.more.include(&n.moreMetrics, metric, maxSet-1)
	}
}

// includeText adds a position, which is one more than it is, to a set that has room.
func includeText(set []uint32, pos uint32) []uint32 {
	if pos != 0 && len(set) < maxSet && !slices.Contains(set, pos-1) {
		set = append(set, pos-1)
	}
	return set
}

// fewTexts is for how many texts of names memory is allocated at a time.
const fewTexts = 16 << 10

// list makes Snapshot.Names of what was counted.
func (c *census) list(s *store.Scan) {
	c.Names = make([]Name, 0, len(c.names))
	var few []uint32 // room for the texts of the next names
	for _, number := range inOrder(s.Names[:len(c.names)]) {
		n := &c.names[number]
		if n.composite || n.sender == 0 {
			continue
		}
		name := &s.Names[number]
		out := Name{
			Name: name.Name, Unit: name.Unit, Kind: name.Kind(), Sender: name.SentBy(s.Senders[n.sender-1]),
			LastSeen: n.lastSeen,
			Series:   int(n.series), Untagged: int(n.untagged), Conflicts: int(n.conflicts), OverLimit: int(n.overLimit),
			Invalid: int(n.invalid), Dropped: int(n.dropped), Part: n.part,
			Undescribed: name.Undescribed,
		}
		if few = few[len(few):]; cap(few) < 2*maxSet {
			few = make([]uint32, 0, fewTexts)
		}
		for _, origin := range n.origins {
			few = includeText(few, origin)
		}
		few = c.more.appendTo(few, n.moreOrigins)
		out.Origins = slices.Clip(few)
		few = c.more.appendTo(includeText(few[len(few):], n.metric), n.moreMetrics)
		out.Metrics = slices.Clip(few)
		if last := len(c.Names) - 1; last >= 0 && Compare(&c.Names[last], &out) == 0 {
			c.Names[last].merge(&out) // the durations and sizes of requests have one name
			continue
		}
		c.Names = append(c.Names, out)
	}
}

// merge adds what was counted of the same name elsewhere.
func (n *Name) merge(with *Name) {
	n.Series, n.Untagged, n.Conflicts = n.Series+with.Series, n.Untagged+with.Untagged, n.Conflicts+with.Conflicts
	n.OverLimit, n.Invalid, n.Dropped = n.OverLimit+with.OverLimit, n.Invalid+with.Invalid, n.Dropped+with.Dropped
	n.LastSeen, n.Part = max(n.LastSeen, with.LastSeen), max(n.Part, with.Part)
	n.Undescribed = n.Undescribed || with.Undescribed
	for _, pos := range with.Origins {
		n.Origins = includeText(n.Origins, pos+1)
	}
	for _, pos := range with.Metrics {
		n.Metrics = includeText(n.Metrics, pos+1)
	}
}

// named returns the position of a name in a sorted list, or where it would be.
func named(list []Name, key rowKey) (at int, found bool) {
	return slices.BinarySearchFunc(list, Name{Name: key.name, Unit: key.unit, Kind: key.kind},
		func(x, y Name) int { return Compare(&x, &y) })
}

// keyOf is the name of an identity.
func keyOf(v *store.Visited) rowKey { return rowKey{v.Name, v.Unit, v.Kind} }

// addRefused keeps identities that are refused, so that it can be said why.
func (c *census) addRefused(list []store.Visited) {
	for i := range list {
		if at, found := named(c.Names, keyOf(&list[i])); found && list[i].State == store.EntryRefused {
			c.Names[at].Keep(&list[i])
		}
	}
}

// inOrder returns the numbers of names in the order of Compare. Most are told apart by their first bytes, which are
// compared as numbers.
func inOrder(names []store.ScannedName) []uint32 {
	type key struct {
		first, second uint64
		number        uint32
	}
	keys := make([]key, len(names))
	for i := range names {
		var start [16]byte
		copy(start[:], names[i].Name)
		keys[i] = key{binary.BigEndian.Uint64(start[:]), binary.BigEndian.Uint64(start[8:]), uint32(i)}
	}
	slices.SortFunc(keys, func(x, y key) int {
		if by := cmp.Compare(x.first, y.first); by != 0 {
			return by
		}
		if by := cmp.Compare(x.second, y.second); by != 0 {
			return by
		}
		a, b := &names[x.number], &names[y.number]
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Kind(), b.Kind()), strings.Compare(a.Unit, b.Unit),
			cmp.Compare(x.number, y.number))
	})
	numbers := make([]uint32, len(keys))
	for i := range keys {
		numbers[i] = keys[i].number
	}
	return numbers
}

const (
	// Lately is how long ago the last sample of a name may be that is only counted.
	Lately = 5 * time.Minute
	// atOnce is how much older than the last sample of a name its last refused one may be: components report every minute
	// or more often.
	atOnce = time.Minute
)

// addForgotten adds what the store has no room to remember: it counts it by name.
func (c *census) addForgotten(refusals []store.Refusal) {
	var more []Name // sorted
	for i := range refusals {
		v := refusals[i].Visited()
		if refusals[i].RawName == "" || v.Composite || !IsCurrent(&v, c.Taken, 0) {
			continue
		}
		at, known := named(c.Names, keyOf(&v))
		of := c.Names
		if !known {
			if at, known = named(more, keyOf(&v)); !known {
				more = slices.Insert(more, at, Name{
					Name: v.Name, Unit: v.Unit, Kind: v.Kind, Sender: v.Sender, Origins: []uint32{c.text(OriginOf(v.Sender))},
				})
			}
			of = more
		}
		n := &of[at]
		if *n.counter(v.Outcome) > 0 || !IsCurrent(&v, c.Taken, n.LastSeen) {
			continue
		}
		n.LastSeen = max(n.LastSeen, v.Arrived)
		_ = n.Count(v.State, v.Outcome, v.Untagged)
		n.Keep(&v)
	}
	if len(more) > 0 {
		c.Names = append(c.Names, more...)
		slices.SortFunc(c.Names, func(x, y Name) int { return Compare(&x, &y) })
	}
}

// IsCurrent reports whether a name is refused still, of which the store remembers only the last refused sample:
// lastSeen is the time of the last one of all senders that it remembers, or 0.
func IsCurrent(v *store.Visited, now time.Time, lastSeen int64) bool {
	return now.Sub(time.Unix(0, v.Arrived)) <= Lately && lastSeen-v.Arrived <= int64(atOnce)
}

// finish sorts what was found.
func (c *census) finish() {
	byText := func(x, y uint32) int { return strings.Compare(c.Texts[x], c.Texts[y]) }
	var origins []uint32
	for _, of := range c.senders {
		origins = append(origins, of.origin)
	}
	slices.Sort(origins)
	origins = slices.Compact(origins)
	slices.SortFunc(origins, byText)
	ranks := make([]uint32, len(c.Texts)) // of origins, which many names have in common
	for rank, pos := range origins {
		ranks[pos] = uint32(rank)
	}
	for i := range c.Names {
		n := &c.Names[i]
		if len(n.Origins) > 1 {
			for k, pos := range n.Origins {
				n.Origins[k] = ranks[pos]
			}
			slices.Sort(n.Origins)
			for k, rank := range n.Origins {
				n.Origins[k] = origins[rank]
			}
		}
		if len(n.Metrics) > 1 {
			slices.SortFunc(n.Metrics, byText)
		}
	}
	for i := range c.Others {
		c.Others[i].Gone = !c.Others[i].Filtered
	}
	slices.SortFunc(c.Others, func(x, y Name) int { return Compare(&x, &y) })
	slices.SortFunc(c.Owners, func(x, y Owner) int {
		return cmp.Or(cmp.Compare(y.Series, x.Series), strings.Compare(x.Name, y.Name))
	})
	c.folded = &folded{}
}
