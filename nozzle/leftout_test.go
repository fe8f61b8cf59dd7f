package nozzle

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
	"loggregator_exporter/nozzle/leftout"
)

// TestWhatIsLeftOut: what is ignored and malformed is counted by what it is, and the counts are those of the ledger.
func TestWhatIsLeftOut(t *testing.T) {
	at := time.Unix(100, 0)
	otlpRequest := []byte{0x0a, 0x03, 0x12, 0x01, 0xff} // a scope that cannot be read
	for name, tt := range map[string]struct {
		send func(in *Intake)
		want []string
	}{
		"v1": {
			func(in *Intake) {
				in.V1(nil, at)
				in.V1([]byte("no envelope"), at)
				in.V1([]byte{1<<3 | 2, 1, 'o'}, at) // an origin alone
			},
			[]string{
				`malformed empty|1|10.0.0.1|`, `malformed cannot parse invalid wire-format data|1|10.0.0.1|"no envelope"`,
				`malformed required field events.Envelope.eventType not set|1|10.0.0.1|"\n\x01o"`,
			},
		},
		"v2": {
			func(in *Intake) {
				good := &loggregator_v2.Envelope{Message: wiretest.GaugeV2("a")}
				in.V2(wiretest.BatchOf(t, good, &loggregator_v2.Envelope{
					Tags: map[string]string{"origin": "rep"}, Message: &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{}},
				}, &loggregator_v2.Envelope{}, &loggregator_v2.Envelope{Message: wiretest.GaugeV2()}), at)
				in.V2([]byte{0x0a, 0x02, 0x12, 0xff}, at)            // an envelope with a cut field
				in.V2([]byte{0x0a, 0xff}, at)                        // a batch that is cut
				in.V2Envelope([]byte{0x12, 0x05, 'c', 'u', 't'}, at) // as above, outside of a batch
			},
			[]string{
				`ignored log message|1|origin "rep"`, `ignored envelope without message|1|`, `ignored gauge without metrics|1|`,
				`malformed cannot parse invalid wire-format data|2|10.0.0.1|"\x12\x05cut"`,
				`malformed a batch that cannot be told into envelopes|1|10.0.0.1|"\n\xff"`,
			},
		},
		"JSON": {
			func(in *Intake) {
				in.JSON([]byte(`{"batch":[ {"timestamp":"x","tags":{"a":"b"}}, {"tags":{}}]}`), at)
				in.JSON([]byte(`[1`), at)
			},
			[]string{
				`ignored envelope without message|1|`,
				`malformed an envelope in JSON of which a field is none, or not of its type|1|10.0.0.1|` +
					`"{\"timestamp\":\"x\",\"tags\":{\"a\":\"b\"}}"`,
				`malformed a batch that is no JSON, or cannot be told into envelopes|1|10.0.0.1|"[1"`,
			},
		},
		"syslog": {
			func(in *Intake) {
				const head = "<14>1 2026-11-29T03:00:00+00:00 host source [0] - "
				for _, message := range []string{
					"GET / HTTP/1.1", head + "[", head + `[gauge@47450 name="a" value="x"]`, head + "- a log",
				} {
					in.Syslog([]byte(message), at)
				}
				in.Flush(at)
				in.Unreadable("longer than nozzle.syslog.max_message_bytes", at)
			},
			[]string{
				`ignored log message|1|source id "source"`,
				`malformed no header of a syslog message (RFC 5424)|1|10.0.0.1|"GET / HTTP/1.1"`,
				`malformed the header or the structured data cannot be read|1|10.0.0.1|"` + "<14>1 2026-11-29T03:00:00+00:00 host source [0] " + `"...`,
				`malformed the element of the gauge lacks its name or a number, or what follows cannot be read|1|10.0.0.1|"` +
					"<14>1 2026-11-29T03:00:00+00:00 host source [0] " + `"...`,
				"malformed longer than nozzle.syslog.max_message_bytes|1|10.0.0.1|",
			},
		},
		"OTLP": {
			func(in *Intake) {
				in.OTLP([]byte{0x0a}, at)
				in.OTLP(otlpRequest, at)
				in.IgnoredOTLP(nil, leftout.Span, at)
				in.ignore(3, leftout.LogRecord, at)
				in.IgnoredOTLP([]byte{0x0a}, leftout.LogRecord, at)
			},
			[]string{
				"ignored log record|3|", `malformed a request that is no OTLP in protobuf|2|10.0.0.1|"\n"`, "malformed data point: malformed|1|10.0.0.1|",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newTestLedger(t)
			env := testEnv(l, func() Sink { return &nullSink{} }, slog.New(slog.DiscardHandler))
			tt.send(env.intake(l.Source("udp"), intakeOptions{from: func() string { return "10.0.0.1" }}))
			r := l.Reports()[0]
			var got []string
			ignoredSum, malformedSum := uint64(0), uint64(0)
			for _, e := range r.Ignored {
				got = append(got, fmt.Sprintf("ignored %s|%d|%s", e.Event, e.Count, e.Sender))
				ignoredSum += e.Count
			}
			for _, f := range r.Malformed {
				got = append(got, fmt.Sprintf("malformed %s|%d|%s|%s", f.Error, f.Count, f.Sender, f.Excerpt))
				malformedSum += f.Count
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if r.Envelopes["ignored"] != ignoredSum || r.Envelopes["malformed"] != malformedSum {
				t.Errorf("%v, %d ignored and %d malformed by what they are", r.Envelopes, ignoredSum, malformedSum)
			}
		})
	}
}

