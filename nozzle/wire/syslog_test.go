package wire

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

const (
	syslogHeader = "<14>1 2026-11-18T11:06:40.123456+00:00 - s [0] - "
	syslogStamp  = int64(1795000000123456000)
)

// TestSyslogSamples: what a real agent sent reads as by Cloud Foundry's own library.
func TestSyslogSamples(t *testing.T) {
	var d Syslog
	var view metric.Envelope
	kinds := map[metric.Kind]int{}
	for _, message := range wiretest.SyslogMessages(t) {
		want, err := wiretest.OracleSyslog(message)
		if err != nil {
			t.Fatalf("%q: %v", message, err)
		}
		text := string(message)
		for cut := range text[:strings.LastIndex(text, "] ")+1] {
			if d.Decode([]byte(text[:cut]), &view) && text[cut-1] != ']' {
				t.Fatalf("accepted %q", text[:cut])
			}
		}
		if !d.Decode(message, &view) {
			t.Fatalf("refused %q", text)
		}
		wiretest.RequireEqual(t, text, wiretest.PlainOf(&view), want)
		kinds[view.Kind]++
	}
	want := map[metric.Kind]int{
		metric.KindGauge: 13, metric.KindCounter: 21, metric.KindTimer: 3, metric.KindEvent: 1, metric.KindLog: 2,
	}
	wiretest.RequireEqual(t, "kinds", kinds, want)
}

// TestSyslogAccepts: what the RFC allows, and what agents send beyond that.
func TestSyslogAccepts(t *testing.T) {
	gauge := wiretest.Plain{
		Kind: metric.KindGauge, Timestamp: syslogStamp, SourceID: "s", InstanceID: "0", Tags: map[string]string{},
		Points: map[string]wiretest.PlainPoint{"n": {Unit: "u", Bits: math.Float64bits(1)}},
	}
	log := wiretest.Plain{
		Kind: metric.KindLog, Timestamp: syslogStamp, SourceID: "s", InstanceID: "0", Tags: map[string]string{},
		Points: map[string]wiretest.PlainPoint{},
	}
	const element = `[gauge@47450 name="n" value="1" unit="u"]`
	of := func(p wiretest.Plain, change func(p *wiretest.Plain)) wiretest.Plain { change(&p); return p }
	tagged := func(p wiretest.Plain, pairs ...string) wiretest.Plain {
		p.Tags = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			p.Tags[pairs[i]] = pairs[i+1]
		}
		return p
	}
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		message string
		want    wiretest.Plain
	}{
		{syslogHeader + element + " \n", gauge},
		{syslogHeader + element + "\n", gauge},
		{syslogHeader + element, gauge},
		{syslogHeader + element + " \xef\xbb\xbftext", gauge},
		{"<0>999 " + syslogHeader[len("<14>1 "):] + element, gauge},
		{"<14>1 - - - - - -", of(log, func(p *wiretest.Plain) { p.Timestamp, p.SourceID, p.InstanceID = 0, "", "" })},
		{
			"<191>1 2026-11-18T11:06:40.123456Z " + long + " " + long + " " + long + " " + long + " " + element,
			of(gauge, func(p *wiretest.Plain) { p.SourceID, p.InstanceID = long, long }),
		},
		{syslogHeader + "-", log},
		{syslogHeader + "- hello", log},
		{syslogHeader + "[x][y a=\"b\"] hello", log},
		{syslogHeader + "[origin ip=\"10.0.0.1\"]" + element + "[meta sequenceId=\"1\"]", gauge},
		{syslogHeader + "[tags@47450 a=\"1\" b=\"\"]" + element, tagged(gauge, "a", "1", "b", "")},
		{syslogHeader + element + "[tags@47450 a=\"1\"][tags@47450 b=\"2\" a=\"3\"]", tagged(gauge, "a", "3", "b", "2")},
		{
			syslogHeader + element + "[tags@47450 =\"empty name\" " + long + "=\"\n\t\x00é\\\"\\\\\\]\\n[]\"]",
			tagged(gauge, "", "empty name", long, "\n\t\x00é\"\\]\\n[]"),
		},
		{
			syslogHeader + `[gauge@47450 value="0x1p-2" name="n" other="x" value="-2.5"]`,
			of(gauge, func(p *wiretest.Plain) {
				p.Points = map[string]wiretest.PlainPoint{"n": {Bits: math.Float64bits(-2.5)}}
			}),
		},
		{
			syslogHeader + `[counter@47450 name="n" delta="7"]`,
			of(log, func(p *wiretest.Plain) { p.Kind, p.Name, p.Delta = metric.KindCounter, "n", 7 }),
		},
		{
			syslogHeader + `[counter@47450 name="n" total="18446744073709551615"]`,
			of(log, func(p *wiretest.Plain) { p.Kind, p.Name, p.Total = metric.KindCounter, "n", math.MaxUint64 }),
		},
		{
			syslogHeader + `[timer@47450 name="n" start="-1" stop="9223372036854775807"]`,
			of(log, func(p *wiretest.Plain) { p.Kind, p.Name, p.Start, p.Stop = metric.KindTimer, "n", -1, math.MaxInt64 }),
		},
		{
			syslogHeader + `[event@47450 title="t" body="b"]`,
			of(log, func(p *wiretest.Plain) { p.Kind = metric.KindEvent }),
		},
	} {
		var d Syslog
		var view metric.Envelope
		if !d.Decode([]byte(c.message), &view) {
			t.Errorf("refused %q", c.message)
			continue
		}
		wiretest.RequireEqual(t, c.message, wiretest.PlainOf(&view), c.want)
	}
}

