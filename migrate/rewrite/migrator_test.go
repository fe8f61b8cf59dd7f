package rewrite

import (
	"regexp"
	"slices"
	"strings"

	"loggregator_exporter/migrate"
)

// table is a Migrator that replaces words: what becomes of documents does not depend on how queries are rewritten.
type table struct{}

var (
	oldName  = regexp.MustCompile(`firehose_(?:value_metric|counter_event|container_metric|http|last)_(?:\[\[\w+\]\])?\w+`)
	oldLabel = regexp.MustCompile(`[$.]?\{?\b(deployment|index|ip|application_id|application_name)\b`)
	newNames = map[string]string{
		"firehose_value_metric_bbs_bbs_master_elected":                            `cf_bbs_master_elected`,
		"firehose_value_metric_bbs_lr_ps_running":                                 `cf_lrps_running`,
		"firehose_value_metric_bbs_lr_ps_missing":                                 `cf_lrps_missing`,
		"firehose_value_metric_[[cf_component]]_memory_stats_num_bytes_allocated": `cf_num_bytes_allocated`,
		"firehose_value_metric_rep_capacity_remaining_memory":                     `cf_capacity_remaining_memory_bytes`,
		"firehose_value_metric_rep_capacity_total_memory":                         `cf_capacity_total_memory_bytes`,
		"firehose_value_metric_gorouter_latency":                                  `cf_latency_seconds`,
		"firehose_counter_event_gorouter_responses_5_xx_total":                    `cf_responses_total`,
		"firehose_counter_event_gorouter_bad_gateways_total":                      `cf_bad_gateways_total`,
		"firehose_counter_event_gorouter_total_requests_total":                    `cf_gorouter_requests_total`,
		"firehose_container_metric_cpu_percentage":                                `cf_container_cpu_ratio`,
		"firehose_container_metric_memory_bytes":                                  `cf_container_memory_bytes`,
		"firehose_http_total":                                                     `cf_http_request_duration_seconds_count`,
		"firehose_http_duration_seconds_bucket":                                   `cf_http_request_duration_seconds_bucket`,
		"firehose_last_envelope_received_timestamp":                               `loggregator_exporter_last`,
	}
	newLabels = []migrate.Rename{
		{Old: "deployment", New: "bosh_deployment"},
		{Old: "index", New: "bosh_job_id"},
		{Old: "ip", New: "bosh_job_ip"},
		{Old: "application_id", New: "app_id"},
		{Old: "application_name", New: "app_name"},
	}
)

// Query replaces names and labels. A name that is not in the table cannot be rewritten.
func (table) Query(expr string) migrate.Result {
	r := migrate.Result{OK: true}
	migrated := oldName.ReplaceAllStringFunc(expr, func(name string) string {
		now, ok := newNames[name]
		if !ok {
			r.OK = false
			r.Notes = append(r.Notes, name+" is not known")
			return name
		}
		r.Metrics = append(r.Metrics, migrate.Rename{Old: name, New: now})
		if strings.Contains(name, "[[") {
			r.Variables = append(r.Variables, migrate.VariableUse{
				Name: "cf_component", Label: "component", Values: []migrate.Rename{{Old: "a_b", New: "a-b"}},
			})
		}
		return now
	})
	if !r.OK || len(r.Metrics) == 0 {
		r.Migrated = expr
		return r
	}
	for _, l := range newLabels {
		if !strings.Contains(expr, " by ") || strings.Contains(expr, l.Old) {
			r.Labels = append(r.Labels, l)
		}
	}
	r.Migrated = oldLabel.ReplaceAllStringFunc(migrated, func(word string) string {
		i := slices.IndexFunc(newLabels, func(l migrate.Rename) bool { return l.Old == strings.TrimLeft(word, "{") })
		if i < 0 { // it is the name of a variable, or a part of one
			return word
		}
		return strings.Replace(word, newLabels[i].Old, newLabels[i].New, 1)
	})
	r.Changed = r.Migrated != expr
	return r
}

// Variable is Query, but for names by a regular expression.
func (t table) Variable(query string) migrate.Result {
	switch {
	case query == `metrics(firehose_value_metric_.+_memory_stats_num_bytes_allocated$)`:
		return migrate.Result{
			Migrated: `label_values(cf_num_bytes_allocated, component)`, OK: true, Changed: true,
			Metrics: []migrate.Rename{{Old: "firehose_value_metric_.+_memory_stats_num_bytes_allocated", New: "cf_num_bytes_allocated"}},
		}
	case strings.HasPrefix(query, "metrics("):
		return migrate.Result{Migrated: query, Notes: []string{"names by a regular expression cannot be translated"}}
	}
	return t.Query(query)
}
