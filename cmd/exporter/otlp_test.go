package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/emptypb"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle"
)

// otlpSamples returns the requests for metrics that real forwarder agents and a real collector sent, and the note of
// each.
func otlpSamples(t *testing.T) (notes []string, requests []json.RawMessage) {
	t.Helper()
	text, err := os.ReadFile("../../nozzle/testdata/otlp-samples.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []struct {
		Note    string
		Request json.RawMessage
	}
	if err := json.Unmarshal(text, &samples); err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if bytes.Contains(s.Request, []byte("resourceMetrics")) {
			notes, requests = append(notes, s.Note), append(requests, s.Request)
		}
	}
	return notes, requests
}

func otlpOnLoopback() nozzle.OTLPOptions {
	return nozzle.OTLPOptions{
		Enabled: true, ListenAddress: "127.0.0.1:0", MaxRequestBytes: 1 << 24, ResourceAttributes: []string{"k8s.*"},
	}
}

// startOTLP starts a service that takes OTLP on loopback.
func startOTLP(t *testing.T) (r running, stop func() error) {
	t.Helper()
	cfg := testConfig()
	cfg.Nozzle.UDP.Enabled = false
	cfg.Nozzle.OTLP = otlpOnLoopback()
	return startService(t, cfg, slog.New(slog.DiscardHandler))
}

// exportOTLP sends requests by gRPC, one after the other.
func exportOTLP(t *testing.T, r running, requests ...*metricsv1.MetricsData) {
	t.Helper()
	conn, err := grpc.NewClient(r.Listening["otlp"].String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, request := range requests {
		err := conn.Invoke(t.Context(), "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", request,
			&emptypb.Empty{})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func otlpOf(t *testing.T, text []byte) *metricsv1.MetricsData {
	t.Helper()
	var request metricsv1.MetricsData
	if err := protojson.Unmarshal(text, &request); err != nil {
		t.Fatal(err)
	}
	return &request
}

// envelopesOf returns the envelopes of which an agent has made the metrics of a request.
func envelopesOf(request *metricsv1.MetricsData) (envelopes []*loggregator_v2.Envelope) {
	envelope := func(p *metricsv1.NumberDataPoint) *loggregator_v2.Envelope {
		e := &loggregator_v2.Envelope{Timestamp: int64(p.GetTimeUnixNano()), Tags: map[string]string{}}
		for _, a := range p.GetAttributes() {
			e.Tags[a.GetKey()] = a.GetValue().GetStringValue()
		}
		e.SourceId, e.InstanceId = e.Tags["source_id"], e.Tags["instance_id"]
		delete(e.Tags, "source_id")
		delete(e.Tags, "instance_id")
		envelopes = append(envelopes, e)
		return e
	}
	for _, r := range request.GetResourceMetrics() {
		for _, s := range r.GetScopeMetrics() {
			for _, m := range s.GetMetrics() {
				for _, p := range m.GetGauge().GetDataPoints() {
					value := &loggregator_v2.GaugeValue{Unit: m.GetUnit(), Value: p.GetAsDouble()}
					envelope(p).Message = &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
						Metrics: map[string]*loggregator_v2.GaugeValue{m.GetName(): value},
					}}
				}
				for _, p := range m.GetSum().GetDataPoints() {
					counter := &loggregator_v2.Counter{Name: m.GetName(), Total: uint64(p.GetAsInt())}
					envelope(p).Message = &loggregator_v2.Envelope_Counter{Counter: counter}
				}
			}
		}
	}
	return envelopes
}

// TestOTLPSamples: what real agents and a real collector sent becomes exactly these series, and the same data by
// Loggregator's own protocol becomes the same.
func TestOTLPSamples(t *testing.T) {
	_, samples := otlpSamples(t)
	var requests []*metricsv1.MetricsData
	var envelopes []*loggregator_v2.Envelope
	for _, text := range samples {
		requests = append(requests, otlpOf(t, text))
		envelopes = append(envelopes, envelopesOf(requests[len(requests)-1])...)
	}
	r, stop := startOTLP(t)
	exportOTLP(t, r, requests...)
	_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
	if err := stop(); err != nil {
		t.Error(err)
	}
	compareGolden(t, "testdata/otlp/samples.page", caseLines(page))

	f, err := foundation.New(foundation.Options{Apps: -1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.Nozzle.Ingress = nozzle.IngressOptions{Enabled: true, ListenAddress: "127.0.0.1:0", TLSConfig: f.DownstreamTLS()}
	r, stop = startService(t, cfg, slog.New(slog.DiscardHandler))
	sendV2(t, f, r.Listening["ingress"].String(), envelopes)
	_, page = fetch(t, "http://"+r.Web.String()+"/metrics")
	if err := stop(); err != nil {
		t.Error(err)
	}
	compareGolden(t, "testdata/otlp/samples.page", caseLines(page))
}

// TestOTLPSampleAlone: each sample, sent alone to an exporter that has nothing else, becomes exactly the series listed
// under its note.
func TestOTLPSampleAlone(t *testing.T) {
	notes, samples := otlpSamples(t)
	var b strings.Builder
	for i, text := range samples {
		r, stop := startOTLP(t)
		exportOTLP(t, r, otlpOf(t, text))
		_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
		if err := stop(); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(&b, "# sample %d: %s\n%s", i, notes[i], caseLines(page))
	}
	compareGolden(t, "testdata/otlp/each.page", b.String())
}

// TestOTLPOfOthers: OTLP that is not Cloud Foundry's, with resources, scopes and metrics of all kinds, becomes exactly
// these series, and what cannot be taken is counted by reason.
func TestOTLPOfOthers(t *testing.T) {
	r, stop := startOTLP(t)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	text, err := os.ReadFile("testdata/otlp/others.json")
	if err != nil {
		t.Fatal(err)
	}
	exportOTLP(t, r, otlpOf(t, text))
	_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
	var refused strings.Builder
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "loggregator_exporter_otlp_points_refused_total") && !strings.HasSuffix(line, " 0\n") {
			refused.WriteString(line)
		}
	}
	compareGolden(t, "testdata/otlp/others.page", caseLines(page)+refused.String())
}
