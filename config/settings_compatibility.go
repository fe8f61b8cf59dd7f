package config

func compatibilitySettings() []Setting {
	return []Setting{
		{
			Key: "metrics.compatibility", Kind: KindEnum, Default: "none", Values: []string{"none", "firehose_exporter"}, Example: "firehose_exporter",
			Help: "`firehose_exporter`: expose the names and labels of that exporter, so that its dashboards and alerts go on working; see [firehose-exporter.md](firehose-exporter.md).",
		},
		{
			Key: "metrics.compatibility_mode", Kind: KindEnum, Default: "beside", Values: []string{"beside", "alone"}, Example: "alone",
			Help: "`beside`: the names of `metrics.compatibility` are exposed next to the exporter's own, and both take memory. `alone`: in their place; rules, naming, units, HTTP settings and labels other than constant ones then have no effect.",
		},
		{
			Key: "metrics.compatibility_namespace", Kind: KindString, Default: "firehose", Example: "firehose",
			Help: "First word of every metric name of `metrics.compatibility`, as `--metrics.namespace` of firehose_exporter was.",
		},
	}
}
