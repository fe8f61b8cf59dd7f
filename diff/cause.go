package diff

import (
	"cmp"
	"maps"
	"slices"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// causes finds out what changes series.
type causes struct {
	c      *comparison
	trials []trial   // where both sides make the exporter's own names by themselves
	stated []Setting // where one of them is another exporter: those that differ
	known  map[causeKey]*Cause

	// Both sides have the same rules, or tell names apart in the same way.
	oneTagger, oneIdentity bool

	// Scratch memory for the name that is looked at, by side: what becomes of it, and the steps of its rules.
	made  [2]resolver.Resolution
	steps [2]resolver.Trace
}

// causeKey tells causes apart.
type causeKey struct {
	byRule   bool
	was, is  Rule
	settings string
}

func newCauses(c *comparison) *causes {
	s := &causes{c: c, known: map[causeKey]*Cause{}}
	if before, after := c.sides[oldSide].Own, c.sides[newSide].Own; before != nil && after != nil {
		s.trials, s.oneTagger = trialsOf(before, after), before.Tagger == after.Tagger
	} else {
		s.stated = statedDiffer(c.sides[oldSide].Stated, c.sides[newSide].Stated)
	}
	if before, after := c.made[oldSide].resolver, c.made[newSide].resolver; before != nil && after != nil {
		was, is := before.Identification(), after.Identification()
		s.oneIdentity = was.Composites == is.Composites && was.StatusCodes == is.StatusCodes &&
			maps.Equal(was.HTTPTags, is.HTTPTags) && maps.Equal(was.TimerTags, is.TimerTags)
	}
	return s
}

// own returns what changes a series by itself, or nil, and the rules that its name takes, by side.
func (s *causes) own(at *slot) (cause *Cause, rules [2]string) {
	ids := s.identities(at)
	for side, id := range ids {
		switch {
		case id == nil:
			continue
		case side == newSide && s.oneTagger && id == ids[oldSide]:
			s.made[side].Rules = s.made[oldSide].Rules
		default:
			s.made[side] = s.c.made[side].resolver.Explain(id, s.trace(side))
		}
		rules[side] = s.made[side].Rules.Rule
	}
	before, after := at.places[oldSide] >= ofOld, at.places[newSide] >= ofOld
	made := &s.c.made
	switch {
	case before != after, before && (made[oldSide].old == nil || made[newSide].old == nil),
		!before && (made[oldSide].own == nil || made[newSide].own == nil):
		was, is := s.c.sides[oldSide].compatibility(), s.c.sides[newSide].compatibility()
		return s.intern(Cause{Settings: []Setting{{"metrics.compatibility", was, is}}}), rules
	case before:
		differ := compatSettings(s.c.sides[oldSide].Compat, s.c.sides[newSide].Compat)
		return s.intern(Cause{Settings: differ}), rules
	case ids[oldSide] == nil || ids[newSide] == nil:
		return nil, rules
	default:
		return s.intern(s.ofRules(ids)), rules
	}
}

// intern returns the one Cause that stands for all equal ones; nil for one that says nothing.
func (s *causes) intern(c Cause) *Cause {
	if !c.ByRule && len(c.Settings) == 0 {
		return nil
	}
	key := c.key()
	known := s.known[key]
	if known == nil {
		known = &c
		s.known[key] = known
	}
	return known
}

func (c *Cause) key() causeKey {
	key := causeKey{byRule: c.ByRule}
	if c.RuleBefore != nil {
		key.was = *c.RuleBefore
	}
	if c.RuleAfter != nil {
		key.is = *c.RuleAfter
	}
	for _, s := range c.Settings { // whose values are the same for all causes
		key.settings += s.Key + " "
	}
	return key
}

// compare orders causes, so that reports do not depend on the order of maps.
func (c *Cause) compare(other *Cause) int {
	rules := func(a, b *Rule) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Pattern, b.Pattern))
	}
	x, y := c.key(), other.key()
	return cmp.Or(rules(&x.was, &y.was), rules(&x.is, &y.is), cmp.Compare(x.settings, y.settings))
}

// identities are those of the name of a slot, on the sides where the slot is for the own names. They are one where
// both sides tell names apart in one way.
func (s *causes) identities(at *slot) (ids [2]*store.Identity) {
	n := s.c.names[at.name]
	for side, of := range at.places {
		switch {
		case of >= ofOld || s.c.made[side].own == nil:
		case side == newSide && s.oneIdentity && at.places[oldSide] == of:
			ids[side] = ids[oldSide]
		default:
			ids[side], _ = s.c.made[side].identity(n, of)
		}
	}
	return ids
}

// trace is where the steps of rules are recorded; nil where both sides have the same ones.
func (s *causes) trace(side int) *resolver.Trace {
	if s.oneTagger {
		return nil
	}
	steps := &s.steps[side]
	steps.Rules = tagger.Trace{NoAttempts: true, Steps: steps.Rules.Steps[:0]}
	return steps
}

// ofRules returns which rules and settings change a series of the exporter's own names, as made says.
func (s *causes) ofRules(ids [2]*store.Identity) (cause Cause) {
	before, after := &s.made[oldSide], &s.made[newSide]
	switch asked := s.c.asked(); {
	case asked && !sameAnswers(before, after):
		cause.ByRule = true
		cause.RuleBefore, cause.RuleAfter = lastRule(&before.Rules), lastRule(&after.Rules)
	case !asked && !s.oneTagger && !sameRules(&before.Rules, &after.Rules):
		cause.ByRule = true
		cause.RuleBefore, cause.RuleAfter = parting(&before.Rules, &after.Rules, &s.steps[oldSide].Rules,
			&s.steps[newSide].Rules)
	}
	for _, t := range s.trials {
		id := ids[newSide]
		if t.setting.Key != "metrics.http.labels" && t.setting.Key != "metrics.labels.add" {
			id = ids[oldSide] // the other two decide which tags belong to the identity of a request
		}
		if tried := t.resolver.Resolve(id); !before.Same(&tried) {
			cause.Settings = append(cause.Settings, t.setting)
		}
	}
	was, is := before.Resolved, after.Resolved
	if was.Buckets, is.Buckets = nil, nil; !cause.ByRule && !was.Same(&is) { // an exporter does not tell its buckets
		cause.Settings = append(cause.Settings, s.stated...)
	}
	return cause
}

