package naming

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"
)

func TestNaming(t *testing.T) {
	prometheus := Style{Namespace: "cf"}
	keep := Style{Namespace: "cf", KeepUnits: true}
	g, c := metric.TypeGauge, metric.TypeCounter
	tests := []struct {
		naming     Style
		base, unit string
		typ        metric.Type
		want       Name
	}{
		{prometheus, "LRPsRunning", "", g, Name{"cf_lrps_running", "", 1, 1}},
		{prometheus, "numCPUS", "", g, Name{"cf_num_cpus", "", 1, 1}},
		{prometheus, "numCPUs", "", g, Name{"cf_num_cpus", "", 1, 1}},
		{prometheus, "numBytesAllocated", "bytes", g, Name{"cf_num_bytes_allocated", "", 1, 1}},
		{prometheus, "lastGCPauseTimeNS", "nanoseconds", g, Name{"cf_last_gc_pause_time_seconds", "seconds", 1, 1e9}},
		{prometheus, "system.mem.percent", "percent", g, Name{"cf_system_mem_ratio", "ratio", 1, 100}},
		{prometheus, "system.mem.kb", "kibibytes", g, Name{"cf_system_mem_bytes", "bytes", 1024, 1}},
		{
			prometheus,
			"tasks_running.memory_in_mb",
			"mebibytes",
			g,
			Name{"cf_tasks_running_memory_bytes", "bytes", 1 << 20, 1},
		},
		{prometheus, "UsedMemoryPercentage", "percent", g, Name{"cf_used_memory_ratio", "ratio", 1, 100}},
		{prometheus, "HostCpuUsage", "percent", g, Name{"cf_host_cpu_usage_ratio", "ratio", 1, 100}},
		{
			prometheus,
			"ms_since_last_registry_update",
			"milliseconds",
			g,
			Name{"cf_seconds_since_last_registry_update", "", 1, 1e3},
		},
		{prometheus, "AverageConnectTimeMs", "milliseconds", g, Name{"cf_average_connect_time_seconds", "seconds", 1, 1e3}},
		{
			prometheus,
			"average_envelopes",
			"bytes_per_minute",
			g,
			Name{"cf_average_envelopes_bytes_per_second", "bytes_per_second", 1, 60},
		},
		{
			prometheus,
			"metric_store_replayed_bytes_total",
			"bytes",
			c,
			Name{"cf_metric_store_replayed_bytes_total", "bytes", 1, 1},
		},
		{prometheus, "busy_total", "milliseconds", c, Name{"cf_busy_seconds_total", "seconds", 1, 1e3}},
		{prometheus, "receivedByteCount", "bytes", c, Name{"cf_received_byte_count_total", "", 1, 1}},
		{prometheus, "responses", "", c, Name{"cf_responses_total", "", 1, 1}},
		{prometheus, "logMessageTotal", "", c, Name{"cf_log_message_total", "", 1, 1}},
		{prometheus, "total_requests", "", c, Name{"cf_requests_total", "", 1, 1}},
		{
			prometheus,
			"listeners.totalReceivedByteCount",
			"bytes",
			c,
			Name{"cf_listeners_received_byte_count_total", "", 1, 1},
		},
		{prometheus, "requests.total_total", "", c, Name{"cf_requests_total", "", 1, 1}},
		{prometheus, "total", "", c, Name{"cf_total", "", 1, 1}},
		{prometheus, "bosh_tasks_total", "", g, Name{"cf_bosh_total_tasks", "", 1, 1}},
		{prometheus, "DBQueriesTotal", "", g, Name{"cf_db_total_queries", "", 1, 1}},
		{
			prometheus,
			"erlang_vm_memory_atom_bytes_total",
			"bytes",
			g,
			Name{"cf_erlang_vm_memory_atom_total_bytes", "bytes", 1, 1},
		},
		{prometheus, "logs_total", "bytes_per_second", g, Name{"cf_logs_total_bytes_per_second", "bytes_per_second", 1, 1}},
		{prometheus, "heap_total", "kibibytes", g, Name{"cf_heap_total_bytes", "bytes", 1024, 1}},
		{prometheus, "orders_total", "", metric.TypeHistogram, Name{"cf_total_orders", "", 1, 1}},
		{prometheus, "total", "", g, Name{"cf_total", "", 1, 1}},
		{prometheus, "running.running_apps", "", g, Name{"cf_running_apps", "", 1, 1}},
		{prometheus, "cf_auth_proxy_latency", "nanoseconds", g, Name{"cf_auth_proxy_latency_seconds", "seconds", 1, 1e9}},
		{prometheus, "HTTPRouteNATSMessagesEmitted", "", g, Name{"cf_http_route_nats_messages_emitted", "", 1, 1}},
		{prometheus, "p95Latency", "milliseconds", g, Name{"cf_p95_latency_seconds", "seconds", 1, 1e3}},
		{prometheus, "2XX", "", g, Name{"cf_2xx", "", 1, 1}},
		{
			prometheus,
			"DesiredStateSyncTimeInMilliseconds",
			"milliseconds",
			g,
			Name{"cf_desired_state_sync_time_seconds", "seconds", 1, 1e3},
		},
		{prometheus, "batch_ms", "", g, Name{"cf_batch_ms", "", 1, 1}},
		{prometheus, "...", "", g, Name{"cf_unnamed", "", 1, 1}},
		{prometheus, "", "", c, Name{"cf_total", "", 1, 1}},
		{prometheus, "größe", "", g, Name{"cf_gru00f6u00dfe", "", 1, 1}},
		{Style{}, "1024.sessions", "", g, Name{"_1024_sessions", "", 1, 1}},
		{Style{Namespace: "my-cf"}, "uptime", "seconds", g, Name{"my_cf_uptime_seconds", "seconds", 1, 1}},
		{keep, "lastGCPauseTimeNS", "nanoseconds", g, Name{"cf_last_gc_pause_time_nanoseconds", "nanoseconds", 1, 1}},
		{keep, "system.mem.kb", "kibibytes", g, Name{"cf_system_mem_kibibytes", "kibibytes", 1, 1}},
		{keep, "latency", "milliseconds", g, Name{"cf_latency_milliseconds", "milliseconds", 1, 1}},
		{
			Style{Namespace: "cf", Verbatim: true},
			"memory.lastGCPauseTimeNS",
			"nanoseconds",
			c,
			Name{"memory.lastGCPauseTimeNS", "", 1, 1},
		},
		{Style{Verbatim: true}, "", "", g, Name{"unnamed", "", 1, 1}},
		{prometheus, "http.server.request.body.size", "decimal_kilobytes", metric.TypeHistogram, Name{"cf_http_server_request_body_size_bytes", "bytes", 1e3, 1}},
		{keep, "disk.io", "decimal_kilobytes", c, Name{"cf_disk_io_decimal_kilobytes_total", "decimal_kilobytes", 1, 1}},
		{prometheus, "requests", "per_minute", g, Name{"cf_requests_per_second", "per_second", 1, 60}},
		{prometheus, "requests_per_second", "per_second", g, Name{"cf_requests_per_second", "per_second", 1, 1}},
		{prometheus, "hw.temperature", "celsius", g, Name{"cf_hw_temperature_celsius", "celsius", 1, 1}},
	}
	for _, tt := range tests {
		if got := tt.naming.Name(tt.base, tt.unit, tt.typ); got != tt.want {
			t.Errorf("%+v.Name(%q, %q, %v) = %+v, want %+v", tt.naming, tt.base, tt.unit, tt.typ, got, tt.want)
		}
	}
}

