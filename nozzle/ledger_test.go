package nozzle

import (
	"math/rand/v2"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

func TestLedgerStartsAtZero(t *testing.T) {
	l, reg := newTestLedger(t)
	udp := l.Source("udp")
	l.Source("rlp").reconnects.expect("lost", "ended")
	if l.Source("udp") != udp {
		t.Fatal("one source has two accounts")
	}
	requireMetrics(t, reg, `
# HELP loggregator_exporter_envelopes_received_total Envelopes received from Loggregator.
# TYPE loggregator_exporter_envelopes_received_total counter
loggregator_exporter_envelopes_received_total{source="rlp"} 0
loggregator_exporter_envelopes_received_total{source="udp"} 0
# HELP loggregator_exporter_envelopes_total Envelopes by what became of them.
# TYPE loggregator_exporter_envelopes_total counter
loggregator_exporter_envelopes_total{outcome="converted",source="rlp"} 0
loggregator_exporter_envelopes_total{outcome="converted",source="udp"} 0
loggregator_exporter_envelopes_total{outcome="filtered",source="rlp"} 0
loggregator_exporter_envelopes_total{outcome="filtered",source="udp"} 0
loggregator_exporter_envelopes_total{outcome="ignored",source="rlp"} 0
loggregator_exporter_envelopes_total{outcome="ignored",source="udp"} 0
loggregator_exporter_envelopes_total{outcome="malformed",source="rlp"} 0
loggregator_exporter_envelopes_total{outcome="malformed",source="udp"} 0
# HELP loggregator_exporter_last_sample_timestamp_seconds Unix time at which a sample of the kind was last received; 0 if never.
# TYPE loggregator_exporter_last_sample_timestamp_seconds gauge
loggregator_exporter_last_sample_timestamp_seconds{kind="container"} 0
loggregator_exporter_last_sample_timestamp_seconds{kind="counter"} 0
loggregator_exporter_last_sample_timestamp_seconds{kind="gauge"} 0
loggregator_exporter_last_sample_timestamp_seconds{kind="histogram"} 0
loggregator_exporter_last_sample_timestamp_seconds{kind="http"} 0
loggregator_exporter_last_sample_timestamp_seconds{kind="summary"} 0
loggregator_exporter_last_sample_timestamp_seconds{kind="timer"} 0
# HELP loggregator_exporter_received_samples_total Samples that the filters let pass, by what they measure.
# TYPE loggregator_exporter_received_samples_total counter
loggregator_exporter_received_samples_total{kind="container"} 0
loggregator_exporter_received_samples_total{kind="counter"} 0
loggregator_exporter_received_samples_total{kind="gauge"} 0
loggregator_exporter_received_samples_total{kind="histogram"} 0
loggregator_exporter_received_samples_total{kind="http"} 0
loggregator_exporter_received_samples_total{kind="summary"} 0
loggregator_exporter_received_samples_total{kind="timer"} 0
# HELP loggregator_exporter_samples_total Samples of converted envelopes by what became of them.
# TYPE loggregator_exporter_samples_total counter
loggregator_exporter_samples_total{outcome="conflict"} 0
loggregator_exporter_samples_total{outcome="dropped_by_rule"} 0
loggregator_exporter_samples_total{outcome="duplicate"} 0
loggregator_exporter_samples_total{outcome="filtered"} 0
loggregator_exporter_samples_total{outcome="invalid"} 0
loggregator_exporter_samples_total{outcome="outdated"} 0
loggregator_exporter_samples_total{outcome="over_limit"} 0
loggregator_exporter_samples_total{outcome="stored"} 0
# HELP loggregator_exporter_source_last_envelope_timestamp_seconds Unix time at which the source last received an envelope; 0 if never.
# TYPE loggregator_exporter_source_last_envelope_timestamp_seconds gauge
loggregator_exporter_source_last_envelope_timestamp_seconds{source="rlp"} 0
loggregator_exporter_source_last_envelope_timestamp_seconds{source="udp"} 0
# HELP loggregator_exporter_source_reconnects_total Times the source had to connect again, by why.
# TYPE loggregator_exporter_source_reconnects_total counter
loggregator_exporter_source_reconnects_total{reason="ended",source="rlp"} 0
loggregator_exporter_source_reconnects_total{reason="lost",source="rlp"} 0
# HELP loggregator_exporter_source_up Whether the source is connected (1) or not (0).
# TYPE loggregator_exporter_source_up gauge
loggregator_exporter_source_up{source="rlp"} 0
loggregator_exporter_source_up{source="udp"} 0
# HELP loggregator_exporter_upstream_dropped_total Envelopes that Loggregator itself reports as lost before they reached the exporter.
# TYPE loggregator_exporter_upstream_dropped_total counter
loggregator_exporter_upstream_dropped_total{direction="egress",origin="loggregator.doppler"} 0
loggregator_exporter_upstream_dropped_total{direction="egress",origin="loggregator.rlp"} 0
loggregator_exporter_upstream_dropped_total{direction="ingress",origin="loggregator.doppler"} 0
loggregator_exporter_upstream_dropped_total{direction="ingress",origin="loggregator.rlp"} 0
`)
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Fatalf("%v %v", problems, err)
	}
	if l.Ready() {
		t.Fatal("ready without a connection")
	}
	l.Source("udp").Connect()
	if !l.Ready() || !l.Source("udp").Up() || l.Source("rlp").Up() {
		t.Fatal("not ready with a connection")
	}
	l.Source("udp").Disconnect()
	if l.Ready() {
		t.Fatal("ready after the connection ended")
	}
}

