package diff

import (
	"fmt"
	"slices"

	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// causes finds out what changes series.
type causes struct {
	c      *comparison
	trials []trial // where both sides make the exporter's own names by themselves

	// A series may change because of another name, which takes its place or leaves it. These are the causes of such, by
	// side and series, and by the name of a family.
	bySeries map[[2]uint32]*Cause
	byFamily map[string]*Cause
}

func newCauses(c *comparison) *causes {
	s := &causes{c: c, bySeries: map[[2]uint32]*Cause{}, byFamily: map[string]*Cause{}}
	if before, after := c.sides[oldSide].Own, c.sides[newSide].Own; before != nil && after != nil {
		s.trials = trialsOf(before, after)
	}
	return s
}

// own returns what changes a series by itself, or nil.
func (s *causes) own(at *slot) *Cause {
	before, after := at.places[oldSide] >= ofOld, at.places[newSide] >= ofOld
	made := &s.c.made
	switch {
	case before != after, before && (made[oldSide].old == nil || made[newSide].old == nil),
		!before && (made[oldSide].own == nil || made[newSide].own == nil):
		was, is := s.c.sides[oldSide].compatibility(), s.c.sides[newSide].compatibility()
		return &Cause{Settings: []Setting{{"metrics.compatibility", was, is}}}
	case before:
		if differ := compatSettings(s.c.sides[oldSide].Compat, s.c.sides[newSide].Compat); len(differ) > 0 {
			return &Cause{Settings: differ}
		}
		return nil
	default:
		return s.ofRules(at)
	}
}

// ofRules returns which rules and settings change a series of the exporter's own names, or nil.
func (s *causes) ofRules(at *slot) *Cause {
	n := s.c.names[at.name]
	was, okBefore := s.c.made[oldSide].identity(n, at.places[oldSide])
	is, okAfter := s.c.made[newSide].identity(n, at.places[newSide])
	if !okBefore || !okAfter {
		return nil
	}
	before, after := s.c.made[oldSide].resolver.Explain(was, nil), s.c.made[newSide].resolver.Explain(is, nil)
	cause := Cause{ByRule: !sameRules(&before.Rules, &after.Rules)}
	if cause.ByRule {
		var ways [2]resolver.Trace
		ways[oldSide].Rules.NoAttempts, ways[newSide].Rules.NoAttempts = true, true
		s.c.made[oldSide].resolver.Explain(was, &ways[oldSide])
		s.c.made[newSide].resolver.Explain(is, &ways[newSide])
		cause.RuleBefore, cause.RuleAfter = parting(&before.Rules, &after.Rules, &ways[oldSide].Rules, &ways[newSide].Rules)
	}
	for _, t := range s.trials {
		ids := is
		if t.setting.Key != "metrics.http.labels" && t.setting.Key != "metrics.labels.add" {
			ids = was // the other two decide which tags belong to the identity of a request
		}
		if tried := t.resolver.Resolve(ids); !sameSeries(&before.Resolved, &tried) {
			cause.Settings = append(cause.Settings, t.setting)
		}
	}
	if !cause.ByRule && len(cause.Settings) == 0 {
		return nil
	}
	return &cause
}

func sameRules(a, b *tagger.Result) bool {
	return a.Base == b.Base && a.MetricBase == b.MetricBase && a.Kind == b.Kind && a.Unit == b.Unit && a.Help == b.Help &&
		a.Dropped == b.Dropped && a.Invalid == b.Invalid && a.Final == b.Final && a.Scale == b.Scale &&
		slices.Equal(a.Tags, b.Tags) && slices.Equal(a.OriginTags, b.OriginTags) && slices.Equal(a.Buckets, b.Buckets) &&
		slices.Equal(a.DropLabels, b.DropLabels) && slices.Equal(a.RenameLabels, b.RenameLabels)
}

func sameSeries(a, b *store.Resolved) bool {
	return a.Dropped == b.Dropped && a.Metric == b.Metric && a.Type == b.Type && a.Unit == b.Unit && a.Help == b.Help &&
		a.Mul == b.Mul && a.Div == b.Div && slices.Equal(a.Buckets, b.Buckets) && slices.Equal(a.Labels, b.Labels)
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
	if a.Rule != "" {
		was = &Rule{ID: a.Rule}
	}
	if b.Rule != "" {
		is = &Rule{ID: b.Rule}
	}
	return was, is
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

// note remembers the cause of a series for others that change through it.
func (s *causes) note(at *slot, was, is *store.Placement, cause *Cause) {
	for side, family := range [2]string{was.Metric, is.Metric} {
		if key := at.of(side); s.bySeries[key] == nil {
			s.bySeries[key] = cause
		}
		if s.byFamily[family] == nil {
			s.byFamily[family] = cause
		}
	}
}

// ofOthers returns the cause of a series that changes through other names.
func (s *causes) ofOthers(at *slot, was, is *store.Placement) *Cause {
	for _, side := range [...]int{newSide, oldSide} {
		if at.series[side] == 0 {
			continue
		}
		if cause := s.bySeries[at.of(side)]; cause != nil {
			return cause
		}
	}
	for _, family := range [...]string{is.Blocker, was.Blocker, is.Metric, was.Metric} {
		if cause := s.byFamily[family]; family != "" && cause != nil {
			return cause
		}
	}
	return &Cause{}
}

// key tells causes apart.
func (c *Cause) key() string {
	var was, is Rule
	if c.RuleBefore != nil {
		was = *c.RuleBefore
	}
	if c.RuleAfter != nil {
		is = *c.RuleAfter
	}
	return fmt.Sprintf("%t %q %q %q", c.ByRule, was, is, c.Settings)
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
