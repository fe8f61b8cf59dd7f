package grafana

const lately = "[$__rate_interval]"

// own is a metric of the exporter itself.
func own(metric string) string { return "loggregator_exporter_" + metric + "{@}" }

// rated is a counter of the exporter itself, a second.
func rated(by, metric, legend string) query {
	return q("sum by ("+by+") (rate("+own(metric)+lately+"))", legend)
}

// most is the highest value of a metric of the exporter itself.
func most(by, metric, legend string) query { return q("max by ("+by+") ("+own(metric)+")", legend) }

// exporterBoard watches the exporter itself.
func exporterBoard() *board {
	const which = `job=~"$job",instance=~"$instance"`
	return &board{
		name:        "exporter-health",
		title:       "Cloud Foundry / Exporter health",
		filter:      which,
		description: "Whether the exporter receives everything and exposes it: the ledger of envelopes and samples, its sources, limits, scrapes, remote write and configuration.",
		variables: []variable{
			{
				name:        "job",
				label:       "Job",
				description: "Prometheus' job of the exporters",
				metric:      "loggregator_exporter_build_info",
				of:          "job",
			},
			{
				name:        "instance",
				label:       "Instance",
				description: "one exporter, or one shard",
				metric:      `loggregator_exporter_build_info{job=~"$job"}`,
				of:          "instance",
			},
		},
		annotations: []annotation{
			exporterRestarts("{" + which + "}"),
			{
				name:  "Configuration loaded",
				color: "blue",
				expr:  `time() - loggregator_exporter_config_last_reload_success_timestamp_seconds{@} < 60`,
			},
		},
		rows: []row{
			{
				"Now",
				[]*panel{
					number("Exporters", count, "Exporters that Prometheus scrapes.", q("count("+own("build_info")+")", "")),
					number(
						"Sources down",
						count,
						"Sources that are not connected.",
						q("sum(1 - "+own("source_up")+")", ""),
					).atMost(1),
					number(
						"Received",
						perSec,
						"Envelopes received by all sources.",
						q("sum(rate("+own("envelopes_received_total")+lately+"))", ""),
					),
					number(
						"Lost upstream",
						ratio,
						"What Loggregator says it has lost, as a share of what should have come.",
						q(
							"sum(rate("+own("upstream_dropped_total")+lately+")) / (sum(rate("+own("envelopes_received_total")+lately+")) + sum(rate("+own("upstream_dropped_total")+lately+")))",
							"",
						),
					).warn(0.001, 0.01),
					number("Series", count, "Series that all exporters expose.", q("sum("+own("series")+")", "")),
					number(
						"Configuration",
						state,
						"1 where every exporter's last attempt to load its configuration succeeded.",
						q("min("+own("config_last_reload_successful")+")", ""),
					).up(),
				},
			},
			{
				"Sources",
				[]*panel{
					graph(
						"Connected",
						state,
						"1 while a source is connected.",
						q("min by (instance, source) ("+own("source_up")+")", "{{instance}} {{source}}"),
					).share(),
					graph(
						"Silence",
						seconds,
						"Time since the last envelope of each source. Connected and silent is a mute source.",
						q(
							"time() - max by (instance, source) ("+own("source_last_envelope_timestamp_seconds")+" > 0)",
							"{{instance}} {{source}}",
						),
					).atMost(120),
					graph(
						"Reconnects",
						count,
						"Times that sources had to connect again, by reason.",
						q("sum by (source, reason) (increase("+own("source_reconnects_total")+lately+"))", "{{source}} {{reason}}"),
					),
					graph(
						"Refusals",
						count,
						"Connections and streams that sources refused or gave up, by reason.",
						q("sum by (source, reason) (increase("+own("source_refusals_total")+lately+"))", "{{source}} {{reason}}"),
					),
					graph(
						"Tokens",
						count,
						"Requests to UAA for a token, by outcome. There only with the gateway or the firehose.",
						q("sum by (outcome) (increase("+own("uaa_token_requests_total")+lately+"))", "{{outcome}}"),
					).none("no UAA in use"),
					graph(
						"Life of the token",
						seconds,
						"Time for which the token in hand is still good.",
						q("min by (instance) ("+own("uaa_token_expiry_timestamp_seconds")+") - time()", "{{instance}}"),
					).signed().
						none("no UAA in use"),
					graph(
						"Life of certificates",
						seconds,
						"Time until the certificates of a file are no longer valid, by the setting that names it.",
						q(
							"min by (instance, setting) ("+own("certificate_expiry_timestamp_seconds")+" > 0) - time()",
							"{{instance}} {{setting}}",
						),
					).signed().
						none("no certificates in use"),
				},
			},
			{
				"Ledger",
				[]*panel{
					graph(
						"Received by source",
						perSec,
						"Envelopes that each kind of source receives.",
						rated("source", "envelopes_received_total", "{{source}}"),
					).stacked(),
					graph(
						"Envelopes by outcome",
						perSec,
						"What became of them: together they are those received.",
						rated("outcome", "envelopes_total", "{{outcome}}"),
					).stacked(),
					graph(
						"Not accounted for",
						count,
						"Envelopes received that have no outcome yet: those in hand, never more than a few batches.",
						q(
							"sum by (instance) ("+own("envelopes_received_total")+") - sum by (instance) ("+own("envelopes_total")+")",
							"{{instance}}",
						),
					).signed(),
					graph(
						"Samples by outcome",
						perSec,
						"What became of the samples of converted envelopes.",
						rated("outcome", "samples_total", "{{outcome}}"),
					).stacked(),
					graph(
						"Samples refused",
						perSec,
						"Samples that are not exposed: outdated, in conflict, beyond a limit, invalid.",
						q(
							`sum by (outcome) (rate(loggregator_exporter_samples_total{@,outcome=~"outdated|conflict|over_limit|invalid"}`+lately+"))",
							"{{outcome}}",
						),
					),
					graph(
						"Dropped upstream",
						perSec,
						"Envelopes that Loggregator lost before they reached the exporter, by who lost them. docs/metrics.md says who was too slow.",
						rated("origin, direction", "upstream_dropped_total", "{{origin}} {{direction}}"),
					),
					list(
						"Refused by name",
						count,
						"Names whose samples were refused, with the most since the exporter's start.",
						q(
							"topk(20, sum by (outcome, metric, raw_name) ("+own("refused_samples_total")+"))",
							"{{outcome}} {{raw_name}}",
						),
					).none("nothing was refused"),
					list(
						"Labels asked for twice",
						count,
						"Series of which a label was asked for twice with different values, by label.",
						q("sum by (label) ("+own("label_overrides_total")+")", "{{label}}"),
					).none("no label was asked for twice"),
				},
			},
			{
				"Series",
				[]*panel{
					graph(
						"Series and families",
						count,
						"What is exposed. Near metrics.max_series new series are refused.",
						most("instance", "series", "{{instance}} series"),
						most("instance", "families", "{{instance}} families"),
					),
					graph(
						"Names without a rule",
						count,
						"Raw names that no rule matched; most need none.",
						most("instance", "untagged_names", "{{instance}}"),
					),
					graph(
						"Largest metrics",
						count,
						"Series of the ten metrics that have the most.",
						most("metric", "top_metric_series", "{{metric}}"),
					),
					graph(
						"Widest labels",
						count,
						"Values of the label that has the most, by metric.",
						most("metric, label", "top_label_values", "{{metric}} {{label}}"),
					),
					graph(
						"Largest owners",
						count,
						"Series of the ten owners that have the most. There only where metrics.max_series_per_owner is set.",
						most("owner", "top_owner_series", "{{owner}}"),
					).none("metrics.max_series_per_owner is not set"),
					graph(
						"Cost of a series",
						size,
						"Memory of the process divided by its series.",
						q(
							`max by (instance) (process_resident_memory_bytes{@} and on (instance, job) loggregator_exporter_build_info) / max by (instance) (`+own(
								"series",
							)+`)`,
							"{{instance}}",
						),
					),
				},
			},
			exporterReceivers(),
			exporterOutput(),
			exporterProcess(),
		},
	}
}

