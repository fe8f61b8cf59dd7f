package tagger

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

const corpusDir = "testdata/corpus"

// corpusRow is a metric of a corpus, with the base name and tags that the catalogue must give it.
type corpusRow struct {
	origin, name, kind, unit string
	base                     string
	tags                     map[string]string
	bare                     bool // the component is in the origin only
	pattern, confidence      string
	anyLabel                 bool // no convention fixes the names of the labels: only their values count
}

func (r corpusRow) String() string { return fmt.Sprintf("%s: %q", r.origin, r.name) }

// subject is the row as it arrives: statsd counters and timings as values, with their type as unit.
func (r corpusRow) subject() *Subject {
	s := &Subject{Origin: r.origin, Name: r.name, Unit: r.unit, Kind: metric.KindGauge}
	if r.kind == "counter" && r.unit != "counter" {
		s.Kind = metric.KindCounter
	}
	return s
}

// exact tells whether a result is what the row expects.
func (r corpusRow) exact(result *Result, tags map[string]string) bool {
	if result.Base != r.base {
		return false
	}
	if !r.anyLabel {
		return maps.Equal(tags, r.tags)
	}
	return slices.Equal(slices.Sorted(maps.Values(tags)), slices.Sorted(maps.Values(r.tags)))
}

// wrong tells whether a tag is not one that the row expects.
func (r corpusRow) wrong(name, value string) bool {
	if r.anyLabel {
		return !slices.Contains(slices.Collect(maps.Values(r.tags)), value)
	}
	return r.tags[name] != value
}

// tagsOf are the tags that the name gave, without the component of a row that expects none: that is in the origin.
func (r corpusRow) tagsOf(result *Result) map[string]string {
	tags := nameTags(result)
	if r.bare && r.tags[labelComponent] == "" {
		delete(tags, labelComponent)
	}
	return tags
}

func readTable(t *testing.T, file string, columns int) [][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpusDir, file))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for i, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n") {
		row := strings.Split(line, "\t")
		if len(row) != columns {
			t.Fatalf("%s:%d: %d columns, want %d", file, i+1, len(row), columns)
		}
		if i > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

func readTags(s string) map[string]string {
	tags := make(map[string]string)
	for pair := range strings.SplitSeq(s, ";") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			tags[name] = value
		}
	}
	return tags
}

func readCorpus(t *testing.T) []corpusRow {
	t.Helper()
	return readCorpusFile(t, "names.tsv", 11)
}

func readCorpusFile(t *testing.T, file string, columns int) []corpusRow {
	t.Helper()
	var rows []corpusRow
	for _, c := range readTable(t, file, columns) {
		rows = append(rows, corpusRow{
			origin: c[0], name: c[1], kind: c[2], unit: c[3], base: c[5], tags: readTags(c[6]),
			bare: c[8] == "bare", pattern: c[9], confidence: c[10], anyLabel: c[columns-1] == "1",
		})
	}
	return rows
}

func newCatalogueTagger(t *testing.T) *Tagger {
	t.Helper()
	tg, warnings, err := New(Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Errorf("the catalogue has a warning: %s", w)
	}
	return tg
}

// nameTags are the tags that the name gave.
func nameTags(r *Result) map[string]string {
	tags := make(map[string]string)
	for _, tag := range r.Tags {
		tags[tag.Name] = tag.Value
	}
	return tags
}

// score counts rows of one pattern or confidence.
type score struct{ rows, exact int }

func (s score) percent() float64 { return 100 * float64(s.exact) / float64(max(s.rows, 1)) }

// TestCorpus holds the catalogue to the share of rows that it must parse exactly, in percent by confidence, and to
// no wrong tag. With -v it prints the shares by pattern and by confidence: this is `make corpus`.
func TestCorpus(t *testing.T) {
	for _, c := range []struct {
		file    string
		columns int
		bars    map[string]float64
	}{
		{"names.tsv", 11, map[string]float64{"clear": 99.5, "hard": 97}},
		{"names2026.tsv", 14, map[string]float64{"clear": 100, "hard": 97}},
	} {
		t.Run(c.file, func(t *testing.T) { testCorpusFile(t, readCorpusFile(t, c.file, c.columns), c.bars) })
	}
}

