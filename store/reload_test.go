package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/tagger"
)

// rules compiles a rule file on its own.
func rules(t *testing.T, text string) *tagger.Tagger {
	t.Helper()
	r, _, err := tagger.New(tagger.Options{UserRules: []tagger.Source{{File: "rules.yaml", Data: []byte(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const before = `
rules:
  - {pattern: "same.{x}", name: same}
  - {pattern: "sum.{x}", name: sum}
  - {pattern: "named.{x}", name: before}
  - {pattern: "dropped", drop: true}
  - {pattern: "gone", name: gone}
metrics:
  - {name: helped, help: Before.}
`

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o Settings
		s := testStore(t, func(options *Settings) {
			options.Tagger = rules(t, before)
			o = *options
		})
		for _, name := range []string{"same.a", "named.b", "dropped", "gone", "untagged", "helped"} {
			write(s, gauge(name, 1))
		}
		write(s, counter("sum.c", 2, 0))
		write(s, timer("http", time.Second))
		check := func(when, want string, untagged, undescribed int) {
			t.Helper()
			if got := dump(s); got != want {
				t.Errorf("%s: got\n%swant\n%s", when, got, want)
			}
			if got := s.Stats(); got.Series != strings.Count(want, "\n") || got.UntaggedNames != untagged ||
				got.UndescribedNames != undescribed {
				t.Errorf("%s: %+v", when, got)
			}
		}
		http := "histogram cf_http_request_duration_seconds{} [0.1 1] [0 1 0] count=1 sum=1\n"
		check("before", "gauge cf_before{x=\"b\"} 1\ngauge cf_gone{} 1\ngauge cf_helped{} 1\n"+http+
			"gauge cf_same{x=\"a\"} 1\ncounter cf_sum_total{x=\"c\"} 2\ngauge cf_untagged{} 1\n", 2, 1)

		o.Tagger = rules(t, `
rules:
  - {pattern: "same.{x}", name: same}
  - {pattern: "sum.{x}", name: sum}
  - {pattern: "named.{x}", name: after}
  - {pattern: "gone", drop: true}
  - {pattern: "untagged", name: untagged}
metrics:
  - {name: helped, help: After.}
`)
		done, err := s.Reload(o.options())
		if err != nil || done != (Reloaded{Kept: 5, Retired: 3}) {
			t.Errorf("%+v, %v", done, err)
		}
		check(
			"after",
			"gauge cf_helped{} 1\n"+http+"gauge cf_same{x=\"a\"} 1\ncounter cf_sum_total{x=\"c\"} 2\ngauge cf_untagged{} 1\n",
			1,
			0,
		)
		for _, f := range s.Families() {
			if f.Name == "cf_helped" && f.Help != "After." {
				t.Errorf("HELP is still %q", f.Help)
			}
		}
		for name, want := range map[string]string{"named.b": "stored", "gone": "dropped_by_rule", "dropped": "stored"} {
			if got := write(s, gauge(name, 3)); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		write(s, counter("sum.c", 2, 0))
		check("later", "gauge cf_after{x=\"b\"} 3\ngauge cf_dropped{} 3\ngauge cf_helped{} 1\n"+http+
			"gauge cf_same{x=\"a\"} 1\ncounter cf_sum_total{x=\"c\"} 4\ngauge cf_untagged{} 1\n", 2, 1)
	})
}

func TestReloadChangesExpiryLimitAndBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := "rules: [{pattern: work, name: work, kind: timer, buckets: [%s], expire: %s}]"
		var o Settings
		s := testStore(t, func(options *Settings) {
			options.Tagger = rules(t, fmt.Sprintf(file, "1, 2", "1h"))
			o = *options
		})
		write(s, timer("work", time.Second))
		write(s, gauge("a", 1))
		o.Tagger, o.Expiration, o.MaxSeries = rules(t, fmt.Sprintf(file, "1, 2, 3", "2m")), time.Minute, 2
		if done, err := s.Reload(o.options()); err != nil || done != (Reloaded{Kept: 1, Retired: 1}) {
			t.Errorf("%+v, %v", done, err)
		}
		write(s, timer("work", 3*time.Second))
		if got := write(s, gauge("b", 1)); got != "over_limit" {
			t.Errorf("beyond the new limit: %s", got)
		}
		want := "gauge cf_a{} 1\nhistogram cf_work_seconds{} [1 2 3] [0 0 1 0] count=1 sum=3\n"
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		<-time.After(time.Minute)
		if got := dump(s); strings.Contains(got, "cf_a") || !strings.Contains(got, "cf_work_seconds") {
			t.Errorf("after a minute:\n%s", got)
		}
		if _, err := s.Reload(Options{}); err == nil || err.Error() != "store: no resolver" {
			t.Errorf("a reload of nothing: %v", err)
		}
	})
}

// Samples that come in while rules change end in one series or another, each exactly once.
func TestReloadWhileWriting(t *testing.T) {
	var o Settings
	one := rules(t, `rules: [{pattern: "m.{x}", name: one}]`)
	two := rules(t, `rules: [{pattern: "m.{x}", name: two}]`)
	s := testStore(t, func(options *Settings) {
		options.Tagger = one
		o = *options
	})
	const names, rounds = 300, 6
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for i := range names * rounds {
				e := gauge(fmt.Sprint("m.", i%names), 1)
				e.Arrived = time.Now().UnixNano()
				write(s, e)
			}
		})
	}
	for i := range rounds {
		if o.Tagger = one; i%2 == 0 {
			o.Tagger = two
		}
		if _, err := s.Reload(o.options()); err != nil {
			t.Error(err)
		}
	}
	writers.Wait()
	if got := s.Stats(); got.Series > names || got.Series != strings.Count(dump(s), "\n") {
		t.Errorf("%+v of %d names", got, names)
	}
	if strings.Contains(dump(s), "cf_two") {
		t.Error("the rules before the last reload are still in force")
	}
}

