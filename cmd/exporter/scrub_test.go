package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"loggregator_exporter/config"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/capture"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
)

// rawName is an origin and a name as a component emits them.
type rawName struct{ origin, name string }

// corpusNames are the real names that the rules are held against.
func corpusNames(t *testing.T) []rawName {
	t.Helper()
	text, err := os.ReadFile("../../tagger/testdata/corpus/names.tsv")
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var names []rawName
	for _, row := range rows[1:] {
		names = append(names, rawName{row[0], row[1]})
	}
	if len(names) < 1000 {
		t.Fatalf("only %d names", len(names))
	}
	return names
}

// scrubNames takes names through a scrubbed capture and back.
func scrubNames(t *rapid.T, names []rawName) []rawName {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Options{Header: capture.Header{Start: time.Unix(0, 0)}, Scrubber: capture.NewScrubber()})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		e := &events.Envelope{
			Origin: new(n.origin), EventType: events.Envelope_ValueMetric.Enum(),
			ValueMetric: &events.ValueMetric{Name: new(n.name), Value: new(1.0), Unit: new("count")},
		}
		wire, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		w.RecordV1("udp", wire, time.Unix(0, 0))
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := capture.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	scrubbed := make([]rawName, 0, len(names))
	for range names {
		record, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		var e events.Envelope
		if err := proto.Unmarshal(record.Message, &e); err != nil {
			t.Fatal(err)
		}
		scrubbed = append(scrubbed, rawName{e.GetOrigin(), e.GetValueMetric().GetName()})
	}
	return scrubbed
}

var (
	guidForm   = regexp.MustCompile(`(?i)[0-9a-f]{8}([-_])[0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}`)
	hexForm    = regexp.MustCompile(`[0-9a-f]{16,}`)
	numberForm = regexp.MustCompile(`\b[0-9a-f]{4,}\b|\d+`)
	anyID      = regexp.MustCompile(`(?i)\d+[.\-_]\d+[.\-_]\d+[.\-_]\d+|[0-9a-f]{16,}|` + guidForm.String())
)

// form is a text with shapes in the place of ids and numbers: rules may take an id apart, as that of an instance and its index.
func form(text string) string {
	text = hexForm.ReplaceAllString(guidForm.ReplaceAllString(text, "<guid$1>"), "<hex>")
	return numberForm.ReplaceAllString(text, "#")
}

// TestScrubbingKeepsWhatRulesMake: for real names, and for real names with ids in them, the rules make of a scrubbed name what they make of
// the name: the same metric, the same labels by the same rule, and values that differ in ids and numbers only; and a
// name without ids stays as it is.
func TestScrubbingKeepsWhatRulesMake(t *testing.T) {
	cfg := config.Default()
	rules, _, err := newTagger(&cfg.Tagger)
	if err != nil {
		t.Fatal(err)
	}
	resolver := resolver.New(resolverOptions(&cfg.Metrics, rules))
	resolve := func(n rawName) string {
		id := &store.Identity{Kind: metric.KindGauge, Name: n.name, Unit: "count", SourceID: n.origin, Tags: []metric.Label{{Name: "origin", Value: n.origin}}}
		r := resolver.Explain(id, nil)
		labels := make(map[string]string)
		for _, l := range r.Labels {
			labels[l.Name] = form(l.Value)
		}
		return fmt.Sprintf("%s by %s: %v", form(r.Metric), r.Rules.Rule, sorted(labels))
	}
	names := corpusNames(t)
	rapid.Check(t, func(t *rapid.T) {
		guid := rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
		octet := rapid.IntRange(10, 255)
		batch := make([]rawName, 0, 100)
		for range 100 {
			n := rapid.SampledFrom(names).Draw(t, "name")
			id := guid.Draw(t, "guid")
			if rapid.Bool().Draw(t, "address") {
				id = fmt.Sprintf("%d-%d-%d-%d", octet.Draw(t, "a"), octet.Draw(t, "b"), octet.Draw(t, "c"), octet.Draw(t, "d"))
			}
			switch rapid.IntRange(0, 4).Draw(t, "where") {
			case 0:
				n.name += "." + id
			case 1:
				n.name += ":" + id
			case 2:
				first, rest, _ := strings.Cut(n.name, ".")
				n.name = first + "." + id + "." + rest
			case 3:
				n.origin += "." + id
			}
			batch = append(batch, n)
		}
		for i, scrubbed := range scrubNames(t, batch) {
			if got, want := resolve(scrubbed), resolve(batch[i]); got != want {
				t.Fatalf("%q became %q:\n%s\n%s", batch[i], scrubbed, want, got)
			}
			if !anyID.MatchString(batch[i].name) && scrubbed.name != batch[i].name {
				t.Fatalf("%q became %q", batch[i], scrubbed)
			}
			if guidForm.MatchString(batch[i].name) && guidForm.FindString(batch[i].name) == guidForm.FindString(scrubbed.name) {
				t.Fatalf("the id of %q survives", batch[i].name)
			}
		}
	})
}

func sorted(labels map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, "%s=%q ", name, labels[name])
	}
	return b.String()
}
