package otlp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"loggregator_exporter/exposition"
	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// receiver is an exporter: the source, the store and the page, with TLS and client certificates.
type receiver struct {
	store      *store.Store
	grpc, http string                 // addresses
	tls        *tls.Config            // of a client
	files      foundation.ClientFiles // the same as files
}

func startReceiver(t *testing.T) *receiver {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.New(store.Options{
		Resolver:   resolver.New(resolver.Options{Tagger: rules, Naming: naming.Style{Namespace: "cf"}}),
		Expiration: time.Hour, MaxSeries: 10_000, NativeHistograms: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := foundation.New(foundation.Options{Apps: -1})
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := nozzle.NewLedger(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	sources, err := nozzle.New(&nozzle.Options{OTLP: nozzle.OTLPOptions{
		Enabled: true, ListenAddress: "127.0.0.1:0", HTTPListenAddress: "127.0.0.1:0", MaxRequestBytes: 1 << 24,
		TLSConfig: f.CollectorTLS(),
	}}, &nozzle.Env{Ledger: ledger, NewSink: func() nozzle.Sink { return s.Writer() }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	source := sources[0].(*nozzle.OTLP)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	grpcAddress, err := source.Addr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	httpAddress, err := source.HTTPAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := f.WriteDownstreamFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &receiver{s, grpcAddress.String(), httpAddress.String(), f.OTLPClientTLS(), files}
}

// page returns the exporter's page, a line a series: what a scrape in the format of protobuf gets, without times.
func (r *receiver) page(t *testing.T) []string {
	t.Helper()
	var page bytes.Buffer
	if err := exposition.Write(&page, expfmt.FmtProtoDelim, r.store.Families(), &store.Reader{}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	decoder := expfmt.NewDecoder(&page, expfmt.FmtProtoDelim)
	for {
		var f dto.MetricFamily
		err := decoder.Decode(&f)
		if errors.Is(err, io.EOF) {
			slices.Sort(lines)
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range f.GetMetric() {
			lines = append(
				lines,
				fmt.Sprintf("%s %s{%s} %s", strings.ToLower(f.GetType().String()), f.GetName(), labelsOf(m.GetLabel()),
					valueOf(m)),
			)
		}
	}
}

func labelsOf(labels []*dto.LabelPair) string {
	var out []string
	for _, l := range labels {
		out = append(out, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	return strings.Join(out, ",")
}

func valueOf(m *dto.Metric) string {
	started := func(at interface{ GetSeconds() int64 }) string {
		if at.GetSeconds() > 0 {
			return " started"
		}
		return ""
	}
	switch {
	case m.GetGauge() != nil:
		return fmt.Sprint(m.GetGauge().GetValue())
	case m.GetCounter() != nil:
		return fmt.Sprint(m.GetCounter().GetValue()) + started(m.GetCounter().GetCreatedTimestamp())
	case m.GetHistogram() != nil:
		h := m.GetHistogram()
		var b strings.Builder
		fmt.Fprintf(&b, "count %d sum %v", h.GetSampleCount(), h.GetSampleSum())
		for _, bucket := range h.GetBucket() {
			fmt.Fprintf(&b, " %v:%d", bucket.GetUpperBound(), bucket.GetCumulativeCount())
			if x := bucket.GetExemplar(); x != nil {
				fmt.Fprintf(&b, "(%v %s)", x.GetValue(), labelsOf(x.GetLabel()))
			}
		}
		if h.Schema != nil {
			fmt.Fprintf(&b, " schema %d zero %d", h.GetSchema(), h.GetZeroCount())
			for _, s := range h.GetPositiveSpan() {
				fmt.Fprintf(&b, " %d+%d", s.GetOffset(), s.GetLength())
			}
			fmt.Fprintf(&b, " %v", h.GetPositiveDelta())
			for _, x := range h.GetExemplars() {
				fmt.Fprintf(&b, "(%v %s)", x.GetValue(), labelsOf(x.GetLabel()))
			}
		}
		return b.String() + started(h.GetCreatedTimestamp())
	}
	return "?"
}

// requirePage compares the page.
func (r *receiver) requirePage(t *testing.T, want ...string) {
	t.Helper()
	if got := r.page(t); !slices.Equal(got, want) {
		t.Errorf("the page is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