func testCorpusFile(t *testing.T, rows []corpusRow, bars map[string]float64) {
	t.Helper()
	tg := newCatalogueTagger(t)
	byPattern, byConfidence := make(map[string]score), make(map[string]score)
	var result Result
	for _, row := range rows {
		result.Reset()
		tg.Apply(row.subject(), &result, nil)
		tags := row.tagsOf(&result)
		exact := row.exact(&result, tags)
		for _, count := range []struct {
			scores map[string]score
			key    string
		}{{byPattern, row.pattern + "\t" + row.confidence}, {byConfidence, row.confidence}} {
			s := count.scores[count.key]
			s.rows++
			if exact {
				s.exact++
			}
			count.scores[count.key] = s
		}
		if !exact {
			t.Logf("%s (%s, %s): base %q, tags %v by rule %s; want %q, %v",
				row, row.pattern, row.confidence, result.Base, tags, result.Rule, row.base, row.tags)
		}
		for name, value := range tags {
			if row.wrong(name, value) {
				t.Errorf("%s: wrong tag %s=%q by rule %s", row, name, value, result.Rule)
			}
		}
	}
	t.Log("\n" + scoreTable(byPattern, byConfidence))
	for confidence, bar := range bars {
		if got := byConfidence[confidence].percent(); got < bar {
			t.Errorf("%s: %.2f %% of the rows are exact, want at least %.1f", confidence, got, bar)
		}
	}
}

func scoreTable(byPattern, byConfidence map[string]score) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(w, "pattern\tconfidence\trows\texact\t%\t\n")
	for _, key := range slices.Sorted(maps.Keys(byPattern)) {
		s := byPattern[key]
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t\n", key, s.rows, s.exact, s.percent())
	}
	for _, key := range slices.Sorted(maps.Keys(byConfidence)) {
		s := byConfidence[key]
		_, _ = fmt.Fprintf(w, "all\t%s\t%d\t%d\t%.2f\t\n", key, s.rows, s.exact, s.percent())
	}
	_ = w.Flush()
	return b.String()
}

// TestCorpusVariants: the rules are for families. These names are not in the corpus: real ones of other components
// and times, and made-up ones.
func TestCorpusVariants(t *testing.T) {
	tg := newCatalogueTagger(t)
	var result Result
	for _, c := range readTable(t, "variants.tsv", 4) {
		result.Reset()
		tg.Apply(&Subject{Origin: c[0], Name: c[1], Kind: metric.KindGauge}, &result, nil)
		tags, want := nameTags(&result), readTags(c[3])
		if _, ok := want["component"]; !ok {
			delete(tags, "component")
		}
		if result.Base != c[2] || !maps.Equal(tags, want) {
			t.Errorf("%s: %q: base %q, tags %v by rule %s; want %q, %v", c[0], c[1], result.Base, tags, result.Rule, c[2], want)
		}
	}
}

// TestBothShapes: origin `router__0` with the short name, and the whole name under another origin, give one metric
// with the same tags from the name.
func TestBothShapes(t *testing.T) {
	tg := newCatalogueTagger(t)
	var short, whole Result
	compared := 0
	for _, origin := range []string{"router__0", "dea_next__13", "router_z1/12", "router_z2_1", "metrics-demo/z1/0"} {
		for _, row := range readCorpus(t) {
			tg.Apply(&Subject{Origin: origin, Name: row.name}, &short, nil)
			tg.Apply(&Subject{Origin: "collector", Name: origin + "." + row.name}, &whole, nil)
			if short.Tag(labelComponent) != short.OriginTag(labelComponent) || row.tags[labelIndex] != "" {
				continue // the name holds a component or index of its own
			}
			compared++
			if short.Base != whole.Base || !maps.Equal(nameTags(&short), nameTags(&whole)) {
				t.Errorf("%s, %s: %q %v, whole %q %v", origin, row.name, short.Base, short.Tags, whole.Base, whole.Tags)
			}
		}
	}
	if compared < 3000 {
		t.Errorf("only %d pairs were compared", compared)
	}
}