func TestLedgerIsRegisteredOnce(t *testing.T) {
	_, reg := newTestLedger(t)
	if _, err := NewLedger(reg); err == nil {
		t.Fatal("a second ledger was registered")
	}
}

// TestBrokenBatch: what stands before the broken part is kept, an envelope broken in itself costs only itself.
func TestBrokenBatch(t *testing.T) {
	l, reg := newTestLedger(t)
	sink := &nullSink{}
	in := NewIntake(l.Source("rlp"), sink)
	good := wiretest.EnvelopesV2()[0]
	batch := wiretest.BatchOf(t, good, wiretest.EnvelopesV2()[3])
	batch = append(batch, 0x0a, 0x02, 0x12, 0x05) // an envelope whose source id is cut off
	batch = append(batch, wiretest.BatchOf(t, good, good)...)
	batch = append(batch, 0x0a, 0x7f, 'x') // an envelope that ends beyond the batch
	if malformed := in.V2(batch, time.Unix(100, 0)); malformed != 2 {
		t.Fatalf("%d malformed", malformed)
	}
	requireMetrics(t, reg, `
# HELP loggregator_exporter_envelopes_received_total Envelopes received from Loggregator.
# TYPE loggregator_exporter_envelopes_received_total counter
loggregator_exporter_envelopes_received_total{source="rlp"} 6
# HELP loggregator_exporter_envelopes_total Envelopes by what became of them.
# TYPE loggregator_exporter_envelopes_total counter
loggregator_exporter_envelopes_total{outcome="converted",source="rlp"} 3
loggregator_exporter_envelopes_total{outcome="filtered",source="rlp"} 0
loggregator_exporter_envelopes_total{outcome="ignored",source="rlp"} 1
loggregator_exporter_envelopes_total{outcome="malformed",source="rlp"} 2
# HELP loggregator_exporter_source_last_envelope_timestamp_seconds Unix time at which the source last received an envelope; 0 if never.
# TYPE loggregator_exporter_source_last_envelope_timestamp_seconds gauge
loggregator_exporter_source_last_envelope_timestamp_seconds{source="rlp"} 100
`, metricPrefix+"envelopes_received_total", metricPrefix+"envelopes_total",
		metricPrefix+"source_last_envelope_timestamp_seconds")
	if malformed := in.V2([]byte{0xff}, time.Unix(200, 0)); malformed != 1 {
		t.Fatalf("%d malformed", malformed)
	}
	if last := l.Source("rlp").LastHeard(); last != time.Unix(100, 0).UnixNano() {
		t.Fatalf("garbage counts as a sign of life: %d", last)
	}
}

func TestUpstreamDropped(t *testing.T) {
	l, reg := newTestLedger(t)
	in := NewIntake(l.Source("rlp"), &nullSink{})
	dropped := func(name, origin, direction string, delta uint64) {
		tags := map[string]string{"origin": origin}
		if direction != "" {
			tags["direction"] = direction
		}
		in.V2(wiretest.BatchOf(t,
			&loggregator_v2.Envelope{
				Tags: tags,
				Message: &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{
					Name: name, Delta: delta,
					Total: 1000,
				}},
			}), time.Unix(1, 0))
	}
	dropped("dropped", "loggregator.rlp", "egress", 100)
	dropped("dropped", "loggregator.rlp", "egress", 7)
	dropped("dropped", "loggregator.doppler", "ingress", 3)
	dropped("dropped", "loggregator.metron", "", 2)
	dropped("dropped", "gorouter", "egress", 50)
	dropped("dropped_other", "loggregator.rlp", "egress", 50)
	const head = `
# HELP loggregator_exporter_upstream_dropped_total Envelopes that Loggregator itself reports as lost before they reached the exporter.
# TYPE loggregator_exporter_upstream_dropped_total counter
`
	const name = metricPrefix + "upstream_dropped_total"
	requireMetrics(t, reg, head+`
loggregator_exporter_upstream_dropped_total{direction="egress",origin="loggregator.doppler"} 0
loggregator_exporter_upstream_dropped_total{direction="egress",origin="loggregator.rlp"} 107
loggregator_exporter_upstream_dropped_total{direction="ingress",origin="loggregator.doppler"} 3
loggregator_exporter_upstream_dropped_total{direction="ingress",origin="loggregator.rlp"} 0
loggregator_exporter_upstream_dropped_total{direction="",origin="loggregator.metron"} 2
`, name)
	// Whoever may write to the stream cannot make series without end of it.
	for i := range 10 * maxUpstreamKeys {
		dropped("dropped", "loggregator."+string(rune('a'+i%26))+string(rune('a'+i/26)), "x", 1)
	}
	if n, err := testutil.GatherAndCount(reg, name); err != nil || n != maxUpstreamKeys+1 {
		t.Fatalf("%d series, %v", n, err)
	}
	sum := uint64(0)
	for _, n := range l.upstream.snapshot() {
		sum += n
	}
	if sum != 107+3+2+10*maxUpstreamKeys {
		t.Fatalf("%d in all", sum)
	}
}