func sameRules(a, b *tagger.Result) bool {
	return a.Base == b.Base && a.MetricBase == b.MetricBase && a.Kind == b.Kind && a.Unit == b.Unit && a.Help == b.Help &&
		a.Dropped == b.Dropped && a.Invalid == b.Invalid && a.Final == b.Final && a.Scale == b.Scale &&
		slices.Equal(a.Tags, b.Tags) && slices.Equal(a.OriginTags, b.OriginTags) && slices.Equal(a.Buckets, b.Buckets) &&
		slices.Equal(a.DropLabels, b.DropLabels) && slices.Equal(a.RenameLabels, b.RenameLabels)
}

// sameAnswers is sameRules, as far as another exporter tells what its rules do.
func sameAnswers(before, after *resolver.Resolution) bool {
	a, b := &before.Rules, &after.Rules
	return a.Base == b.Base && a.Rule == b.Rule && a.Kind == b.Kind && a.Unit == b.Unit && a.Dropped == b.Dropped &&
		before.Help == after.Help && metric.RenderLabels(slices.Clone(a.Tags)) == metric.RenderLabels(slices.Clone(b.Tags))
}

// parting returns the rules of the first steps of two ways that have another effect, or else the last rules of all. A
// step without a rule gives nil.
func parting(a, b *tagger.Result, before, after *tagger.Trace) (was, is *Rule) {
	for i := range max(len(before.Steps), len(after.Steps)) {
		var x, y tagger.Step
		if i < len(before.Steps) {
			x = before.Steps[i]
		}
		if i < len(after.Steps) {
			y = after.Steps[i]
		}
		same := x.Stage == y.Stage && x.Rest == y.Rest && x.Base == y.Base && x.Dropped == y.Dropped &&
			slices.Equal(x.Tags, y.Tags) && slices.Equal(x.Metadata, y.Metadata)
		if same {
			continue
		}
		if was, is = ruleOf(&x), ruleOf(&y); was != nil || is != nil {
			return was, is
		}
	}
	return lastRule(a), lastRule(b)
}

func lastRule(r *tagger.Result) *Rule {
	if r.Rule == "" {
		return nil
	}
	return &Rule{ID: r.Rule}
}

func ruleOf(s *tagger.Step) *Rule {
	switch {
	case s.Rule != "":
		r := Rule{ID: s.Rule, Pattern: s.Pattern, Place: s.Place}
		if r.Pattern == r.ID {
			r.Pattern = ""
		}
		return &r
	case s.Stage == tagger.StageQuarantine:
		return &Rule{ID: "quarantine"}
	default:
		return nil
	}
}

// others are the causes of series that change because of another name, which takes their place or leaves it: by side
// and series, and by the name of a family.
type others struct {
	bySeries map[[2]uint32]*Cause
	byFamily map[string]*Cause
}

// othersOf looks at changes that have a cause of their own.
func (c *comparison) othersOf(all []changed) *others {
	o := &others{bySeries: map[[2]uint32]*Cause{}, byFamily: map[string]*Cause{}}
	for i := range all {
		at, cause := &c.slots[all[i].slot], all[i].cause
		if cause == nil {
			continue
		}
		was, is := c.placements(at)
		for side, family := range [2]string{was.Metric, is.Metric} {
			if key := at.of(side); o.bySeries[key] == nil {
				o.bySeries[key] = cause
			}
			if o.byFamily[family] == nil {
				o.byFamily[family] = cause
			}
		}
	}
	return o
}

// unknown stands for the cause of a change that nothing is found for.
var unknown = &Cause{}

// cause returns that of a series that changes through other names.
func (o *others) cause(at *slot, was, is *store.Placement) *Cause {
	for _, side := range [...]int{newSide, oldSide} {
		if at.series[side] == 0 {
			continue
		}
		if cause := o.bySeries[at.of(side)]; cause != nil {
			return cause
		}
	}
	for _, family := range [...]string{is.Blocker, was.Blocker, is.Metric, was.Metric} {
		if cause := o.byFamily[family]; family != "" && cause != nil {
			return cause
		}
	}
	return unknown
}

// nameOf is a name for reports.
func nameOf(n *Name) NameOf {
	out := NameOf{
		Origin: n.Origin, RawName: n.Name, Kind: n.Kind.String(), Unit: n.Unit, SourceID: n.SourceID,
		InstanceID: n.InstanceID,
	}
	for _, t := range n.Tags {
		if out.Tags == nil {
			out.Tags = map[string]string{}
		}
		out.Tags[t.Name] = t.Value
	}
	return out
}

// seriesOf is a series for reports.
func seriesOf(p *store.Placement) *Series {
	out := Series{
		Metric: p.Metric, Labels: map[string]string{}, Type: p.Type.String(), Unit: p.Unit, Help: p.Help, Buckets: p.Bounds,
	}
	if p.Mul != p.Div {
		out.Factor = p.Mul / p.Div
	}
	for _, l := range labelsOf(p.Labels) {
		out.Labels[l.Name] = l.Value
	}
	return &out
}
