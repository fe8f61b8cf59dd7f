// Package learn proposes rules for metric names that no rule takes: from the names alone it finds the segments that
// are dimensions, and writes a rule file in the language of package tagger.
//
// The way of a name: prefix.go takes the component off, split.go cuts the rest into segments, of which names.go counts
// what all names have in common. walk.go goes through the names of a component as through a tree and asks evidence.go,
// at each branch, whether the branches are values of a dimension; names that share a pattern come into one group.
// group.go makes a rule of each group, and verify.go runs the rules, as the exporter would, over all names: what they
// do to a name must be what was meant, and nothing else.
package learn

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

// Name is a metric as its component emitted it.
type Name struct {
	Origin, Name, Unit string
	Kind               metric.Kind
	Tags               []metric.Label // of the envelope, where they are known
}

// Options say what to learn with.
type Options struct {
	// Rules are those in force. Names that they take are left alone.
	Rules tagger.Options
	// BehindPrefixes says that names of which the rules in force only take a prefix off are learned from, too, and may
	// change.
	BehindPrefixes bool
	// Vocabulary holds the words of known rules.
	Vocabulary *tagger.Vocabulary
}

// Learner collects names.
type Learner struct {
	options Options
	inForce *tagger.Tagger
	passing map[string]bool // ids of rules in force after which the rest of a name counts as taken by none
	result  tagger.Result

	seen    map[nameKey]bool
	entries []entry
	taken   int // entries that rules in force take

	tagValues map[string]string // name of the tag by value, for the first maxTagValues values
}

// nameKey is what makes two names the same.
type nameKey struct {
	origin, name, unit string
	kind               metric.Kind
}

// entry is a name, and what has been found out about it.
type entry struct {
	nameKey
	component string // "" if neither the name nor the origin holds one
	scope     string // the component, or the one that the path starts with: what names are looked at together
	rest      string // the name without what prefix rules take off it
	fromRule  bool   // a rule in force takes the name
	prefixed  bool   // rules in force take a prefix off, which rest and component do without
	unusable  bool   // no pattern can hold the name

	segments []uint32
	unitID   uint32
	left     string // what the rules leave of a name whose rest no proposed rule takes
	group    *group // whose rule takes the rest, or nil
}

// maxTagValues bounds the values of envelope tags that are kept to find labels for values in names.
const maxTagValues = 100_000

// New returns a Learner without names.
func New(options Options) (*Learner, error) {
	l := &Learner{options: options, seen: make(map[nameKey]bool), tagValues: make(map[string]string)}
	if options.Vocabulary == nil {
		l.options.Vocabulary = &tagger.Vocabulary{}
	}
	var err error
	if l.inForce, _, err = tagger.New(options.Rules); err != nil {
		return nil, err
	}
	if options.BehindPrefixes {
		l.passing = l.inForce.PassingOn()
	}
	return l, nil
}

// Add adds a name, whose strings must not change. A name that was added before is ignored, apart from its tags.
func (l *Learner) Add(n *Name) {
	for _, t := range n.Tags {
		if len(l.tagValues) < maxTagValues && l.tagValues[t.Value] == "" {
			l.tagValues[t.Value] = t.Name
		}
	}
	key := nameKey{n.Origin, n.Name, n.Unit, n.Kind}
	if l.seen[key] || n.Name == "" || len(n.Name) > metric.MaxNameBytes {
		return
	}
	l.seen[key] = true
	e := entry{nameKey: key, rest: n.Name, unusable: !usable(n.Name) || !usable(n.Origin)}
	s := tagger.Subject{Origin: n.Origin, Name: n.Name, Unit: n.Unit, Kind: n.Kind, Tags: sortedTags(n.Tags)}
	l.inForce.Apply(&s, &l.result, nil)
	switch rule := l.result.Rule; {
	case l.passing[rule] && !l.result.Dropped && strings.HasSuffix(n.Name, l.result.Base):
		e.prefixed, e.rest = true, n.Name[len(n.Name)-len(l.result.Base):]
		e.component = strings.Clone(cmp.Or(l.result.Tag("component"), l.result.OriginTag("component")))
	case rule != "" && rule != tagger.Quarantine:
		e.fromRule = true
		l.taken++
	}
	l.entries = append(l.entries, e)
}

func sortedTags(tags []metric.Label) []metric.Label {
	byName := func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(tags, byName) {
		return tags
	}
	tags = slices.Clone(tags)
	slices.SortStableFunc(tags, byName)
	return slices.CompactFunc(tags, func(a, b metric.Label) bool { return a.Name == b.Name })
}

// usable says whether patterns, comments and tests can hold a text as it is.
func usable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r == utf8.RuneError || r == '$' || !unicode.IsPrint(r)
	})
}

// Propose returns rules for the names that no rule takes. The order in which names were added does not matter.
func (l *Learner) Propose() (*Proposal, error) {
	slices.SortFunc(l.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.origin, b.origin), cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind),
			cmp.Compare(a.unit, b.unit))
	})
	p := newPrefixes(l.options.Vocabulary)
	p.find(l.entries)
	groups := groupNames(newNameSet(l, p.components))
	rules := slices.Concat(p.rules(), groups.rules())
	return l.verify(rules)
}
