package bosh

func nozzleSets(a *authority) []*set {
	const config = "/var/vcap/jobs/loggregator_exporter/config/"
	rlp := map[string]any{"nozzle.rlp.tls.ca_cert": a.ca, "nozzle.rlp.tls.cert": a.cert, "nozzle.rlp.tls.key": a.key}
	uaa := map[string]any{
		"nozzle.rlp.enabled": false,
		"uaa.url":            "https://uaa.service.cf.internal:8443",
		"uaa.client_id":      "loggregator_exporter",
		"uaa.client_secret":  "s3cret",
	}
	gateway := dots(
		uaa,
		map[string]any{"nozzle.gateway.enabled": true, "nozzle.gateway.url": "https://log-stream.sys.example.com"},
	)
	drain := map[string]any{
		"nozzle.rlp.enabled":        false,
		"nozzle.syslog.enabled":     true,
		"nozzle.syslog.tls.ca_cert": a.ca, "nozzle.syslog.tls.cert": a.syslog.cert, "nozzle.syslog.tls.key": a.syslog.key,
	}
	otlp := map[string]any{
		"nozzle.rlp.enabled":      false,
		"nozzle.otlp.enabled":     true,
		"nozzle.otlp.tls.ca_cert": a.ca, "nozzle.otlp.tls.cert": a.syslog.cert, "nozzle.otlp.tls.key": a.syslog.key,
	}
	push := dots(
		rlp,
		map[string]any{"remote_write.enabled": true, "remote_write.url": "https://mimir.example.com/api/v1/push"},
	)
	return []*set{
		{
			name: "rlp by link", properties: tree(rlp), link: rlpLink, sources: "rlp",
			config: map[string]any{
				"nozzle.rlp.address":          "q-s3.log-api.default.cf.bosh:8082",
				"nozzle.rlp.server_name":      "reverselogproxy",
				"nozzle.shard_id":             "loggregator_exporter",
				"nozzle.rlp.tls.ca_file":      config + "certs/rlp_ca.crt",
				"nozzle.rlp.tls.cert_file":    config + "certs/rlp.crt",
				"nozzle.rlp.tls.key_file":     config + "certs/rlp.key",
				"nozzle.deterministic_name":   nil,
				"nozzle.gateway":              nil,
				"nozzle.firehose":             nil,
				"uaa":                         nil,
				"remote_write":                nil,
				"metrics.adaptive_expiration": nil,
				"metrics.expiration":          "10m",
				"metrics.namespace":           "cf",
				"web.listen_address":          ":9286",
				"web.config_file":             nil,
			},
			env: map[string]string{"BOSH_INSTANCE_INDEX": "2", "GOMEMLIMIT": "1843MiB"},
		},
		{
			name:    "rlp by properties",
			link:    rlpLink,
			sources: "rlp",
			properties: tree(rlp, map[string]any{
				"nozzle.rlp.address":        "10.0.16.20:8082",
				"nozzle.deterministic_name": "7",
				"nozzle.selectors":          []string{"gauge", "counter"},
				"bpm.limits.memory":         "512M",
				"env.http_proxy":            "http://proxy:3128",
				"env.https_proxy":           "http://proxy:3128",
				"env.no_proxy":              "10.0.0.0/8,.internal",
			}),
			config: map[string]any{
				"nozzle.rlp.address":        "10.0.16.20:8082",
				"nozzle.deterministic_name": "7",
				"nozzle.selectors":          []any{"gauge", "counter"},
			},
			env: map[string]string{
				"BOSH_INSTANCE_INDEX": "2", "GOMEMLIMIT": "460MiB",
				"HTTP_PROXY": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8,.internal",
			},
		},
		{
			name:       "random shards",
			properties: tree(rlp, map[string]any{"nozzle.deterministic_name": ""}),
			link:       rlpLink,
			sources:    "rlp",
			config:     map[string]any{"nozzle.deterministic_name": ""},
		},
		{
			name: "gateway", properties: tree(gateway), sources: "gateway",
			config: map[string]any{
				"nozzle.gateway.url":         "https://log-stream.sys.example.com",
				"nozzle.gateway.tls.ca_file": nil,
				"nozzle.rlp":                 nil,
				"uaa.client_id":              "loggregator_exporter",
				"uaa.client_secret":          nil,
				"uaa.client_secret_file":     config + "secrets/uaa_client_secret",
			},
		},
		{
			name:       "gateway with CAs",
			properties: tree(gateway, map[string]any{"nozzle.gateway.tls.ca_cert": a.ca, "uaa.tls.ca_cert": a.ca}),
			sources:    "gateway",
			config: map[string]any{
				"nozzle.gateway.tls.ca_file": config + "certs/gateway_ca.crt",
				"uaa.tls.ca_file":            config + "certs/uaa_ca.crt",
			},
		},
		{
			name:    "firehose",
			sources: "firehose",
			properties: tree(
				uaa,
				map[string]any{
					"nozzle.firehose.enabled":     true,
					"nozzle.firehose.url":         "wss://doppler.sys.example.com",
					"nozzle.firehose.tls.ca_cert": a.ca,
				},
			),
			config: map[string]any{"nozzle.firehose.tls.ca_file": config + "certs/firehose_ca.crt", "nozzle.gateway": nil},
		},
		{
			name: "aggregate drain", properties: tree(drain), sources: "syslog",
			config: map[string]any{
				"nozzle.syslog.listen_address":    ":6067",
				"nozzle.syslog.max_connections":   10000,
				"nozzle.syslog.max_message_bytes": 65536,
				"nozzle.syslog.tls.ca_file":       config + "certs/syslog_ca.crt",
				"nozzle.syslog.tls.cert_file":     config + "certs/syslog.crt",
				"nozzle.syslog.tls.key_file":      config + "certs/syslog.key",
				"nozzle.otlp":                     nil,
				"nozzle.rlp":                      nil,
			},
		},
		{
			name:    "OTLP of collectors",
			sources: "otlp",
			properties: tree(otlp, map[string]any{
				"nozzle.otlp.http_listen_address": ":4318", "nozzle.otlp.max_request_bytes": 8 << 20,
			}),
			config: map[string]any{
				"nozzle.otlp.listen_address":      ":4317",
				"nozzle.otlp.http_listen_address": ":4318",
				"nozzle.otlp.max_request_bytes":   8 << 20,
				"nozzle.otlp.port_file":           nil,
				"nozzle.otlp.tls.ca_file":         config + "certs/otlp_ca.crt",
				"nozzle.otlp.tls.cert_file":       config + "certs/otlp.crt",
				"nozzle.otlp.tls.key_file":        config + "certs/otlp.key",
				"nozzle.syslog":                   nil,
			},
		},
		{
			name: "remote write with basic auth", link: rlpLink, sources: "rlp",
			properties: tree(push, map[string]any{
				"remote_write.basic_auth.username": "cf",
				"remote_write.basic_auth.password": "s3cret",
				"remote_write.protocol":            "2.0",
				"remote_write.interval":            "30s",
				"remote_write.tls.ca_cert":         a.ca,
				"remote_write.tls.cert":            a.cert,
				"remote_write.tls.key":             a.key,
				"remote_write.headers":             []map[string]any{{"name": "X-Scope-OrgID", "value": "cf"}},
				"remote_write.external_labels":     []map[string]any{{"name": "cluster", "value": "eu"}},
			}),
			config: map[string]any{
				"remote_write.protocol":                  "2.0",
				"remote_write.interval":                  "30s",
				"remote_write.basic_auth.username":       "cf",
				"remote_write.basic_auth.password_file":  config + "secrets/remote_write_password",
				"remote_write.tls.ca_file":               config + "certs/remote_write_ca.crt",
				"remote_write.tls.cert_file":             config + "certs/remote_write.crt",
				"remote_write.tls.key_file":              config + "certs/remote_write.key",
				"remote_write.headers":                   []any{map[string]any{"name": "X-Scope-OrgID", "value": "cf"}},
				"remote_write.external_labels":           []any{map[string]any{"name": "cluster", "value": "eu"}},
				"remote_write.bearer_token_file":         nil,
				"remote_write.oauth2.client_secret_file": nil,
			},
		},
		{
			name:       "remote write with a token",
			properties: tree(push, map[string]any{"remote_write.bearer_token": "t0ken"}),
			link:       rlpLink,
			sources:    "rlp",
			config:     map[string]any{"remote_write.bearer_token_file": config + "secrets/remote_write_bearer_token"},
		},
		{
			name: "remote write with OAuth 2", link: rlpLink, sources: "rlp",
			properties: tree(push, map[string]any{
				"remote_write.oauth2.token_url":     "https://uaa.example.com/oauth/token",
				"remote_write.oauth2.client_id":     "exporter",
				"remote_write.oauth2.client_secret": "s3cret",
				"remote_write.oauth2.ca_cert":       a.ca,
				"remote_write.oauth2.scopes":        []string{"metrics.write"},
			}),
			config: map[string]any{
				"remote_write.oauth2.client_secret_file": config + "secrets/remote_write_oauth2_client_secret",
				"remote_write.oauth2.ca_file":            config + "certs/remote_write_oauth2_ca.crt",
			},
		},
		{
			name: "web with TLS and users", link: rlpLink, sources: "rlp",
			properties: tree(rlp, map[string]any{
				"web.tls.cert": a.metron, "web.tls.key": a.metKey, "web.basic_auth_users": map[string]any{"prometheus": bcrypt},
				"web.probe.username": "prometheus", "web.probe.password": "secret", "web.probe.ready": true,
			}),
			config: map[string]any{"web.config_file": config + "web.yml"},
		},
		{
			name: "rules of one's own", link: rlpLink, sources: "rlp",
			properties: tree(rlp, map[string]any{"tagger.rules": map[string]any{"rules": []any{
				map[string]any{
					"pattern": "{component}__{index:int}.my.{stat}",
					"name":    "{stat}",
					"tags":    map[string]any{"type": "mine"},
				},
			}}}),
			config: map[string]any{"tagger.rules_files": []any{config + "rules.yml"}},
		},
		{
			name:    "rules of one's own, as text",
			link:    rlpLink,
			sources: "rlp",
			properties: tree(
				rlp,
				map[string]any{"tagger.rules": "rules:\n# a remark\n- pattern: \"{component}.my.{stat}\"\n  name: \"{stat}\"\n"},
			),
			config: map[string]any{"tagger.rules_files": []any{config + "rules.yml"}},
		},
		{
			name: "filters and labels", link: rlpLink, sources: "rlp",
			properties: tree(rlp, map[string]any{
				"nozzle.filters": []any{
					map[string]any{"drop": map[string]any{"kind": "timer", "app_name": []string{"load-*", "smoke-tests"}}},
				},
				"metrics.labels.add": []any{
					map[string]any{"name": "region", "value": "eu"},
				},
				"metrics.labels.rename": []any{map[string]any{"from": "app_id", "to": "application_id"}},
				"metrics.labels.drop": []string{
					"instance_id",
				},
				"metrics.environment":         "production",
				"metrics.namespace":           "",
				"metrics.adaptive_expiration": false,
				"metrics.http.buckets":        []float64{0.1, 1, 10},
				"metrics.max_series":          100000,
				"log.format":                  "json",
			}),
			config: map[string]any{
				"metrics.namespace":           "",
				"metrics.environment":         "production",
				"metrics.adaptive_expiration": false,
				"metrics.max_series":          100000,
				"metrics.http.buckets":        []any{0.1, 1, 10},
				"nozzle.filters": []any{
					map[string]any{"drop": map[string]any{"kind": "timer", "app_name": []any{"load-*", "smoke-tests"}}},
				},
			},
		},
		{
			name:       "beside firehose_exporter's names",
			properties: tree(rlp, map[string]any{"metrics.compatibility": "firehose_exporter", "metrics.environment": "cf"}),
			link:       rlpLink,
			sources:    "rlp",
			config: map[string]any{
				"metrics.compatibility":           "firehose_exporter",
				"metrics.compatibility_mode":      "beside",
				"metrics.compatibility_namespace": "firehose",
			},
		},
		{
			name:       "neither link nor address",
			properties: tree(rlp),
			wrong:      "nozzle.rlp.enabled needs the link reverse_log_proxy or the property nozzle.rlp.address",
		},
		{name: "no certificate", link: rlpLink, wrong: "Can't find property 'nozzle.rlp.tls.ca_cert'"},
		{
			name:       "no key",
			properties: tree(dots(rlp, map[string]any{"nozzle.rlp.tls.key": nil})),
			link:       rlpLink,
			wrong:      "Can't find property 'nozzle.rlp.tls.key'",
		},
		{
			name:       "a gateway that is not enabled",
			properties: tree(rlp, map[string]any{"nozzle.gateway.url": "https://log-stream.sys.example.com"}),
			link:       rlpLink,
			wrong:      "nozzle.gateway.url is set, but has no effect: set nozzle.gateway.enabled to true, or remove it",
		},
		{
			name:       "a drain that is not enabled",
			properties: tree(drain, map[string]any{"nozzle.syslog.enabled": false}),
			wrong:      "nozzle.syslog.tls.cert is set, but has no effect: set nozzle.syslog.enabled to true, or remove it",
		},
		{
			name:       "a drain without the CA of the agents",
			properties: tree(dots(drain, map[string]any{"nozzle.syslog.tls.ca_cert": nil})),
			wrong:      "Can't find property 'nozzle.syslog.tls.ca_cert'",
		},
		{
			name:       "OTLP without a key",
			properties: tree(dots(otlp, map[string]any{"nozzle.otlp.tls.key": nil})),
			wrong:      "Can't find property 'nozzle.otlp.tls.key'",
		},
		{
			name:       "more agents than files",
			properties: tree(drain, map[string]any{"bpm.limits.open_files": 8192}),
			wrong: "nozzle.syslog.max_connections is 10000, but bpm.limits.open_files only 8192: raise that, or lower " +
				"max_connections",
		},
		{
			name:       "drain and collectors",
			properties: tree(drain, otlp),
			refused:    "nozzle.allow_overlap",
		},
		{
			name:       "UAA for nothing",
			properties: tree(rlp, map[string]any{"uaa.url": "https://uaa.sys.example.com"}),
			link:       rlpLink,
			wrong:      "uaa.url is set, but has no effect: set nozzle.gateway.enabled or nozzle.firehose.enabled to true, or remove it",
		},
		{
			name:       "remote write that is not enabled",
			properties: tree(rlp, map[string]any{"remote_write.url": "https://mimir.example.com"}),
			link:       rlpLink,
			wrong:      "remote_write.url is set, but has no effect: set remote_write.enabled to true, or remove it",
		},
		{
			name:       "users without one for the health check",
			properties: tree(rlp, map[string]any{"web.basic_auth_users": map[string]any{"prometheus": bcrypt}}),
			link:       rlpLink,
			wrong:      "Can't find property 'web.probe.username'",
		},
		{
			name:       "a limit that bpm does not know",
			properties: tree(rlp, map[string]any{"bpm.limits.memory": "2GiB"}),
			link:       rlpLink,
			wrong:      `bpm.limits.memory is "2GiB", but must be a number of M or G, as in 2G or 512M`,
		},
		{
			name: "a misspelt property", properties: tree(rlp, map[string]any{"nozzle.shardid": "x"}), link: rlpLink,
			wrong: "property nozzle.shardid is not declared in the spec",
		},
		{
			name:       "a value that the exporter refuses",
			properties: tree(rlp, map[string]any{"metrics.expiration": "soon"}),
			link:       rlpLink,
			refused:    "metrics.expiration",
		},
		{
			name: "a wrong rule",
			properties: tree(
				rlp,
				map[string]any{"tagger.rules": map[string]any{"rules": []any{map[string]any{"pattern": "{"}}}},
			),
			link:    rlpLink,
			refused: "rules.yml",
		},
		{
			name:       "two sources of one foundation",
			properties: tree(rlp, gateway, map[string]any{"nozzle.rlp.enabled": true}),
			link:       rlpLink,
			refused:    "everything counts twice",
		},
	}
}
