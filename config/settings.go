package config

import (
	"slices"
	"time"

	"loggregator_exporter/nozzle/filter"
)

// Settings returns every setting, in the order of the documentation. The slice is the caller's.
func Settings() []Setting {
	return slices.Concat(nozzleSettings(), gatewaySettings(), vmSettings(), otlpSettings(), uaaSettings(),
		taggerSettings(), metricsSettings(), remoteWriteSettings(), serviceSettings())
}

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
				"matches decides, and what none matches is kept. See Filters above.",
		},
		{
			Key: "nozzle.allow_overlap", Kind: KindBool, Default: false, Example: "true",
			Help: "Allow more than one of `nozzle.rlp`, `nozzle.gateway`, `nozzle.firehose`, `nozzle.syslog` and " +
				"`nozzle.otlp`. Each brings all envelopes of its foundation: from the same foundation, everything " +
				"would count twice. See [sources.md](sources.md).",
		},
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
		{
			Key: "nozzle.rlp.tls.ca_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/ca.crt",
			Help:    "CA certificate (PEM) that signed the RLP's certificate.",
		},
		{
			Key: "nozzle.rlp.tls.cert_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/client.crt",
			Help:    "Client certificate (PEM) to show to the RLP.",
		},
		{
			Key: "nozzle.rlp.tls.key_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/client.key",
			Help:    "Key (PEM) of the client certificate.",
		},
	}
}

func gatewaySettings() []Setting {
	return []Setting{
		{
			Key: "nozzle.gateway.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Read from the RLP gateway over HTTPS, with a token of UAA: all envelopes of the foundation, " +
				"from outside it.",
		},
		{
			Key: "nozzle.gateway.url", Kind: KindString, Default: "", Example: "https://log-stream.sys.example.com",
			Help: "URL of the RLP gateway.",
		},
		{
			Key: "nozzle.gateway.tls.ca_file", Kind: KindPath, Default: "", Example: "/etc/loggregator_exporter/ca.crt",
			Help: "CA certificates (PEM) to trust for the RLP gateway. Empty: those of the system.",
		},
		{
			Key: "nozzle.gateway.tls.skip_verify", Kind: KindBool, Default: false, Example: "true",
			Help: "Accept any certificate of the RLP gateway. Anybody in between can then read the token: for " +
				"tests only.",
		},
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
		{
			Key: "nozzle.firehose.tls.ca_file", Kind: KindPath, Default: "", Example: "/etc/loggregator_exporter/ca.crt",
			Help: "CA certificates (PEM) to trust for the traffic controller. Empty: those of the system.",
		},
		{
			Key: "nozzle.firehose.tls.skip_verify", Kind: KindBool, Default: false, Example: "true",
			Help: "Accept any certificate of the traffic controller. Anybody in between can then read the token: " +
				"for tests only.",
		},
	}
}

