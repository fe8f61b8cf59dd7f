package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"loggregator_exporter/diff"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

// TryQuery says what to try.
type TryQuery struct {
	// Text is the rule file. A mapping file of statsd_exporter will do as well.
	Text []byte
	// Replaces is the rule file in force that it takes the place of, which may be a built-in one. If it is empty, the file
	// comes before those in force.
	Replaces string
	// Given are names that need not be live: each a name, or an object as given of a rule test has it.
	Given []string
	// Limit is the number of changes to list of each cause, 1 to 1000; 0 is 100. All are counted.
	Limit int
}

// TryReport is what a rule file would change, on the live names.
type TryReport struct {
	Time time.Time `json:"time"`
	// Errors are those of the file; if there are any, nothing but Warnings is filled.
	Errors []RuleError `json:"errors"`
	// Warnings are rules that hardly work as intended: those that others shadow, and so on.
	Warnings []RuleError `json:"warnings"`
	// Names is how many live raw names were tried.
	Names int `json:"names"`
	// Report says what changes. It covers the names that the change concerns and those that lead to the same metrics. Of
	// names with many senders some are tried, which stand for all. It is missing where the file has errors.
	Report *diff.Report `json:"report,omitempty"`
	// Rules are those of the file with the number of live names that each takes.
	Rules []Rule `json:"rules"`
	// Tried are the names of the query and the first tests of the file, up to 200 together.
	Tried []TriedName `json:"tried"`
	// Incomplete says why not all live names were tried, or is empty.
	Incomplete string `json:"incomplete,omitempty"`
}

// RuleError is a mistake in a rule file, or a warning.
type RuleError struct {
	// File is the file that is tried, or another that it does not go with.
	File string `json:"file"`
	// Line and Column count from 1; 0 where the place is not known.
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Rule   string `json:"rule,omitempty"`
	Text   string `json:"text"`
}

// TriedFile is the name of a file that is tried beside those in force.
const TriedFile = "tried.yaml"

const (
	// maxTriedSenders bounds the senders that are looked at, and maxCompared those of which both series are made: these
	// take some 2 KiB each while the comparison lasts.
	maxTriedSenders = 200_000
	maxCompared     = 20_000
)

// Try says what a rule file would change. The exporter stays as it is.
func (a *API) Try(ctx context.Context, q TryQuery) (*TryReport, error) {
	out := &TryReport{
		Time: time.Now().UTC(), Errors: []RuleError{}, Warnings: []RuleError{}, Rules: []Rule{}, Tried: []TriedName{},
	}
	e, err := a.explainer()
	if err != nil {
		return nil, err
	}
	rules := a.options.Rules()
	file, err := replace(&rules, &q)
	if err != nil {
		return nil, err
	}
	after, warnings, err := tagger.New(rules)
	if err != nil {
		out.Errors = ruleErrors(err)
		return out, nil
	}
	for _, w := range warnings {
		if w.File == file || w.File == "" {
			out.Warnings = append(out.Warnings, RuleError{
				File: w.File, Line: w.Line, Column: w.Column, Rule: w.Rule, Text: w.Message,
			})
		}
	}
	sides := [2]resolver.Options{e.Options(), e.Options()}
	sides[1].Tagger = after
	t := trial{ctx: ctx, file: file, text: q.Text, before: resolver.New(sides[0]), after: resolver.New(sides[1])}
	if err := t.read(a.options.Store, out); err != nil {
		return nil, err
	}
	out.Rules, out.Tried = t.rules(), t.names(q.Given)
	out.Warnings = append(out.Warnings, t.mixed.warnings(out.Rules)...)
	t.nearest(ctx, out.Rules)
	out.Report, err = diff.Compare(ctx, slices.Values(t.concerned(out)), &diff.Side{Own: &sides[0]},
		&diff.Side{Own: &sides[1]}, diff.Options{MaxNames: maxCompared, MaxChanges: cmp.Or(q.Limit, defaultLimit)})
	if err != nil && ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	return out, err
}

// replace puts the file to try among those in force, and returns its name.
func replace(rules *tagger.Options, q *TryQuery) (file string, err error) {
	rules.UserRules = slices.Clone(rules.UserRules)
	if q.Replaces == "" {
		rules.UserRules = slices.Insert(rules.UserRules, 0, tagger.Source{File: TriedFile, Data: q.Text})
		return TriedFile, nil
	}
	if i := slices.IndexFunc(rules.UserRules, func(s tagger.Source) bool { return s.File == q.Replaces }); i >= 0 {
		rules.UserRules[i].Data = q.Text
		return q.Replaces, nil
	}
	if rules.Catalogue != nil && fs.ValidPath(q.Replaces) {
		if _, err := fs.Stat(rules.Catalogue, q.Replaces); err == nil {
			rules.Catalogue = changedFile{rules.Catalogue, q.Replaces, q.Text}
			return q.Replaces, nil
		}
	}
	return "", &Error{
		Type: ErrorNotFound,
		Text: "replaces: " + quote(q.Replaces) + " is no rule file in force: see files of /api/v1/rules",
	}
}

// changedFile is the catalogue with another text of one file.
type changedFile struct {
	fs.FS

	name string
	text []byte
}