// exporterReceivers is what the sources say to which agents and collectors send.
func exporterReceivers() row {
	const noDrain, noOTLP = "no nozzle.syslog in use", "no nozzle.otlp in use"
	return row{
		"Syslog agents and OTLP",
		[]*panel{
			graph(
				"Syslog agents",
				count,
				"Agents that are connected, and their connections: each replaces its connection once a minute.",
				most("instance", "syslog_agents", "{{instance}} agents"),
				most("instance", "syslog_connections", "{{instance}} connections"),
			).none(noDrain),
			graph(
				"Age of syslog data",
				seconds,
				"Age at arrival of the oldest message of the last minute or two. Old data comes after an outage.",
				most("instance", "syslog_oldest_data_seconds", "{{instance}}"),
			).atMost(120).none(noDrain),
			graph(
				"Syslog messages with loss",
				perSec,
				"Messages that were too long, and messages whose ids the agent has cut. Connections without a message are probes.",
				rated("instance", "syslog_oversized_messages_total", "{{instance}} too long"),
				rated("id", "syslog_cut_ids_total", "{{id}} cut"),
				rated("instance", "syslog_probes_total", "{{instance}} probes"),
			).none(noDrain),
			graph(
				"OTLP points refused",
				perSec,
				"Data points that cannot be taken, by reason. The rest of their requests is taken.",
				rated("reason", "otlp_points_refused_total", "{{reason}}"),
			).none(noOTLP),
		},
	}
}

