package bosh

import "slices"

const (
	group   = "/instance_groups/name=loggregator-exporter"
	nozzle  = group + "/jobs/name=loggregator_exporter"
	sidecar = "/addons/name=loggregator_exporter_sidecar/jobs/name=loggregator_exporter_sidecar"
	// exporterHost is the name by which agents and collectors find the exporters.
	exporterHost = "loggregator-exporter.service.cf.internal"
	cacheDrains  = "/instance_groups/name=scheduler/jobs/name=loggr-syslog-binding-cache/properties/aggregate_drains"
	forwarder    = "/addons/name=forwarder_agent/jobs/name=loggr-forwarder-agent/properties"
	collector    = "/addons/name=otel-collector"
	aliases      = "/addons/name=bosh-dns-aliases/jobs/name=bosh-dns-aliases/properties/aliases"
	scrapes      = "/instance_groups/name=prometheus2/jobs/name=prometheus2/properties/prometheus/scrape_configs"
)

// operations are all ways to deploy. Those of the exporter begin with the same ops file.
func operations() []operation {
	exporters, sidecars := exporterOperations(), sidecarOperations()
	for i := range exporters {
		o := &exporters[i]
		o.job, o.files = nozzleJob, append([]string{"add-exporter.yml"}, o.files...)
		o.given = append([]string{"system_domain"}, o.given...)
	}
	for i := range sidecars {
		sidecars[i].job, sidecars[i].given = sidecarJob, []string{"system_domain"}
	}
	return slices.Concat(exporters, sidecars, prometheusOperations())
}

