package grafana

import "fmt"

// applicationsBoard is for those who run applications.
func applicationsBoard() *board {
	const which = foundationFilter + `,organization_name=~"$organization",space_name=~"$space",app_name=~"$app"`
	const app = "{{organization_name}} / {{space_name}} / {{app_name}}"
	const by = "organization_name, space_name, app_name"
	const instance = "{{app_name}}/{{instance_id}} ({{space_name}})"
	top := func(metric string) query {
		return q("topk(20, max by ("+by+", instance_id) ("+metric+"))", instance)
	}
	quantile := func(at string, legend string) query {
		return q(
			fmt.Sprintf(
				"histogram_quantile(%s, sum by (le) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))",
				at,
			),
			legend,
		)
	}
	const requestRate = `sum by (` + by + `) (rate(cf_http_request_duration_seconds_count{@}[$__rate_interval]))`
	const errorRate = `sum by (` + by + `) (rate(cf_http_request_duration_seconds_count{@,status="5xx"}[$__rate_interval]))`
	return &board{
		name:   "applications",
		title:  "Cloud Foundry / Applications",
		filter: which,
		description: "Requests, errors and durations of applications by organization, space and name, and what their containers use. " +
			"Requests to the platform itself have no organization and are seen while All is chosen.",
		variables: append(foundationVariables("cf_container_memory_bytes"),
			variable{
				name: "organization", label: "Organization", description: "organization of the application",
				metric: `cf_container_memory_bytes{` + foundationFilter + `}`, of: "organization_name",
			},
			variable{
				name: "space", label: "Space", description: "space of the application",
				metric: `cf_container_memory_bytes{` + foundationFilter + `,organization_name=~"$organization"}`, of: "space_name",
			},
			variable{
				name:        "app",
				label:       "Application",
				description: "name of the application",
				metric:      `cf_container_memory_bytes{` + foundationFilter + `,organization_name=~"$organization",space_name=~"$space"}`,
				of:          "app_name",
			}),
		annotations: []annotation{
			exporterRestarts(""),
			{
				name:  "App instances crashed",
				color: "red",
				expr:  "max(delta(cf_crashed_actual_lrps{" + foundationFilter + "}[2m])) >= 1",
			},
		},
		rows: []row{
			{
				"Now",
				[]*panel{
					number(
						"Applications",
						count,
						"Applications with containers that run.",
						q("count(count by (app_id) (cf_container_memory_bytes{@}))", ""),
					),
					number(
						"Instances",
						count,
						"Containers of applications that run.",
						q("count(max by (app_id, instance_id, process_id) (cf_container_memory_bytes{@}))", ""),
					),
					number(
						"Requests",
						requests,
						"HTTP requests to these applications.",
						q("sum(rate(cf_http_request_duration_seconds_count{@}[$__rate_interval]))", ""),
					),
					number(
						"Server errors",
						ratio,
						"Responses of status 5xx among all responses.",
						q(
							`sum(rate(cf_http_request_duration_seconds_count{@,status="5xx"}[$__rate_interval])) / sum(rate(cf_http_request_duration_seconds_count{@}[$__rate_interval]))`,
							"",
						),
					).warn(0.02, 0.05),
					number(
						"Duration, p95",
						seconds,
						"95 of 100 requests are answered within this time.",
						quantile("0.95", ""),
					).warn(1, 3),
					number(
						"Memory",
						ratio,
						"Memory in use as a share of the quotas.",
						q("sum(cf_container_memory_bytes{@}) / sum(cf_container_memory_quota_bytes{@})", ""),
					).warn(0.85, 0.95),
				},
			},
			{
				"Requests",
				[]*panel{
					graph(
						"Requests",
						requests,
						"HTTP requests of the twenty busiest applications.",
						q("topk(20, "+requestRate+")", app),
					),
					graph("Server errors", requests, "Responses of status 5xx, by application.", q("topk(20, "+errorRate+")", app)),
					graph(
						"Share of server errors",
						ratio,
						"Responses of status 5xx among all responses of each application that had one.",
						q("topk(20, "+errorRate+" / "+requestRate+")", app),
					).share().
						atMost(0.05),
					graph(
						"Duration",
						seconds,
						"How long requests of all these applications take, from the router's view.",
						quantile("0.5", "p50"),
						quantile("0.95", "p95"),
						quantile("0.99", "p99"),
					),
					graph(
						"Duration by application, p95",
						seconds,
						"95 of 100 requests are answered within this time, the twenty slowest.",
						q(
							"topk(20, histogram_quantile(0.95, sum by (le, "+by+") (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval]))))",
							app,
						),
					),
					graph(
						"Average duration",
						seconds,
						"Average time of a request, the twenty slowest.",
						q(
							"topk(20, sum by ("+by+") (rate(cf_http_request_duration_seconds_sum{@}[$__rate_interval])) / "+requestRate+")",
							app,
						),
					),
					graph(
						"Responses by status",
						requests,
						"Responses by class of status.",
						q("sum by (status) (rate(cf_http_request_duration_seconds_count{@}[$__rate_interval]))", "{{status}}"),
					).stacked(),
					graph(
						"Requests by method",
						requests,
						"HTTP requests by their method.",
						q("sum by (method) (rate(cf_http_request_duration_seconds_count{@}[$__rate_interval]))", "{{method}}"),
					).stacked(),
					graph(
						"Sent by applications",
						byteRate,
						"Bytes of responses' bodies, the twenty applications that send the most.",
						q("topk(20, sum by ("+by+") (rate(cf_http_response_size_bytes_sum{@}[$__rate_interval])))", app),
					),
					graph(
						"Requests by organization",
						requests,
						"HTTP requests of each organization.",
						q(
							"sum by (organization_name) (rate(cf_http_request_duration_seconds_count{@}[$__rate_interval]))",
							"{{organization_name}}",
						),
					).wide().
						stacked(),
					graph(
						"Requests by space",
						requests,
						"HTTP requests of each space.",
						q(
							"sum by (organization_name, space_name) (rate(cf_http_request_duration_seconds_count{@}[$__rate_interval]))",
							"{{organization_name}} / {{space_name}}",
						),
					).wide().
						stacked(),
				},
			},
			{
				"Containers",
				[]*panel{
					graph(
						"Processor",
						ratio,
						"Processor time of each instance, as a share of one core, the twenty busiest.",
						top("cf_container_cpu_ratio{@}"),
					),
					graph(
						"Processor by entitlement",
						ratio,
						"Processor time of each instance as a share of what its memory entitles it to. Above 1 it lives on what others leave.",
						top("cf_container_cpu_entitlement_ratio{@}"),
					).atMost(1),
					graph("Memory", size, "Memory of each instance, the twenty largest.", top("cf_container_memory_bytes{@}")),
					graph(
						"Memory of quota",
						ratio,
						"Memory of each instance as a share of its quota. At 1 it is killed.",
						top("cf_container_memory_bytes{@} / cf_container_memory_quota_bytes{@}"),
					).share().
						atMost(0.9),
					graph(
						"Disk of quota",
						ratio,
						"Disk space of each instance as a share of its quota.",
						top("cf_container_disk_bytes{@} / cf_container_disk_quota_bytes{@}"),
					).share().
						atMost(0.9),
					graph("Disk", size, "Disk space of each instance, the twenty largest.", top("cf_container_disk_bytes{@}")),
					graph(
						"Logs",
						byteRate,
						"Logs that each instance writes, the twenty that write the most.",
						top("cf_container_log_rate_bytes_per_second{@}"),
					),
					graph(
						"Network",
						byteRate,
						"Bytes that instances send (above) and receive (below), the ten that have the most.",
						q(
							"topk(10, sum by ("+by+") (rate(cf_container_tx_bytes_total{@}[$__rate_interval])))",
							app+" sent",
						),
						q("-topk(10, sum by ("+by+") (rate(cf_container_rx_bytes_total{@}[$__rate_interval])))", app+" received"),
					).signed(),
					graph(
						"Youngest containers",
						seconds,
						"Age of the twenty youngest containers: one that is always young crashes again and again.",
						q("bottomk(20, min by ("+by+", instance_id) (cf_container_age_seconds{@}))", instance),
					),
					list(
						"Memory by application",
						size,
						"Memory of all instances of an application, the twenty largest.",
						q("topk(20, sum by ("+by+") (cf_container_memory_bytes{@}))", app),
					),
					list(
						"Memory by organization",
						size,
						"Memory that the instances of an organization may use by their quotas.",
						q("sum by (organization_name) (cf_container_memory_quota_bytes{@})", "{{organization_name}}"),
					),
				},
			},
		},
	}
}
