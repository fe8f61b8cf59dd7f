package store

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// What a reload changes of a composite, or of one of its parts, comes back as the new rules have it; all else keeps
// its counts.
func TestReloadOfComposites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o Settings
		s := testStore(t, func(options *Settings) {
			options.Tagger = rules(t, "rules: [{pattern: other, drop: true}]")
			o = *options
		})
		send := func(after time.Duration) {
			for _, e := range scrapedHistogram("x", 5, 3, map[string]uint64{"1": 2, "+Inf": 3}) {
				write(s, at(after, e))
			}
			for _, e := range scrapedSummary("y", 5, 3, map[string]float64{"0.5": 2}) {
				write(s, at(after, e))
			}
		}
		x, y := "histogram cf_x{} [1] [2 1] count=3 sum=5\n", "summary cf_y{} [0.5] [2] count=3 sum=5\n"
		send(0)
		for _, step := range []struct{ rules, kept, back string }{
			{"rules: [{pattern: another, drop: true}]", x + y, x + y},
			{"rules: [{pattern: x, name: z}]", y, y + "histogram cf_z{} [1] [2 1] count=3 sum=5\n"},
			{"rules: [{pattern: x, drop: true}]", y, y},
			{"rules: [{pattern: y_sum, drop: true}]", "summary cf_y{} [0.5] [2] count=3 sum=NaN\n", x + "summary cf_y{} [0.5] [2] count=3 sum=NaN\n"},
			{
				"rules: [{pattern: x_bucket, drop: true}]",
				"summary cf_y{} [0.5] [2] count=3 sum=NaN\n",
				"counter cf_x_count_total{} 3\ngauge cf_x_sum{} 5\n" + y,
			},
			{"rules: []", "counter cf_x_count_total{} 3\ngauge cf_x_sum{} 5\n" + y, x + y},
			{"metrics: [{name: x, unit: ms}]", y, "histogram cf_x_seconds{} [0.001] [2 1] count=3 sum=0.005\n" + y},
		} {
			o.Tagger = rules(t, step.rules)
			if _, err := s.Reload(o.options()); err != nil {
				t.Fatal(err)
			}
			if got := dump(s); got != step.kept {
				t.Errorf("%s: kept\n%swant\n%s", step.rules, got, step.kept)
			}
			send(time.Second)
			if got := dump(s); got != step.back {
				t.Errorf("%s: back comes\n%swant\n%s", step.rules, got, step.back)
			}
			if err := checkScrape(s); err != nil {
				t.Error(err)
			}
		}
	})
}

// A rule that drops a histogram drops what it is made of, whichever came first.
func TestDroppedComposites(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		s := testStore(t, func(o *Settings) { o.Tagger = rules(t, "rules: [{pattern: x, drop: true}]") })
		envelopes := scrapedHistogram("x", 5, 3, map[string]uint64{"+Inf": 3})
		if reverse {
			envelopes[0], envelopes[2] = envelopes[2], envelopes[0]
		}
		for range 2 {
			for _, e := range envelopes {
				write(s, e)
			}
		}
		for _, e := range envelopes {
			if got := write(s, e); got != "dropped_by_rule" {
				t.Errorf("%s: %s", nameOf(e), got)
			}
		}
		if got := s.Stats(); got.Series != 0 || got.Families != 0 {
			t.Errorf("%+v", got)
		}
	}
}

// Rules see a composite by its own name.
func TestIdentitiesOfParts(t *testing.T) {
	r := testSettings(t).options().Resolver
	for _, c := range []struct {
		envelope *metric.Envelope
		want     metric.Type
		name     string
	}{
		{counter("x_bucket", 0, 1, "le", "1", "a", "b"), metric.TypeHistogram, "cf_x"},
		{gauge("x", 1, "quantile", "1", "a", "b"), metric.TypeSummary, "cf_x"},
		{counter("x_bucket", 0, 1, "a", "b"), metric.TypeCounter, "cf_x_bucket_total"},
		{gauge("x_sum", 1, "a", "b"), metric.TypeGauge, "cf_x_sum"},
	} {
		ids, err := Identities(r, c.envelope)
		if err != nil || len(ids) != 1 {
			t.Fatal(ids, err)
		}
		got := r.Resolve(&ids[0])
		if got.Type != c.want || got.Metric != c.name || string(metric.RenderLabels(got.Labels)) != `a="b"` {
			t.Errorf("%s: %s %s %v", nameOf(c.envelope), got.Type, got.Metric, got.Labels)
		}
	}
}

