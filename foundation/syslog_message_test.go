package foundation

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/wire"
)

// TestSyslogMessages: the messages are those of a real agent, byte for byte.
func TestSyslogMessages(t *testing.T) {
	tags := map[string]string{
		"deployment": "cf", "index": "idx-diego_cell-0", "ip": "10.0.0.6", "job": "diego_cell", "product": "Small Footprint",
	}
	with := func(change func(e *loggregator_v2.Envelope), pairs ...string) *loggregator_v2.Envelope {
		e := &loggregator_v2.Envelope{
			Timestamp:  1795000000123456789,
			SourceId:   "s",
			InstanceId: "0",
			Tags:       map[string]string{},
		}
		maps.Copy(e.Tags, tags)
		for i := 0; i < len(pairs); i += 2 {
			e.Tags[pairs[i]] = pairs[i+1]
		}
		change(e)
		return e
	}
	counter := func(name string, total, delta uint64) func(*loggregator_v2.Envelope) {
		return func(e *loggregator_v2.Envelope) {
			e.Message = &loggregator_v2.Envelope_Counter{
				Counter: &loggregator_v2.Counter{Name: name, Total: total, Delta: delta},
			}
		}
	}
	gauge := func(name, unit string, value float64) func(*loggregator_v2.Envelope) {
		return func(e *loggregator_v2.Envelope) {
			e.Message = &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
				Metrics: map[string]*loggregator_v2.GaugeValue{name: {Unit: unit, Value: value}},
			}}
		}
	}
	const (
		head = `<14>1 2026-11-18T11:06:40.123456+00:00 `
		vm   = `deployment="cf" index="idx-diego_cell-0" ip="10.0.0.6" job="diego_cell" `
		end  = `product="Small Footprint"] ` + "\n"
	)
	for _, c := range []struct {
		envelope *loggregator_v2.Envelope
		drain    Drain
		want     string // "" for nothing
	}{
		{
			with(gauge("huge", "", math.MaxFloat64), "origin", "rep"), DrainMetrics,
			"239 " + head + `- s [0] - [gauge@47450 name="huge" value="1.7976931348623157e+308" unit=""][tags@47450 ` + vm + `origin="rep" ` + end,
		},
		{
			with(gauge("name with space/slash.é\"]\\=", "uni\"t]\\é", 1), "origin", "rep"), DrainAll,
			"256 " + head + `- s [0] - [gauge@47450 name="name with space/slash.é\"\]\\=" value="1" unit="uni\"t\]\\é"][tags@47450 ` + vm +
				`origin="rep" ` + end,
		},
		{
			with(counter("max", math.MaxUint64, 1), "origin", "rep"), DrainMetrics,
			"239 " + head + `- s [0] - [counter@47450 name="max" total="18446744073709551615" delta="1"][tags@47450 ` + vm + `origin="rep" ` + end,
		},
		{with(counter("max", 1, 1)), DrainTraces, ""},
		{
			with(func(e *loggregator_v2.Envelope) {
				e.SourceId, e.InstanceId = strings.Repeat("x", 100), strings.Repeat("i", 200)
				counter("cut", 1, 1)(e)
				e.Tags = nil
			}), DrainMetrics,
			"269 " + head + `- ` + strings.Repeat("x", 48) + ` [` + strings.Repeat("i", 127) + ` - [counter@47450 name="cut" total="1" delta="1"] ` +
				"\n",
		},
		{
			with(func(e *loggregator_v2.Envelope) {
				e.Timestamp, e.SourceId, e.InstanceId, e.Tags = -1, "", "", nil
				counter("ts", 1, 1)(e)
			}), DrainMetrics,
			`95 <14>1 1969-12-31T23:59:59.999999+00:00 - - [] - [counter@47450 name="ts" total="1" delta="1"] ` + "\n",
		},
		{
			with(func(e *loggregator_v2.Envelope) {
				e.Message = &loggregator_v2.Envelope_Event{Event: &loggregator_v2.Event{Title: "ti\"tle]", Body: "bo\\dy\nline2"}}
				e.SourceId = "evsrc"
			}, "origin", "rep"), DrainAll,
			"229 " + head + `- evsrc [0] - [event@47450 title="ti\"tle\]" body="bo\\dy` + "\n" + `line2"][tags@47450 ` + vm + `origin="rep" ` + end,
		},
		{
			with(func(e *loggregator_v2.Envelope) {
				e.Message = &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{Payload: []byte("hello out")}}
				e.SourceId, e.InstanceId = "11111111-2222-3333-4444-555555555555", "1"
			}, "organization_name", "acme ünïcode.org", "space_name", "my space", "app_name", "shop", "origin", "rep",
				"source_type", "APP/PROC/WEB"), DrainAll,
			"361 " + head + `acme-ncodeorg.my-space.shop 11111111-2222-3333-4444-555555555555 [APP/PROC/WEB/1] - [tags@47450 app_name="shop" ` +
				vm + `organization_name="acme ünïcode.org" origin="rep" product="Small Footprint" source_type="APP/PROC/WEB" ` +
				`space_name="my space"] hello out` + "\n",
		},
	} {
		frames, err := SyslogMessages(c.envelope, c.drain)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := string(slices.Concat(frames...)); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

// TestSyslogMessagesOfAGauge: each metric is a message, in an order that changes.
func TestSyslogMessagesOfAGauge(t *testing.T) {
	e := &loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
		Metrics: map[string]*loggregator_v2.GaugeValue{},
	}}}
	for i := range 5 {
		e.GetGauge().Metrics[fmt.Sprint(i)] = &loggregator_v2.GaugeValue{Value: float64(i)}
	}
	orders := map[string]bool{}
	for len(orders) < 2 { // the test's own timeout ends it
		frames, err := SyslogMessages(e, DrainMetrics)
		if err != nil || len(frames) != 5 {
			t.Fatal(len(frames), err)
		}
		orders[string(slices.Concat(frames...))] = true
	}
}

