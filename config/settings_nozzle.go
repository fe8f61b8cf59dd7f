package config

import (
	"slices"
	"time"

	"loggregator_exporter/nozzle/filter"
)

func nozzleSettings() []Setting {
	return []Setting{
		{
			Key: "nozzle.shard_id", Kind: KindString, Default: "loggregator_exporter", Example: "loggregator_exporter",
			Help: "Exporters with the same shard id share the stream between them. Another id gets a whole copy " +
				"of it.",
		},
		{
			Key: "nozzle.deterministic_name", Kind: KindString, Default: "", Example: "0",
			DefaultText: "`CF_INSTANCE_INDEX`, in Kubernetes the ordinal of a StatefulSet's pod, or `BOSH_INSTANCE_INDEX`",
			Help: "Name of this instance among those with the same shard id. Where all of them have one, every " +
				"gauge and counter name always reaches the same instance, so that no series is split between " +
				"them; see [sharding.md](sharding.md). Empty: Loggregator spreads envelopes at random.",
		},
		{
			Key: "nozzle.idle_timeout", Kind: KindDuration, Default: 30 * time.Second, Example: "30s",
			Help: "Open a new stream to the RLP, the gateway or the traffic controller after this long without an " +
				"envelope: a doppler that restarts can leave the old one open but silent.",
		},
		{
			Key: "nozzle.selectors", Kind: KindEnums, Default: []string{"gauge", "counter", "timer"},
			Values: filter.Kinds, Former: filter.EventKinds, Example: "gauge,counter",
			Help: "Kinds of envelopes to ask the RLP for. Without timer there are no HTTP histograms and far less " +
				"traffic.",
		},
		{
			Key: "nozzle.filters", Kind: KindFilters, Default: []any{},
			Example: "[{drop: {kind: timer, app_name: load-*}}]",
			Help: "Which metrics to keep and which to drop before they become series: the first filter that " +
				"matches decides, and what none matches is kept. See [configuration.md](configuration.md#filters).",
		},
		{
			Key: "nozzle.allow_overlap", Kind: KindBool, Default: false, Example: "true",
			Help: "Allow more than one of `nozzle.rlp`, `nozzle.gateway`, `nozzle.firehose`, `nozzle.syslog` and " +
				"`nozzle.otlp`. Each brings all envelopes of its foundation: from the same foundation, everything " +
				"would count twice. See [sources.md](sources.md).",
		},
	}
}

func rlpSettings() []Setting {
	return slices.Concat([]Setting{
		{
			Key: "nozzle.rlp.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Read from the Reverse Log Proxy over gRPC with mutual TLS: all envelopes of the foundation.",
		},
		{
			Key: "nozzle.rlp.address", Kind: KindAddress, Default: "",
			Example: "reverse-log-proxy.service.cf.internal:8082",
			Help:    "Address of the Reverse Log Proxy.",
		},
		{
			Key: "nozzle.rlp.server_name", Kind: KindString, Default: "reverselogproxy", Example: "reverselogproxy",
			Help: "Name that the RLP's certificate must hold.",
		},
	}, tlsFiles("nozzle.rlp",
		pemFile{"ca.crt", "CA certificate (PEM) that signed the RLP's certificate."},
		pemFile{"client.crt", "Client certificate (PEM) to show to the RLP."},
		pemFile{"client.key", "Key (PEM) of the client certificate."},
	))
}

func gatewaySettings() []Setting {
	return slices.Concat([]Setting{
		{
			Key: "nozzle.gateway.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Read from the RLP gateway over HTTPS, with a token of UAA: all envelopes of the foundation, " +
				"from outside it.",
		},
		{
			Key: "nozzle.gateway.url", Kind: KindString, Default: "", Example: "https://log-stream.sys.example.com",
			Help: "URL of the RLP gateway.",
		},
	}, trustSettings("nozzle.gateway", "the RLP gateway", "token"))
}