func vmSettings() []Setting {
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
		{
			Key: "nozzle.ingress.tls.ca_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/ca.crt",
			Help:    "CA certificate (PEM) that signed the agent's certificate.",
		},
		{
			Key: "nozzle.ingress.tls.cert_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/ingress.crt",
			Help:    "Certificate (PEM) to show to the agent. It must hold the name metron.",
		},
		{
			Key: "nozzle.ingress.tls.key_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/ingress.key",
			Help:    "Key (PEM) of that certificate.",
		},
		{
			Key: "nozzle.syslog.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Receive all metrics of the foundation from its syslog agents, as an aggregate drain of them. See " +
				"[syslog.md](syslog.md).",
		},
		{
			Key: "nozzle.syslog.listen_address", Kind: KindAddress, Default: ":6067", Example: ":6067",
			Help: "Address to listen on. Without TLS it must be one of loopback.",
		},
		{
			Key: "nozzle.syslog.tls.ca_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/syslog_ca.crt",
			Help: "CA certificate (PEM) that signed the agents' certificates, which they must show then. Empty: " +
				"anybody who reaches the address may send metrics.",
		},
		{
			Key: "nozzle.syslog.tls.cert_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/syslog.crt",
			Help: "Certificate (PEM) to show to the agents. It must hold the name that the drain's URL has. Empty, " +
				"like the other two: no TLS.",
		},
		{
			Key: "nozzle.syslog.tls.key_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/syslog.key",
			Help:    "Key (PEM) of that certificate.",
		},
		{
			Key: "nozzle.syslog.max_message_bytes", Kind: KindInt, Default: 65536, Example: "65536",
			Help: "Longest message to take, 1024 to 16777216 bytes. Longer ones are counted and left out.",
		},
		{
			Key: "nozzle.syslog.max_connections", Kind: KindInt, Default: 10000, Example: "10000",
			Help: "Most connections that may be open, 1 to 1000000. Every VM has one, replaced each minute; more are " +
				"closed at once, and counted.",
		},
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
	return []Setting{
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
		{
			Key: "nozzle.otlp.tls.ca_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/otlp_ca.crt",
			Help: "CA certificate (PEM) that signed the senders' certificates, which they must show then. Empty: anybody " +
				"who reaches the address may send metrics.",
		},
		{
			Key: "nozzle.otlp.tls.cert_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/otlp.crt",
			Help: "Certificate (PEM) to show to senders. It must hold the name by which they call the exporter; forwarder " +
				"agents demand otel-collector. Empty, like the other two: no TLS.",
		},
		{
			Key: "nozzle.otlp.tls.key_file", Kind: KindPath, Default: "",
			Example: "/var/vcap/jobs/loggregator_exporter/config/certs/otlp.key",
			Help:    "Key (PEM) of that certificate.",
		},
		{
			Key: "nozzle.otlp.max_request_bytes", Kind: KindInt, Default: 16777216, Example: "16777216",
			Help: "Longest request to take, unpacked, 65536 to 1073741824 bytes. Senders do not send a longer one again.",
		},
		{
			Key: "nozzle.otlp.resource_attributes", Kind: KindStrings, Default: []string{}, Example: "k8s.*,host.name",
			Help: "Attributes of OpenTelemetry resources that become labels, besides those of services and of Cloud Foundry; " +
				"`*` and `?` stand for any text and any character. See [otlp.md](otlp.md).",
		},
	}
}

func uaaSettings() []Setting {
	return []Setting{
		{
			Key: "uaa.url", Kind: KindString, Default: "", Example: "https://uaa.sys.example.com",
			Help: "URL of UAA, which gives the tokens for `nozzle.gateway` and `nozzle.firehose`: one token for " +
				"both, fetched when a stream is opened.",
		},
		{
			Key: "uaa.client_id", Kind: KindString, Default: "", Example: "loggregator_exporter",
			Help: "UAA client with the grant type client_credentials and the authority doppler.firehose (for the " +
				"RLP gateway logs.admin works as well).",
		},
		{
			Key: "uaa.client_secret", Kind: KindSecret, Default: "", Example: "secret",
			Help: "Secret of the client. Prefer `uaa.client_secret_file`, or the variable: flags can be seen by " +
				"others.",
		},
		{
			Key: "uaa.client_secret_file", Kind: KindPath, Default: "", Example: "/etc/loggregator_exporter/uaa_secret",
			Help: "File with the secret of the client, in place of `uaa.client_secret`. It is read for each " +
				"token, so that the secret can be rotated.",
		},
		{
			Key: "uaa.tls.ca_file", Kind: KindPath, Default: "", Example: "/etc/loggregator_exporter/ca.crt",
			Help: "CA certificates (PEM) to trust for UAA. Empty: those of the system.",
		},
		{
			Key: "uaa.tls.skip_verify", Kind: KindBool, Default: false, Example: "true",
			Help: "Accept any certificate of UAA. Anybody in between can then read the secret: for tests only.",
		},
	}
}

