package diff

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/documents"
	"loggregator_exporter/resolver"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

var update = flag.Bool("update", false, "write the reports of the cases")

// ownSide makes a side of rule files, without the catalogue.
func ownSide(tb testing.TB, files ...txtar.File) *Side {
	tb.Helper()
	var o tagger.Options
	for _, f := range files {
		o.UserRules = append(o.UserRules, tagger.Source{File: f.Name, Data: f.Data})
	}
	t, _, err := tagger.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return &Side{Own: &resolver.Options{Tagger: t, Naming: naming.Style{Namespace: "cf"}}}
}

// parseNames reads names, a line each: origin, name, kind, unit and tags (name=value), separated by spaces; - is none.
func parseNames(tb testing.TB, text string) []*Name {
	tb.Helper()
	var names []*Name
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		for len(fields) < 4 {
			fields = append(fields, "-")
		}
		for i, f := range fields {
			if f == "-" {
				fields[i] = ""
			}
		}
		kind, ok := metric.ParseKind(fields[2])
		if fields[2] == "" {
			kind, ok = metric.KindGauge, true
		}
		if !ok {
			tb.Fatalf("no kind %q", fields[2])
		}
		n := &Name{Origin: fields[0], Name: fields[1], Kind: kind, Unit: fields[3]}
		for _, t := range fields[4:] {
			name, value, _ := strings.Cut(t, "=")
			n.Tags = append(n.Tags, metric.Label{Name: name, Value: value})
		}
		names = append(names, n)
	}
	return names
}

// queriesOf makes a dashboard of queries, a line each; a legend stands behind two slashes.
func queriesOf(tb testing.TB, text string) *documents.Document {
	tb.Helper()
	type object map[string]any
	var targets []object
	for line := range strings.Lines(text) {
		query, legend, _ := strings.Cut(strings.TrimSpace(line), " // ")
		targets = append(targets, object{
			"refId": string(rune('A' + len(targets))), "expr": query, "legendFormat": legend,
		})
	}
	panel := object{"title": "P", "id": 1, "datasource": object{"type": "prometheus"}, "targets": targets}
	file, err := json.Marshal(object{"panels": []object{panel}})
	if err != nil {
		tb.Fatal(err)
	}
	d, err := documents.Read("d.json", file)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// TestCases compares the reports of the cases in testdata: rule files old.yaml and new.yaml, names, and the text that
// they give. -update writes the texts; a new one is read before it is kept.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sides := map[string]*Side{"old": ownSide(t), "new": ownSide(t)}
			var names []*Name
			var read []*documents.Document
			want := -1
			for i, f := range archive.Files {
				switch side, isRules := strings.CutSuffix(f.Name, ".yaml"); {
				case isRules:
					sides[side] = ownSide(t, f)
				case f.Name == "names":
					names = parseNames(t, string(f.Data))
				case f.Name == "queries":
					read = append(read, queriesOf(t, string(f.Data)))
				default:
					want = i
				}
			}
			r, err := Compare(t.Context(), slices.Values(names), sides["old"], sides["new"], Options{Documents: read})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := r.WriteText(&got); err != nil {
				t.Fatal(err)
			}
			if *update {
				archive.Files[want].Data = got.Bytes()
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != string(archive.Files[want].Data) {
				t.Errorf("the report is\n%s\nwant\n%s", got.String(), archive.Files[want].Data)
			}
		})
	}
}

// TestTextHasNoControlCharacters: a name that an app has chosen, and a query, reach a terminal as visible text.
func TestTextHasNoControlCharacters(t *testing.T) {
	names := []*Name{{Origin: "shop", Name: "\x1b[2Jqueue.x.depth", Kind: metric.KindGauge}}
	rules := txtar.File{Name: "new.yaml", Data: []byte("version: 1\nrules: [{pattern: \"{_}.x.{leaf}\", name: \"{leaf}\"}]\n")}
	read := []*documents.Document{queriesOf(t, "cf_2jqueue_x_depth{a=\"\x1b\"} >\t1")}
	r, err := Compare(t.Context(), slices.Values(names), ownSide(t), ownSide(t, rules), Options{Documents: read})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := r.WriteText(&got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`shop \x1b[2Jqueue.x.depth`, `{a="\x1b"} >    1`} {
		if !strings.Contains(got.String(), want) || strings.Contains(got.String(), "\x1b") {
			t.Errorf("%q, want %q in it, and no control characters", got.String(), want)
		}
	}
}