func firehoseSettings() []Setting {
	return slices.Concat([]Setting{
		{
			Key: "nozzle.firehose.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Read the v1 firehose of the traffic controller by websocket, with a token of UAA: all " +
				"envelopes of the foundation, logs as well. `nozzle.shard_id` is the subscription id. Everything " +
				"comes: metrics outside `nozzle.selectors` are counted as filtered, logs as ignored; " +
				"`nozzle.deterministic_name` does not apply. Prefer the RLP gateway.",
		},
		{
			Key: "nozzle.firehose.url", Kind: KindString, Default: "", Example: "wss://doppler.sys.example.com",
			Help: "URL of the traffic controller.",
		},
	}, trustSettings("nozzle.firehose", "the traffic controller", "token"))
}

func udpSettings() []Setting {
	return []Setting{
		{
			Key: "nozzle.udp.enabled", Kind: KindBool, Default: false,
			DefaultText: "true when no other source is enabled, else false", Example: "true",
			Help: "Receive dropsonde datagrams, as components send them to the Metron agent of their VM. This is " +
				"the default without any configuration.",
		},
		{
			Key: "nozzle.udp.listen_address", Kind: KindAddress, Default: "127.0.0.1:3457", Example: "127.0.0.1:3457",
			Help: "Address to listen on for datagrams. They are not authenticated: keep it on loopback.",
		},
		{
			Key: "nozzle.udp.receive_buffer_bytes", Kind: KindInt, Default: 4194304, Example: "4194304",
			Help: "Receive buffer to ask the kernel for, 65536 to 1073741824 bytes. If the kernel gives less, a " +
				"warning names the sysctl to raise.",
		},
	}
}

func ingressSettings() []Setting {
	return slices.Concat([]Setting{
		{
			Key: "nozzle.ingress.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Receive all envelopes of a VM from its forwarder agent, as a downstream of it, over gRPC with " +
				"mutual TLS.",
		},
		{
			Key: "nozzle.ingress.listen_address", Kind: KindAddress, Default: "127.0.0.1:3560",
			Example: "127.0.0.1:3560",
			Help:    "Address to listen on. The agent dials 127.0.0.1.",
		},
		{
			Key: "nozzle.ingress.port_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/ingress_port.yml",
			Help: "File that tells the agent the port. The agent looks for " +
				"/var/vcap/jobs/*/config/ingress_port.yml once, at its own start: restart it after the exporter's " +
				"first start. The file is replaced as a whole and stays when the exporter stops. Empty: none is " +
				"written.",
		},
	}, tlsFiles("nozzle.ingress",
		pemFile{"ca.crt", "CA certificate (PEM) that signed the agent's certificate."},
		pemFile{"ingress.crt", "Certificate (PEM) to show to the agent. It must hold the name metron."},
		pemFile{"ingress.key", "Key (PEM) of that certificate."},
	))
}

func syslogSettings() []Setting {
	return slices.Concat([]Setting{
		{
			Key: "nozzle.syslog.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Receive all metrics of the foundation from its syslog agents, as an aggregate drain of them. See " +
				"[syslog.md](syslog.md).",
		},
		{
			Key: "nozzle.syslog.listen_address", Kind: KindAddress, Default: ":6067", Example: ":6067",
			Help: "Address to listen on. Without TLS it must be one of loopback.",
		},
	}, tlsFiles("nozzle.syslog",
		pemFile{"syslog_ca.crt", "CA certificate (PEM) that signed the agents' certificates, which they must show then. " +
			"Empty: anybody who reaches the address may send metrics."},
		pemFile{"syslog.crt", "Certificate (PEM) to show to the agents. It must hold the name that the drain's URL has. " +
			"Empty, like the other two: no TLS."},
		pemFile{"syslog.key", "Key (PEM) of that certificate."},
	), []Setting{
		{
			Key: "nozzle.syslog.max_message_bytes", Kind: KindInt, Default: 65536, Example: "65536",
			Help: "Longest message to take, 1024 to 16777216 bytes. Longer ones are counted and left out.",
		},
		{
			Key: "nozzle.syslog.max_connections", Kind: KindInt, Default: 10000, Example: "10000",
			Help: "Most connections that may be open, 1 to 1000000. Every VM has one, replaced each minute; more are " +
				"closed at once, and counted.",
		},
	})
}