// A counter that is called a total gets no second one, whatever the naming.
func TestTotalIsNotDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			verbatim bool
			want     string
		}{
			{false, "counter cf_a_total{} 1\ncounter cf_b_total{} 1\ncounter cf_c_total{} 1\n"},
			{true, "counter a_total{} 1\ncounter b.total{} 1\ncounter cTotal{} 1\n"},
		} {
			s := testStore(t, func(o *Settings) { o.Naming.Verbatim = c.verbatim })
			writeAll(t, s, []*metric.Envelope{counter("a_total", 0, 1), counter("b.total", 0, 1), counter("cTotal", 0, 1)})
			if got := dump(s); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		}
	})
}

// Parts of a composite that was dropped have no values, and bring none when it comes back.
func TestPartsWithoutValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o Settings
		s := testStore(t, func(options *Settings) {
			options.Tagger = rules(t, "rules: [{pattern: x, drop: true}]")
			o = *options
		})
		for _, e := range scrapedHistogram("x", 500, 70, map[string]uint64{"1": 50, "+Inf": 70}) {
			write(s, e)
		}
		for _, e := range scrapedHistogram("x", 500, 70, map[string]uint64{"1": 50, "+Inf": 70}) {
			write(s, e)
		}
		o.Tagger = rules(t, "rules: []")
		if _, err := s.Reload(o.options()); err != nil {
			t.Fatal(err)
		}
		if got := write(s, counter("x_bucket", 0, 51, "le", "1")); got != "stored" {
			t.Error(got)
		}
		if got := dump(s); got != "histogram cf_x{} [1] [51 0] count=51 sum=NaN\n" {
			t.Error(got)
		}
	})
}

// x_sum and x_count of an emitter whose x has another name, or is dropped, join no other histogram, in any order.
func TestSumsOfOthersNames(t *testing.T) {
	for _, rule := range []string{"name: y", "drop: true"} {
		var dumps, outcomes [2]string
		for i := range dumps {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t, func(o *Settings) {
					o.Tagger = rules(t, "rules: [{pattern: x, when: {origin: o}, "+rule+"}]")
				})
				envelopes := []*metric.Envelope{
					gauge(
						"x_sum",
						5,
						"origin",
						"o",
					),
					counter("x_count", 0, 6, "origin", "o"),
					counter("x_bucket", 0, 7, "le", "1", "origin", "p"),
				}
				if i == 1 {
					envelopes[0], envelopes[2] = envelopes[2], envelopes[0]
				}
				for range 2 {
					for _, e := range envelopes {
						write(s, e)
					}
				}
				for _, e := range []*metric.Envelope{gauge("x_sum", 5, "origin", "o"), counter("x_count", 0, 6, "origin", "o")} {
					outcomes[i] += write(s, e) + " "
				}
				dumps[i] = dump(s)
				dumps[i] += fmt.Sprintf("%+v", s.Stats())
			})
		}
		if dumps[0] != dumps[1] || outcomes[0] != outcomes[1] {
			t.Errorf("%s:\n%s\n%s\n%s\n%s", rule, outcomes[0], dumps[0], outcomes[1], dumps[1])
		}
	}
}

// TestUntaggedParts: rules go by the name of a histogram, so that its parts have a rule exactly if it has one, also after a
// reload that changes nothing else.
func TestUntaggedParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o Settings
		s := testStore(t, func(options *Settings) {
			options.Tagger = rules(t, "rules: []")
			o = *options
		})
		for _, e := range scrapedHistogram("x", 5, 3, map[string]uint64{"1": 2, "+Inf": 3}) {
			write(s, e)
		}
		untagged := func(when string, want int) {
			t.Helper()
			if got := s.Stats().UntaggedNames; got != want {
				t.Errorf("%s: %d names without a rule, want %d", when, got, want)
			}
		}
		untagged("without rules", 3)
		for _, step := range []struct {
			rules string
			want  int
		}{
			{"rules: [{pattern: x}]", 0}, {"rules: [{pattern: x_bucket}]", 3}, {"rules: [{pattern: x}]", 0}, {"rules: []", 3},
		} {
			o.Tagger = rules(t, step.rules)
			if done, err := s.Reload(o.options()); err != nil || done.Retired > 0 {
				t.Fatal(done, err)
			}
			untagged(step.rules, step.want)
		}
	})
}