// exporterOutput is how what it knows leaves it.
func exporterOutput() row {
	return row{
		"Scrapes and remote write",
		[]*panel{
			graph(
				"Scrapes by outcome",
				perSec,
				"Scrapes: complete, aborted by the client, refused, invalid.",
				rated("outcome", "scrapes_total", "{{outcome}}"),
			),
			graph(
				"Duration of scrapes",
				seconds,
				"As Prometheus measures it. It must stay below the scrape timeout.",
				q(
					"max by (instance) (scrape_duration_seconds{@} and on (instance, job) loggregator_exporter_build_info)",
					"{{instance}}",
				),
			).atMost(10),
			graph(
				"Left out of scrapes",
				count,
				"Families left out for their names, and scrapes without some of the exporter's own metrics.",
				q(
					"sum(increase("+own("scrape_families_omitted_total")+lately+"))",
					"families",
				),
				q("sum(increase("+own("scrape_gather_errors_total")+lately+"))", "own metrics"),
			),
			graph(
				"Remote write",
				perSec,
				"Samples that the receiver took, refused, was sent again, or never got.",
				q(
					"sum(rate("+own("remote_write_samples_total")+lately+"))",
					"taken",
				),
				q("sum(rate("+own("remote_write_samples_failed_total")+lately+"))", "failed"),
				q(
					"sum(rate("+own("remote_write_samples_retried_total")+lately+"))",
					"retried",
				),
				q("sum by (reason) (rate("+own("remote_write_samples_dropped_total")+lately+"))", "dropped: {{reason}}"),
			).none("remote write is off"),
			graph(
				"Remote write queue",
				ratio,
				"Share of the queue that is full.",
				q(
					"max by (instance) ("+own("remote_write_queue_bytes")+" / "+own("remote_write_queue_capacity_bytes")+")",
					"{{instance}}",
				),
			).share().
				atMost(0.7).
				none("remote write is off"),
			graph(
				"Remote write delay",
				seconds,
				"How far what was taken lies behind what was collected, and how long a round and a request take.",
				q(
					"max by (instance) ("+own("remote_write_highest_timestamp_seconds")+" - "+own("remote_write_queue_highest_sent_timestamp_seconds")+")",
					"{{instance}} behind",
				),
				most("instance", "remote_write_round_duration_seconds", "{{instance}} round"),
				q(
					"histogram_quantile(0.99, sum by (le) (rate(loggregator_exporter_remote_write_sent_batch_duration_seconds_bucket{@}"+lately+")))",
					"request, p99",
				),
			).none("remote write is off"),
		},
	}
}

// exporterProcess is what the process costs.
func exporterProcess() row {
	return row{
		"Process",
		[]*panel{
			graph(
				"Memory",
				size,
				"Memory of the process as the machine sees it, and its heap.",
				q(
					"max by (instance) (process_resident_memory_bytes{@} and on (instance, job) loggregator_exporter_build_info)",
					"{{instance}} resident",
				),
				q(
					"max by (instance) (go_memstats_heap_inuse_bytes{@} and on (instance, job) loggregator_exporter_build_info)",
					"{{instance}} heap",
				),
			),
			graph(
				"Processor",
				count,
				"Cores that the process uses.",
				q(
					"max by (instance) (rate(process_cpu_seconds_total{@}"+lately+") and on (instance, job) loggregator_exporter_build_info)",
					"{{instance}}",
				),
			),
			graph(
				"Garbage collection",
				seconds,
				"The longest recent pause.",
				q(
					`max by (instance) (go_gc_duration_seconds{@,quantile=~"1|1.0"} and on (instance, job) loggregator_exporter_build_info)`,
					"{{instance}}",
				),
			),
			graph(
				"Goroutines",
				count,
				"Goroutines of the process.",
				q("max by (instance) (go_goroutines{@} and on (instance, job) loggregator_exporter_build_info)", "{{instance}}"),
			),
			graph(
				"File descriptors",
				ratio,
				"File descriptors open as a share of the limit.",
				q(
					"max by (instance) (process_open_fds{@} / process_max_fds{@} and on (instance, job) loggregator_exporter_build_info)",
					"{{instance}}",
				),
			).share().
				atMost(0.8),
			list(
				"Versions",
				count,
				"What runs where: 1 for each exporter.",
				most("instance, version, revision, goversion", "build_info", "{{instance}} {{version}}"),
			),
			list(
				"Last load of the configuration",
				seconds,
				"Time since each exporter last loaded its configuration with success.",
				q("time() - max by (instance) ("+own("config_last_reload_success_timestamp_seconds")+")", "{{instance}}"),
			),
		},
	}
}
