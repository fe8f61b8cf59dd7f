package grafana

// controllerBoard is about the API of the platform and who may use it.
func controllerBoard() *board {
	return &board{
		name:        "cloud-controller-uaa",
		title:       "Cloud Foundry / Cloud Controller and UAA",
		filter:      foundationFilter,
		description: "Requests, background jobs, staging and threads of the Cloud Controller; logins, requests and Java's memory of UAA.",
		variables:   foundationVariables("cf_requests_completed_total"),
		annotations: []annotation{exporterRestarts("")},
		rows: []row{
			{
				"Now",
				[]*panel{
					number(
						"API requests",
						requests,
						"Requests that all Cloud Controllers complete.",
						q(`sum(rate(cf_requests_completed_total{@,component="cc"}[$__rate_interval]))`, ""),
					),
					number(
						"API errors",
						ratio,
						"Responses of status 5xx among all responses of the Cloud Controllers.",
						q(
							`sum(rate(cf_http_status_total{@,component="cc",status="5XX"}[$__rate_interval])) / sum(rate(cf_http_status_total{@,component="cc"}[$__rate_interval]))`,
							"",
						),
					).warn(0.02, 0.05),
					number(
						"Requests in progress",
						count,
						"Requests that all Cloud Controllers are working on.",
						q(`sum(cf_requests_outstanding_gauge{@,component="cc"})`, ""),
					).warn(60, 150),
					number(
						"Failed jobs",
						count,
						"Background jobs that have failed and stay in the database.",
						q(`max(cf_failed_job_count{@,queue="total"})`, ""),
					).warn(20, 100),
					number(
						"UAA requests",
						requests,
						"Requests that all UAAs answer.",
						q(`sum(rate(cf_requests_completed_count_total{@,url_group="global"}[$__rate_interval]))`, ""),
					),
					number(
						"UAA failures",
						ratio,
						"Responses of status 5xx among all responses of the UAAs.",
						q(
							`sum(rate(cf_requests_status_count_total{@,url_group="global",status="5xx"}[$__rate_interval])) / sum(rate(cf_requests_status_count_total{@,url_group="global"}[$__rate_interval]))`,
							"",
						),
					).warn(0.02, 0.05),
				},
			},
			{
				"Cloud Controller",
				[]*panel{
					graph("Responses by status", requests, "Responses of all Cloud Controllers, by class of status.",
						q(`sum by (status) (rate(cf_http_status_total{@,component="cc"}[$__rate_interval]))`, "{{status}}")).stacked(),
					graph(
						"Requests in progress",
						count,
						"By machine. Each has a limit of threads; what comes beyond waits.",
						q(
							`max by (bosh_job_name, bosh_job_ip) (cf_requests_outstanding_gauge{@,component="cc"})`,
							"{{bosh_job_name}} {{bosh_job_ip}}",
						),
					),
					graph(
						"Logged by level",
						perSec,
						"Messages that the Cloud Controllers log, by level, warnings and above.",
						q(
							`sum by (level) (rate(cf_log_count{@,component="cc",level=~"warn|error|fatal"}[$__rate_interval]))`,
							"{{level}}",
						),
					),
					graph(
						"Jobs waiting",
						count,
						"Background jobs by queue. cc-generic is worked off by cc-worker machines, cc-<job>-<index> by the API machine of that name.",
						q(`max by (queue) (cf_job_queue_length{@})`, "{{queue}}"),
					),
					graph(
						"Jobs failed",
						count,
						"Background jobs that have failed and stay in the database, by queue.",
						q(`max by (queue) (cf_failed_job_count{@})`, "{{queue}}"),
					),
					graph(
						"Load of jobs",
						count,
						"Jobs that are ready to run, by queue.",
						q(`max by (queue) (cf_job_queue_load{@})`, "{{queue}}"),
					),
					graph(
						"Stagings",
						perSec,
						"Stagings asked for, succeeded and failed.",
						q(
							`sum(rate(cf_staging_requested_total{@,component="cc"}[$__rate_interval]))`,
							"requested",
						),
						q(`sum(rate(cf_staging_succeeded_total{@,component="cc"}[$__rate_interval]))`, "succeeded"),
						q(`sum(rate(cf_staging_failed_total{@,component="cc"}[$__rate_interval]))`, "failed"),
					),
					graph(
						"Duration of stagings",
						seconds,
						"The longest of the last stagings.",
						q(
							"max(cf_staging_succeeded_duration_seconds{@})",
							"succeeded",
						),
						q("max(cf_staging_failed_duration_seconds{@})", "failed"),
					),
					graph(
						"Delay of jobs",
						seconds,
						"Time that background jobs wait until a worker takes them, from the Cloud Controller's histogram.",
						q(
							"histogram_quantile(0.5, sum by (le) (rate(cf_cc_job_pickup_delay_seconds_bucket{@}[$__rate_interval])))",
							"p50",
						),
						q(
							"histogram_quantile(0.95, sum by (le) (rate(cf_cc_job_pickup_delay_seconds_bucket{@}[$__rate_interval])))",
							"p95",
						),
					).atMost(60),
					graph(
						"Stagings, p95",
						seconds,
						"95 of 100 stagings end within this time, from the Cloud Controller's histograms.",
						q(
							"histogram_quantile(0.95, sum by (le) (rate(cf_cc_staging_succeeded_duration_seconds_bucket{@}[$__rate_interval])))",
							"succeeded",
						),
						q(
							"histogram_quantile(0.95, sum by (le) (rate(cf_cc_staging_failed_duration_seconds_bucket{@}[$__rate_interval])))",
							"failed",
						),
					),
					graph("Deployments and tasks", count, "Rolling deployments in progress and tasks that run.",
						q("max(cf_deployments_deploying{@})", "deployments"), q("max(cf_tasks_running_count{@})", "tasks")),
					graph(
						"Sync with Diego",
						seconds,
						"Time to bring Diego in line, and for deployments' updates. While it fails, domains get stale.",
						q(
							"max(cf_diego_sync_duration_seconds{@})",
							"Diego",
						),
						q("max(cf_deployments_update_duration_seconds{@})", "deployments"),
					).atMost(30),
					graph(
						"Threads",
						count,
						"Threads, and what is queued for EventMachine's pool of 20: above 0 for long, requests wait.",
						q(
							"max by (bosh_job_ip) (cf_thread_info_thread_count{@})",
							"{{bosh_job_ip}} threads",
						),
						q("max by (bosh_job_ip) (cf_thread_info_event_machine_threadqueue_size{@})", "{{bosh_job_ip}} queued"),
					),
					graph(
						"Memory",
						size,
						"Memory of the Cloud Controller's processes.",
						q(
							`max by (bosh_job_name, bosh_job_ip) (cf_vitals_mem_bytes{@,component="cc"})`,
							"{{bosh_job_name}} {{bosh_job_ip}}",
						),
					).atMost(3.5 * 1024 * 1024 * 1024),
					graph(
						"Processor",
						ratio,
						"Processor time of the Cloud Controller's processes. Ruby uses one core: at 1 it is busy all the time.",
						q(
							`max by (bosh_job_name, bosh_job_ip) (cf_vitals_cpu_ratio{@,component="cc"})`,
							"{{bosh_job_name}} {{bosh_job_ip}}",
						),
					).atMost(0.9),
					graph("Users", count, "Users that the Cloud Controller knows.", q("max(cf_total_users{@})", "users")),
					graph(
						"Uptime",
						seconds,
						"Time since each Cloud Controller's start: it falls to 0 at a restart.",
						q(
							`max by (bosh_job_name, bosh_job_ip) (cf_vitals_uptime_seconds{@,component="cc"})`,
							"{{bosh_job_name}} {{bosh_job_ip}}",
						),
					),
				},
			},
			{
				"UAA",
				[]*panel{
					graph(
						"Requests by group",
						requests,
						"Requests that all UAAs answer, by group of URLs.",
						q("sum by (url_group) (rate(cf_requests_completed_count_total{@}[$__rate_interval]))", "{{url_group}}"),
					),
					graph(
						"Responses by status",
						requests,
						"Responses of all UAAs, by class of status.",
						q(
							`sum by (status) (rate(cf_requests_status_count_total{@,url_group="global"}[$__rate_interval]))`,
							"{{status}}",
						),
					).stacked(),
					graph(
						"Duration",
						seconds,
						"Average time of requests and of their database queries, the slowest UAA.",
						q(
							"max by (url_group) (cf_requests_completed_time_seconds{@})",
							"requests {{url_group}}",
						),
						q("max by (url_group) (cf_database_completed_time_seconds{@})", "database {{url_group}}"),
					).atMost(1),
					graph(
						"In flight",
						count,
						"Requests that each UAA is working on.",
						q("max by (bosh_job_ip) (cf_server_inflight_count{@})", "{{bosh_job_ip}}"),
					),
					graph(
						"Logins",
						perSec,
						"Successful authentications of users and of clients.",
						q(
							"sum(rate(cf_audit_service_user_authentication_count{@}[$__rate_interval]))",
							"users",
						),
						q("sum(rate(cf_audit_service_client_authentication_count{@}[$__rate_interval]))", "clients"),
					),
					graph(
						"Failed logins",
						perSec,
						"Failed authentications, of known and of unknown users. A burst may be somebody who tries passwords.",
						q(
							"sum(rate(cf_audit_service_user_authentication_failure_count{@}[$__rate_interval]))",
							"users",
						),
						q("sum(rate(cf_audit_service_client_authentication_failure_count{@}[$__rate_interval]))", "clients"),
						q(
							"sum(rate(cf_audit_service_principal_authentication_failure_count{@}[$__rate_interval]))",
							"principals",
						),
						q("sum(rate(cf_audit_service_user_not_found_count{@}[$__rate_interval]))", "unknown users"),
					),
					graph(
						"Java heap",
						ratio,
						"Heap in use as a share of what UAA's JVM may use.",
						q(
							"max by (bosh_job_ip) (cf_vitals_jvm_heap_used_bytes{@} / cf_vitals_jvm_heap_max_bytes{@})",
							"{{bosh_job_ip}}",
						),
					).share().
						atMost(0.9),
					graph(
						"Java threads and load",
						count,
						"Threads of UAA's JVM, and load of its machine.",
						q(
							"max by (bosh_job_ip) (cf_vitals_jvm_thread_count{@})",
							"{{bosh_job_ip}} threads",
						),
						q("max by (bosh_job_ip) (cf_vitals_vm_cpu_load{@})", "{{bosh_job_ip}} load"),
					),
					graph(
						"Idle",
						ratio,
						"Share of time in which UAA has nothing to do. Towards 0 there are too few.",
						q(
							"avg by (bosh_job_ip) (rate(cf_server_idle_time_seconds{@}[$__rate_interval]) / rate(cf_server_up_time_seconds{@}[$__rate_interval]))",
							"{{bosh_job_ip}}",
						),
					).share(),
				},
			},
		},
	}
}
