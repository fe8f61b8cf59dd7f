package live

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// maxSet bounds the origins and the metrics that are kept of one name.
const maxSet = 64

// maxNames bounds the names of a snapshot, each of which takes some 300 bytes. A foundation has some thousands.
const maxNames = 200_000

// Name is one raw name of one kind and unit.
type Name struct {
	Name, Unit string
	Kind       metric.Kind
	// Sender is one that sends it: of those of a VM the same one for all names, as far as possible.
	Sender store.Sender
	// Origins and Metrics are positions in Snapshot.Texts, sorted by text; there are at most 64 of each.
	Origins, Metrics []uint32
	// Series is the number of identities that have a series, alone, as part of another, or with another; the others have
	// none. Untagged is how many of all no rule matches.
	Series, Untagged, Conflicts, OverLimit, Invalid, Dropped int
	// LastSeen is the time of the last sample, in nanoseconds since the epoch.
	LastSeen int64
	// Refused are identities that have no series, one of each outcome: store.Store.Reason says why.
	Refused []store.Visited
	// LeftOut is what was not stored of it since the start, by outcome.
	LeftOut []LeftOut
	// Filtered says, of one of Snapshot.Others, that it arrives and is filtered; Gone says that it does not arrive.
	Filtered, Gone bool

	sender uint32 // position of Sender, while the index is built
}

// Owner is whose series are counted together; see store.LimitOptions.
type Owner struct {
	Name   string
	Series int
	Sender store.Sender // one that belongs to it
}

// Snapshot is what a walk found. It never changes.
type Snapshot struct {
	// Taken is when the walk began.
	Taken time.Time
	// Names are sorted by name, kind and unit.
	Names []Name
	// Others are names of which no identity is known, since all of their samples were left out or the last one is long
	// ago; sorted as Names.
	Others []Name
	// Total is how many samples were not stored since the start, by outcome, Together those that are at no name.
	Total, Together [metric.NumOutcomes]LeftOut
	// Texts are the origins and metrics of the names.
	Texts []string
	// Owners are those with most series first.
	Owners []Owner
	// Series is the number of series, Identities that of all identities.
	Series, Identities int
	// Omitted counts identities whose names are left out, since there are more than 200,000.
	Omitted int
}

// Index keeps a snapshot of a store's names while it is asked for.
type Index struct{ Cache[Snapshot] }

// NewIndex makes an index. It reads nothing yet. filtered returns what was filtered before it came to the store, by name;
// nil for nothing.
func NewIndex(s *store.Store, filtered func() []LeftOut) *Index {
	return &Index{Cache[Snapshot]{Make: func() *Snapshot { return snapshot(s, filtered) }}}
}

// snapshot walks through a store.
func snapshot(s *store.Store, filtered func() []LeftOut) *Snapshot {
	b := builder{
		taken: time.Now(), owner: s.LimitState().Owner, texts: map[string]uint32{}, rows: map[rowKey]uint32{},
		others: map[rowKey]uint32{},
	}
	b.owner = cmp.Or(b.owner, store.OwnerSourceID)
	s.Walk(func(chunk []store.Visited) bool {
		for i := range chunk {
			b.add(&chunk[i])
		}
		return true
	})
	refusals := s.Refusals()
	for i := range refusals {
		b.addRefused(&refusals[i])
	}
	leftOut := AllLeftOut(s, filtered)
	for i := range leftOut {
		b.leaveOut(&leftOut[i])
	}
	return b.finish()
}

const (
	// lately is how long ago the last sample of a name may be that the store only counts.
	lately = 5 * time.Minute
	// atOnce is how much older than the last sample of a name its last refused one may be: components report every minute
	// or more often.
	atOnce = time.Minute
)