// FuzzSyslogMessages: what the agent writes is what the exporter reads.
func FuzzSyslogMessages(f *testing.F) {
	f.Add("name", "unit", "key", "value\n\"]\\", "source", "instance", int64(1795000000123456789), 1.5, uint64(7))
	f.Fuzz(
		func(t *testing.T, name, unit, key, value, source, instance string, stamp int64, number float64, total uint64) {
			e := &loggregator_v2.Envelope{
				Timestamp: stamp, SourceId: source, InstanceId: instance, Tags: map[string]string{key: value},
				Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
					Metrics: map[string]*loggregator_v2.GaugeValue{name: {Unit: unit, Value: number}},
				}},
			}
			counter := &loggregator_v2.Envelope{
				Timestamp:  stamp,
				SourceId:   source,
				InstanceId: instance,
				Tags:       map[string]string{key: value},
				Message: &loggregator_v2.Envelope_Counter{
					Counter: &loggregator_v2.Counter{Name: name, Total: total, Delta: total / 2},
				},
			}
			for _, e := range []*loggregator_v2.Envelope{e, counter} {
				frames, err := SyslogMessages(e, DrainAll)
				if err != nil {
					return // RFC 5424 cannot express it
				}
				_, message, _ := strings.Cut(string(frames[0]), " ")
				var d wire.Syslog
				var view metric.Envelope
				if !d.Decode([]byte(message), &view) {
					t.Fatalf("refused %q", message)
				}
				wantSource := strings.TrimPrefix(source, "-")
				if len(source) > 1 {
					wantSource = source[:min(len(source), 48)]
				}
				if string(view.SourceID) != wantSource || string(view.Tags[0].Key) != key || string(view.Tags[0].Value) != value {
					t.Fatalf("%q: %+v", message, view)
				}
				if micros := time.Unix(0, stamp).Truncate(time.Microsecond).UnixNano(); stamp >= 0 && view.Timestamp != micros {
					t.Fatalf("%q: %d, want %d", message, view.Timestamp, micros)
				}
				if view.Kind == metric.KindCounter {
					if string(view.Name) != name || view.Total != total || view.Delta != total/2 {
						t.Fatalf("%q: %+v", message, view)
					}
				} else if p := view.Points[0]; string(p.Name) != name || string(p.Unit) != unit ||
					math.Float64bits(p.Value) != math.Float64bits(number) && number == number {
					t.Fatalf("%q: %+v", message, view)
				}
			}
		},
	)
}