// The help text of a family is that of the rules in force, and of several that of the catalogue or a rule, then the
// first in alphabetical order, whichever series comes or is looked at first.
func TestHelpAfterReload(t *testing.T) {
	help := func(s *Store) string {
		families := s.Families()
		if len(families) != 1 {
			t.Fatalf("%d families", len(families))
		}
		return families[0].Help
	}
	const merged = "rules: [{pattern: a.x, name: aX}, {pattern: b.x, name: a_x}, {pattern: c.x, name: a.x}]\n"
	for name, tt := range map[string]struct{ rules, want string }{
		"made from names":          {merged, "Cloud Foundry metric a.x."},
		"one of a metadata entry":  {merged + "metrics: [{name: aX, help: Told.}]", "Told."},
		"two of metadata entries":  {merged + "metrics: [{name: a_x, help: Yes.}, {name: aX, help: Why.}]", "Why."},
		"a text that sorts behind": {merged + "metrics: [{name: a_x, help: told.}]", "told."},
	} {
		for _, order := range [][]string{{"a.x", "b.x", "c.x"}, {"c.x", "b.x", "a.x"}, {"b.x", "c.x", "a.x"}} {
			s := testStore(t, func(o *Settings) { o.Tagger = rules(t, tt.rules) })
			for _, n := range order {
				write(s, gauge(n, 1, "deployment", n))
			}
			if got := help(s); got != tt.want {
				t.Errorf("%s, %v: %q, want %q", name, order, got, tt.want)
			}
			for _, text := range []string{merged + "metrics: [{name: a.x, help: Else.}]", tt.rules} {
				o := testSettings(t)
				o.Tagger = rules(t, text)
				if done, err := s.Reload(o.options()); err != nil || done.Kept != 3 {
					t.Fatalf("%+v, %v", done, err)
				}
			}
			if got := help(s); got != tt.want {
				t.Errorf("%s, %v, after reloads: %q, want %q", name, order, got, tt.want)
			}
		}
	}
}

// A series that is refused leaves the help text of the family whose name it has.
func TestHelpIsNotThatOfARefusedSeries(t *testing.T) {
	s := testStore(t)
	write(s, gauge("b", 1))
	if got := write(s, sentSummary("B", 1)); got != "conflict" {
		t.Error(got)
	}
	if got := s.Families()[0].Help; got != "Cloud Foundry metric b." {
		t.Error(got)
	}
}

// During a reload, those who meet a family that it is about to retire are told so.
func TestRefusedDuringAReload(t *testing.T) {
	s := testStore(t)
	write(s, timer("work", time.Second, "deployment", "a"))
	o := testSettings(t)
	o.Buckets = []float64{7}
	s.setResolver(o.options().Resolver) // as Reload begins
	if got := write(s, timer("work", time.Second, "deployment", "b")); got != "conflict" {
		t.Error(got)
	}
	const want = "a reload gives cf_work_seconds other buckets, and its series with the old ones are not retired yet"
	if got := s.Refusals(); len(got) != 1 || got[0].Reason != want {
		t.Errorf("%+v, want %s", got, want)
	}
}

// Sweeps are as frequent as the expiration in force asks for.
func TestReloadChangesTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Expiration = 10 * time.Minute })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		o := testSettings(t)
		o.Expiration = 20 * time.Second
		if _, err := s.Reload(o.options()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second) // when the sweep comes that is under way
		write(s, at(15*time.Second, gauge("a", 1)))
		time.Sleep(20*time.Second - 1)
		synctest.Wait()
		if got := s.Stats().Series; got != 1 {
			t.Errorf("%d series before the expiration", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := s.Stats().Series; got != 0 {
			t.Errorf("%d series a second after the expiration", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