func TestCanonicalUnit(t *testing.T) {
	want := map[string]string{
		"percent":        "percent",
		"Percent":        "percent",
		"percentage":     "percent",
		"byte":           "bytes",
		"bytes":          "bytes",
		"Bytes":          "bytes",
		"B":              "bytes",
		"kb":             "kibibytes",
		"Kb":             "kibibytes",
		"KiB":            "kibibytes",
		"MiB":            "mebibytes",
		"megabytes":      "mebibytes",
		"megabyte":       "mebibytes",
		"ms":             "milliseconds",
		"millisecond":    "milliseconds",
		"milliseconds":   "milliseconds",
		"ns":             "nanoseconds",
		"nanos":          "nanoseconds",
		"nanoseconds":    "nanoseconds",
		"microsecond":    "microseconds",
		"second":         "seconds",
		"seconds":        "seconds",
		" s ":            "seconds",
		"B/s":            "bytes_per_second",
		"bytes/minute":   "bytes_per_minute",
		"":               "",
		"b":              "",
		"count":          "",
		"Count":          "",
		"Metric":         "",
		"metric":         "",
		"gauge":          "",
		"counter":        "",
		"total":          "",
		"number":         "",
		"int":            "",
		"boolean":        "",
		"Load":           "",
		"File":           "",
		"connection":     "",
		"query":          "",
		"ops_per_second": "",

		"By":         "bytes",
		"by":         "",
		"MiBy":       "mebibytes",
		"kBy":        "decimal_kilobytes",
		"By/s":       "bytes_per_second",
		"By{sent}":   "bytes",
		"us":         "microseconds",
		"min":        "minutes",
		"{request}":  "",
		"{packet}/s": "per_second",
		"{a}{b}%":    "percent",
		"1":          "",
		"}{":         "",
		"Cel":        "celsius",
		"cel":        "",
		"W":          "watts",
	}
	for emitted, unit := range want {
		if got := CanonicalUnit(emitted); got != unit {
			t.Errorf("CanonicalUnit(%q) = %q, want %q", emitted, got, unit)
		}
	}
	for _, u := range Units() {
		if CanonicalUnit(u) != u {
			t.Errorf("%q is not canonical to itself", u)
		}
	}
}

