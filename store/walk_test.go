package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// walked returns what a walk passes, a line each.
func walked(s *Store) (lines []string) {
	s.Walk(func(chunk []Visited) bool {
		for i := range chunk {
			v := &chunk[i]
			line := fmt.Sprintf("%s %s %s origin=%s", v.Kind, v.Name, v.State, v.Tag("origin"))
			if v.Metric != "" {
				line += " " + v.Metric
			}
			if v.Untagged {
				line += " untagged"
			}
			if v.Composite {
				line += " composite"
			}
			if v.State == EntryRefused {
				line += fmt.Sprintf(" %s: %s", v.Outcome, s.Reason(v))
			}
			lines = append(lines, line)
		}
		return true
	})
	return lines
}

func TestWalk(t *testing.T) {
	rep := []string{"origin", "rep", "index", "0"}
	for _, tc := range []struct {
		name string
		send []*metric.Envelope
		want []string
	}{
		{"live", []*metric.Envelope{gauge("memoryStats.numBytesAllocated", 1, rep...)}, []string{
			"gauge memoryStats.numBytesAllocated live origin=rep cf_num_bytes_allocated",
		}},
		{"untagged", []*metric.Envelope{counter("noRule", 1, 1, rep...)}, []string{
			"counter noRule live origin=rep cf_no_rule_total untagged",
		}},
		{"conflict", []*metric.Envelope{
			gauge("memoryStats.numBytesAllocated", 1, rep...), gauge("rep.memoryStats.numBytesAllocated", 2, rep...),
		}, []string{
			"gauge memoryStats.numBytesAllocated live origin=rep cf_num_bytes_allocated",
			"gauge rep.memoryStats.numBytesAllocated refused origin=rep cf_num_bytes_allocated " +
				`conflict: its series belongs to raw name "memoryStats.numBytesAllocated"`,
		}},
		{"same name", []*metric.Envelope{counter("a", 1, 1, rep...), counter("a.total", 1, 1, rep...)}, []string{
			"counter a live origin=rep cf_a_total untagged",
			"counter a.total refused origin=rep cf_a_total untagged conflict: its series belongs to raw name \"a\"",
		}},
		{"timers", []*metric.Envelope{
			timer("http", time.Second, "origin", "gorouter", "content_length", "5", "status_code", "200"),
		}, []string{
			"timer http live origin=gorouter cf_http_request_duration_seconds",
			"timer http live origin=gorouter cf_http_response_size_bytes",
		}},
		{"family of another type", []*metric.Envelope{gauge("b", 1), sent("b", nil, []uint64{1})}, []string{
			"gauge b live origin= cf_b untagged",
			"histogram b refused origin= cf_b untagged conflict: cf_b of type gauge has the name of this histogram",
		}},
		{"parts", []*metric.Envelope{
			counter("x_count", 1, 1, rep...), counter("x_bucket", 1, 1, append(rep, "le", "1")...),
		}, []string{
			"counter x_count part origin=rep cf_x untagged",
			"counter x_bucket part origin=rep cf_x untagged",
			"counter x live origin=rep cf_x untagged composite",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testStore(t)
			for _, e := range tc.send {
				write(s, e)
			}
			slices.Sort(tc.want)
			for _, got := range [][]string{walked(s), scanned(s)} {
				slices.Sort(got)
				if !slices.Equal(got, tc.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
				}
			}
		})
	}
}

func TestWalkEndsEarly(t *testing.T) {
	s := testStore(t, func(o *Settings) { o.MaxSeries = 2 * walkChunk })
	for i := range 2 * walkChunk {
		write(s, gauge(fmt.Sprintf("a%d", i), 1))
	}
	passed := 0
	s.Walk(func(chunk []Visited) bool {
		passed += len(chunk)
		return false
	})
	if passed != walkChunk {
		t.Errorf("%d passed", passed)
	}
}

func TestSender(t *testing.T) {
	s := testStore(t)
	long := strings.Repeat("v", 200)
	e := gauge("a", 1, "origin", "rep", "long", long, "empty", "")
	e.SourceID, e.InstanceID = []byte("source"), []byte("7")
	write(s, e)
	s.Walk(func(chunk []Visited) bool {
		v := &chunk[0]
		if v.SourceID() != "source" || v.Tag("origin") != "rep" || v.Tag("long") != long || v.Tag("none") != "" ||
			v.Owner(OwnerSourceID) != "source" || v.Owner(OwnerApp) != "" {
			t.Errorf("%q %q %q", v.SourceID(), v.Tag("origin"), v.Tag("long"))
		}
		if id := v.Identity(v.Name, "u"); id.InstanceID != "7" || id.Unit != "u" || len(id.Tags) != 2 {
			t.Errorf("%+v", id)
		}
		return true
	})
}

func TestSeries(t *testing.T) { synctest.Test(t, testSeries) }