func TestSyslogRefuses(t *testing.T) {
	const tail = " - s [0] - [gauge@47450 name=\"n\" value=\"1\"]"
	for _, message := range []string{
		"", "<", "<>1 - - s [0] - -", "<1234>1 - - s [0] - -", "<1a>1 - - s [0] - -", "14>1 - - s [0] - -",
		"<14>x - - s [0] - -", "<14> - - s [0] - -", "<14>1234 - - s [0] - -", "<14>1 - - s [0] -", "<14>1 - - s [0] - ",
		"<14>1  - s [0] - -", "<14>1 - -  [0] - -", "hello", "<14>Nov 18 11:06:40 host app: hello",
		"<14>1 2026-11-18 11:06:40Z" + tail, "<14>1 2026-11-18T11:06:40" + tail, "<14>1 2026-11-18t11:06:40Z" + tail,
		"<14>1 2026-13-18T11:06:40Z" + tail, "<14>1 2026-00-18T11:06:40Z" + tail, "<14>1 2026-11-32T11:06:40Z" + tail,
		"<14>1 2026-11-00T11:06:40Z" + tail, "<14>1 2026-11-18T24:06:40Z" + tail, "<14>1 2026-11-18T11:60:40Z" + tail,
		"<14>1 2026-11-18T11:06:60Z" + tail, "<14>1 2026-11-18T11:06:40.Z" + tail,
		"<14>1 2026-11-18T11:06:40.1234567890Z" + tail,
		"<14>1 2026-11-18T11:06:40+0000" + tail, "<14>1 2026-11-18T11:06:40+24:00" + tail,
		"<14>1 2026-11-18T11:06:40+00:60" + tail,
		"<14>1 x026-11-18T11:06:40Z" + tail, "<14>1 20x6-11-18T11:06:40Z" + tail,
		syslogHeader + "[]", syslogHeader + "[a", syslogHeader + "[a b]", syslogHeader + "[a b=c]",
		syslogHeader + `[a b="c]`,
		syslogHeader + `[a b="c\"]`, syslogHeader + `[a b="c\`, syslogHeader + `[a b c="d"]`, syslogHeader + `[a  b="c"]`,
		syslogHeader + `[a b="c"`, syslogHeader + `[a b="c"]x`, syslogHeader + `-x`, syslogHeader + `x`,
		syslogHeader + `[a="b"]`,
		syslogHeader + `[gauge@47450 name="n"]`, syslogHeader + `[gauge@47450 value="1"]`, syslogHeader + `[gauge@47450]`,
		syslogHeader + `[gauge@47450 name="n" value=""]`, syslogHeader + `[gauge@47450 name="n" value="one"]`,
		syslogHeader + `[gauge@47450 name="n" value="1e999"]`,
		syslogHeader + `[counter@47450 name="n"]`, syslogHeader + `[counter@47450 total="1"]`,
		syslogHeader + `[counter@47450 name="n" total="-1" delta="1"]`,
		syslogHeader + `[counter@47450 name="n" total="1" delta="x"]`,
		syslogHeader + `[counter@47450 name="n" total="18446744073709551616"]`,
		syslogHeader + `[timer@47450 name="n" start="1"]`, syslogHeader + `[timer@47450 name="n" stop="1"]`,
		syslogHeader + `[timer@47450 start="1" stop="1"]`, syslogHeader + `[timer@47450 name="n" start="1" stop="1.5"]`,
		syslogHeader + `[gauge@47450 name="n" value="1"][counter@47450 name="n" total="1"]`,
		syslogHeader + `[gauge@47450 name="n" value="1"][gauge@47450 name="m" value="1"]`,
		syslogHeader + `[event@47450][timer@47450 name="n" start="1" stop="1"]`,
	} {
		var d Syslog
		var view metric.Envelope
		if d.Decode([]byte(message), &view) {
			t.Errorf("accepted %q", message)
		}
	}
}

func TestSyslogTime(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
	}{
		{"-", 0},
		{"1970-01-01T00:00:00+00:00", 0},
		{"1969-12-31T23:59:59.999999+00:00", -1000},
		{"1970-01-01T00:00:01.795+00:00", 1_795_000_000},
		{"2026-11-18T11:06:40.123456789Z", 1795000000123456789},
		{"2026-11-18T12:36:40+01:30", 1795000000e9},
		{"2026-11-17T23:06:40-12:00", 1795000000e9},
		{"2024-02-29T12:00:00Z", time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC).UnixNano()},
		{"2000-03-01T00:00:00Z", time.Date(2000, 3, 1, 0, 0, 0, 0, time.UTC).UnixNano()},
		{"2262-04-11T23:47:16.854775+00:00", 9223372036854775000},
		{"2262-04-11T23:47:16.854775808Z", math.MaxInt64},
		{"2262-04-11T23:47:17Z", math.MaxInt64},
		{"9999-12-31T23:59:59Z", math.MaxInt64},
		{"1677-01-01T00:00:00Z", math.MinInt64},
		{"0000-01-01T00:00:00Z", math.MinInt64},
	} {
		if got, ok := syslogTime([]byte(c.text)); !ok || got != c.want {
			t.Errorf("%s: %d, %v", c.text, got, ok)
		}
	}
	for day := time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2262; day = day.AddDate(0, 0, 1) {
		text := day.Format(time.RFC3339)
		if got, ok := syslogTime([]byte(text)); !ok || got != day.UnixNano() {
			t.Fatalf("%s: %d, want %d", text, got, day.UnixNano())
		}
	}
}

// TestSyslogIDs: an agent cuts ids without a word, but so long that an app's GUID is whole.
func TestSyslogIDs(t *testing.T) {
	for _, c := range []struct {
		source, instance, wantSource, wantInstance string
		cutSource, cutInstance                     bool
	}{
		{source: "-", instance: "-"},
		{source: "--", instance: "[]", wantSource: "--"},
		{source: "a", instance: "[", wantSource: "a"},
		{source: "a", instance: "]", wantSource: "a"},
		{source: "a", instance: "x", wantSource: "a", wantInstance: "x"},
		{source: "a", instance: "[a/b[1]]", wantSource: "a", wantInstance: "a/b[1]"},
		{
			source: strings.Repeat("s", 48), instance: "[" + strings.Repeat("i", 127),
			wantSource: strings.Repeat("s", 48), wantInstance: strings.Repeat("i", 127), cutSource: true, cutInstance: true,
		},
		{
			source: strings.Repeat("s", 49), instance: "[" + strings.Repeat("i", 126) + "]",
			wantSource: strings.Repeat("s", 49), wantInstance: strings.Repeat("i", 126),
		},
		{source: strings.Repeat("s", 47), wantSource: strings.Repeat("s", 47), instance: "-"},
	} {
		var d Syslog
		var view metric.Envelope
		message := fmt.Sprintf("<14>1 - - %s %s - -", c.source, c.instance)
		if !d.Decode([]byte(message), &view) {
			t.Fatalf("refused %q", message)
		}
		if string(view.SourceID) != c.wantSource || string(view.InstanceID) != c.wantInstance ||
			d.CutSourceID != c.cutSource || d.CutInstanceID != c.cutInstance {
			t.Errorf("%s: %q %q %+v", message, view.SourceID, view.InstanceID, d)
		}
	}
}

func TestSyslogTooManyTags(t *testing.T) {
	var b strings.Builder
	b.WriteString(syslogHeader + `[counter@47450 name="n" total="1"][tags@47450`)
	for i := range 10_000 {
		fmt.Fprintf(&b, " t%d=\"v\"", i)
	}
	b.WriteString("] \n")
	var d Syslog
	var view metric.Envelope
	if !d.Decode([]byte(b.String()), &view) || !view.TooManyTags || len(view.Tags) != metric.MaxTags {
		t.Fatalf("%d tags", len(view.Tags))
	}
}

// TestSyslogEqualTags: messages whose tags are the same, nearly the same, or the same up to an escape, one after the
// other by one decoder, read as by a fresh one.
func TestSyslogEqualTags(t *testing.T) {
	var messages []string
	for _, tags := range []string{
		`a="1" b="2"`, `a="1" b="2"`, `a="1" b="2" c="3"`, `a="1" b="2"`, `a="1"`, `a="1" b="\"]"`,
		`a="1" b="\"]"`, `a="1" b="\"`, ``, ``,
		`a="` + strings.Repeat("x", 3000) + `" b="2"`, `a="` + strings.Repeat("x", 3000) + `" b="2"`,
		`a="1" b="2`, `a="1" b="2"`,
	} {
		messages = append(
			messages,
			syslogHeader+"[tags@47450 "+tags+"][counter@47450 name=\"n\" total=\"1\"][tags@47450 "+tags+"] \n",
			syslogHeader+"[counter@47450 name=\"n\" total=\"1\"][tags@47450"+tags+"] \n",
		)
	}
	for _, message := range wiretest.SyslogMessages(t) {
		messages = append(messages, string(message), string(message))
	}
	var d Syslog
	var view, fresh metric.Envelope
	for _, message := range messages {
		var f Syslog
		ok, want := d.Decode([]byte(message), &view), f.Decode([]byte(message), &fresh)
		if ok != want {
			t.Fatalf("%q: %v", message, ok)
		}
		if ok {
			wiretest.RequireEqual(t, message, wiretest.PlainOf(&view), wiretest.PlainOf(&fresh))
			wiretest.RequireEqual(t, message, view.Tags, fresh.Tags)
		}
	}
}

func TestSyslogAllocatesNothing(t *testing.T) {
	frames := []byte(strings.Join(wiretest.SyslogFrames(t), ""))
	var view metric.Envelope
	var d Syslog
	reader := bytes.NewReader(nil)
	f := NewSyslogFrames(reader, 1<<16)
	n := testing.AllocsPerRun(100, func() {
		reader.Reset(frames)
		for range 40 {
			message, err := f.Next()
			if err != nil || !d.Decode(message, &view) {
				t.Fatal(err)
			}
		}
	})
	if n != 0 {
		t.Fatalf("%v allocations for 40 messages", n)
	}
}

// FuzzSyslog compares with the library of Cloud Foundry for RFC 5424.
func FuzzSyslog(f *testing.F) {
	for _, message := range wiretest.SyslogMessages(f) {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		want, err := wiretest.OracleSyslog(message)
		var d Syslog
		var view metric.Envelope
		ok := d.Decode(bytes.Clone(message), &view)
		if err != nil {
			return // the walker takes more than the library writes
		}
		if !ok {
			t.Fatalf("refused %q", message)
		}
		if !d.Decode(bytes.Clone(message), &view) { // its tags are known now
			t.Fatalf("refused %q the second time", message)
		}
		got := wiretest.PlainOf(&view)
		if view.TooManyTags {
			got.Tags, want.Tags = nil, nil
		}
		if view.Timestamp == math.MaxInt64 || view.Timestamp == math.MinInt64 {
			want.Timestamp = view.Timestamp // which wraps around in the library's view
		}
		wiretest.RequireEqual(t, string(message), got, want)
	})
}
