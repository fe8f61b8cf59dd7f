package otlp

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// startExporter starts an exporter of the collector, configured as in its file.
func startExporter(t *testing.T, factory exporter.Factory, settings map[string]any) exporter.Metrics {
	t.Helper()
	config := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(settings).Unmarshal(&config); err != nil {
		t.Fatal(err)
	}
	e, err := factory.CreateMetrics(t.Context(), exportertest.NewNopSettings(factory.Type()), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	return e
}

// cloudFoundry is a request as Cloud Foundry's collectors pass it on: a point a metric, with everything in attributes.
func cloudFoundry(batch, points int) pmetric.Metrics {
	m := pmetric.NewMetrics()
	metrics := m.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	for i := range points {
		one := metrics.AppendEmpty()
		one.SetName(fmt.Sprintf("memoryStats.value%c%c", 'a'+rune(batch), 'a'+rune(i)))
		var p pmetric.NumberDataPoint
		if i%2 == 0 {
			one.SetUnit("count")
			p = one.SetEmptyGauge().DataPoints().AppendEmpty()
			p.SetDoubleValue(float64(i) + 0.5)
		} else {
			sum := one.SetEmptySum()
			sum.SetIsMonotonic(true)
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			p = sum.DataPoints().AppendEmpty()
			p.SetIntValue(int64(i))
		}
		p.SetTimestamp(pcommon.Timestamp(1795000000123456789))
		for key, value := range map[string]string{
			"source_id": "rep", "instance_id": "", "origin": "rep", "deployment": "cf", "job": "diego_cell", "ip": "10.0.0.6",
		} {
			p.Attributes().PutStr(key, value)
		}
	}
	return m
}

// TestCollector: the collector's own exporters, by gRPC and by HTTP in both encodings, with their queues of ten
// workers and gzip, bring every point to the page.
func TestCollector(t *testing.T) {
	const batches, points = 20, 24
	for name, start := range map[string]func(*receiver, map[string]any) exporter.Metrics{
		"otlp_grpc": func(r *receiver, tls map[string]any) exporter.Metrics {
			return startExporter(t, otlpexporter.NewFactory(), map[string]any{"endpoint": r.grpc, "tls": tls})
		},
		"otlp_http": func(r *receiver, tls map[string]any) exporter.Metrics {
			return startExporter(t, otlphttpexporter.NewFactory(), map[string]any{"endpoint": "https://" + r.http, "tls": tls})
		},
		"otlp_http, encoding: json": func(r *receiver, tls map[string]any) exporter.Metrics {
			return startExporter(t, otlphttpexporter.NewFactory(),
				map[string]any{"endpoint": "https://" + r.http, "tls": tls, "encoding": "json"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := startReceiver(t)
			e := start(r, map[string]any{
				"ca_file": r.files.CA, "cert_file": r.files.Certificate, "key_file": r.files.Key,
				"server_name_override": "otel-collector",
			})
			for batch := range batches {
				if err := e.ConsumeMetrics(t.Context(), cloudFoundry(batch, points)); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Shutdown(context.Background()); err != nil { // it empties the queue
				t.Error(err)
			}
			var want []string
			const labels = `bosh_deployment="cf",bosh_job_ip="10.0.0.6",bosh_job_name="diego_cell",component="rep",origin="rep",` +
				`source_id="rep",type="vm_memory"`
			for batch := range batches {
				for i := range points {
					name := fmt.Sprintf("cf_value%c%c", 'a'+rune(batch), 'a'+rune(i))
					if i%2 == 0 {
						want = append(want, fmt.Sprintf("gauge %s{%s} %v", name, labels, float64(i)+0.5))
					} else {
						want = append(want, fmt.Sprintf("counter %s_total{%s} %d", name, labels, i))
					}
				}
			}
			slices.Sort(want)
			r.requirePage(t, want...)
		})
	}
}