func exporterOperations() []operation {
	return []operation{
		{
			name: "exporter",
			want: map[string]any{
				group + "/instances":                                  1,
				nozzle + "/properties/nozzle/rlp/tls":                 certificate("loggregator_exporter_tls"),
				nozzle + "/consumes/reverse_log_proxy/from":           "reverse_log_proxy",
				"/variables/name=loggregator_exporter_tls/options/ca": "loggregator_ca",
				"/variables/name=loggregator_exporter_tls/options/extended_key_usage": []any{
					"client_auth",
				},
				"/releases/name=loggregator_exporter/version": "latest",
			},
		},
		{
			name:  "shards",
			files: []string{"shards.yml"},
			given: []string{"loggregator_exporter_instances"},
			want: map[string]any{
				group + "/instances":            "((loggregator_exporter_instances))",
				group + "/azs":                  []any{"z1", "z2"},
				group + "/update/max_in_flight": 1,
			},
		},
		{
			name:  "gateway",
			files: []string{"use-gateway.yml"},
			want: map[string]any{
				nozzle + "/properties/nozzle/rlp/enabled":                                                         false,
				nozzle + "/properties/uaa/client_secret":                                                          "((uaa_clients_loggregator_exporter_secret))",
				"/instance_groups/name=uaa/jobs/name=uaa/properties/uaa/clients/loggregator_exporter/authorities": "doppler.firehose,logs.admin",
			},
			gone: []string{nozzle + "/consumes", "/variables/name=loggregator_exporter_tls"},
		},
		{
			name:  "compatibility",
			files: []string{"compatibility.yml"},
			want: map[string]any{
				nozzle + "/properties/metrics": map[string]any{
					"environment":   "((system_domain))",
					"compatibility": "firehose_exporter",
				},
			},
		},
		{
			name: "web", files: []string{"web-tls.yml"},
			given: []string{"loggregator_exporter_web_password_hash"},
			want: map[string]any{
				nozzle + "/properties/web/probe_without_auth":                             true,
				nozzle + "/properties/web/tls/cert":                                       "((loggregator_exporter_web_tls.certificate))",
				"/variables/name=loggregator_exporter_web_tls/options/extended_key_usage": []any{"server_auth"},
			},
		},
		{
			name:  "remote write",
			files: []string{"shards.yml", "remote-write.yml"},
			given: []string{
				"loggregator_exporter_instances",
				"loggregator_exporter_remote_write_url",
				"loggregator_exporter_remote_write_username",
				"loggregator_exporter_remote_write_password",
			},
			want: map[string]any{nozzle + "/properties/remote_write/enabled": true},
		},
		{
			name:  "aggregate drain",
			files: []string{"aggregate-drain.yml"},
			want: map[string]any{
				nozzle + "/properties/nozzle/rlp":                                              map[string]any{"enabled": false},
				nozzle + "/properties/nozzle/syslog/enabled":                                   true,
				nozzle + "/properties/nozzle/syslog/tls":                                       tlsOf("syslog_agent_log_cache_tls", "loggregator_exporter_syslog_tls"),
				cacheDrains:                                                                    []any{logCache, ourDrain("metrics")},
				aliases + "/domain=" + exporterHost + "/targets/0/instance_group":              "loggregator-exporter",
				"/variables/name=loggregator_exporter_syslog_tls/options":                      serverOptions,
				"/addons/name=loggr-syslog-agent/jobs/name=loggr-syslog-agent/properties/port": 3460,
			},
			gone: []string{
				nozzle + "/consumes", "/variables/name=loggregator_exporter_tls",
				// Of the agents themselves it would take the place of the cache's list.
				"/addons/name=loggr-syslog-agent/jobs/name=loggr-syslog-agent/properties/aggregate_drains",
			},
		},
		{
			name:  "aggregate drain with requests",
			files: []string{"aggregate-drain.yml", "aggregate-drain-timers.yml"},
			want:  map[string]any{cacheDrains: []any{logCache, ourDrain("metrics"), ourDrain("traces")}},
		},
		{
			name:   "collectors",
			theirs: "add-otel-collector.yml",
			files:  []string{"otel-collector.yml"},
			want: map[string]any{
				nozzle + "/properties/nozzle/rlp":          map[string]any{"enabled": false},
				nozzle + "/properties/nozzle/otlp/enabled": true,
				nozzle + "/properties/nozzle/otlp/tls":     tlsOf("loggregator_exporter_otlp_client_tls", "loggregator_exporter_otlp_tls"),
				// The job of 0.11.9 refuses the names otlp and otlphttp, which its spec's example has.
				collector + "/jobs/name=otel-collector/properties/config": map[string]any{
					"exporters": map[string]any{"otlp_grpc/loggregator_exporter": map[string]any{
						"endpoint":      exporterHost + ":4317",
						"balancer_name": "pick_first",
						"tls": map[string]any{
							"ca_pem":   "((loggregator_exporter_otlp_tls.ca))",
							"cert_pem": "((loggregator_exporter_otlp_client_tls.certificate))",
							"key_pem":  "((loggregator_exporter_otlp_client_tls.private_key))",
						},
					}},
					"service": map[string]any{"pipelines": map[string]any{
						"metrics": map[string]any{"exporters": []any{"otlp_grpc/loggregator_exporter"}},
					}},
				},
				collector + "/include/stemcell": []any{
					map[string]any{"os": "ubuntu-jammy"}, map[string]any{"os": "ubuntu-noble"},
				},
				forwarder + "/emit_otel_logs":                                                     false,
				forwarder + "/emit_otel_traces":                                                   false,
				aliases + "/domain=" + exporterHost + "/targets/0/instance_group":                 "loggregator-exporter",
				"/variables/name=loggregator_exporter_otlp_tls/options":                           serverOptions,
				"/variables/name=loggregator_exporter_otlp_client_tls/options/extended_key_usage": []any{"client_auth"},
			},
			gone: []string{nozzle + "/consumes", "/variables/name=loggregator_exporter_tls"},
		},
	}
}

