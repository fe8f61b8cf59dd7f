package api

import (
	"fmt"
	"slices"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
)

// maxTriedNames bounds the names of a query, and the tests of a file, that are tried.
const maxTriedNames = 200

// TriedName is a name that may never have come, as the rules in force and those with the file to try make it.
type TriedName struct {
	// Given is the name as the query says it, or the title of a test of the file, which begins in a Line; 0 for a name.
	Given string `json:"given"`
	Line  int    `json:"line,omitempty"`
	// SentBy is the origin, or the source id, of which a name alone that arrives has kind, unit and tags.
	SentBy string `json:"sent_by,omitempty"`
	// Error says why it cannot be tried; Before and After are missing then.
	Error  string       `json:"error,omitempty"`
	Before *TriedSeries `json:"before,omitempty"`
	After  *TriedSeries `json:"after,omitempty"`
	// Failures say what a test expects otherwise; a test without any passes.
	Failures []string `json:"failures,omitempty"`
}

// TriedSeries is what a name becomes.
type TriedSeries struct {
	resolver.Explanation

	// Series is metric and labels as exposed; empty where it is dropped or invalid. Invalid says why its samples
	// would be refused.
	Series  string `json:"series,omitempty"`
	Invalid string `json:"invalid,omitempty"`
}

// names runs the names of a query, and the tests of the file, through both rule sets.
func (t *trial) names(given []string) []TriedName {
	all := []TriedName{}
	for _, text := range given {
		tried := TriedName{Given: text}
		if i := slices.IndexFunc(t.all, func(r live.Representative) bool { return r.Name == text }); i >= 0 {
			tried.SentBy = live.OriginOf(t.all[i].Sender)
			id := t.all[i].Ruled()
			t.tryIdentity(&id, &tried)
		} else if subject, err := tagger.ReadGiven(text); err != nil {
			tried.Error = err.Error()
		} else {
			t.tryName(&subject, &tried)
		}
		all = append(all, tried)
	}
	tests, err := tagger.ReadTests(t.file, t.text)
	if err != nil { // the rules have no mistake: there are no tests, or it is a mapping file
		return all
	}
	tests.Cases = tests.Cases[:min(len(tests.Cases), maxTriedNames-len(all))]
	for i, result := range tests.Run(t.after.Tagger(), t.after.Series) {
		c := &tests.Cases[i]
		tried := TriedName{Given: result.Title, Line: c.Line, Failures: result.Failures}
		t.tryName(&c.Given, &tried)
		all = append(all, tried)
	}
	return all
}

func (t *trial) tryName(subject *tagger.Subject, tried *TriedName) {
	id, err := resolver.Question(subject).Identity(t.after)
	if err != nil {
		tried.Error = err.Error()
		return
	}
	t.tryIdentity(id, tried)
}

func (t *trial) tryIdentity(id *store.Identity, tried *TriedName) {
	of := func(r *resolver.Resolver) *TriedSeries {
		resolution := r.Explain(id, nil)
		out := &TriedSeries{
			Explanation: resolution.Explanation(metric.LabelValue(id.Tags, "origin"), id.Name), Invalid: resolution.Invalid,
		}
		if !resolution.Dropped && resolution.Invalid == "" {
			out.Series = fmt.Sprintf("%s{%s}", resolution.Metric, metric.RenderLabels(resolution.Labels))
		}
		return out
	}
	tried.Before, tried.After = of(t.before), of(t.after)
}
