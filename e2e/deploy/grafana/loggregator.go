package grafana

// loggregatorBoard follows envelopes from the agents to their readers.
func loggregatorBoard() *board {
	const dropped = "Envelopes dropped, by side: ingress when it cannot keep up itself, egress when who reads from it cannot."
	return &board{
		name: "loggregator", title: "Cloud Foundry / Loggregator", filter: foundationFilter,
		description: "The way of logs and metrics: agents, dopplers, reverse log proxies, syslog, Log Cache and Metric Store, and where something is lost.",
		variables:   foundationVariables("cf_ingress_total"),
		annotations: []annotation{exporterRestarts("")},
		rows: []row{
			{"Now", []*panel{
				number("Into agents", perSec, "Envelopes that the agents of all machines receive.", q(`sum(rate(cf_ingress_total{@,component="loggregator.metron"}[$__rate_interval]))`, "")),
				number("Into dopplers", perSec, "Envelopes that all dopplers receive.", q(`sum(rate(cf_ingress_total{@,component="loggregator.doppler"}[$__rate_interval]))`, "")),
				number("Out of proxies", perSec, "Envelopes that reverse log proxies send to their readers, this exporter among them.", q(`sum(rate(cf_egress_total{@,component="loggregator.rlp"}[$__rate_interval]))`, "")),
				number("Lost by agents", ratio, "What agents drop of what they receive.",
					q(`sum(rate(cf_dropped_total{@,component="loggregator.metron"}[$__rate_interval])) / sum(rate(cf_ingress_total{@,component="loggregator.metron"}[$__rate_interval]))`, "")).warn(0.001, 0.01),
				number("Lost by dopplers", ratio, "What dopplers drop of what they receive. Above 1 % add dopplers.",
					q(`sum(rate(cf_dropped_total{@,component="loggregator.doppler"}[$__rate_interval])) / sum(rate(cf_ingress_total{@,component="loggregator.doppler"}[$__rate_interval]))`, "")).warn(0.001, 0.01),
				number("Lost by proxies", ratio, "What reverse log proxies drop of what they receive. Some reader is too slow, or there are too few proxies.",
					q(`sum(rate(cf_dropped_total{@,component="loggregator.rlp"}[$__rate_interval])) / sum(rate(cf_ingress_total{@,component="loggregator.rlp"}[$__rate_interval]))`, "")).warn(0.001, 0.01),
			}},
			{"Agents", []*panel{
				graph("Received by job", perSec, "Envelopes that agents receive, by job of their machines.", q(`sum by (bosh_job_name) (rate(cf_ingress_total{@,component="loggregator.metron"}[$__rate_interval]))`, "{{bosh_job_name}}")),
				graph("Dropped by job", perSec, dropped, q(`sum by (bosh_job_name, direction) (rate(cf_dropped_total{@,component="loggregator.metron"}[$__rate_interval]))`, "{{bosh_job_name}} {{direction}}")),
				graph("Connections to dopplers", count, "Connections that agents have to dopplers, the machine with the fewest of each job; 5 is usual.", q("min by (bosh_job_name) (cf_doppler_connections{@})", "{{bosh_job_name}}")),
				graph("Size of envelopes", byteRate, "Bytes that agents take, averaged over a minute, all machines of a job.", q("sum by (bosh_job_name) (cf_average_envelopes_bytes_per_second{@})", "{{bosh_job_name}}")),
				graph("Old agents", perSec, "Messages that agents of releases before 2017 send, by protocol.", q("sum by (protocol) (rate(cf_sent_message_count_total{@,protocol!=\"\"}[$__rate_interval]))", "{{protocol}}")),
				graph("Forwarder agents", perSec, "Envelopes that forwarder agents drop since a consumer on the same machine, an exporter as a sidecar for example, is too slow.",
					q("sum by (bosh_job_name) (rate(cf_egress_expired_total{@}[$__rate_interval]))", "{{bosh_job_name}}")),
			}},
			{"Dopplers and proxies", []*panel{
				graph("Dopplers received", perSec, "Envelopes that each doppler receives. Around 16,000 a second is what one takes.", q(`sum by (bosh_job_ip) (rate(cf_ingress_total{@,component="loggregator.doppler"}[$__rate_interval]))`, "{{bosh_job_ip}}")).atMost(16000),
				graph("Dopplers sent", perSec, "Envelopes that each doppler sends, each as often as somebody reads it.", q(`sum by (bosh_job_ip) (rate(cf_egress_total{@,component="loggregator.doppler"}[$__rate_interval]))`, "{{bosh_job_ip}}")),
				graph("Dopplers dropped", perSec, dropped, q(`sum by (bosh_job_ip, direction) (rate(cf_dropped_total{@,component="loggregator.doppler"}[$__rate_interval]))`, "{{bosh_job_ip}} {{direction}}")),
				graph("Proxies received and sent", perSec, "Envelopes of each reverse log proxy.",
					q(`sum by (bosh_job_ip) (rate(cf_ingress_total{@,component="loggregator.rlp"}[$__rate_interval]))`, "{{bosh_job_ip}} received"), q(`sum by (bosh_job_ip) (rate(cf_egress_total{@,component="loggregator.rlp"}[$__rate_interval]))`, "{{bosh_job_ip}} sent")),
				graph("Proxies dropped", perSec, dropped, q(`sum by (bosh_job_ip, direction) (rate(cf_dropped_total{@,component="loggregator.rlp"}[$__rate_interval]))`, "{{bosh_job_ip}} {{direction}}")),
				graph("Subscriptions", count, "Streams that are open at dopplers and reverse log proxies.", q("sum by (component) (cf_subscriptions{@})", "{{component}}")),
				graph("Streams refused", perSec, "Streams that reverse log proxies refuse since there are too many.", q("sum(rate(cf_rejected_streams_total{@}[$__rate_interval]))", "refused")),
				graph("Traffic controllers", count, "Streams of apps and firehoses that are open, and readers cut off for being too slow.",
					q("sum(cf_doppler_proxy_app_streams{@})", "app streams"), q("sum(cf_doppler_proxy_firehoses{@})", "firehoses"), q("sum(increase(cf_doppler_proxy_slow_consumer_total{@}[$__rate_interval]))", "slow readers")),
				graph("Lost in sinks", perSec, "Messages that dopplers drop for container metrics and recent logs.", q("sum by (component) (rate(cf_sinks_dropped_total{@}[$__rate_interval]))", "{{component}}")),
			}},
			{"Syslog, Log Cache, Metric Store", []*panel{
				graph("Drains", count, "Syslog drains that agents have: in use, for everything, invalid, refused by the blocklist.",
					q("max(cf_active_drains{@})", "active"), q("max(cf_aggregate_drains{@})", "aggregate"), q("max(cf_invalid_drains{@})", "invalid"), q("max(cf_blacklisted_drains{@})", "blocked")),
				graph("Dropped for drains", perSec, "Messages that could not be sent to a drain.", q("sum(rate(cf_messages_dropped_per_drain_total{@}[$__rate_interval]))", "dropped")),
				graph("Refresh of bindings", seconds, "Time that syslog agents take to fetch their drains.", q("max(cf_latency_for_last_binding_refresh_seconds{@})", "slowest")).atMost(10),
				graph("Log Cache", perSec, "Envelopes that Log Cache receives, serves, and drops to make room.",
					q("sum(rate(cf_log_cache_ingress_total{@}[$__rate_interval]))", "received"), q("sum(rate(cf_log_cache_egress_total{@}[$__rate_interval]))", "served"), q("sum(rate(cf_log_cache_expired_total{@}[$__rate_interval]))", "expired")),
				graph("Age of Log Cache", seconds, "Age of the oldest envelope, the shortest of all nodes. Below 15 minutes it is too small.", q("min(cf_log_cache_cache_period_seconds{@})", "age")),
				graph("Memory of Log Cache", ratio, "Memory in use as a share of what it may use.", q("max by (bosh_job_ip) (cf_log_cache_memory_utilization_ratio{@})", "{{bosh_job_ip}}")).share().atMost(0.9),
				graph("Metric Store", perSec, "Points that Metric Store receives, writes and drops.",
					q("sum(rate(cf_metric_store_ingress_points_total{@}[$__rate_interval]))", "received"), q("sum(rate(cf_metric_store_written_points_total{@}[$__rate_interval]))", "written"), q("sum(rate(cf_metric_store_dropped_points_total{@}[$__rate_interval]))", "dropped")),
				graph("Series of Metric Store", count, "Series that Metric Store has.", q("max(cf_metric_store_series_count{@})", "series")),
				graph("Disk of Metric Store", ratio, "Disk space that is free.", q("min(cf_metric_store_disk_free_ratio{@})", "free")).share(),
			}},
		},
	}
}
