package console

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"
	"time"

	"loggregator_exporter/web/api"
	"loggregator_exporter/web/overview"
)

// fake answers the pages with what a test sets, and keeps what was asked.
type fake struct {
	status      overview.Status
	history     overview.History
	names       api.NamesPage
	explained   api.Explained
	rules       api.RulesPage
	text        api.RuleText
	report      api.TryReport
	proposals   api.Proposals
	cardinality api.Cardinality
	config      api.Config
	err, busy   error
	heavy       int // requests that were admitted as heavy

	askedNames   []api.NamesQuery
	askedExplain []api.ExplainQuery
	askedRules   []api.RulesQuery
	askedTry     []api.TryQuery
	askedMetrics []api.CardinalityQuery
}

func (f *fake) Status(context.Context) (*overview.Status, error)   { return &f.status, f.err }
func (f *fake) History(context.Context) (*overview.History, error) { return &f.history, f.err }

func (f *fake) Names(_ context.Context, q api.NamesQuery) (*api.NamesPage, error) {
	f.askedNames = append(f.askedNames, q)
	return &f.names, f.err
}

func (f *fake) Explain(_ context.Context, q api.ExplainQuery) (*api.Explained, error) {
	f.askedExplain = append(f.askedExplain, q)
	return &f.explained, f.err
}

func (f *fake) Rules(_ context.Context, q api.RulesQuery) (*api.RulesPage, error) {
	f.askedRules = append(f.askedRules, q)
	return &f.rules, f.err
}

func (f *fake) RuleText(context.Context, string) (*api.RuleText, error) { return &f.text, f.err }

func (f *fake) RuleCopy(_ context.Context, id string) (*api.RuleText, error) {
	return &api.RuleText{Text: "rules: # a copy of " + id}, f.err
}

func (f *fake) Try(_ context.Context, q api.TryQuery) (*api.TryReport, error) {
	f.askedTry = append(f.askedTry, q)
	return &f.report, f.err
}

func (f *fake) Learn(context.Context) (*api.Proposals, error) { return &f.proposals, f.err }

func (f *fake) Cardinality(_ context.Context, q api.CardinalityQuery) (*api.Cardinality, error) {
	f.askedMetrics = append(f.askedMetrics, q)
	return &f.cardinality, f.err
}

func (f *fake) Config(context.Context) (*api.Config, error) { return &f.config, f.err }

func (f *fake) Admit(ctx context.Context) (context.Context, func(), error) {
	return ctx, func() {}, f.busy
}

func (f *fake) AdmitHeavy(ctx context.Context) (context.Context, func(), error) {
	f.heavy++
	return ctx, func() {}, f.busy
}

var now = time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)

// newFake is an exporter with something on every page; testdata has it in the form of the API.
func newFake(tb testing.TB) *fake {
	tb.Helper()
	f := &fake{history: history()}
	for file, into := range map[string]any{
		"status": &f.status, "names": &f.names, "explain": &f.explained, "rules": &f.rules, "rules_file": &f.text,
		"try": &f.report, "learn": &f.proposals, "cardinality": &f.cardinality, "config": &f.config,
	} {
		text, err := os.ReadFile("testdata/" + file + ".json")
		if err != nil {
			tb.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
	}
	return f
}

// history is an hour in which many samples were refused for five minutes, and one value is missing.
func history() overview.History {
	const values = 360
	h := overview.History{StepSeconds: 10}
	for i := range int64(values) {
		h.Times = append(h.Times, now.Unix()-10*(values-i))
	}
	wave := func(base, swing float64) []overview.Value {
		var line []overview.Value
		for i := range values {
			line = append(line, overview.Value(base+swing*math.Sin(float64(i)/22)))
		}
		return line
	}
	refused, memory := make([]overview.Value, values), wave(210e6, 1e7)
	for i := 240; i < 270; i++ {
		refused[i] = 2400
	}
	memory[100] = overview.Value(math.NaN())
	h.Graphs = []overview.Graph{
		{ID: "samples", Title: "Samples", Unit: "samples/s", Lines: []overview.Line{
			{Name: "stored", Values: wave(9000, 900)}, {Name: "conflict", Values: refused},
		}},
		{ID: "series", Title: "Series", Unit: "series", Lines: []overview.Line{{Name: "series", Values: wave(48000, 300)}}},
		{ID: "scrape_duration", Title: "Time of a scrape", Unit: "seconds", Lines: []overview.Line{
			{Name: "scrape_duration", Values: wave(.18, .03)},
		}},
		{ID: "memory", Title: "Memory", Unit: "bytes", Lines: []overview.Line{{Name: "memory", Values: memory}}},
	}
	return h
}
