package leftout

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/internal/leaks"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }

func gauge(names ...string) *metric.Envelope {
	e := &metric.Envelope{Kind: metric.KindGauge, Arrived: 5, SourceID: []byte("source")}
	for _, name := range names {
		e.Points = append(e.Points, metric.Point{Name: []byte(name), Unit: []byte("u")})
	}
	e.AddTag([]byte("origin"), []byte("rep"))
	return e
}

// pass lets an envelope pass through filters, and counts what they leave out.
func pass(t *testing.T, n *Names, e *metric.Envelope, rules ...filter.Filter) {
	t.Helper()
	list, err := filter.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	evaluator := filter.NewEvaluator(list, []string{"gauge"})
	var tally metric.Tally
	kept := evaluator.Pass(e, &tally)
	n.Add(e, evaluator.Refused(), !kept)
}

func names(n *Names) (lines []string) {
	for _, of := range n.List() {
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%s|%s|%s|%d %d %d|%d", of.Name, of.Kind, of.Unit, of.Origin, of.SourceID,
			of.Setting, of.Samples, of.InEnvelopes, of.Envelopes, of.Arrived))
	}
	slices.Sort(lines)
	return lines
}

func TestNames(t *testing.T) {
	drop := func(names ...string) filter.Filter { return filter.Filter{Drop: &filter.Match{Name: names}} }
	counter := &metric.Envelope{Kind: metric.KindCounter, Name: []byte("a"), Arrived: 7}
	for name, tt := range map[string]struct {
		sent  []*metric.Envelope
		rules []filter.Filter
		want  []string
	}{
		"by selectors": {[]*metric.Envelope{counter, counter}, nil, []string{"a|counter||||nozzle.selectors|2 2 2|7"}},
		"all of a gauge": {
			[]*metric.Envelope{gauge("a", "b"), gauge("b")},
			[]filter.Filter{{Keep: &filter.Match{Origin: []string{"bbs"}}}, {Drop: &filter.Match{}}},
			[]string{"a|gauge|u|rep|source|nozzle.filters[1]|1 1 1|5", "b|gauge|u|rep|source|nozzle.filters[1]|2 2 1|5"},
		},
		"a part of a gauge": {
			[]*metric.Envelope{gauge("a", "b", "c", "b")},
			[]filter.Filter{drop("x"), drop("b")},
			[]string{"b|gauge|u|rep|source|nozzle.filters[1]|2 0 0|5"},
		},
		"all of a gauge by names": {
			[]*metric.Envelope{gauge("a", "b")},
			[]filter.Filter{drop("b"), drop("a")},
			[]string{"a|gauge|u|rep|source|nozzle.filters[1]|1 1 1|5", "b|gauge|u|rep|source|nozzle.filters[0]|1 1 0|5"},
		},
		"without a name, and with too long a one": {
			[]*metric.Envelope{gauge("", strings.Repeat("x", metric.MaxNameBytes+1))}, []filter.Filter{{Drop: &filter.Match{}}}, nil,
		},
		"nothing": {[]*metric.Envelope{gauge("a")}, []filter.Filter{drop("b")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n := NewNames()
			for _, e := range tt.sent {
				pass(t, n, e, tt.rules...)
			}
			rest := n.rest
			got := names(n)
			got = slices.DeleteFunc(got, func(line string) bool { return strings.HasPrefix(line, "|") })
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if name == "without a name, and with too long a one" && (rest.Samples != 2 || rest.Envelopes != 1) {
				t.Errorf("%+v", rest)
			}
		})
	}
}

// TestNamesAreBounded: what comes after the first names is counted together, and nothing is lost.
func TestNamesAreBounded(t *testing.T) {
	n := NewNames()
	for range 3 {
		for i := range maxNames + 5 {
			pass(t, n, gauge(fmt.Sprint(i)), filter.Filter{Drop: &filter.Match{}})
		}
	}
	all := n.List()
	if last := all[len(all)-1]; len(all) != maxNames+1 || last.Samples != 15 || last.Envelopes != 15 || all[0].Samples != 3 {
		t.Errorf("%d, %+v, %+v", len(all), all[0], last)
	}
}

func TestEvents(t *testing.T) {
	var events Events
	var counts EventCounts
	e := gauge()
	e.AddTag([]byte("job"), []byte("diego\x1b"))
	events.Note(EventOf(e), e, int64(10*time.Second))
	e.Tags = nil
	events.Note(EventOf(e), e, int64(10*time.Second)+1) // in the same second
	counts[EventOf(e)]++
	counts[EventOf(&metric.Envelope{Kind: metric.KindLog})] += 3
	counts[EventOf(&metric.Envelope{Kind: metric.KindEvent})]++
	counts[EventOf(&metric.Envelope{})]++
	counts[LogRecord] += 7
	events.Flush(&counts, int64(11*time.Second))
	if counts != (EventCounts{}) {
		t.Error(counts)
	}
	var got []string
	for _, r := range events.Report() {
		got = append(got, fmt.Sprintf("%s %d %d %s", r.Event, r.Count, r.Last.Unix(), r.Sender))
	}
	if want := []string{
		"log message 3 11 ", "event 1 11 ", "envelope without message 1 11 ",
		`gauge without metrics 1 11 origin "rep", job "diego\x1b"`, "log record 7 11 ",
	}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	events.Note(Log, e, int64(12*time.Second))
	if got := events.Report()[0].Sender; got != `source id "source"` {
		t.Error(got)
	}
}

func TestFaults(t *testing.T) {
	f := NewFaults()
	why := func(message []byte) string { return fmt.Sprintf("%d bytes", len(message)) }
	from := func() string { return "10.0.0.1:5" }
	second := func(n int) int64 { return int64(n) * int64(time.Second) }
	f.Add(Malformed{Why: why, Message: []byte("<script>\x00\xff"), Sender: from}, second(1))
	f.Add(Malformed{Why: why, Message: []byte("0123456789"), Sender: from}, second(2))
	f.Add(Malformed{Error: strings.Repeat("e", 300)}, second(3))
	f.Add(Malformed{Error: "long", Message: []byte(strings.Repeat("x", 100))}, second(4))
	for range maxLooks + 5 {
		f.Add(Malformed{Error: "often"}, second(5))
	}
	for i := range 2 * maxFaults {
		f.Add(Malformed{Error: fmt.Sprint("e", i)}, second(10+i))
	}
	var got []string
	sum := uint64(0)
	for _, of := range f.Report() {
		sum += of.Count
		if !strings.HasPrefix(of.Error, "e") || len(of.Error) > 5 {
			got = append(got, fmt.Sprintf("%.20s|%d|%d|%s|%s", of.Error, of.Count, of.Last.Unix(), of.Sender, of.Excerpt))
		}
	}
	want := []string{
		"often|20|5||", "not looked at: more |5|5||", `10 bytes|2|2|10.0.0.1:5|"0123456789"`,
		strings.Repeat("e", 20) + "|1|3||", `long|1|4||"` + strings.Repeat("x", maxExcerptBytes) + `"...`, "|37|73||",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if all := uint64(4 + maxLooks + 5 + 2*maxFaults); sum != all {
		t.Errorf("%d counted, want %d", sum, all)
	}
}