// addRefused adds what the store has no room to remember: it counts it by name.
func (b *builder) addRefused(r *store.Refusal) {
	v := r.Visited()
	if r.RawName == "" || v.Composite || !IsCurrent(&v, b.taken, 0) {
		return
	}
	key := rowKey{v.Name, v.Unit, v.Kind}
	row := b.rows[key]
	if row == 0 {
		b.Names = append(b.Names, Name{
			Name: v.Name, Unit: v.Unit, Kind: v.Kind, Sender: v.Sender, Origins: []uint32{b.text(OriginOf(v.Sender))},
		})
		row = uint32(len(b.Names))
		b.rows[key] = row
	}
	n := &b.Names[row-1]
	if n.of(v.Outcome) > 0 || !IsCurrent(&v, b.taken, n.LastSeen) {
		return
	}
	n.LastSeen = max(n.LastSeen, v.Arrived)
	n.Count(&v)
}

// IsCurrent reports whether a name is refused still, of which the store remembers only the last refused sample: lastSeen is
// the time of the last one of all senders that it remembers, or 0.
func IsCurrent(v *store.Visited, now time.Time, lastSeen int64) bool {
	return now.Sub(time.Unix(0, v.Arrived)) <= lately && lastSeen-v.Arrived <= int64(atOnce)
}

// of returns how many identities are refused with an outcome.
func (n *Name) of(outcome metric.Outcome) int {
	switch outcome {
	case metric.Conflict:
		return n.Conflicts
	case metric.OverLimit:
		return n.OverLimit
	default:
		return n.Invalid
	}
}

// builder makes a snapshot of what a walk passes.
type builder struct {
	Snapshot

	taken time.Time
	owner store.Owner
	texts map[string]uint32 // positions of Texts

	// By position in the store: the position of the name in Names, beside the text that it was found for, since the store
	// may use a position anew while the walk goes on.
	names   []namedRow
	senders []senderRow
	metrics []textRow
	rows    map[rowKey]uint32
	others  map[rowKey]uint32 // of Others
	owners  map[string]uint32
}

type rowKey struct {
	name, unit string
	kind       metric.Kind
}

type namedRow struct {
	rowKey

	row uint32 // 0 is none; else one more than the position
}

type senderRow struct {
	store.Sender

	origin, owner uint32 // one more than the position; 0 is none
}

type textRow struct {
	text string
	pos  uint32 // one more
}

// grow makes room for a position.
func grow[T any](list []T, pos uint32) []T {
	if int(pos) < len(list) {
		return list
	}
	return append(list, make([]T, int(pos)+1-len(list))...)
}

func (b *builder) text(s string) uint32 {
	pos, ok := b.texts[s]
	if !ok {
		pos = uint32(len(b.Texts))
		b.Texts = append(b.Texts, s)
		b.texts[s] = pos
	}
	return pos
}

// add counts an identity.
func (b *builder) add(v *store.Visited) {
	sender := b.sender(v)
	if v.State == store.EntryLive {
		b.Series++
		if sender.owner > 0 {
			b.Owners[sender.owner-1].Series++
		}
	}
	if v.Composite {
		return // its parts are what was sent
	}
	b.Identities++
	n := b.name(v)
	if n == nil {
		b.Omitted++
		return
	}
	if n.sender == 0 || v.TagsPos < n.sender {
		n.sender, n.Sender = v.TagsPos, v.Sender
	}
	n.Origins = include(n.Origins, sender.origin-1)
	if v.Metric != "" {
		n.Metrics = include(n.Metrics, b.metric(v))
	}
	n.LastSeen = max(n.LastSeen, v.Arrived)
	n.Count(v)
}

// Forget leaves out what became of all identities.
func (n *Name) Forget() {
	n.Series, n.Untagged, n.Conflicts, n.OverLimit, n.Invalid, n.Dropped, n.Refused = 0, 0, 0, 0, 0, 0, nil
}

// Count adds what became of an identity.
func (n *Name) Count(v *store.Visited) {
	if v.Untagged {
		n.Untagged++
	}
	switch v.State {
	case store.EntryLive, store.EntryPart, store.EntryJoined:
		n.Series++
		return
	case store.EntryDropped:
		n.Dropped++
		return
	case store.EntryRefused:
	case store.EntryWaiting:
		return
	}
	if n.of(v.Outcome) == 0 {
		n.Refused = append(n.Refused, *v)
	}
	switch v.Outcome {
	case metric.Conflict:
		n.Conflicts++
	case metric.OverLimit:
		n.OverLimit++
	default:
		n.Invalid++
	}
}

