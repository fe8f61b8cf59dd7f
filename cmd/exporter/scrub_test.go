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
	"loggregator_exporter/tagger/catalogue"
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
	w, err := capture.NewWriter(&file, capture.Options{Header: capture.Header{Start: time.Unix(0, 0)}, Scrubber: capture.NewScrubber(catalogue.Text())})
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
)

// form is a text with shapes in the place of ids, numbers and pseudonyms: rules may take an id apart, as that of an
// instance and its index.
func form(text string) string {
	text = hexForm.ReplaceAllString(guidForm.ReplaceAllString(text, "<guid$1>"), "<hex>")
	return numberForm.ReplaceAllString(text, "#")
}

// pseudonymForm finds the pseudonyms of words.
var pseudonymForm = regexp.MustCompile(`(?i)[ghjkmnpqrstvwxyz]{12}`)

// parsed is what the rules make of a name.
type parsed struct {
	metric, rule string
	labels       map[string]string
}

// parser returns what runs the built-in rules on a name.
func parser(t *testing.T) func(rawName) parsed {
	t.Helper()
	cfg := config.Default()
	rules, err := newTagger(&cfg.Tagger)
	if err != nil {
		t.Fatal(err)
	}
	names := resolver.New(resolverOptions(&cfg.Metrics, rules))
	return func(n rawName) parsed {
		r := names.Explain(&store.Identity{
			Kind: metric.KindGauge, Name: n.name, Unit: "count", SourceID: n.origin,
			Tags: []metric.Label{{Name: "origin", Value: n.origin}},
		}, nil)
		p := parsed{metric: r.Metric, rule: r.Rules.Rule, labels: map[string]string{}}
		for _, l := range r.Labels {
			p.labels[l.Name] = l.Value
		}
		return p
	}
}

// difference says in what the parse of a scrubbed name differs from that of the name: values, and metrics of which
// no rule took a customer's word, may differ in ids, numbers and words that were replaced, nothing else may.
func difference(name, scrubbed parsed) string {
	sameMetric := form(name.metric) == form(scrubbed.metric) || pseudonymForm.MatchString(scrubbed.metric)
	if !sameMetric || name.rule != scrubbed.rule {
		return fmt.Sprintf("%s by %s became %s by %s", name.metric, name.rule, scrubbed.metric, scrubbed.rule)
	}
	if a, b := slices.Sorted(maps.Keys(name.labels)), slices.Sorted(maps.Keys(scrubbed.labels)); !slices.Equal(a, b) {
		return fmt.Sprintf("labels %q became %q", a, b)
	}
	for label, value := range name.labels {
		if got := scrubbed.labels[label]; !pseudonymForm.MatchString(got) && form(got) != form(value) {
			return fmt.Sprintf("%s=%q became %q", label, value, got)
		}
	}
	return ""
}

// TestScrubbingKeepsWhatRulesMake: for real names, and for real names with ids in them, the rules make of a scrubbed
// name what they make of the name: the same metric, the same labels by the same rule; and the id does not survive.
func TestScrubbingKeepsWhatRulesMake(t *testing.T) {
	parse := parser(t)
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
			if d := difference(parse(batch[i]), parse(scrubbed)); d != "" {
				t.Fatalf("%q became %q: %s", batch[i], scrubbed, d)
			}
			if guidForm.MatchString(batch[i].name) && guidForm.FindString(batch[i].name) == guidForm.FindString(scrubbed.name) {
				t.Fatalf("the id of %q survives", batch[i].name)
			}
		}
	})
}

// TestScrubbingReplacesCustomersWords: a word of a customer's own in the place of any value that rules take out of a
// name is replaced, and the rules still make the same metric and labels of the name.
func TestScrubbingReplacesCustomersWords(t *testing.T) {
	parse := parser(t)
	// Labels whose values users choose, in contrast to status codes, protocols and the like.
	chosen := []string{"queue", "plan", "region", "vhost", "database", "route", "lock", "domain", "disk", "hostname", "service"}
	type planted struct {
		rawName
		label string
	}
	var places []planted
	for _, n := range corpusNames(t) {
		for label, value := range parse(n).labels {
			if slices.Contains(chosen, label) && len(value) > 3 && strings.Count(n.name, value) == 1 {
				places = append(places, planted{n, label})
			}
		}
	}
	if len(places) < 100 {
		t.Fatalf("only %d places", len(places))
	}
	slices.SortFunc(places, func(a, b planted) int { return strings.Compare(a.name+a.label, b.name+b.label) })
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(places).Draw(t, "place")
		word := rapid.StringMatching(`[bcdfghjklm][aeiou][xqzw][a-z]{3,9}`).Draw(t, "word")
		n := rawName{p.origin, strings.Replace(p.name, parse(p.rawName).labels[p.label], word, 1)}
		before := parse(n)
		if before.labels[p.label] != word {
			return // the rules know the values of this label, and the word is none
		}
		after := scrubNames(t, []rawName{n})[0]
		if strings.Contains(after.name, word) {
			t.Fatalf("%q survives in %q", word, after.name)
		}
		if d := difference(before, parse(after)); d != "" {
			t.Fatalf("%q became %q: %s", n, after, d)
		}
		if m := parse(after).metric; m != before.metric {
			t.Fatalf("%q became %q: %s became %s", n, after, before.metric, m)
		}
	})
}