func TestUnitOfName(t *testing.T) {
	want := map[string]string{
		"memory_in_mb":                      "mebibytes",
		"lastGCPauseTimeNS":                 "nanoseconds",
		"system.disk.inode_percent":         "percent",
		"numBytesAllocated":                 "bytes",
		"seconds_behind_master":             "seconds",
		"metric_store_replayed_bytes_total": "bytes",
		"receivedByteCount":                 "bytes",
		"StoreUsagePercentage":              "percent",
		"available_memory_ratio":            "ratio",
		"storage_days":                      "days",
		"nilByteWriterWrites":               "",
		"instantaneous_ops_per_sec":         "",
		"mf-sample-app":                     "",
		"ms":                                "",
		"total":                             "",
		"numFrees":                          "",
		"wait_ms..total":                    "milliseconds",
		"/wait_ms/":                         "milliseconds",
		"_seconds_since_x":                  "seconds",
		"größe_bytes":                       "bytes",
		"a.b.c_Kb":                          "kibibytes",
	}
	for _, u := range units {
		for _, w := range u.words {
			want["x_"+w] = u.name
			if u.baseUnit == "seconds" {
				want[w+"_since"] = u.name
			}
		}
	}
	for base, unit := range want {
		if got := UnitOfName(base); got != unit {
			t.Errorf("UnitOfName(%q) = %q, want %q", base, got, unit)
		}
	}
}

// TestConversionIsExact: what a component emits in decimal comes out as the decimal that a person would write.
func TestConversionIsExact(t *testing.T) {
	for _, tt := range []struct {
		unit        string
		value, want float64
	}{
		{"milliseconds", 7, 0.007}, {"nanoseconds", 123456789, 0.123456789}, {"percent", 29, 0.29}, {"kibibytes", 3, 3072}, {"microseconds", 3, 3e-6},
	} {
		n := Style{}.Name("x", tt.unit, metric.TypeGauge)
		if got := tt.value * n.Mul / n.Div; math.Float64bits(got) != math.Float64bits(tt.want) {
			t.Errorf("%v %s = %v, want %v", tt.value, tt.unit, got, tt.want)
		}
	}
}

var legalName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

func FuzzNaming(f *testing.F) {
	for _, s := range []string{"numBytesAllocated", "", "1", "ms", "in_ms", "a.b/c", "LRPs", "日本", "\xff\x00\n\"", "total_total", "ratio_percent", "ǅ"} {
		f.Add(s, "cf", "milliseconds", true, false)
		f.Add(s, "", "", false, true)
		f.Add(s, "cf", "kibibytes", false, true)
	}
	f.Fuzz(func(t *testing.T, base, namespace, unitName string, counter, keep bool) {
		if got, want := UnitOfName(base), statedUnit(base); got != want {
			t.Fatalf("UnitOfName(%q) = %q, want %q", base, got, want)
		}
		typ := metric.TypeGauge
		if counter {
			typ = metric.TypeCounter
		}
		naming := Style{Namespace: namespace, KeepUnits: keep}
		name := naming.Name(base, unitName, typ)
		if !legalName.MatchString(name.Metric) {
			t.Fatalf("%q: illegal name %q", base, name.Metric)
		}
		if counter && !strings.HasSuffix("_"+name.Metric, "_total") {
			t.Fatalf("%q: counter %q does not end in _total", base, name.Metric)
		}
		stem := strings.TrimSuffix(name.Metric, "_total")
		if name.Unit != "" && !strings.HasSuffix("_"+stem, "_"+name.Unit) {
			t.Fatalf("%q: unit %q is not the end of %q", base, name.Unit, name.Metric)
		}
		if name.Unit != "" && !slices.Contains(Units(), name.Unit) || name.Mul <= 0 || name.Div <= 0 {
			t.Fatalf("%q: impossible conversion %+v", base, name)
		}
		// A name that is final already gets no second suffix and no second namespace.
		if namespace != "cf" || name.Unit == "" {
			return
		}
		if again := naming.Name(name.Metric, name.Unit, typ); len(again.Metric) > len(name.Metric) {
			t.Fatalf("%q became %q, and that %q", base, name.Metric, again.Metric)
		}
	})
}
