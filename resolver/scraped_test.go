package resolver_test

import (
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// TestScrapedMetrics: metrics of components' Prometheus endpoints become the same series as the flat metrics of those
// components, where both exist.
func TestScrapedMetrics(t *testing.T) {
	gauge, counter := metric.KindGauge, metric.KindCounter
	for _, tt := range []struct {
		id   store.Identity
		tags []string
		want string
	}{
		{
			store.Identity{Kind: gauge, Name: "gorouter_time", Unit: "ms"},
			[]string{"origin", "gorouter"},
			`cf_gorouter_time_seconds{component="gorouter",origin="gorouter"}`,
		},
		{
			store.Identity{Kind: gauge, Composite: metric.TypeHistogram, Name: "gorouter_time"},
			[]string{"origin", "gorouter"},
			`cf_gorouter_time_seconds{component="gorouter",origin="gorouter"}`,
		},
		{
			store.Identity{Kind: counter, Name: "responses"},
			[]string{"origin", "gorouter", "status_group", "2xx"},
			`cf_responses_total{component="gorouter",origin="gorouter",status="2xx"}`,
		},
		{
			store.Identity{Kind: counter, Name: "responses_route_services"},
			[]string{"origin", "gorouter", "status_group", "5xx"},
			`cf_responses_route_services_total{component="gorouter",origin="gorouter",status="5xx"}`,
		},
		{
			store.Identity{Kind: counter, Name: "responses"},
			[]string{"origin", "shop", "status_group", "2xx"},
			`cf_responses_total{component="shop",origin="shop",status_group="2xx"}`,
		},
		{
			store.Identity{Kind: counter, Name: "origin_mappings", SourceID: "fa"},
			[]string{"origin", "loggregator.agent", "unit", "bytes/minute"},
			`cf_origin_mappings_total{component="loggregator.agent",origin="loggregator.agent",source_id="fa"}`,
		},
		{
			store.Identity{Kind: gauge, Name: "cc_puma_worker_started_at"},
			[]string{"origin", "cc", "index", "2", "pid", "17"},
			`cf_cc_puma_worker_started_at_timestamp_seconds{component="cc",origin="cc",pid="17",worker="2"}`,
		},
		{
			store.Identity{Kind: gauge, Name: "cc_vitals_num_cores"},
			[]string{"origin", "cc", "index", "2"},
			`cf_cc_vitals_num_cores{bosh_job_id="2",component="cc",origin="cc"}`,
		},
		{
			store.Identity{Kind: gauge, Name: "rabbitmq_queue_messages_ready", SourceID: "rabbit@orders"},
			[]string{"job", "rmq"},
			`cf_rabbitmq_queue_messages_ready{bosh_job_name="rmq",component="rmq",source_id="rabbit@orders"}`,
		},
		{
			store.Identity{Kind: gauge, Name: "erlang_vm_memory_atom_bytes_total", SourceID: "orders"},
			[]string{"job", "rmq"},
			`cf_erlang_vm_memory_atom_total_bytes{bosh_job_name="rmq",component="rmq",source_id="orders"}`,
		},
		{
			store.Identity{Kind: gauge, Name: "rabbitmq_queue_messages_ready", SourceID: "orders"},
			nil,
			`cf_rabbitmq_queue_messages_ready{component="orders",source_id="orders"}`,
		},
	} {
		if got := series(newResolver(t), tt.id, tt.tags...); got != tt.want {
			t.Errorf("%s, %v:\n%s, want\n%s", tt.id.Name, tt.tags, got, tt.want)
		}
	}
}
