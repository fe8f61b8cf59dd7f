package learn

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

// Proposal is a rule file and what it was made from.
type Proposal struct {
	// Names is the number of names that were seen; Taken of these have a rule already; Learned are taken by the proposed
	// rules.
	Names   int     `json:"names"`
	Taken   int     `json:"taken"`
	Learned int     `json:"learned"`
	Rules   []*Rule `json:"rules"`

	// LeftOut is the number of doubtful rules beyond maxDoubtful.
	LeftOut int `json:"doubtful_rules_left_out"`

	kept    []Example // names that the rules leave as they are
	options Options
}

// Example is a name before and after a rule.
type Example struct {
	Origin  string            `json:"origin"`
	RawName string            `json:"raw_name"`
	Kind    string            `json:"kind"`
	Unit    string            `json:"unit"`
	Base    string            `json:"base_name"`
	Tags    map[string]string `json:"tags"`
	Rule    string            `json:"rule"`

	tags []metric.Label
}

const (
	maxExamples  = 3
	maxDoubtful  = 200 // rules with doubts that are shown
	maxBaseNames = 5   // of a rule that are listed
	maxRounds    = 8   // of verification in which a rule that takes too much is limited; later ones comment it out
)

// file is the name by which messages of the tagger call the proposed file.
const file = "learned.yaml"

// verify runs the rules over all names as the exporter would, until they do what was meant and nothing else.
func (l *Learner) verify(rules []*Rule) (*Proposal, error) {
	makeIDsUnique(rules)
	p := &Proposal{Names: len(l.entries), Taken: l.taken, Rules: append([]*Rule{}, rules...), options: l.options}
	for round := 0; ; round++ {
		t, err := p.compile()
		if err != nil {
			return nil, err
		}
		excess := l.run(t, p)
		if len(excess) == 0 {
			return p, l.finish(t, p)
		}
		for i := 0; i < len(p.Rules); i++ {
			r := p.Rules[i]
			x := excess[r.ID]
			if x == nil || r.Doubtful {
				continue
			}
			if len(r.parts) > 0 {
				p.Rules = slices.Replace(p.Rules, i, i+1, r.parts...)
				i += len(r.parts) - 1
				makeIDsUnique(p.Rules)
				continue
			}
			if x.unused || round >= maxRounds || !r.narrow() && !r.limit(x) {
				r.doubt("%s", x.reason)
			}
		}
	}
}

// narrow lets the rule take less: only the leaves that were seen, or no values that hold separators. It reports
// whether that was possible.
func (r *Rule) narrow() bool {
	if r.open {
		r.open = false
		return true
	}
	narrower := strings.Replace(r.match, "...}", "}", 1)
	if r.isPrefix || narrower == r.match || strings.Contains(r.match, "/{") {
		return false
	}
	r.match = narrower
	return true
}

// limit makes the rule one for the components of its names. It reports whether that keeps it from the others.
func (r *Rule) limit(x *excess) bool {
	if len(r.Components) > 0 || r.isPrefix {
		return false
	}
	for _, c := range r.of {
		if x.components[c] || strings.ContainsAny(c, "*!") {
			return false
		}
	}
	r.Components = r.of
	return true
}

// excess is what a rule does beyond what was meant.
type excess struct {
	reason     string
	components map[string]bool // of the names
	unused     bool            // it does nothing at all
}

// compile compiles the proposed file in front of the rules in force. What the tagger refuses or warns about is
// commented out.
func (p *Proposal) compile() (*tagger.Tagger, error) {
	for {
		options := p.options.Rules
		var text bytes.Buffer
		if err := p.WriteRules(&text); err != nil {
			return nil, err
		}
		source := tagger.Source{File: file, Data: text.Bytes()}
		options.UserRules = append([]tagger.Source{source}, options.UserRules...)
		t, warnings, err := tagger.New(options)
		if err != nil {
			return nil, fmt.Errorf("the proposed rules are wrong, which is a defect of this program: %w", err)
		}
		found := false
		for _, w := range warnings {
			for _, r := range p.Rules {
				if w.File == file && r.ID == w.Rule && !r.Doubtful {
					r.doubt("rule %s takes its names", w.Other)
					found = true
				}
			}
		}
		if !found {
			return t, nil
		}
	}
}

// reset forgets what rules did to names. It returns the rules by id.
func (p *Proposal) reset() map[string]*Rule {
	p.Learned, p.kept = 0, nil
	rules := make(map[string]*Rule, len(p.Rules))
	for _, r := range p.Rules {
		r.bases, r.taken = make(map[string]bool), 0
		rules[r.ID] = r
	}
	return rules
}

// run compares what the rules do with what was meant, and returns the excess of rules by id.
func (l *Learner) run(t *tagger.Tagger, p *Proposal) map[string]*excess {
	all := make(map[string]*excess)
	rules := p.reset()
	add := func(r *Rule, e *entry, format string) {
		x := all[r.ID]
		if x == nil {
			x = &excess{reason: fmt.Sprintf(format, e.name), components: make(map[string]bool)}
			all[r.ID] = x
		}
		x.components[e.component] = true
	}
	var before, after tagger.Result
	for i := range l.entries {
		e := &l.entries[i]
		s := e.subject()
		t.Apply(&s, &after, nil)
		r := rules[after.Rule]
		if r == nil && len(p.kept) < maxExamples && !e.unusable && !after.Dropped {
			p.kept = append(p.kept, exampleOf(e, &after))
		}
		switch {
		case e.fromRule:
			l.inForce.Apply(&s, &before, nil)
			if !same(&before, &after) {
				for _, r := range l.involved(t, &s, rules) {
					add(r, e, "it would change names that a rule takes already, such as %q")
				}
			}
		case r == nil:
			e.left = after.Base
		case r.isPrefix:
			e.left = after.Base
			p.Learned++
		case e.group != nil && slices.Contains(e.group.rules, r):
			p.Learned++
			r.bases[after.Base] = true
			r.taken++
		default:
			add(r, e, "it would also take names for which there is no evidence, such as %q")
		}
	}
	for _, r := range p.Rules {
		if r.taken == 0 && !r.isPrefix && !r.Doubtful && all[r.ID] == nil {
			all[r.ID] = &excess{reason: "other rules take its names", unused: true}
		}
	}
	return all
}

