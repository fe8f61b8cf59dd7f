package grafana

// diegoBoard is about what runs applications.
func diegoBoard() *board {
	return &board{
		name:        "diego",
		title:       "Cloud Foundry / Diego",
		filter:      foundationFilter,
		description: "App instances and tasks, room on the cells, auctions, the BBS and its locks, Garden, and the container network.",
		variables:   foundationVariables("cf_capacity_total_memory_bytes"),
		annotations: []annotation{exporterRestarts(""), appCrashes()},
		rows: []row{
			{
				"Now",
				[]*panel{
					number("Instances running", ratio, "App instances that run, as a share of those that applications ask for.",
						q("max(cf_lrps_running{@}) / max(cf_lrps_desired{@})", "")).atLeast(0.9, 0.95),
					number(
						"Instances missing",
						count,
						"App instances that are asked for and have no record.",
						q("max(cf_lrps_missing{@})", ""),
					).warn(5, 20),
					number("Free memory", ratio, "Memory of all cells that is free for instances.",
						q(`sum(cf_capacity_remaining_memory_bytes{@}) / sum(cf_capacity_total_memory_bytes{@})`, "")).atLeast(0.2, 0.35),
					number("Free disk", ratio, "Disk space of all cells that is free for instances.",
						q("sum(cf_capacity_remaining_disk_bytes{@}) / sum(cf_capacity_total_disk_bytes{@})", "")).atLeast(0.15, 0.3),
					number("Cells", count, "Cells that the BBS sees.", q("max(cf_present_cells{@})", "")),
					number(
						"Cells in doubt",
						count,
						"Cells whose presence has not been renewed: their instances are started elsewhere.",
						q("max(cf_suspect_cells{@})", ""),
					).atMost(1),
				},
			},
			{
				"Instances and tasks",
				[]*panel{
					graph(
						"Instances",
						count,
						"App instances by state, from the active BBS.",
						q(
							"max(cf_lrps_desired{@})",
							"desired",
						),
						q("max(cf_lrps_running{@})", "running"),
						q("max(cf_lrps_starting{@})", "starting"),
						q("max(cf_lrps_claimed{@})", "claimed"),
						q(
							"max(cf_lrps_unclaimed{@})",
							"unclaimed",
						),
						q("max(cf_lrps_missing{@})", "missing"),
						q("max(cf_lrps_extra{@})", "extra"),
					),
					graph("Crashes", count, "App instances that have crashed, and applications of which one is crashing.",
						q("max(cf_crashed_actual_lrps{@})", "instances"), q("max(cf_crashing_desired_lrps{@})", "applications")),
					graph(
						"Tasks",
						count,
						"Tasks by state, stagings included.",
						q(
							"max(cf_tasks_running{@})",
							"running",
						),
						q("max(cf_tasks_pending{@})", "pending"),
						q("max(cf_tasks_completed{@})", "completed"),
						q("max(cf_tasks_resolving{@})", "resolving"),
					),
				},
			},
			{
				"Cells",
				[]*panel{
					graph(
						"Free memory by cell",
						size,
						"Memory free for instances. An app whose instance needs more than every cell has cannot start, however much is free in all.",
						q("max by (bosh_job_ip) (cf_capacity_remaining_memory_bytes{@})", "{{bosh_job_ip}}"),
					),
					graph(
						"Free disk by cell",
						size,
						"Disk space free for instances.",
						q("max by (bosh_job_ip) (cf_capacity_remaining_disk_bytes{@})", "{{bosh_job_ip}}"),
					),
					graph(
						"Containers by cell",
						count,
						"Containers on each cell; 250 is the usual most.",
						q("max by (bosh_job_ip) (cf_container_count{@})", "{{bosh_job_ip}}"),
					).atMost(240),
					graph(
						"Memory of all cells",
						size,
						"What the cells have, what instances have reserved, and what they use of it: far more reserved than used invites overcommitment.",
						q(
							"sum(cf_capacity_total_memory_bytes{@})",
							"total",
						),
						q("sum(cf_capacity_allocated_memory_bytes{@})", "reserved"),
						q("sum(cf_container_usage_memory_bytes{@})", "used"),
					),
					graph(
						"Unhealthy cells",
						count,
						"Cells that call themselves unhealthy, or whose Garden fails its health check.",
						q(
							"sum(cf_unhealthy_cell{@})",
							"unhealthy",
						),
						q("sum(cf_garden_health_check_failed{@})", "Garden fails"),
						q("sum(cf_stranded_evacuating_actual_lrps{@})", "instances stranded in an evacuation"),
					).atMost(1),
					graph(
						"Cells' sync with the BBS",
						seconds,
						"Time that each cell takes to bring its containers in line with the BBS.",
						q("max by (bosh_job_ip) (cf_rep_bulk_sync_duration_seconds{@})", "{{bosh_job_ip}}"),
					).atMost(10),
					graph(
						"Creating and destroying containers",
						seconds,
						"Time that Garden takes, the slowest cell.",
						q(
							"max(cf_garden_container_creation_succeeded_duration_seconds{@})",
							"create",
						),
						q("max(cf_garden_container_destruction_succeeded_duration_seconds{@})", "destroy"),
						q("max(cf_container_creation_duration_seconds{@})", "create (releases before 2017)"),
					).atMost(10),
					graph(
						"Leftovers",
						count,
						"Containers that Garden could not destroy, loop devices and directories that it keeps.",
						q(
							"sum(cf_unkillable_containers{@})",
							"unkillable containers",
						),
						q("sum(cf_loop_devices{@})", "loop devices"),
						q("sum(cf_depot_dirs{@})", "depot directories"),
					),
					graph(
						"Volumes",
						seconds,
						"Time to mount a volume, by driver, the slowest cell.",
						q("max by (driver) (cf_volman_mount_duration_for_seconds{@})", "{{driver}}"),
					),
					graph(
						"GrootFS",
						perSec,
						"Runs of GrootFS' commands on all cells, and those that failed.",
						q(
							`sum by (command) (rate(cf_run_total{@,component="grootfs"}[$__rate_interval]))`,
							"{{command}}",
						),
						q(`sum by (command) (rate(cf_run_fail_total{@,component="grootfs"}[$__rate_interval]))`, "{{command}} failed"),
					),
					graph(
						"Auctions",
						perSec,
						"Instances and tasks placed on cells, and those for which no cell had room.",
						q(
							"sum(rate(cf_auctioneer_lrp_auctions_started_total{@}[$__rate_interval]))",
							"instances",
						),
						q("sum(rate(cf_auctioneer_lrp_auctions_failed_total{@}[$__rate_interval]))", "instances failed"),
						q(
							"sum(rate(cf_auctioneer_task_auctions_started_total{@}[$__rate_interval]))",
							"tasks",
						),
						q("sum(rate(cf_auctioneer_task_auctions_failed_total{@}[$__rate_interval]))", "tasks failed"),
					),
					graph("Asking the cells", seconds, "Time that the auctioneer takes to fetch the state of all cells.",
						q("max(cf_auctioneer_fetch_states_duration_seconds{@})", "fetch states")).atMost(5),
				},
			},
			{
				"BBS and locks",
				[]*panel{
					graph(
						"Convergence",
						seconds,
						"Time that the BBS takes to compare what is desired with what runs, every 30 s. Beyond that it cannot keep up.",
						q(
							"max(cf_convergence_lrp_duration_seconds{@})",
							"instances",
						),
						q("max(cf_convergence_task_duration_seconds{@})", "tasks"),
					).atMost(20),
					graph(
						"Convergence runs",
						perSec,
						"Convergences a second: 0 means that no BBS is active.",
						q("sum(rate(cf_convergence_lrp_runs_total{@}[$__rate_interval]))", "runs"),
					),
					graph(
						"Slowest request by route",
						seconds,
						"Of the BBS since its last report, by endpoint.",
						q(`max by (route) (cf_request_latency_seconds{@,component="bbs",route!=""})`, "{{route}}"),
					).atMost(10),
					graph(
						"Requests by route",
						requests,
						"Requests to the BBS, by endpoint.",
						q(`sum by (route) (rate(cf_request_count_total{@,component="bbs",route!=""}[$__rate_interval]))`, "{{route}}"),
					),
					graph(
						"Locks",
						count,
						"Locks and presences that Locket holds. Locks fall when a component loses its leader, presences when a cell is gone.",
						q("max(cf_active_locks{@})", "locks"),
						q("max(cf_active_presences{@})", "presences"),
					),
					graph(
						"Expired",
						perSec,
						"Locks and presences that were not renewed in time.",
						q(
							"sum(rate(cf_locks_expired_total{@}[$__rate_interval]))",
							"locks",
						),
						q("sum(rate(cf_presence_expired_total{@}[$__rate_interval]))", "presences"),
					),
					graph(
						"Locks held",
						count,
						"Instances that hold the lock, by component: always one.",
						q("sum by (component) (cf_lock_held{@})", "{{component}}"),
					),
					graph(
						"Domains",
						state,
						"1 while what the Cloud Controller wants is fresh. At 0 the BBS removes nothing that it thinks is extra.",
						q("max by (domain) (cf_domain{@})", "{{domain}}"),
					).share(),
					graph(
						"Database connections",
						count,
						"Connections open to the database, by component.",
						q("sum by (component) (cf_db_open_connections{@})", "{{component}}"),
					),
					graph("Locket's database", count, "Queries in progress and requests in progress at Locket.",
						q("sum(cf_db_queries_in_flight{@})", "queries"), q("sum(cf_requests_in_flight{@})", "requests")),
					graph(
						"Slowest query",
						seconds,
						"Of the database since the last report, by component.",
						q("max by (component) (cf_db_query_duration_max_seconds{@})", "{{component}}"),
					).atMost(5),
					graph(
						"File descriptors",
						count,
						"File descriptors open, by component.",
						q(`max by (component) (cf_open_file_descriptors{@})`, "{{component}}"),
					),
				},
			},
			{
				"Container network",
				[]*panel{
					graph(
						"Leases",
						count,
						"Subnets of the overlay network that cells have, that are free, and that nobody has renewed.",
						q(
							"max(cf_total_leases{@})",
							"in use",
						),
						q("max(cf_free_leases{@})", "free"),
						q("max(cf_stale_leases{@})", "stale"),
					),
					graph(
						"Policy agents",
						seconds,
						"Time to fetch and to enforce network policies, the slowest cell.",
						q(
							"max(cf_total_poll_time_seconds{@})",
							"poll",
						),
						q("max(cf_iptables_enforce_time_seconds{@})", "enforce"),
						q("max(cf_policy_server_poll_time_seconds{@})", "policy server"),
					),
					graph(
						"Overlay network",
						byteRate,
						"Bytes between containers, sent (above) and received (below) by all cells.",
						q(
							"sum(rate(cf_overlay_tx_bytes{@}[$__rate_interval]))",
							"sent",
						),
						q("-sum(rate(cf_overlay_rx_bytes{@}[$__rate_interval]))", "received"),
					).signed(),
				},
			},
		},
	}
}
