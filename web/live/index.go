package live

import (
	"cmp"
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
	// Part is TypeHistogram or TypeSummary if it is a part of one from some sender, else TypeGauge.
	Part metric.Type
	// Origins and Metrics are positions in Snapshot.Texts, sorted by text; there are at most 64 of each. Where
	// nothing of the name is exposed, Metrics is what it would lead to, whatever drops or filters it.
	Origins, Metrics []uint32
	// Series is the number of identities that have a series, alone, as part of another, or with another; the others
	// have none. Untagged is how many of all no rule matches; those of a part go by its histogram or summary.
	// Undescribed says that no entry of metrics describes the name either.
	Series, Untagged, Conflicts, OverLimit, Invalid, Dropped int

	Undescribed bool
	// LastSeen is the time of the last sample, in nanoseconds since the epoch.
	LastSeen int64
	// Refused are identities that have no series, one of each outcome: store.Store.Reason says why.
	Refused []store.Visited
	// LeftOut is what was not stored of it since the start, by outcome.
	LeftOut []LeftOut
	// Filtered says, of one of Snapshot.Others, that it arrives and is filtered; Gone says that it does not arrive.
	Filtered, Gone bool
}

// Owner is whose series are counted together; see store.LimitOptions.
type Owner struct {
	Name   string
	Series int
	Sender store.Sender // one that belongs to it
}

// Beside is a metric that a name would lead to from a sender whose samples a rule drops or a setting filters, while
// others of the name lead elsewhere.
type Beside struct {
	Name    string
	Metric  uint32 // a position in Snapshot.Texts
	Outcome metric.Outcome
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
	// Besides are what names of which some is exposed would lead to from other senders, sorted as Names.
	Besides []Beside
	// Series is the number of series, Identities that of all identities.
	Series, Identities int
	// Omitted counts identities whose names are left out, since there are more than 200,000.
	Omitted int

	folded *folded
}

// Index keeps a snapshot of a store's names while it is asked for.
type Index struct{ Cache[Snapshot] }

// NewIndex makes an index. It reads nothing yet. filtered returns what was filtered before it came to the store, by
// name; nil for nothing.
func NewIndex(s *store.Store, filtered func() []LeftOut) *Index {
	return &Index{Cache[Snapshot]{Make: func() *Snapshot { return snapshot(s, filtered) }}}
}

// OriginOf returns the origin of a sender, or its source id where it says none.
func OriginOf(s store.Sender) string { return cmp.Or(s.Tag("origin"), s.SourceID()) }

// Compare orders names by name, kind and unit.
func Compare(x, y *Name) int {
	return cmp.Or(strings.Compare(x.Name, y.Name), cmp.Compare(x.Kind, y.Kind), strings.Compare(x.Unit, y.Unit))
}

// Identity returns an identity of the name, as one of its senders sends it.
func (n *Name) Identity() store.Identity { return n.Sender.Identity(n.Name, n.Unit) }

// Ruled returns the identity that rules see of the name: that of the histogram or summary that it is a part of, else
// its own.
func (n *Name) Ruled() store.Identity { return n.Sender.Whole(n.Name, n.Unit, n.Part) }

// Forget leaves out what became of all identities.
func (n *Name) Forget() {
	n.Series, n.Untagged, n.Conflicts, n.OverLimit, n.Invalid, n.Dropped, n.Refused = 0, 0, 0, 0, 0, 0, nil
}

// Count adds what became of an identity, and reports whether it is the first that is refused with its outcome.
func (n *Name) Count(state store.EntryState, outcome metric.Outcome, untagged bool) (first bool) {
	if untagged {
		n.Untagged++
	}
	switch state {
	case store.EntryLive, store.EntryPart, store.EntryJoined:
		n.Series++
	case store.EntryDropped:
		n.Dropped++
	case store.EntryRefused:
		of := n.counter(outcome)
		*of++
		return *of == 1
	case store.EntryWaiting:
	}
	return false
}

// Keep keeps a refused identity if it is the first one of its outcome.
func (n *Name) Keep(v *store.Visited) {
	for i := range n.Refused {
		if n.Refused[i].Outcome == v.Outcome {
			return
		}
	}
	n.Refused = append(n.Refused, *v)
}

// counter returns how many identities are refused with an outcome.
func (n *Name) counter(outcome metric.Outcome) *int {
	switch outcome {
	case metric.Conflict:
		return &n.Conflicts
	case metric.OverLimit:
		return &n.OverLimit
	default:
		return &n.Invalid
	}
}
