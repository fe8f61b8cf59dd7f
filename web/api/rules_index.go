package api

import (
	"context"
	"slices"
	"sync"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
)

// ruleIndex says which rules take which live names. It never changes.
type ruleIndex struct {
	names  *live.Snapshot
	tagger *tagger.Tagger // nil where names are not resolved by rules
	rules  []tagger.RuleInfo
	byID   map[string]int // positions of rules

	// taken are the rules of all names, those of name i from ends[i-1] to ends[i].
	taken []takenBy
	ends  []uint32
	usage []ruleUsage // by rule

	quarantine, untagged, undescribed int
}

// takenBy is the position of a rule that takes a name or, with the highest bit, its origin.
type takenBy uint32

const (
	ofOrigin takenBy = 1 << 31
	// quarantined stands for the quarantine among the positions of rules.
	quarantined = ofOrigin - 1
)

func (t takenBy) rule() takenBy { return t &^ ofOrigin }

// ruleUsage is what a rule takes.
type ruleUsage struct {
	names, series     int
	examples, origins []string
	last              int // number of the name that was counted last, from 1
}

const maxRuleExamples = 3

// add counts a name, which has a number, and its series, once.
func (u *ruleUsage) add(number, series int) {
	if u.last != number {
		u.last = number
		u.names++
		u.series += series
	}
}

// addExample adds a text to a short list.
func addExample(list []string, text string) []string {
	if len(list) < maxRuleExamples && !slices.Contains(list, text) {
		list = append(list, text)
	}
	return list
}

// of returns the rules of a name.
func (x *ruleIndex) of(name int) []takenBy {
	from := uint32(0)
	if name > 0 {
		from = x.ends[name-1]
	}
	return x.taken[from:x.ends[name]]
}

// ruleIndexes keeps the last index, of which the next one takes what has not changed: to run 50,000 names through the
// rules takes some tenths of a second.
type ruleIndexes struct {
	mu   sync.Mutex
	last *ruleIndex
}

// ruleIndex returns the index of a snapshot.
func (a *API) ruleIndex(ctx context.Context, s *live.Snapshot) (*ruleIndex, error) {
	return shared(ctx, func(ctx context.Context) (*ruleIndex, error) { return a.indexRules(ctx, s) })
}

func (a *API) indexRules(ctx context.Context, s *live.Snapshot) (*ruleIndex, error) {
	a.rules.mu.Lock()
	defer a.rules.mu.Unlock()
	e, _ := a.options.Store.Resolver().(explainer)
	var of *tagger.Tagger
	if e != nil {
		of = e.Tagger()
	}
	old := a.rules.last
	if old != nil && old.names == s && old.tagger == of {
		return old, nil
	}
	x := &ruleIndex{names: s, tagger: of, byID: map[string]int{}, ends: make([]uint32, len(s.Names))}
	if e != nil {
		x.list(of.Rules())
		if old != nil && old.tagger != of {
			old = nil
		}
		if err := x.fill(ctx, e, old); err != nil {
			return nil, err
		}
	}
	a.rules.last = x
	return x, nil
}

func (x *ruleIndex) list(rules []tagger.RuleInfo) {
	x.rules, x.usage = rules, make([]ruleUsage, len(rules))
	for i, r := range rules {
		if _, ok := x.byID[r.ID]; !ok {
			x.byID[r.ID] = i
		}
	}
}

// fill runs the names through the rules, but for those that the old index has already.
func (x *ruleIndex) fill(ctx context.Context, e explainer, old *ruleIndex) error {
	run := ruleRun{trace: tagger.Trace{OnlyRules: true}}
	at := 0
	for i := range x.names.Names {
		if i%256 == 0 && ctx.Err() != nil {
			return canceled(ctx)
		}
		n := &x.names.Names[i]
		if old != nil {
			for at < len(old.names.Names) && live.Compare(&old.names.Names[at], n) < 0 {
				at++
			}
		}
		if old != nil && at < len(old.names.Names) && live.Compare(&old.names.Names[at], n) == 0 &&
			old.names.Names[at].Sender.Same(n.Sender) && old.names.Names[at].Part == n.Part {
			x.taken = append(x.taken, old.of(at)...)
		} else if n.Kind != 0 {
			x.add(e, n, &run)
		}
		x.ends[i] = uint32(len(x.taken))
		x.count(i, n)
	}
	return nil
}

// ruleRun is memory for running rules, with the last identity: names that follow each other often have the same sender.
type ruleRun struct {
	result tagger.Result
	trace  tagger.Trace
	sender store.Sender
	id     store.Identity
}

// add appends the rules that take a name.
func (x *ruleIndex) add(e explainer, n *live.Name, run *ruleRun) {
	switch {
	case n.Part != metric.TypeGauge:
		run.sender, run.id = store.Sender{}, n.Ruled()
	case run.sender.Same(n.Sender):
		run.id.Name, run.id.Unit, run.id.Kind = n.Name, n.Unit, n.Kind
	default:
		run.sender, run.id = n.Sender, n.Identity()
	}
	run.trace.Steps = run.trace.Steps[:0]
	e.ApplyRules(&run.id, &run.result, &run.trace)
	for i := range run.trace.Steps {
		step := &run.trace.Steps[i]
		if step.Rule == tagger.Quarantine {
			x.taken = append(x.taken, quarantined)
			continue
		}
		if pos, ok := x.byID[step.Rule]; ok && step.Rule != "" {
			by := takenBy(pos)
			if step.Stage == tagger.StageOrigin {
				by |= ofOrigin
			}
			x.taken = append(x.taken, by)
		}
	}
}

// count adds a name, whose position is given, to what its rules take.
func (x *ruleIndex) count(at int, n *live.Name) {
	inQuarantine := false
	for _, by := range x.of(at) {
		if by == quarantined {
			inQuarantine = true
			continue
		}
		u := &x.usage[by.rule()]
		u.add(at+1, n.Series)
		if by != by.rule() {
			u.origins = addExample(u.origins, live.OriginOf(n.Sender))
		} else {
			u.examples = addExample(u.examples, n.Name)
		}
	}
	if n.Untagged > 0 {
		x.untagged++
	}
	if undescribed(n) {
		x.undescribed++
	}
	if inQuarantine {
		x.quarantine++
	}
}

// ruledNames are the names that a rule takes or describes: their positions, the section of the rule, and of how many
// names it takes only the origin.
type ruledNames struct {
	at      map[int]bool
	section string
	origins int
}

// namesOf finds the names of a rule.
func (a *API) namesOf(ctx context.Context, s *live.Snapshot, rule string) (*ruledNames, error) {
	x, err := a.ruleIndex(ctx, s)
	if err != nil {
		return nil, err
	}
	names := ruledNames{at: map[int]bool{}}
	want := quarantined
	if rule != tagger.Quarantine {
		pos, ok := x.byID[rule]
		if !ok {
			return nil, &Error{Type: ErrorNotFound, Text: "no rule in force has the id " + quote(rule)}
		}
		want, names.section = takenBy(pos), x.rules[pos].Section
	}
	for i := range s.Names {
		of := x.of(i)
		if slices.Contains(of, want) {
			names.at[i] = true
		} else if slices.Contains(of, want|ofOrigin) {
			names.at[i] = true
			names.origins++
		}
	}
	return &names, nil
}
