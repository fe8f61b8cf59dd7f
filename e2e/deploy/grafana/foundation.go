package grafana

// foundationBoard has the platform's key indicators, and what its machines are doing.
func foundationBoard() *board {
	return &board{
		name:        "foundation",
		title:       "Cloud Foundry / Foundation",
		filter:      foundationFilter,
		description: "The platform at a glance: whether applications run, requests are answered, cells have room, jobs succeed and metrics arrive.",
		variables:   foundationVariables("cf_system_mem_ratio"),
		annotations: []annotation{exporterRestarts(""), appCrashes()},
		rows: []row{
			{
				"Key indicators",
				[]*panel{
					number(
						"Instances running",
						ratio,
						"App instances that run, as a share of those that applications ask for. The active BBS reports both.",
						q("max(cf_lrps_running{@}) / max(cf_lrps_desired{@})", ""),
					).atLeast(0.9, 0.95),
					number(
						"Instances crashed",
						count,
						"App instances that have crashed and have not been started again. One bad app is normal, a rise all at once is not.",
						q("max(cf_crashed_actual_lrps{@})", ""),
					).warn(10, 50),
					number(
						"Free cell memory",
						ratio,
						"Memory of all cells that is free for instances. Below a third, the loss of an availability zone can no longer be taken.",
						q("sum(cf_capacity_remaining_memory_bytes{@}) / sum(cf_capacity_total_memory_bytes{@})", ""),
					).atLeast(0.2, 0.35),
					number("Requests", requests, "HTTP requests that all routers receive.",
						q("sum(rate(cf_gorouter_requests_total{@}[$__rate_interval]))", "")),
					number("Server errors", ratio, "Responses of status 5xx among all responses of the routers.",
						q(`sum(rate(cf_responses_total{@,status="5xx",target_component=""}[$__rate_interval])) / `+
							`sum(rate(cf_responses_total{@,status=~".xx",target_component=""}[$__rate_interval]))`, "")).warn(0.02, 0.05),
					number(
						"Request duration, p95",
						seconds,
						"95 of 100 requests are answered within this time, from the router's view.",
						q(
							"histogram_quantile(0.95, sum by (le) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))",
							"",
						),
					).warn(1, 3),
					number("Failed jobs", count, "Background jobs of the Cloud Controller that have failed and stay in the database.",
						q(`max(cf_failed_job_count{@,queue="total"})`, "")).warn(20, 100),
					number("Jobs waiting", count, "Background jobs of the Cloud Controller that wait in all queues.",
						q(`max(cf_job_queue_length{@,queue="total"})`, "")).warn(50, 200),
					number("UAA requests in flight", count, "Requests that all UAAs are working on.",
						q("sum(cf_server_inflight_count{@})", "")).warn(30, 100),
					number("Envelopes lost in dopplers", ratio, "What dopplers drop of what they receive.",
						q(`sum(rate(cf_dropped_total{@,component="loggregator.doppler"}[$__rate_interval])) / `+
							`sum(rate(cf_ingress_total{@,component="loggregator.doppler"}[$__rate_interval]))`, "")).warn(0.001, 0.01),
					number("Machines", count, "Machines that report their system metrics.",
						q("count(count by (bosh_deployment, bosh_job_id) (cf_system_mem_ratio{@}))", "")),
					number("Machines unhealthy", count, "Machines of which BOSH says that a process fails.",
						q("sum(1 - min by (bosh_deployment, bosh_job_id) (cf_system_healthy{@}))", "")).atMost(1),
				},
			},
			{
				"Applications and traffic",
				[]*panel{
					graph(
						"App instances",
						count,
						"App instances by state. Desired and running should lie on each other.",
						q(
							"max(cf_lrps_desired{@})",
							"desired",
						),
						q("max(cf_lrps_running{@})", "running"),
						q("max(cf_lrps_starting{@})", "starting"),
						q("max(cf_lrps_missing{@})", "missing"),
						q("max(cf_crashed_actual_lrps{@})", "crashed"),
					),
					graph(
						"Responses by status",
						requests,
						"Responses of all routers, by class of status.",
						q(
							`sum by (status) (rate(cf_responses_total{@,status=~".xx",target_component=""}[$__rate_interval]))`,
							"{{status}}",
						),
					).stacked(),
					graph(
						"Request duration",
						seconds,
						"How long requests take, from the router's view.",
						q(
							"histogram_quantile(0.5, sum by (le) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))",
							"p50",
						),
						q(
							"histogram_quantile(0.95, sum by (le) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))",
							"p95",
						),
						q(
							"histogram_quantile(0.99, sum by (le) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))",
							"p99",
						),
					),
				},
			},
			{"Machines", []*panel{
				graph(
					"Processor",
					ratio,
					"Processor time in use, user and system, of the busiest machine of each job.",
					q(
						"max by (bosh_job_name) (cf_system_cpu_user_ratio{@} + cf_system_cpu_sys_ratio{@})",
						"{{bosh_job_name}}",
					),
				).share().atMost(0.9),
				graph("Memory", ratio, "Memory in use, of the fullest machine of each job.",
					q("max by (bosh_job_name) (cf_system_mem_ratio{@})", "{{bosh_job_name}}")).share().atMost(0.9),
				graph("Load", count, "Processes that run or wait to, averaged over a minute, of the busiest machine of each job.",
					q("max by (bosh_job_name) (cf_system_load_1m{@})", "{{bosh_job_name}}")),
				graph("Ephemeral disk", ratio, "Space in use, of the fullest machine of each job.",
					q(`max by (bosh_job_name) (cf_system_disk_ratio{@,disk="ephemeral"})`, "{{bosh_job_name}}")).share().atMost(0.85),
				graph(
					"Persistent disk",
					ratio,
					"Space in use, of the fullest machine of each job.",
					q(
						`max by (bosh_job_name) (cf_system_disk_ratio{@,disk="persistent"})`,
						"{{bosh_job_name}}",
					),
				).share().atMost(0.85),
				graph("Inodes", ratio, "Inodes in use, of the fullest disk of each job.",
					q("max by (bosh_job_name) (cf_system_disk_inode_ratio{@})", "{{bosh_job_name}}")).share().atMost(0.85),
				graph("Swap", ratio, "Swap space in use. Go programs should never swap.",
					q("max by (bosh_job_name) (cf_system_swap_ratio{@})", "{{bosh_job_name}}")).share().atMost(0.2),
				graph("Waiting for disks", ratio, "Processor time spent waiting for disks, of the worst machine of each job.",
					q("max by (bosh_job_name) (cf_system_cpu_wait_ratio{@})", "{{bosh_job_name}}")).share().atMost(0.3),
				graph(
					"Network",
					byteRate,
					"Bytes sent (above) and received (below) by all machines of each job.",
					q("sum by (bosh_job_name) (rate(cf_system_network_bytes_sent{@}[$__rate_interval]))", "{{bosh_job_name}} sent"),
					q(
						"-sum by (bosh_job_name) (rate(cf_system_network_bytes_received{@}[$__rate_interval]))",
						"{{bosh_job_name}} received",
					),
				).signed(),
				list(
					"Fullest machines",
					ratio,
					"The machines that have the least memory left.",
					q(
						"topk(15, max by (bosh_deployment, bosh_job_name, bosh_job_ip) (cf_system_mem_ratio{@}))",
						"{{bosh_job_name}} {{bosh_job_ip}}",
					),
				).warn(0.8, 0.9),
				list(
					"Fullest disks",
					ratio,
					"The disks that have the least space left.",
					q(
						"topk(15, max by (bosh_deployment, bosh_job_name, bosh_job_ip, disk) (cf_system_disk_ratio{@}))",
						"{{bosh_job_name}} {{bosh_job_ip}} {{disk}}",
					),
				).warn(0.75, 0.85),
			}},
		},
	}
}