func taggerSettings() []Setting {
	return []Setting{
		{
			Key: "tagger.rules_files", Kind: KindPaths, Default: []string{}, Example: "rules.yml",
			Help: "Files with rules of your own. They go before the built-in ones, in the order given; the first " +
				"match wins.",
		},
		{
			Key: "tagger.catalogue", Kind: KindBool, Default: true, Example: "false",
			Help: "Apply the built-in rules, units, kinds and descriptions.",
		},
		{
			Key: "tagger.quarantine", Kind: KindBool, Default: true, Example: "false",
			Help: "Take GUIDs, IP addresses, indexes and zones out of names that no rule knows.",
		},
	}
}

func metricsSettings() []Setting {
	return []Setting{
		{
			Key: "metrics.namespace", Kind: KindString, Default: "cf", Example: "cf",
			Help: "First word of every metric name. May be empty (in the file or by flag).",
		},
		{
			Key: "metrics.environment", Kind: KindString, Default: "", Example: "production",
			Help: "Value of the label `environment` on every series. Empty: no such label.",
		},
		{
			Key: "metrics.naming", Kind: KindEnum, Default: "prometheus", Values: []string{"prometheus", "verbatim"},
			Example: "verbatim",
			Help: "`prometheus`: snake_case with base units and `_total`. `verbatim`: names as the component " +
				"spells them.",
		},
		{
			Key: "metrics.units", Kind: KindEnum, Default: "convert", Values: []string{"convert", "keep"},
			Example: "keep",
			Help: "`convert`: values to base units (seconds, bytes, ratios), names to match. `keep`: values as " +
				"sent.",
		},
		{
			Key: "metrics.expiration", Kind: KindDuration, Default: 10 * time.Minute, Example: "10m",
			Help: "A series disappears after this long without samples.",
		},
		{
			Key: "metrics.adaptive_expiration", Kind: KindBool, Default: false,
			DefaultText: "true where a deterministic name is in force, else false", Example: "true",
			Help: "Let a gauge or counter, or a histogram or summary by OTLP, disappear after three of its own " +
				"intervals and 15 seconds without samples, if that is sooner than `metrics.expiration`.",
		},
		{
			Key: "metrics.max_series", Kind: KindInt, Default: 2000000, Example: "2000000",
			Help: "Most series to hold. New ones beyond it are refused and counted as `over_limit`; those that " +
				"exist stay.",
		},
		{
			Key: "metrics.max_series_per_metric", Kind: KindInt, Default: 0, Example: "100000",
			Help: "Most series of one metric, so that one gone wrong leaves room for the others. 0: no such limit.",
		},
		{
			Key: "metrics.max_series_per_owner", Kind: KindInt, Default: 0, Example: "5000",
			Help: "Most series of one owner, see `metrics.series_owner`. 0: no such limit.",
		},
		{
			Key: "metrics.series_owner", Kind: KindEnum, Default: "source_id",
			Values: []string{"source_id", "app", "space"}, Example: "space",
			Help: "Whose series `metrics.max_series_per_owner` counts together.",
		},
		{
			Key: "metrics.labels.add", Kind: KindNameVals, Default: []any{}, Example: "[{name: region, value: eu}]",
			Help: "Labels with constant values for every series.",
		},
		{
			Key: "metrics.labels.drop", Kind: KindStrings, Default: []string{}, Example: "instance_id",
			Help: "Labels to leave out. Series that differ in nothing else are a conflict: the first one stays, " +
				"the others are counted.",
		},
		{
			Key: "metrics.labels.rename", Kind: KindFromTos, Default: []any{},
			Example: "[{from: app_id, to: application_id}]",
			Help:    "Labels to rename.",
		},
		{
			Key: "metrics.http.classic", Kind: KindBool, Default: true, Example: "false",
			Help: "Count requests in classic buckets, those of `metrics.http.buckets` and " +
				"`metrics.http.size_buckets`.",
		},
		{
			Key: "metrics.http.native", Kind: KindBool, Default: true, Example: "false",
			Help: "Count requests in native histograms, too, which scrapes by protobuf get.",
		},
		{
			Key: "metrics.http.buckets", Kind: KindNumbers,
			Default: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
			Example: "0.1,0.5,1,5",
			Help: "Upper bounds of the buckets of `cf_http_request_duration_seconds`, in seconds, ascending, " +
				"without +Inf.",
		},
		{
			Key: "metrics.http.size_buckets", Kind: KindNumbers,
			Default: []float64{256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216},
			Example: "1024,65536,1048576",
			Help: "Upper bounds of the buckets of `cf_http_response_size_bytes`, in bytes, ascending, without " +
				"+Inf.",
		},
		{
			Key: "metrics.http.labels", Kind: KindStrings,
			Default: []string{
				"bosh_deployment", "component", "app_id", "app_name", "space_name",
				"organization_name", "process_type", "method", "status",
			},
			Example: "app_name,method,status",
			Help: "The only labels of the HTTP histograms. Requests that differ in nothing else share a series, " +
				"so a label such as a request id costs nothing while it is not listed here.",
		},
		{
			Key: "metrics.compatibility", Kind: KindEnum, Default: "none", Values: []string{"none", "firehose_exporter"},
			Example: "firehose_exporter",
			Help: "`firehose_exporter`: expose the names and labels of that exporter, so that its dashboards and " +
				"alerts go on working; see [firehose-exporter.md](firehose-exporter.md).",
		},
		{
			Key: "metrics.compatibility_mode", Kind: KindEnum, Default: "beside", Values: []string{"beside", "alone"},
			Example: "alone",
			Help: "`beside`: the names of `metrics.compatibility` are exposed next to the exporter's own, and " +
				"both take memory. `alone`: in their place; rules, naming, units, HTTP settings and labels other " +
				"than constant ones then have no effect.",
		},
		{
			Key: "metrics.compatibility_namespace", Kind: KindString, Default: "firehose", Example: "firehose",
			Help: "First word of every metric name of `metrics.compatibility`, as `--metrics.namespace` of " +
				"firehose_exporter was.",
		},
	}
}

