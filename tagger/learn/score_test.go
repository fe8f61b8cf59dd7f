package learn_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/learn"
)

// row is a name of a corpus, and what is right for it.
type row struct {
	learn.Name
	base  string
	tags  map[string]string
	clear bool
}

func readCorpus(tb testing.TB, file string) []row {
	tb.Helper()
	return readRows(tb, filepath.Join("..", "testdata", "corpus", file))
}

// readRows reads a file with the columns of a corpus.
func readRows(tb testing.TB, file string) []row {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	var rows []row
	for line := range strings.Lines(string(data)) {
		c := strings.Split(strings.TrimRight(line, "\n"), "\t")
		r := row{Name: learn.Name{Origin: c[0], Name: c[1], Unit: c[3]}, base: c[5], clear: c[10] == "clear"}
		kind, ok := metric.ParseKind(c[2])
		if r.Kind = kind; !ok {
			r.Kind = metric.KindGauge
		}
		r.tags = make(map[string]string)
		for pair := range strings.SplitSeq(c[6], ";") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				r.tags[name] = value
			}
		}
		rows = append(rows, r)
	}
	return rows[1:]
}

func vocabulary(tb testing.TB) *tagger.Vocabulary {
	tb.Helper()
	tg, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files()})
	if err != nil {
		tb.Fatal(err)
	}
	return tg.Vocabulary()
}

func propose(tb testing.TB, options learn.Options, rows []row) *learn.Proposal {
	tb.Helper()
	return proposeNames(tb, options, namesIn(rows))
}

func namesIn(rows []row) []learn.Name {
	names := make([]learn.Name, len(rows))
	for i := range rows {
		names[i] = rows[i].Name
	}
	return names
}

// compiled are proposed rules alone.
func compiled(tb testing.TB, p *learn.Proposal) *tagger.Tagger {
	tb.Helper()
	var text bytes.Buffer
	if err := p.WriteRules(&text); err != nil {
		tb.Fatal(err)
	}
	tg, warnings, err := tagger.Load(tagger.Source{File: "learned.yaml", Data: text.Bytes()})
	if err != nil {
		tb.Fatalf("%v\n%s", err, text.String())
	}
	for _, w := range warnings {
		tb.Errorf("%s\n%s", w, text.String())
	}
	return tg
}

// figures are what the score counts.
type figures struct{ changed, changedRight, dimensions, dimensionsRight int }

func percent(part, of int) float64 { return 100 * float64(part) / float64(max(of, 1)) }

func score(tb testing.TB, tg *tagger.Tagger, rows []row, say func(format string, args ...any)) figures {
	tb.Helper()
	var f figures
	var result tagger.Result
	for i := range rows {
		r := &rows[i]
		tg.Apply(&tagger.Subject{Origin: r.Origin, Name: r.Name.Name, Unit: r.Unit, Kind: r.Kind}, &result, nil)
		var got []string
		for _, tag := range result.Tags {
			got = append(got, tag.Value)
		}
		slices.Sort(got)
		right := result.Base == r.base && slices.Equal(got, slices.Sorted(maps.Values(r.tags)))
		changed := result.Base != r.Name.Name || len(got) > 0
		others := len(r.tags)
		if _, ok := r.tags["component"]; ok {
			others--
		}
		if changed {
			f.changed++
		}
		if changed && right {
			f.changedRight++
		}
		if r.clear && others > 0 {
			f.dimensions++
			if right {
				f.dimensionsRight++
			}
		}
		switch {
		case changed && !right:
			say("WRONG %s %s: %s %v by %s, want %s %v", r.Origin, r.Name.Name, result.Base, result.Tags, result.Rule, r.base,
				r.tags)
		case r.clear && others > 0 && !right:
			say("missed %s %s: want %s %v", r.Origin, r.Name.Name, r.base, r.tags)
		}
	}
	return f
}

// TestScore holds what is learned from the corpora of real names, without the catalogue's rules, to the share of rows
// that must be right. With -v it prints the figures and the rows that are not: this is `make learn-score`.
func TestScore(t *testing.T) {
	for _, file := range []string{"names.tsv", "names2026.tsv"} {
		t.Run(file, func(t *testing.T) {
			rows := readCorpus(t, file)
			p := propose(t, learn.Options{Vocabulary: vocabulary(t)}, rows)
			f := score(t, compiled(t, p), rows, t.Logf)
			right, found := percent(f.changedRight, f.changed), percent(f.dimensionsRight, f.dimensions)
			t.Logf("of %d rows that the learned rules change %.1f %% are right; of %d clear rows with dimensions %.1f %%",
				f.changed, right, f.dimensions, found)
			if right < 95 || found < 70 {
				t.Error("want 95 % and 70 %")
			}
		})
	}
}