// TestContainerMetrics: bare names of container metrics get their own families, and no other component's are taken
// for them.
func TestContainerMetrics(t *testing.T) {
	tg := newCatalogueTagger(t)
	v1 := []metric.Label{{Name: "__v1_type", Value: "ContainerMetric"}}
	style := naming.Style{Namespace: "cf"}
	tests := []struct {
		subject Subject
		want    string
	}{
		{Subject{Origin: "rep", Name: "cpu", Unit: "percentage"}, "cf_container_cpu_ratio"},
		{Subject{Origin: "rep", Name: "memory", Unit: "bytes"}, "cf_container_memory_bytes"},
		{Subject{Origin: "rep", Name: "memory_quota", Unit: "bytes"}, "cf_container_memory_quota_bytes"},
		{Subject{Origin: "rep", Name: "disk", Unit: "bytes"}, "cf_container_disk_bytes"},
		{Subject{Origin: "rep", Name: "disk_quota", Unit: "bytes"}, "cf_container_disk_quota_bytes"},
		{Subject{Origin: "rep", Name: "cpu_entitlement", Unit: "percentage"}, "cf_container_cpu_entitlement_ratio"},
		{Subject{Origin: "rep", Name: "absolute_usage", Unit: "nanoseconds"}, "cf_container_absolute_usage_seconds"},
		{
			Subject{Origin: "rep", Name: "absolute_entitlement", Unit: "nanoseconds"},
			"cf_container_absolute_entitlement_seconds",
		},
		{Subject{Origin: "rep", Name: "container_age", Unit: "nanoseconds"}, "cf_container_age_seconds"},
		{Subject{Origin: "rep", Name: "log_rate"}, "cf_container_log_rate_bytes_per_second"},
		{Subject{Origin: "rep", Name: "log_rate_limit"}, "cf_container_log_rate_limit_bytes_per_second"},
		{Subject{Origin: "rep", Name: "spike_start", Unit: "seconds"}, "cf_container_spike_start_timestamp_seconds"},
		{Subject{Origin: "rep", Name: "rx_bytes", Kind: metric.KindCounter}, "cf_container_rx_bytes_total"},
		{Subject{Origin: "dea", Name: "cpu", Tags: v1}, "cf_container_cpu_ratio"},
		{Subject{Origin: "dea", Name: "disk_quota", Tags: v1}, "cf_container_disk_quota_bytes"},
		{Subject{Origin: "my-app", Name: "cpu"}, "cf_cpu"},
		{Subject{Origin: "my-app", Name: "memory", Unit: "bytes"}, "cf_memory_bytes"},
		{Subject{Origin: "rep", Name: "CapacityTotalMemory", Unit: "MiB"}, "cf_capacity_total_memory_bytes"},
	}
	var result Result
	for _, tt := range tests {
		if tt.subject.Kind == metric.KindNone {
			tt.subject.Kind = metric.KindGauge
		}
		result.Reset()
		tg.Apply(&tt.subject, &result, nil)
		if got := style.Name(cmp.Or(result.MetricBase, result.Base), result.Unit, typeOf(result.Kind)).Metric; got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.subject.Origin, tt.subject.Name, got, tt.want)
		}
		if result.Base != tt.subject.Name || len(result.Tags) != 0 {
			t.Errorf("%s %s: base %s, tags %v", tt.subject.Origin, tt.subject.Name, result.Base, result.Tags)
		}
	}
}

func typeOf(k metric.Kind) metric.Type {
	switch k {
	case metric.KindCounter:
		return metric.TypeCounter
	case metric.KindTimer:
		return metric.TypeHistogram
	default:
		return metric.TypeGauge
	}
}