// ReadFile implements fs.ReadFileFS.
func (f changedFile) ReadFile(name string) ([]byte, error) {
	if name == f.name {
		return slices.Clone(f.text), nil
	}
	return fs.ReadFile(f.FS, name) //nolint:wrapcheck // it is that of another file system
}

// ruleErrors takes the errors of files apart.
func ruleErrors(err error) []RuleError {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var list []RuleError
		for _, one := range all.Unwrap() {
			list = append(list, ruleErrors(one)...)
		}
		return list
	}
	if of, ok := errors.AsType[*tagger.FileError](err); ok {
		return []RuleError{{File: of.File, Line: of.Line, Column: of.Column, Rule: of.Rule, Text: of.Message}}
	}
	return []RuleError{{Text: err.Error()}}
}

// trial runs the live names through both rule sets.
type trial struct {
	ctx           context.Context
	file          string
	text          []byte
	before, after *resolver.Resolver

	all     []live.Representative
	changed []bool // by representative
	metrics map[string]bool
	usage   map[string]*ruleUsage // of the rules of the file, by id
	mixed   mixedUnits
}

// read finds the representatives that are resolved otherwise than before, and counts what the rules of the file take.
func (t *trial) read(s *store.Store, out *TryReport) error {
	var complete bool
	var err error
	if t.all, complete, err = live.Representatives(t.ctx, s, maxTriedSenders); err != nil {
		return canceled(t.ctx)
	}
	if !complete {
		out.Incomplete = fmt.Sprintf("there are more than %s senders of names; the others were not tried",
			overview.Number(maxTriedSenders))
	}
	t.changed, t.metrics, t.usage = make([]bool, len(t.all)), map[string]bool{}, map[string]*ruleUsage{}
	for _, r := range t.after.Tagger().Rules() {
		if r.File == t.file {
			t.usage[r.ID] = &ruleUsage{}
		}
	}
	order := make([]int, len(t.all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return t.all[i].Compare(&t.all[j]) })
	trace := resolver.Trace{Rules: tagger.Trace{NoAttempts: true, OnlyRules: true}}
	for at, i := range order {
		if at%256 == 0 && t.ctx.Err() != nil {
			return canceled(t.ctx)
		}
		r := &t.all[i]
		id := r.Ruled()
		trace.Rules.Steps = trace.Rules.Steps[:0]
		was, is := t.before.Explain(&id, nil), t.after.Explain(&id, &trace)
		if at == 0 || t.all[order[at-1]].Compare(r) != 0 {
			out.Names++
		}
		t.count(r, trace.Rules.Steps, out.Names)
		if !was.Same(&is.Resolved) {
			t.changed[i] = true
			t.metrics[was.Metric], t.metrics[is.Metric] = true, true
			t.mixed.add(r.Name, &was, &is)
		}
	}
	delete(t.metrics, "")
	return nil
}

// count adds a representative of a name, which has a number, to what the rules of the file take.
func (t *trial) count(r *live.Representative, steps []tagger.Step, name int) {
	for i := range steps {
		u := t.usage[steps[i].Rule]
		if u == nil || steps[i].Rule == "" {
			continue
		}
		// Its origin may be, too.
		if !slices.ContainsFunc(steps[:i], func(s tagger.Step) bool { return s.Rule == steps[i].Rule }) {
			u.series += r.Identities
		}
		u.add(name, 0)
		if steps[i].Stage == tagger.StageOrigin {
			u.origins = addExample(u.origins, live.OriginOf(r.Sender))
		} else {
			u.examples = addExample(u.examples, r.Name)
		}
	}
}

// rules lists the rules of the file.
func (t *trial) rules() []Rule {
	texts := newRuleTexts(func() tagger.Options {
		return tagger.Options{UserRules: []tagger.Source{{File: t.file, Data: t.text}}}
	})
	list := []Rule{}
	for _, r := range t.after.Tagger().Rules() {
		u := t.usage[r.ID]
		if r.File != t.file || u == nil || len(list) == maxLimit {
			continue
		}
		list = append(list, ruleOf(&r, u, texts))
	}
	slices.SortStableFunc(list, func(x, y Rule) int { return cmp.Compare(x.Line, y.Line) })
	return list
}

// concerned returns the names that are to be compared: those that change, and those that lead to a metric of these.
func (t *trial) concerned(out *TryReport) []*diff.Name {
	var names []*diff.Name
	for i := range t.all {
		r := &t.all[i]
		id := r.Ruled()
		if r.Part != metric.TypeGauge && r.Name != id.Name && r.Name != id.Name+"_bucket" {
			continue // buckets stand for the whole: by sum or count alone it is not known that there is one
		}
		if !t.changed[i] && (len(t.metrics) == 0 || !t.metrics[t.before.Resolve(&id).Metric]) {
			continue
		}
		if len(names) == maxCompared {
			out.Incomplete = fmt.Sprintf("the change concerns more than %s senders of names; the others were not compared",
				overview.Number(maxCompared))
			break
		}
		id = r.Identity()
		origin, tags := cutOrigin(id.Tags)
		names = append(names, &diff.Name{
			Origin: origin, Name: r.Name, Unit: r.Unit, Kind: r.Kind, SourceID: id.SourceID, InstanceID: id.InstanceID,
			Tags: tags, Series: r.Identities,
		})
	}
	return names
}