// TestFilteredNames: names are counted as the ledger counts envelopes and samples.
func TestFilteredNames(t *testing.T) {
	l, _ := newTestLedger(t)
	env := testEnv(l, func() Sink { return &nullSink{} }, slog.New(slog.DiscardHandler))
	env.filters = newTestFilter(t, filter.Filter{Drop: &filter.Match{Name: []string{"b"}}})
	in := env.intake(l.Source("rlp"), intakeOptions{kinds: []string{"gauge"}})
	batch := wiretest.BatchOf(t, &loggregator_v2.Envelope{Message: wiretest.GaugeV2("a", "b")},
		&loggregator_v2.Envelope{Message: wiretest.GaugeV2("b")}, &loggregator_v2.Envelope{
			SourceId: "bbs", Message: &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: "c", Delta: 7}},
		})
	in.V2(batch, time.Unix(1, 0))
	in.V2(batch, time.Unix(2, 0))
	var got []string
	envelopes, samples := uint64(0), uint64(0)
	for _, n := range l.Filtered() {
		if n.Samples > 0 {
			got = append(got, fmt.Sprintf("%s %s %s %s %d %d %d", n.Name, n.Kind, n.SourceID, n.Setting, n.Samples, n.Envelopes, n.Arrived))
		}
		envelopes += n.Envelopes
		samples += n.Samples - n.InEnvelopes
	}
	slices.Sort(got)
	if want := []string{
		"b gauge  nozzle.filters[0] 4 2 2000000000", "c counter bbs nozzle.selectors 2 2 2000000000",
	}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	wiretest.RequireEqual(t, "ledger", l.Source("rlp").nonZero(), map[string]uint64{
		"converted": 2, "filtered": envelopes, "samples stored": 2, "samples filtered": samples,
	})
}

// TestUpstreamVMs: losses are told apart by the VM that the counter's tags name.
func TestUpstreamVMs(t *testing.T) {
	u := newUpstream()
	lose := func(arrived int64, delta uint64, tags ...string) {
		e := metric.Envelope{Kind: metric.KindCounter, Name: []byte(filter.DroppedName), Delta: delta, Arrived: arrived}
		for i := 0; i < len(tags); i += 2 {
			e.AddTag([]byte(tags[i]), []byte(tags[i+1]))
		}
		u.note(&e)
	}
	rlp := []string{"origin", "loggregator.rlp", "direction", "egress", "deployment", "cf", "job", "log-api"}
	for i := range 3 {
		lose(int64(i+1), uint64(10*i), append(rlp, "index", fmt.Sprint("vm", i), "ip", fmt.Sprint("10.0.0.", i))...)
	}
	lose(9, 5, append(rlp, "index", "vm1", "ip", "10.0.0.1")...)
	lose(10, 1, "origin", "loggregator.rlp", "direction", "egress")
	lose(11, 4, "origin", "loggregator.doppler", "direction", "ingress", "job", "<b>\x1b"+strings.Repeat("x", 100))
	wiretest.RequireEqual(t, "losses of the RLPs", u.vmsOf(upstreamKey{"loggregator.rlp", "egress"}), []LossVM{
		{"cf", "log-api", "vm2", "10.0.0.2", 20, time.Unix(0, 3)},
		{"cf", "log-api", "vm1", "10.0.0.1", 15, time.Unix(0, 9)},
		{Count: 1, Last: time.Unix(0, 10)},
	})
	wiretest.RequireEqual(t, "losses of the dopplers", u.vmsOf(upstreamKey{"loggregator.doppler", "ingress"}), []LossVM{
		{Job: `<b>\x1b` + strings.Repeat("x", 60), Count: 4, Last: time.Unix(0, 11)},
	})
	for i := range 2 * maxUpstreamVMs {
		lose(12, 1, append(rlp, "index", fmt.Sprint("many", i))...)
	}
	if len(u.vms) != maxUpstreamVMs || len(u.vmsOf(upstreamKey{"loggregator.rlp", "egress"})) != maxShownVMs {
		t.Errorf("%d VMs", len(u.vms))
	}
	if lost := u.snapshot()[upstreamKey{"loggregator.rlp", "egress"}]; lost != 36+2*maxUpstreamVMs {
		t.Errorf("%d lost", lost)
	}
}
