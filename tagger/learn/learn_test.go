package learn_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/learn"
)

var update = flag.Bool("update", false, "write the expected rule files of testdata/cases anew")

// TestCases compares the rule files that are proposed with those of testdata/cases.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	words := vocabulary(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			names := namesOf(strings.TrimRight(string(c.Files[0].Data), "\n"))
			p := proposeNames(t, learn.Options{Vocabulary: words}, names)
			checkProposal(t, p, tagger.Options{}, names)
			var got bytes.Buffer
			if err := p.WriteRules(&got); err != nil {
				t.Fatal(err)
			}
			if *update {
				c.Files = append(c.Files[:1], txtar.File{Name: "learned.yaml", Data: got.Bytes()})
				if err := os.WriteFile(file, txtar.Format(c), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(c.Files[1].Data); got.String() != want {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

// TestTaken: names that a rule in force takes stay as they are, also those that a proposed rule would match as a
// whole or behind a prefix, and no rule is proposed for them.
func TestTaken(t *testing.T) {
	inForce := tagger.Options{UserRules: []tagger.Source{{File: "force.yaml", Data: []byte(`
rules:
  - {prefix: "{component:origin}"}
  - {pattern: "queues.{queue}.age", name: queue.age}
`)}}}
	names := namesOf("shop\tqueues.a.depth\nshop\tqueues.b.depth\nshop\tqueues.c.depth\nshop\tqueues.a.consumers\n" +
		"shop\tqueues.b.consumers\nshop\tqueues.c.consumers\nshop\tqueues.a.age\nmall\tmall.queues.d.depth")
	p := proposeNames(t, learn.Options{Rules: inForce, Vocabulary: vocabulary(t)}, names)
	checkProposal(t, p, inForce, names)
	if p.Names != 8 || p.Taken != 2 || p.Learned != 6 || len(p.Rules) != 1 {
		t.Fatalf("%d names, %d taken, %d learned, %d rules", p.Names, p.Taken, p.Learned, len(p.Rules))
	}
	if r := p.Rules[0]; r.Doubtful || len(r.Components) != 1 || r.Components[0] != "shop" {
		t.Errorf("the rule is for %v, and doubtful: %t, against: %q", r.Components, r.Doubtful, r.Against)
	}
}

// TestTrusting: without doubts, what a doubtful rule would take is taken as well.
func TestTrusting(t *testing.T) {
	names := namesOf("shop\tqueues.a.depth\nshop\tqueues.b.depth\nshop\tqueues.c.depth\nshop\tqueues.a.age\nshop\tqueues.b.age\n" +
		"shop\tqueues.c.age\nmall\tcars.red.sold\nmall\tcars.blue.sold\nmall\tcars.red.kept\nmall\tcars.blue.kept")
	p := proposeNames(t, learn.Options{Vocabulary: vocabulary(t)}, names)
	i := slices.IndexFunc(p.Rules, func(r *learn.Rule) bool { return r.Doubtful })
	trusting := p.Trusting()
	if i < 0 || trusting == nil {
		t.Fatalf("no doubtful rule among %d, %v", len(p.Rules), trusting)
	}
	var text strings.Builder
	if err := trusting.WriteRules(&text); err != nil {
		t.Fatal(err)
	}
	tg, _, err := tagger.Load(tagger.Source{File: "trusting.yaml", Data: []byte(text.String())})
	if err != nil || len(tg.Rules()) != len(p.Rules) || trusting.Learned != p.Learned+p.Rules[i].Names || !p.Rules[i].Doubtful {
		t.Errorf("%v, learned %d and %d of\n%s", err, p.Learned, trusting.Learned, text.String())
	}
	if again := trusting.Trusting(); again != nil {
		t.Errorf("there are doubts left: %+v", again)
	}
}

// TestBehindPrefixes: names of which a rule in force only takes the component off are learned from on request.
func TestBehindPrefixes(t *testing.T) {
	inForce := tagger.Options{Catalogue: catalogue.Files(), Quarantine: true}
	rows := readRows(t, "testdata/invented.tsv")
	options := learn.Options{Rules: inForce, Vocabulary: vocabulary(t)}
	taken := propose(t, options, rows).Taken
	options.BehindPrefixes = true
	p := propose(t, options, rows)
	if p.Taken > taken-30 || p.Learned < 90 {
		t.Errorf("taken: %d, with the names behind prefixes %d; %d of these are learned", taken, p.Taken, p.Learned)
	}
	for _, r := range p.Rules {
		if r.Prefix != "" && !r.Doubtful {
			t.Errorf("a rule is proposed for a prefix that is in force: %s", r.Prefix)
		}
	}
}

// TestCatalogue: with the catalogue in force nothing is proposed that changes a name of the corpora which it takes.
func TestCatalogue(t *testing.T) {
	inForce := tagger.Options{Catalogue: catalogue.Files(), Quarantine: true}
	for _, file := range []string{"names.tsv", "names2026.tsv"} {
		names := namesIn(readCorpus(t, file))
		p := proposeNames(t, learn.Options{Rules: inForce, Vocabulary: vocabulary(t)}, names)
		checkProposal(t, p, inForce, names)
	}
}

// TestTags: values that an envelope tag has as well are called as the tag is.
func TestTags(t *testing.T) {
	names := namesOf(
		"shop\tlag.red.used\nshop\tlag.green.used\nshop\tlag.blue.used\nshop\tlag.red.kept\nshop\tlag.green.kept\n" +
			"shop\tlag.blue.kept",
	)
	for i, colour := range []string{"red", "green", "blue"} {
		names[i].Tags = []metric.Label{{Name: "colour", Value: colour}}
	}
	p := proposeNames(t, learn.Options{}, names)
	if len(p.Rules) != 1 || p.Rules[0].Pattern != "lag.{colour}.{leaf}" {
		t.Errorf("%+v", p.Rules)
	}
}

// TestHalves: what is learned from a half of the corpus is right for the other half, too: the rules are for families.
func TestHalves(t *testing.T) {
	rows := readCorpus(t, "names.tsv")
	var halves [2][]row
	for i, r := range rows {
		halves[i%2] = append(halves[i%2], r)
	}
	for i := range halves {
		p := propose(t, learn.Options{Vocabulary: vocabulary(t)}, halves[i])
		f := score(t, compiled(t, p), halves[1-i], func(string, ...any) {})
		right, found := percent(f.changedRight, f.changed), percent(f.dimensionsRight, f.dimensions)
		t.Logf("other half: of %d rows that the rules change %.1f %% are right; of %d clear rows with dimensions %.1f %%",
			f.changed, right, f.dimensions, found)
		if right < 90 || found < 80 {
			t.Error("want 90 % and 80 %")
		}
	}
}

// TestInvented: names of programs that the catalogue does not know, with dimensions, and of Spring applications, which
// have none. Every row must be right, whatever the labels are called.
func TestInvented(t *testing.T) {
	rows := readRows(t, "testdata/invented.tsv")
	p := propose(t, learn.Options{Vocabulary: vocabulary(t)}, rows)
	f := score(t, compiled(t, p), rows, t.Errorf)
	if f.changed < 100 || f.changedRight != f.changed || f.dimensionsRight != f.dimensions {
		t.Errorf("%+v", f)
	}
}