// include adds a position to a set that has room.
func include(set []uint32, pos uint32) []uint32 {
	if len(set) < maxSet && !slices.Contains(set, pos) {
		set = append(set, pos)
	}
	return set
}

// name returns the name of an identity, nil where there is no room for it.
func (b *builder) name(v *store.Visited) *Name {
	b.names = grow(b.names, v.NamePos)
	at := &b.names[v.NamePos]
	if at.row == 0 || at.name != v.Name || at.unit != v.Unit || at.kind != v.Kind {
		key := rowKey{v.Name, v.Unit, v.Kind}
		row := b.rows[key]
		if row == 0 && len(b.Names) == maxNames {
			return nil
		}
		if row == 0 {
			b.Names = append(b.Names, Name{Name: v.Name, Unit: v.Unit, Kind: v.Kind})
			row = uint32(len(b.Names))
			b.rows[key] = row
		}
		*at = namedRow{key, row}
	}
	return &b.Names[at.row-1]
}

func (b *builder) sender(v *store.Visited) *senderRow {
	b.senders = grow(b.senders, v.TagsPos)
	at := &b.senders[v.TagsPos]
	if at.origin != 0 && at.Same(v.Sender) {
		return at
	}
	owner := OwnerOf(v.Sender, b.owner)
	*at = senderRow{Sender: v.Sender, origin: b.text(OriginOf(v.Sender)) + 1}
	if owner == "" {
		return at
	}
	if b.owners == nil {
		b.owners = map[string]uint32{}
	}
	if at.owner = b.owners[owner]; at.owner == 0 {
		b.Owners = append(b.Owners, Owner{Name: owner, Sender: v.Sender})
		at.owner = uint32(len(b.Owners))
		b.owners[owner] = at.owner
	}
	return at
}

func (b *builder) metric(v *store.Visited) uint32 {
	b.metrics = grow(b.metrics, v.MetricPos)
	at := &b.metrics[v.MetricPos]
	if at.pos == 0 || at.text != v.Metric {
		*at = textRow{v.Metric, b.text(v.Metric) + 1}
	}
	return at.pos - 1
}

// OriginOf returns the origin of a sender, or its source id where it says none.
func OriginOf(s store.Sender) string { return cmp.Or(s.Tag("origin"), s.SourceID()) }

// OwnerOf returns whose the series of a sender are: what the limit on owners goes by, else the origin. It is empty for
// senders that belong to no app or space, where these count.
func OwnerOf(s store.Sender, by store.Owner) string {
	if owner := s.Owner(by); owner != "" || by != store.OwnerSourceID {
		return owner
	}
	return s.Tag("origin")
}

// finish sorts what was found.
func (b *builder) finish() *Snapshot {
	s := &b.Snapshot
	byName := func(x, y Name) int { return Compare(&x, &y) }
	for i := range s.Names {
		n := &s.Names[i]
		byText := func(x, y uint32) int { return strings.Compare(s.Texts[x], s.Texts[y]) }
		slices.SortFunc(n.Origins, byText)
		slices.SortFunc(n.Metrics, byText)
	}
	slices.SortFunc(s.Names, byName)
	for i := range s.Others {
		s.Others[i].Gone = !s.Others[i].Filtered
	}
	slices.SortFunc(s.Others, byName)
	slices.SortFunc(s.Owners, func(x, y Owner) int {
		return cmp.Or(cmp.Compare(y.Series, x.Series), strings.Compare(x.Name, y.Name))
	})
	return &Snapshot{
		Taken: b.taken, Names: slices.Clip(s.Names), Texts: slices.Clip(s.Texts), Owners: s.Owners,
		Others: s.Others, Total: s.Total, Together: s.Together, Series: s.Series, Identities: s.Identities, Omitted: s.Omitted,
	}
}

// Compare orders names by name, kind and unit.
func Compare(x, y *Name) int {
	return cmp.Or(strings.Compare(x.Name, y.Name), cmp.Compare(x.Kind, y.Kind), strings.Compare(x.Unit, y.Unit))
}

// Identity returns an identity of the name, as one of its senders sends it.
func (n *Name) Identity() store.Identity { return n.Sender.Identity(n.Name, n.Unit) }