func serviceSettings() []Setting {
	return []Setting{
		{
			Key: "web.listen_address", Kind: KindAddress, Default: ":9286", Example: ":9286",
			Help: "Address of the web server.",
		},
		{
			Key: "web.telemetry_path", Kind: KindString, Default: "/metrics", Example: "/metrics",
			Help: "Path of the metrics.",
		},
		{
			Key: "web.openmetrics_created_lines", Kind: KindBool, Default: false, Example: "true",
			Help: "Add lines `_created` to OpenMetrics, with the start times of counters, histograms and " +
				"summaries. Prometheus stores them as separate series unless told otherwise; in protobuf it gets " +
				"start times anyway.",
		},
		{
			Key: "web.config_file", Kind: KindPath, Default: "", Example: "web.yml",
			Help: "TLS and basic authentication of the web server, in the file format that all Prometheus " +
				"exporters share " +
				"(https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md).",
		},
		{
			Key: "web.probe_without_auth", Kind: KindBool, Default: false, Example: "true",
			Help: "Answer /-/healthy and /-/ready without the password of `web.config_file`.",
		},
		{
			Key: "web.probe_address", Kind: KindAddress, Default: "", Example: ":9288",
			Help: "Second address that answers /-/healthy and /-/ready and nothing else, without TLS and password, " +
				"for probes. Empty: none.",
		},
		{
			Key: "web.enable_lifecycle", Kind: KindBool, Default: false, Example: "true",
			Help: "Reload rules and limits on POST to /-/reload.",
		},
		{
			Key: "web.enable_pprof", Kind: KindBool, Default: false, Example: "true",
			Help: "Serve Go's profiles under /debug/pprof/. They show memory contents and cost CPU: protect them " +
				"with `web.config_file`.",
		},
		{
			Key: "log.level", Kind: KindEnum, Default: "info", Values: []string{"debug", "info", "warn", "error"},
			Example: "debug",
			Help:    "Least severe messages to log.",
		},
		{
			Key: "log.format", Kind: KindEnum, Default: "logfmt", Values: []string{"logfmt", "json"}, Example: "json",
			Help: "Format of the log, which goes to standard error.",
		},
	}
}