func testSeries(t *testing.T) {
	s := testStore(t)
	for i := range 5 {
		write(s, gauge("memoryStats.numBytesAllocated", float64(i), "origin", "rep", "index", fmt.Sprint(i)))
	}
	write(s, gauge("rep.memoryStats.numBytesAllocated", 2, "origin", "rep", "index", "3"))
	write(s, timer("t", time.Second, "origin", "rep"))
	list := func(q SeriesQuery) (out []string, after uint32, more bool) {
		states, more := s.Series(q)
		for i := range states {
			v := &states[i]
			line := fmt.Sprintf("%s %s{%s}", v.State, v.Metric, v.Labels)
			if v.Sample != nil && v.Sample.Histogram != nil {
				line += fmt.Sprintf(" count=%d", v.Sample.Histogram.Count)
			} else if v.Sample != nil {
				line += fmt.Sprintf(" %v", v.Sample.Value)
			}
			if v.Owner != nil {
				line += " owner " + v.Owner.Name
			}
			out, after = append(out, line), v.Position
		}
		return out, after, more
	}
	first, after, more := list(SeriesQuery{Name: "memoryStats.numBytesAllocated", Limit: 3})
	rest, _, end := list(SeriesQuery{Name: "memoryStats.numBytesAllocated", Limit: 3, After: after})
	if len(first) != 3 || !more || len(rest) != 2 || end ||
		first[0] != `live cf_num_bytes_allocated{bosh_job_id="0",component="rep",origin="rep",type="vm_memory"} 0` {
		t.Errorf("%q %v, %q %v", first, more, rest, end)
	}
	other := "bytes"
	for _, tc := range []struct {
		q    SeriesQuery
		want []string
	}{
		{SeriesQuery{Name: "rep.memoryStats.numBytesAllocated", Limit: 9}, []string{
			"refused cf_num_bytes_allocated{} owner memoryStats.numBytesAllocated",
		}},
		{SeriesQuery{Name: "t", Limit: 9}, []string{
			`live cf_t_seconds{component="rep",origin="rep"} count=1`,
		}},
		{SeriesQuery{Name: "t", Limit: 9, Kind: metric.KindGauge}, nil},
		{SeriesQuery{Name: "t", Limit: 9, Unit: &other}, nil},
		{SeriesQuery{Name: "t", Limit: 9, Keep: func(*Visited) bool { return false }}, nil},
		{SeriesQuery{Name: "none", Limit: 9}, nil},
	} {
		if got, _, more := list(tc.q); !slices.Equal(got, tc.want) || more {
			t.Errorf("%+v: %q, want %q", tc.q, got, tc.want)
		}
	}
}

func TestSizes(t *testing.T) {
	s := testStore(t)
	for i := range 3 {
		write(s, gauge("a", 1, "origin", "rep", "index", fmt.Sprint(i)))
	}
	write(s, gauge("b", 1, "origin", "rep", "index", "0"))
	sizes := s.FamilySizes()
	slices.SortFunc(sizes, func(a, b FamilySize) int { return strings.Compare(a.Name, b.Name) })
	if want := []FamilySize{{"cf_a", metric.TypeGauge, 3, 3}, {"cf_b", metric.TypeGauge, 1, 1}}; !slices.Equal(sizes, want) {
		t.Errorf("%v", sizes)
	}
	var sets []string
	s.LabelSets(1, func(chunk []LabelSet) bool {
		for _, set := range chunk {
			sets = append(sets, fmt.Sprint(set.Labels.Value("bosh_job_id"), " ", set.Series))
		}
		return true
	})
	if slices.Sort(sets); !slices.Equal(sets, []string{"0 2", "1 1", "2 1"}) {
		t.Errorf("%q", sets)
	}
	if state := s.LimitState(); state.MaxSeries != 1000 || state.Series != 4 || state.LargestOwner != "" {
		t.Errorf("%+v", state)
	}
}

// TestLines counts the lines that histograms and summaries make on a page.
func TestLines(t *testing.T) {
	s := testStore(t)
	write(s, timer("t", time.Second, "origin", "rep", "index", "0"))
	write(s, timer("t", time.Second, "origin", "bbs", "index", "0"))
	writeAll(t, s, scrapedHistogram("parts", 1, 3, map[string]uint64{"0.5": 1, "1": 2, "+Inf": 3}))
	writeAll(t, s, scrapedSummary("quantiles", 1, 3, map[string]float64{"0.5": 1, "0.9": 2}))
	write(s, sent("counted", []float64{1, 2, 3}, []uint64{1, 1, 1, 1}, "index", "0"))
	write(s, sent("counted", []float64{1}, []uint64{1, 1}, "index", "1"))
	write(s, sentSummary("summed", 1, metric.Quantile{Share: 0.5, Value: 1}))
	var got []string
	for _, f := range s.FamilySizes() {
		got = append(got, fmt.Sprint(f.Name, " ", f.Series, " ", f.Lines))
	}
	slices.Sort(got)
	// Of the two that are counted by their senders, both are taken to have three buckets and +Inf.
	want := []string{"cf_counted 2 12", "cf_parts 1 5", "cf_quantiles 1 4", "cf_summed 1 3", "cf_t_seconds 2 10"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
