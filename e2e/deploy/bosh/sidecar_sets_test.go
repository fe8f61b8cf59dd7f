package bosh

func sidecarSets(a *authority) []*set {
	const config = "/var/vcap/jobs/loggregator_exporter_sidecar/config/"
	agent := map[string]any{
		"nozzle.ingress.tls.ca_cert": a.ca,
		"nozzle.ingress.tls.cert":    a.metron,
		"nozzle.ingress.tls.key":     a.metKey,
	}
	udp := map[string]any{"nozzle.ingress.enabled": false, "nozzle.udp.enabled": true}
	otlp := map[string]any{
		"nozzle.ingress.enabled":  false,
		"nozzle.otlp.enabled":     true,
		"nozzle.otlp.tls.ca_cert": a.ca, "nozzle.otlp.tls.cert": a.otel.cert, "nozzle.otlp.tls.key": a.otel.key,
	}
	return []*set{
		{
			name: "downstream of the agent", properties: tree(agent), sources: "ingress", port: "3560",
			config: map[string]any{
				"nozzle.ingress.listen_address": "127.0.0.1:3560",
				"nozzle.ingress.port_file":      nil,
				"nozzle.ingress.tls.ca_file":    config + "certs/ingress_ca.crt",
				"nozzle.ingress.tls.cert_file":  config + "certs/ingress.crt",
				"nozzle.ingress.tls.key_file":   config + "certs/ingress.key",
				"nozzle.udp": map[string]any{
					"enabled": false,
				},
				"nozzle.rlp":         nil,
				"nozzle.otlp":        nil,
				"nozzle.shard_id":    nil,
				"remote_write":       nil,
				"web.listen_address": ":9287",
			},
			env: map[string]string{"BOSH_INSTANCE_INDEX": "2", "GOMEMLIMIT": "230MiB"},
		},
		{
			name: "dropsonde", properties: tree(udp), sources: "udp",
			config: map[string]any{
				"nozzle.udp.enabled":              true,
				"nozzle.udp.listen_address":       "127.0.0.1:3457",
				"nozzle.udp.receive_buffer_bytes": 4194304,
				"nozzle.ingress":                  nil,
			},
		},
		{
			name: "in the collector's place", properties: tree(otlp), sources: "otlp", port: "4317", protocol: "otelcol",
			config: map[string]any{
				"nozzle.otlp.listen_address": "127.0.0.1:4317",
				"nozzle.otlp.port_file":      nil,
				"nozzle.otlp.tls.ca_file":    config + "certs/otlp_ca.crt",
				"nozzle.otlp.tls.cert_file":  config + "certs/otlp.crt",
				"nozzle.otlp.tls.key_file":   config + "certs/otlp.key",
				"nozzle.ingress":             nil,
			},
		},
		{
			name:       "in the collector's place, at another port",
			properties: tree(otlp, map[string]any{"nozzle.otlp.listen_address": "127.0.0.1:9100"}),
			sources:    "otlp", port: "9100", protocol: "otelcol",
		},
		{
			name:       "both",
			properties: tree(agent, udp, map[string]any{"nozzle.ingress.enabled": true}),
			sources:    "udp, ingress",
			port:       "3560",
		},
		{
			name: "remote write and web", sources: "ingress", port: "4560",
			properties: tree(agent, map[string]any{
				"remote_write.enabled":          true,
				"remote_write.url":              "https://mimir.example.com/api/v1/push",
				"remote_write.bearer_token":     "t0ken",
				"web.tls.cert":                  a.metron,
				"web.tls.key":                   a.metKey,
				"web.basic_auth_users":          map[string]any{"prometheus": bcrypt},
				"web.probe.username":            "prometheus",
				"web.probe.password":            "secret",
				"tagger.rules":                  "rules: []",
				"nozzle.ingress.listen_address": "127.0.0.1:4560",
			}),
			config: map[string]any{
				"remote_write.bearer_token_file": config + "secrets/remote_write_bearer_token",
				"web.config_file":                config + "web.yml",
				"tagger.rules_files":             []any{config + "rules.yml"},
				"nozzle.ingress.listen_address":  "127.0.0.1:4560",
			},
		},
		{
			name: "no source", properties: tree(map[string]any{"nozzle.ingress.enabled": false}),
			wrong: "one of nozzle.ingress.enabled, nozzle.otlp.enabled and nozzle.udp.enabled must be true",
		},
		{
			name: "one agent by two ways", properties: tree(otlp, agent, map[string]any{"nozzle.ingress.enabled": true}),
			wrong: "nozzle.ingress and nozzle.otlp bring the same envelopes of the same agent: set one of them to enabled: false",
		},
		{
			name: "no certificate for a collector", properties: tree(dots(otlp, map[string]any{"nozzle.otlp.tls.cert": nil})),
			wrong: "Can't find property 'nozzle.otlp.tls.cert'",
		},
		{
			name:       "no port for OTLP",
			properties: tree(otlp, map[string]any{"nozzle.otlp.listen_address": "127.0.0.1"}),
			wrong:      "nozzle.otlp.listen_address must end in a port, as in 127.0.0.1:3560",
		},
		{name: "no certificate", wrong: "Can't find property 'nozzle.ingress.tls.ca_cert'"},
		{
			name:       "remote write that is not enabled",
			properties: tree(agent, map[string]any{"remote_write.url": "https://mimir.example.com"}),
			wrong:      "remote_write.url is set, but has no effect",
		},
		{
			name:       "no port for the agent",
			properties: tree(agent, map[string]any{"nozzle.ingress.listen_address": "127.0.0.1"}),
			wrong:      "nozzle.ingress.listen_address must end in a port, as in 127.0.0.1:3560",
		},
		{
			name:       "the key of another certificate",
			properties: tree(dots(agent, map[string]any{"nozzle.ingress.tls.key": a.key})),
			refused:    "nozzle.ingress.tls.key_file",
		},
	}
}
