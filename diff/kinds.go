package diff

// Kind is a way in which the series of a name changes.
type Kind string

// The kinds of changes. A series has all that hold.
const (
	Renamed      Kind = "renamed"         // the metric has another name
	LabelGained  Kind = "label_gained"    // a label that it did not have
	LabelLost    Kind = "label_lost"      // a label less
	LabelChanged Kind = "label_changed"   // another value of a label
	TypeChanged  Kind = "kind_changed"    // gauge, counter, histogram or summary
	UnitChanged  Kind = "unit_changed"    // the unit, or what values are multiplied by
	Buckets      Kind = "buckets_changed" // of a timer's histogram
	HelpChanged  Kind = "help_changed"
	Merged       Kind = "merged"   // one series where there were several: of several names, or parts of a histogram
	Split        Kind = "split"    // several series where there was one
	Refused      Kind = "refused"  // no series: it belongs to another name, or the family does, or the name is invalid
	Accepted     Kind = "accepted" // a series where there was none
	Dropped      Kind = "dropped"  // no series: a rule drops it, or its kind of names is no longer made
)

// Kinds are all kinds, in the order of reports.
var Kinds = [...]Kind{
	Refused, Dropped, Merged, Renamed, TypeChanged, UnitChanged, LabelLost, LabelChanged, Buckets, Split, LabelGained,
	Accepted, HelpChanged,
}

// Breaks says whether a query that found the series before may miss it now, or read it wrongly.
func (k Kind) Breaks() bool {
	return k != Split && k != LabelGained && k != HelpChanged && k != Accepted
}

// kinds is a set of kinds; bits are by their order.
type kinds uint16

func (s *kinds) add(k Kind) {
	for i, known := range Kinds {
		if known == k {
			*s |= 1 << i
		}
	}
}

func (s *kinds) addIf(holds bool, k Kind) {
	if holds {
		s.add(k)
	}
}

// list returns the kinds in order.
func (s kinds) list() []Kind {
	var all []Kind
	for i, k := range Kinds {
		if s&(1<<i) != 0 {
			all = append(all, k)
		}
	}
	return all
}

// words are how texts say how many series have a kind of change.
var words = map[Kind]string{
	Refused: "refused", Dropped: "dropped", Merged: "merged", Renamed: "renamed", TypeChanged: "of another kind",
	UnitChanged: "in another unit", LabelLost: "without a label that they had", LabelChanged: "with another label value",
	Buckets: "with other buckets", Split: "split", LabelGained: "with a new label", Accepted: "new",
	HelpChanged: "with another HELP",
}