func sidecarOperations() []operation {
	return []operation{
		{
			name: "sidecar", files: []string{"add-sidecar.yml"},
			want: map[string]any{
				sidecar + "/properties/nozzle/ingress/tls":                                    certificate("loggregator_exporter_sidecar_tls"),
				"/variables/name=loggregator_exporter_sidecar_tls/options/common_name":        "metron",
				"/variables/name=loggregator_exporter_sidecar_tls/options/extended_key_usage": []any{"server_auth"},
				"/instance_groups/name=router/jobs/name=loggr-udp-forwarder/name":             "loggr-udp-forwarder",
			},
		},
		{
			name:  "sidecar by UDP",
			files: []string{"add-exporter.yml", "add-sidecar.yml", "sidecar-udp.yml"},
			want: map[string]any{
				sidecar + "/properties/nozzle": map[string]any{
					"ingress": map[string]any{"enabled": false},
					"udp":     map[string]any{"enabled": true},
				},
				nozzle + "/name": "loggregator_exporter",
				"/instance_groups/name=router/jobs/name=gorouter/name": "gorouter",
			},
			gone: []string{"/variables/name=loggregator_exporter_sidecar_tls"},
		},
		{
			name:  "in the collectors' place",
			files: []string{"add-sidecar.yml", "sidecar-otlp.yml"},
			want: map[string]any{
				sidecar + "/properties/nozzle": map[string]any{
					"ingress": map[string]any{"enabled": false},
					"otlp":    map[string]any{"enabled": true, "tls": certificate("loggregator_exporter_sidecar_otlp_tls")},
				},
				"/variables/name=loggregator_exporter_sidecar_otlp_tls/options": map[string]any{
					"ca": "loggregator_ca", "common_name": "otel-collector", "alternative_names": []any{"otel-collector"},
					"extended_key_usage": []any{"server_auth"},
				},
				forwarder + "/emit_otel_logs":   false,
				forwarder + "/emit_otel_traces": false,
			},
			gone: []string{"/variables/name=loggregator_exporter_sidecar_tls", collector},
		},
	}
}

func prometheusOperations() []operation {
	return []operation{
		{
			name: "Prometheus", manifest: "prometheus.yml", files: []string{"prometheus/monitor-loggregator-exporter.yml"},
			want: map[string]any{
				scrapes + "/job_name=loggregator_exporter/relabel_configs/1/replacement":         "${1}:9286",
				scrapes + "/job_name=loggregator_exporter_sidecar/relabel_configs/1/replacement": "${1}:9287",
				scrapes + "/job_name=prometheus/job_name":                                        "prometheus",
			},
		},
		{
			name:     "Prometheus with TLS",
			manifest: "prometheus.yml",
			files:    []string{"prometheus/monitor-loggregator-exporter.yml", "prometheus/web-tls.yml"},
			given:    []string{"loggregator_exporter_web_ca", "loggregator_exporter_web_password"},
			want: map[string]any{
				scrapes + "/job_name=loggregator_exporter/scheme":                 "https",
				scrapes + "/job_name=loggregator_exporter/tls_config/server_name": "loggregator_exporter",
			},
		},
	}
}

// certificate are the properties of a job that has the certificate of a variable and trusts its CA.
func certificate(name string) map[string]any { return tlsOf(name, name) }

// tlsOf are the properties of a job that has the certificate of one variable and trusts the CA of another.
func tlsOf(ca, own string) map[string]any {
	return map[string]any{
		"ca_cert": "((" + ca + ".ca))", "cert": "((" + own + ".certificate))", "key": "((" + own + ".private_key))",
	}
}

// logCache is the drain that the manifest has.
var logCache = map[string]any{
	"url":  "syslog-tls://log-cache.service.cf.internal:6067?include-metrics-deprecated=true&ssl-strict-internal=true",
	"ca":   "((log_cache_syslog_tls.ca))",
	"cert": "((syslog_agent_log_cache_tls.certificate))",
	"key":  "((syslog_agent_log_cache_tls.private_key))",
}

// ourDrain is the drain of an ops file. The keys are in lower case, as the cache reads them; the job's spec shows CA.
func ourDrain(data string) map[string]any {
	return map[string]any{
		"url":  "syslog-tls://" + exporterHost + ":6067?drain-data=" + data + "&ssl-strict-internal=true",
		"ca":   "((loggregator_exporter_syslog_tls.ca))",
		"cert": "((syslog_agent_log_cache_tls.certificate))",
		"key":  "((syslog_agent_log_cache_tls.private_key))",
	}
}

// serverOptions are those of a certificate by which senders know the exporters.
var serverOptions = map[string]any{
	"ca": "loggregator_ca", "common_name": exporterHost, "alternative_names": []any{exporterHost},
	"extended_key_usage": []any{"server_auth"},
}