// warnOfTotals notes rules whose base names are those of other names as well: often totals.
func (l *Learner) warnOfTotals(p *Proposal) {
	left := make(map[string]bool)
	for _, r := range p.Rules {
		for base := range r.bases {
			left[base] = false
		}
	}
	for i := range l.entries {
		if _, is := left[l.entries[i].left]; is {
			left[l.entries[i].left] = true
		}
	}
	for _, r := range p.Rules {
		for _, base := range r.BaseNames {
			if left[base] && !r.isPrefix {
				r.Against = append(r.Against, base+" exists without these labels, too: a sum over the metric counts both")
				break
			}
		}
	}
}

func (e *entry) subject() tagger.Subject {
	return tagger.Subject{Origin: e.origin, Name: e.name, Unit: e.unit, Kind: e.kind}
}

func same(a, b *tagger.Result) bool {
	return a.Base == b.Base && a.Rule == b.Rule && a.Dropped == b.Dropped && a.MetricBase == b.MetricBase &&
		a.Kind == b.Kind && a.Unit == b.Unit && slices.Equal(a.Tags, b.Tags) &&
		slices.Equal(a.OriginTags, b.OriginTags)
}

// involved returns the proposed rules that take part in what becomes of a name.
func (l *Learner) involved(t *tagger.Tagger, s *tagger.Subject, rules map[string]*Rule) []*Rule {
	var result tagger.Result
	var trace tagger.Trace
	t.Apply(s, &result, &trace)
	var all []*Rule
	for _, step := range trace.Steps {
		if r := rules[step.Rule]; r != nil {
			all = append(all, r)
		}
	}
	return all
}

// finish collects examples, and what becomes of the names of a rule.
func (l *Learner) finish(t *tagger.Tagger, p *Proposal) error {
	doubtful := 0
	p.Rules = slices.DeleteFunc(p.Rules, func(r *Rule) bool {
		if r.Doubtful {
			doubtful++
		}
		return r.Doubtful && doubtful > maxDoubtful
	})
	p.LeftOut = max(0, doubtful-maxDoubtful)
	for _, r := range p.Rules {
		by := t
		if r.Doubtful {
			var err error
			if by, err = p.with(r); err != nil {
				return err
			}
		}
		last, shown := len(r.members)-1, min(maxExamples, len(r.members))
		for k, i := range r.members {
			show := len(r.Examples) < shown && k >= len(r.Examples)*last/max(shown-1, 1)
			if !show && !r.Doubtful {
				continue
			}
			e := &l.entries[i]
			s := e.subject()
			by.Apply(&s, &l.result, nil)
			if !r.isPrefix && l.result.Rule != r.ID {
				continue // a narrower rule does not take all of its names
			}
			r.bases[l.result.Base] = true
			if show {
				r.Examples = append(r.Examples, exampleOf(e, &l.result))
			}
		}
		if !r.isPrefix && !r.Doubtful {
			r.Names = r.taken
		}
		if r.match != "" {
			r.Pattern, r.Name = r.matches(""), r.baseName()
		}
		r.Metrics = len(r.bases)
		r.BaseNames = append([]string{}, slices.Sorted(maps.Keys(r.bases))...)
		if r.isPrefix {
			r.Metrics, r.BaseNames = 0, []string{} // whatever the other rules leave
		}
		r.BaseNames = r.BaseNames[:min(len(r.BaseNames), maxBaseNames)]
		r.For, r.Against = append([]string{}, r.For...), append([]string{}, r.Against...) // null in JSON is no list
	}
	l.warnOfTotals(p)
	return nil
}

// with compiles a doubtful rule behind the prefix rules, to show what it would do.
func (p *Proposal) with(doubted *Rule) (*tagger.Tagger, error) {
	alone := &Proposal{options: p.options}
	for _, r := range p.Rules {
		if r.isPrefix && !r.Doubtful {
			alone.Rules = append(alone.Rules, r)
		}
	}
	trusted := *doubted
	trusted.Doubtful = false
	alone.Rules = append(alone.Rules, &trusted)
	var text bytes.Buffer
	if err := alone.WriteRules(&text); err != nil {
		return nil, err
	}
	t, _, err := tagger.Load(tagger.Source{File: file, Data: text.Bytes()})
	return t, err
}

func exampleOf(e *entry, r *tagger.Result) Example {
	x := Example{
		Origin: e.origin, RawName: e.name, Kind: e.kind.String(), Unit: e.unit, Base: r.Base, Rule: r.Rule,
		Tags: make(map[string]string), tags: slices.Clone(r.Tags),
	}
	for _, t := range r.Tags {
		x.Tags[t.Name] = t.Value
	}
	return x
}