// randomSink gives every sample some outcome.
type randomSink struct {
	rng     *rand.Rand
	samples uint64
}

func (s *randomSink) Add(e *metric.Envelope, tally *metric.Tally) {
	for range e.Samples() {
		tally[s.rng.IntN(int(metric.NumOutcomes))]++
		s.samples++
	}
}

func (*randomSink) Flush(*metric.Tally) {}

// value is the sum of a counter or gauge over its labels.
func value(t interface{ Fatal(...any) }, reg prometheus.Gatherer, name string) float64 {
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == metricPrefix+name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// total is value for what counts.
func total(t interface{ Fatal(...any) }, reg prometheus.Gatherer, name string) uint64 {
	return uint64(value(t, reg, name))
}

// requireTotals fails unless each of the counters is as wanted.
func requireTotals(tb testing.TB, reg prometheus.Gatherer, want uint64, names ...string) {
	tb.Helper()
	for _, name := range names {
		if n := total(tb, reg, name); n != want {
			tb.Errorf("%s is %d, want %d", name, n, want)
		}
	}
}

// requireBalance fails unless so many envelopes of one sample were received, converted and stored.
func requireBalance(tb testing.TB, reg prometheus.Gatherer, envelopes uint64) {
	tb.Helper()
	requireTotals(tb, reg, envelopes, "envelopes_received_total", "envelopes_total", "samples_total")
}

// TestLedgerBalances feeds random envelopes, good and broken, through both ways in.
func TestLedgerBalances(t *testing.T) {
	var v1, v2 [][]byte
	for _, e := range append(wiretest.EnvelopesV1(), wiretest.PartialV1()...) {
		v1 = append(v1, wiretest.MarshalV1(t, e))
	}
	v1 = append(v1, wiretest.OddV1(t)...)
	for _, e := range wiretest.EnvelopesV2() {
		v2 = append(v2, wiretest.BatchOf(t, e))
	}
	for _, b := range wiretest.OddV2() {
		v2 = append(v2, append([]byte{0x0a, byte(len(b))}, b...), b)
	}
	rapid.Check(t, func(t *rapid.T) {
		reg := prometheus.NewRegistry()
		l, err := NewLedger(reg)
		if err != nil {
			t.Fatal(err)
		}
		sink := &randomSink{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))}
		udp, rlp := NewIntake(l.Source("udp"), sink), NewIntake(l.Source("rlp"), sink)
		datagrams, converted1 := uint64(0), uint64(0)
		for range rapid.IntRange(1, 50).Draw(t, "messages") {
			arrived := time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "arrived"), 0)
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 0:
				b := rapid.SampledFrom(v1).Draw(t, "v1")
				datagrams++
				if udp.V1(damage(t, b), arrived) {
					converted1++
				}
			case 1:
				datagrams++
				if udp.V1(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"), arrived) {
					converted1++
				}
			case 2:
				var batch []byte
				for range rapid.IntRange(0, 5).Draw(t, "envelopes") {
					batch = append(batch, damage(t, rapid.SampledFrom(v2).Draw(t, "v2"))...)
				}
				rlp.V2(batch, arrived)
			case 3:
				rlp.V2(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"), arrived)
			}
		}
		if received, outcomes := total(t, reg, "envelopes_received_total"),
			total(t, reg, "envelopes_total"); received != outcomes {
			t.Fatalf("received %d, outcomes %d", received, outcomes)
		}
		if samples := total(t, reg, "samples_total"); samples != sink.samples {
			t.Fatalf("samples %d, outcomes %d", sink.samples, samples)
		}
		account := l.Source("udp")
		if account.received.Load() != datagrams || account.envelopes[malformed].Load() != datagrams-converted1 {
			t.Fatalf("%d of %d datagrams", account.received.Load(), datagrams)
		}
	})
}

// damage changes a byte or cuts the end off, half the time.
func damage(t *rapid.T, b []byte) []byte {
	b = append([]byte{}, b...)
	if len(b) == 0 {
		return b
	}
	at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
	switch rapid.IntRange(0, 3).Draw(t, "damage") {
	case 0:
		b[at] = rapid.Byte().Draw(t, "byte")
	case 1:
		b = b[:at]
	}
	return b
}
