package config

import (
	"slices"
	"time"
)

// Settings returns every setting, in the order of the documentation. The slice is the caller's.
func Settings() []Setting {
	return slices.Concat(nozzleSettings(), rlpSettings(), gatewaySettings(), firehoseSettings(), udpSettings(),
		ingressSettings(), syslogSettings(), replaySettings(), otlpSettings(), uaaSettings(), taggerSettings(),
		metricsSettings(), remoteWriteSettings(), serviceSettings())
}

func uaaSettings() []Setting {
	return append([]Setting{
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
	}, trustSettings("uaa", "UAA", "secret")...)
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
			Help: "Whose series `metrics.max_series_per_owner` counts together: those of one source id (of senders without " +
				"one, as of HTTP requests, those of one app or else of one origin), of one app, or of one space.",
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
				"so a label such as a request id costs nothing while it is not listed here. Beside the labels that other " +
				"metrics have: `status`, the class of the status code (`5xx`), `status_code`, the code itself, `scheme` and " +
				"`host` of the URI, which clients choose, `instance_id`, the app's instance, and any tag of the envelopes.",
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
				"exporters share (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md).",
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
			Key: "web.enable_console", Kind: KindBool, Default: true, Example: "false",
			Help: "Serve the console under / and the JSON API under /api/v1/, see [api.md](api.md). They show names, " +
				"labels and settings, never secrets; `web.config_file` protects them like the metrics. `false`: a page " +
				"with links and /api/v1/cardinality only.",
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
