package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

func TestExplain(t *testing.T) {
	f := newFixture(t)
	f.fill()
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "queue.mail.depth", Origin: "rep", Series: 5})
	if err != nil {
		t.Fatal(err)
	}
	if x.Series != `cf_queue_depth{component="rep",origin="rep",queue="mail"}` || x.Base != "queue.depth" ||
		x.LabelSources["queue"] != "name" || x.Type != "gauge" || len(x.Nearest) != 0 {
		t.Errorf("%+v", x)
	}
	step := x.Steps[1]
	if step.Sentence != `Rule user/queue matches "queue.mail.depth"; it sets queue to "mail". The base name is "queue.depth".` {
		t.Error(step.Sentence)
	}
	want := RuleRef{
		ID: "user/queue", Pattern: "queue.{queue}.depth", File: "user.yaml", Line: 7,
		Text: "id: user/queue\npattern: \"queue.{queue}.depth\"\nname: \"queue.depth\"",
	}
	if step.Rule == nil || *step.Rule != want {
		t.Errorf("%+v", step.Rule)
	}
	if len(x.Live) != 1 || x.Live[0].Value != "1" || x.Live[0].State != "live" || x.Live[0].Tags["origin"] != "rep" {
		t.Errorf("%+v", x.Live)
	}
}

func TestExplainConflict(t *testing.T) {
	f := newFixture(t)
	f.fill()
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "rep.memoryStats.numBytesAllocated", Series: 5})
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Live) != 1 {
		t.Fatalf("%+v", x.Live)
	}
	l := x.Live[0]
	if l.State != "refused" || l.Outcome != "conflict" || l.Owner == nil || l.Owner.Name != "memoryStats.numBytesAllocated" ||
		l.Owner.Tags["origin"] != "rep" || l.Value != "" {
		t.Errorf("%+v, owner %+v", l, l.Owner)
	}
}

func TestExplainForms(t *testing.T) {
	f := newFixture(t)
	f.fill()
	for _, tc := range []struct {
		q    ExplainQuery
		want string // kind, dropped, invalid, number of steps and of nearest rules
	}{
		{ExplainQuery{Name: "Untagged Name", Series: 1}, "counter false  2 0"}, // as it is sent, with its origin
		{ExplainQuery{Name: "Untagged Name", Kind: "gauge"}, "gauge false  1 0"},
		{ExplainQuery{Name: "dropped.a", Series: 1}, "gauge true  2 0"},
		{ExplainQuery{Name: "queu.mail.depth"}, "gauge false  1 1"},
		{ExplainQuery{Name: strings.Repeat("a", 1025)}, " false its name has 1025 bytes, the limit is 1024 0 0"},
	} {
		x, err := f.Explain(t.Context(), tc.q)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%s %v %s %d %d", x.Kind, x.Dropped, x.Invalid, len(x.Steps), len(x.Nearest)); got != tc.want {
			t.Errorf("%.40q: %q, want %q", tc.q.Name, got, tc.want)
		}
	}
	if _, err := f.Explain(t.Context(), ExplainQuery{Name: "a", Kind: "log!"}); !isType(err, ErrorBadData) {
		t.Error(err)
	}
}