func replaySettings() []Setting {
	return []Setting{
		{
			Key: "nozzle.replay.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Play a capture that `exporter record` wrote. At its end the exporter goes on with what it " +
				"holds.",
		},
		{
			Key: "nozzle.replay.file", Kind: KindPath, Default: "", Example: "foundation.capture",
			Help: "Capture to play. `-` is standard input.",
		},
		{
			Key: "nozzle.replay.speed", Kind: KindNumber, Default: 1.0, Example: "10",
			Help: "Factor of the speed at which the capture was recorded; 0 is as fast as possible. Timestamps " +
				"are moved into the present and scaled alike.",
		},
	}
}

func otlpSettings() []Setting {
	return slices.Concat([]Setting{
		{
			Key: "nozzle.otlp.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Receive metrics by OpenTelemetry's protocol, OTLP: from Cloud Foundry's collectors, from its forwarder " +
				"agents in the place of a collector, and from programs. See [otlp.md](otlp.md).",
		},
		{
			Key: "nozzle.otlp.listen_address", Kind: KindAddress, Default: ":4317", Example: ":4317",
			Help: "Address to listen on for OTLP by gRPC. Without TLS it must be one of loopback.",
		},
		{
			Key: "nozzle.otlp.http_listen_address", Kind: KindAddress, Default: "", Example: ":4318",
			Help: "Address to listen on for OTLP by HTTP, protobuf or JSON. Without TLS it must be one of loopback. Empty: " +
				"no HTTP.",
		},
		{
			Key: "nozzle.otlp.port_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/ingress_port.yml",
			Help: "File that makes the VM's forwarder agent send its metrics here in place of a collector. The agent looks " +
				"for /var/vcap/jobs/*/config/ingress_port.yml once, at its own start. The file is replaced as a whole and " +
				"stays when the exporter stops. Empty: none is written.",
		},
	}, tlsFiles("nozzle.otlp",
		pemFile{"otlp_ca.crt", "CA certificate (PEM) that signed the senders' certificates, which they must show then. " +
			"Empty: anybody who reaches the address may send metrics."},
		pemFile{"otlp.crt", "Certificate (PEM) to show to senders. It must hold the name by which they call the exporter; " +
			"forwarder agents demand otel-collector. Empty, like the other two: no TLS."},
		pemFile{"otlp.key", "Key (PEM) of that certificate."},
	), []Setting{
		{
			Key: "nozzle.otlp.max_request_bytes", Kind: KindInt, Default: 16777216, Example: "16777216",
			Help: "Longest request to take, unpacked, 65536 to 1073741824 bytes. Senders do not send a longer one again.",
		},
		{
			Key: "nozzle.otlp.resource_attributes", Kind: KindStrings, Default: []string{}, Example: "k8s.*,host.name",
			Help: "Attributes of OpenTelemetry resources that become labels, besides those of services and of Cloud Foundry; " +
				"`*` and `?` stand for any text and any character. See [otlp.md](otlp.md).",
		},
	})
}

// pemFile is a file of a section's tls: its name in the example, and the help.
type pemFile struct{ example, help string }

// tlsFiles are the settings tls of a section with files of its own: the CA of the other side, and what the exporter
// shows to it.
func tlsFiles(section string, ca, cert, key pemFile) []Setting {
	row := func(name string, f pemFile) Setting {
		return Setting{
			Key: section + ".tls." + name, Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/" + f.example, Help: f.help,
		}
	}
	return []Setting{row("ca_file", ca), row("cert_file", cert), row("key_file", key)}
}

// trustSettings are the settings tls of a section that leads to a server by HTTPS, which gets a secret.
func trustSettings(section, server, secret string) []Setting {
	return []Setting{
		{
			Key: section + ".tls.ca_file", Kind: KindPath, Default: "", Example: "/etc/loggregator_exporter/ca.crt",
			Help: "CA certificates (PEM) to trust for " + server + ". Empty: those of the system.",
		},
		{
			Key: section + ".tls.skip_verify", Kind: KindBool, Default: false, Example: "true",
			Help: "Accept any certificate of " + server + ". Anybody in between can then read the " + secret +
				": for tests only.",
		},
	}
}