// TestExplainPages reads the live series of a name page by page.
func TestExplainPages(t *testing.T) {
	f := newFixture(t)
	for i := range 7 {
		f.gauge("rep", "queue.mail.depth", "index", fmt.Sprint(i))
	}
	q := ExplainQuery{Name: "queue.mail.depth", Series: 3}
	var seen []string
	for range 3 {
		x, err := f.Explain(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range x.Live {
			seen = append(seen, l.Tags["index"])
		}
		q.Cursor = x.SeriesNext
	}
	if slices.Sort(seen); !slices.Equal(seen, []string{"0", "1", "2", "3", "4", "5", "6"}) || q.Cursor != "" {
		t.Errorf("%q, then %q", seen, q.Cursor)
	}
}

// TestRequestsHaveNoRule: timers of the gorouter's requests need none, so that they are not among the names without one.
func TestRequestsHaveNoRule(t *testing.T) {
	f := newFixture(t)
	now := time.Now().UnixNano()
	f.send(&metric.Envelope{
		Kind: metric.KindTimer, Name: []byte("http"), Timestamp: now, Arrived: now, Start: now, Stop: now + 1,
	}, "gorouter", "peer_type", "Server")
	page, err := f.Rules(t.Context(), RulesQuery{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := f.Names(t.Context(), NamesQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if names.States[StateTagged] != 1 || page.Untagged != 0 || !names.Names[0].BuiltIn {
		t.Errorf("%+v, %d without a rule", names, page.Untagged)
	}
}

func TestRules(t *testing.T) {
	f := newFixture(t)
	f.fill()
	page, err := f.Rules(t.Context(), RulesQuery{File: "user.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range page.Rules {
		got = append(got, fmt.Sprintf("%s:%d %d %d %v %v", r.ID, r.Line, r.Names, r.Series, r.Drops, r.Examples))
	}
	if want := []string{
		"user/dropped:3 1 0 true [dropped.a]", "user/queue:7 2 2 false [queue.chat.depth queue.mail.depth]",
		"user/unused:10 0 0 false []",
	}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if file := page.Files[0]; file.File != "user.yaml" || file.Catalogue || file.Rules != 3 || file.Unused != 1 ||
		file.Names != 3 || !page.Files[1].Catalogue || page.Untagged != 1 {
		t.Errorf("%+v, %d untagged", file, page.Untagged)
	}
	var pages, whole []string
	for q := (RulesQuery{Limit: 100}); ; {
		page, err := f.Rules(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rules {
			pages = append(pages, fmt.Sprintf("%s:%d %s", r.File, r.Line, r.ID))
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			if len(pages) != page.Total {
				t.Errorf("%d rules by pages, of %d", len(pages), page.Total)
			}
			break
		}
	}
	for _, r := range f.store.Resolver().(explainer).Tagger().Rules() {
		whole = append(whole, fmt.Sprintf("%s:%d %s", r.File, r.Line, r.ID))
	}
	slices.Sort(pages)
	if slices.Sort(whole); !slices.Equal(pages, whole) {
		t.Errorf("%d rules by pages, %d in force", len(pages), len(whole))
	}
	if page, err := f.Rules(t.Context(), RulesQuery{Search: "NOBODY.sends", Unused: true}); err != nil || page.Total != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestRulesFollow: names that come, and rules that are reloaded, are seen.
func TestRulesFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.fill()
		taken := func() int {
			time.Sleep(time.Second)
			s, err := f.index.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			x, err := f.ruleIndex(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			pos, ok := x.byID["user/queue"]
			if !ok {
				return -1
			}
			return x.usage[pos].names
		}
		if n := taken(); n != 2 {
			t.Errorf("%d names", n)
		}
		f.gauge("rep", "queue.post.depth")
		if n := taken(); n != 3 {
			t.Errorf("%d names after one more came", n)
		}
		bare, _, err := tagger.New(tagger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.store.Reload(store.Options{
			Resolver:   resolver.New(resolver.Options{Tagger: bare, Naming: naming.Style{Namespace: "cf"}}),
			Expiration: time.Hour, MaxSeries: 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := taken(); n != -1 {
			t.Errorf("%d names after the rule went", n)
		}
	})
}

func TestTry(t *testing.T) {
	f := newFixture(t)
	f.fill()
	before := f.store.Stats()
	report, err := f.Try(t.Context(), TryQuery{Replaces: "user.yaml", Text: []byte(`version: 1
rules:
  - id: merge
    pattern: "queue.{_}.depth"
    name: "queue.depth"
  - id: shadowed
    pattern: "queue.mail.depth"
`)})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Errors) != 0 || report.Names != 6 || report.Incomplete != "" || report.Report == nil {
		t.Fatalf("%+v", report)
	}
	if len(report.Warnings) != 1 || report.Warnings[0].Rule != "shadowed" || report.Warnings[0].Line != 6 {
		t.Errorf("%+v", report.Warnings)
	}
	// One of the two queues loses its series, and what was dropped is exposed.
	if r := report.Report; r.Changed != 3 || r.SeriesBefore != 2 || r.SeriesAfter != 2 || r.ConflictsAfter != 1 || !r.Breaks {
		t.Errorf("%+v", r)
	}
	var rules []string
	for _, r := range report.Rules {
		rules = append(rules, fmt.Sprintf("%s %d %d", r.ID, r.Names, r.Series))
	}
	if want := []string{"merge 2 2", "shadowed 0 0"}; !slices.Equal(rules, want) {
		t.Errorf("%q, want %q", rules, want)
	}
	if after := f.store.Stats(); after != before {
		t.Errorf("the store changed: %+v, before %+v", after, before)
	}
	report, err = f.Try(t.Context(), TryQuery{Text: []byte(userRules)})
	if err != nil || len(report.Errors) == 0 || report.Errors[0].Rule == "" || report.Report != nil {
		t.Errorf("ids that are taken: %+v, %v", report, err)
	}
	report, err = f.Try(t.Context(), TryQuery{Text: []byte("version: 1\nrules:\n  - pattern: \"{\"\n")})
	if err != nil || len(report.Errors) != 1 || report.Errors[0].Line != 3 || report.Errors[0].Column != 15 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestLearn(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"alpha", "beta", "gamma", "delta", "omega", "sigma"} {
		for _, leaf := range []string{"reads", "writes", "errors"} {
			f.gauge("database", "pool."+name+"."+leaf)
		}
	}
	p, err := f.Learn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Names != 18 || len(p.Proposal.Rules) == 0 || !strings.HasPrefix(p.File, "# Proposed by exporter learn") {
		t.Errorf("%d names, %d rules: %s", p.Names, len(p.Proposal.Rules), p.File)
	}
	if _, _, err := tagger.Load(tagger.Source{File: "learned.yaml", Data: []byte(p.File)}); err != nil {
		t.Error(err)
	}
	if again, err := f.Learn(t.Context()); again != p || err != nil {
		t.Error("proposals are found again", err)
	}
}

func TestCardinality(t *testing.T) {
	f := newFixture(t, func(o *store.Options) {
		o.Limits = store.LimitOptions{PerMetric: 20, PerOwner: 50, Owner: store.OwnerSourceID}
	})
	for i := range 25 {
		e := &metric.Envelope{
			Kind: metric.KindGauge, Arrived: 1, SourceID: []byte("s"),
			Points: []metric.Point{{Name: []byte("queue.mail.depth"), Value: 1}},
		}
		f.send(e, "rep", "index", fmt.Sprint(i))
	}
	f.gauge("other", "queue.chat.depth")
	c, err := f.Cardinality(t.Context(), CardinalityQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Series != 20 || c.Families != 1 || c.Share != 1 || c.Metrics[0].Series != 20 {
		t.Errorf("%+v", c)
	}
	if l := c.Labels[0]; l != (LabelSize{Label: "bosh_job_id", Series: 20, Values: 20}) {
		t.Errorf("%+v", l)
	}
	if v := c.LabelValues[0]; v.Series != 20 {
		t.Errorf("%+v", v)
	}
	if o := c.Owners[0]; o != (OwnerSize{Owner: "s", Label: "source_id", Series: 20, Names: 1}) {
		t.Errorf("%+v", o)
	}
	if want := []Limit{
		{"metrics.max_series", 100_000, 20, "", 0},
		{"metrics.max_series_per_metric", 20, 20, "cf_queue_depth", 1},
		{"metrics.max_series_per_owner", 50, 20, "s", 0},
	}; !slices.Equal(c.Limits, want) {
		t.Errorf("%+v", c.Limits)
	}
	if len(c.Refused) != 2 || c.Refused[0].Name != "queue.mail.depth" || c.Refused[0].Samples != 5 {
		t.Errorf("%+v", c.Refused)
	}
	c, err = f.Cardinality(t.Context(), CardinalityQuery{Metric: "cf_queue_depth", Limit: 1})
	if err != nil || c.Series != 20 || len(c.Labels) != 1 || c.Labels[0].Values != 20 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestRuleTakesOrigins: a rule that takes the origin of a name has that among its examples, not the name, and counts the
// name once, even if it takes the name as well.
func TestRuleTakesOrigins(t *testing.T) {
	f := newFixture(t)
	f.gauge("router__0", "queue.mail.depth")
	f.gauge("router__1", "router__1.queue.chat.depth")
	page, err := f.Rules(t.Context(), RulesQuery{Search: "instance/job__index"})
	if err != nil || len(page.Rules) != 1 {
		t.Fatal(page, err)
	}
	r := page.Rules[0]
	if r.Names != 2 || r.Series != 2 || !slices.Equal(r.Examples, []string{"router__1.queue.chat.depth"}) ||
		!slices.Equal(r.Origins, []string{"router__0", "router__1"}) {
		t.Errorf("%+v", r)
	}
}
