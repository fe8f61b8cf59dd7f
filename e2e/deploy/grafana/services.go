package grafana

// servicesBoard is about the services that many foundations offer.
func servicesBoard() *board {
	const mysql = `component=~"p.mysql|mysql|p-mysql"`
	const vm = "{{bosh_deployment}} {{bosh_job_ip}}"
	each := func(metric string) query { return q("max by (bosh_deployment, bosh_job_ip) ("+metric+"{@})", vm) }
	rate := func(metric, legend string) query {
		return q("sum by (bosh_deployment) (rate("+metric+"{@}[$__rate_interval]))", "{{bosh_deployment}} "+legend)
	}
	return &board{
		name: "services", title: "Cloud Foundry / Services", filter: foundationFilter,
		description: "MySQL (the platform's own and those of tenants), Redis, RabbitMQ, and what is left of their plans. Choose deployments above: each service instance on demand is one.",
		variables: []variable{
			foundationVariables("cf_available")[0],
			{
				name: "deployment", label: "Deployment", description: "BOSH deployment; each service instance on demand has its own",
				metric: `{__name__=~"cf_available|cf_info_memory_used_memory_bytes|cf_rabbitmq_heartbeat|cf_total_instances",environment=~"$environment"}`, of: "bosh_deployment",
			},
		},
		annotations: []annotation{exporterRestarts("")},
		rows: []row{
			{"MySQL", []*panel{
				graph("Available", state, "1 while the database answers.", q("min by (bosh_deployment, bosh_job_ip) (cf_available{@,"+mysql+"})", vm)).share(),
				graph("Cluster", count, "Members that each node of a Galera cluster sees, and its state: 4 is synced.",
					q("min by (bosh_deployment) (cf_galera_wsrep_cluster_size{@})", "{{bosh_deployment}} members"), q("min by (bosh_deployment) (cf_galera_wsrep_local_state{@})", "{{bosh_deployment}} state")),
				graph("Replication paused", ratio, "Share of time in which a Galera cluster has paused for a slow member.", each("cf_galera_wsrep_flow_control_paused_ratio")).share().atMost(0.1),
				graph("Questions", perSec, "Statements that clients send.", rate("cf_performance_questions", "")),
				graph("Slow queries", perSec, "Queries that take longer than long_query_time.", rate("cf_performance_slow_queries", "")),
				graph("Statements", perSec, "Statements that clients send, by kind.", rate("cf_performance_com_select", "select"), rate("cf_performance_com_insert", "insert"), rate("cf_performance_com_update", "update"), rate("cf_performance_com_delete", "delete")),
				graph("Connections", ratio, "Connections open as a share of what is allowed.",
					q("max by (bosh_deployment, bosh_job_ip) (cf_performance_threads_connected{@} / cf_variables_max_connections{@})", vm)).share().atMost(0.8),
				graph("Queries running", count, "Threads that are working.", each("cf_performance_threads_running")),
				graph("Lag of followers", seconds, "How far a follower is behind its leader.", each("cf_follower_seconds_behind_master")).atMost(60),
				graph("Processor", ratio, "Processor time in use on the database's machine.", each("cf_performance_cpu_utilization_ratio")).share().atMost(0.9),
				graph("Disk", ratio, "Persistent disk in use.", each("cf_system_persistent_disk_used_ratio")).share().atMost(0.85),
				graph("Row locks", count, "Transactions that wait for a row now.", each("cf_innodb_row_lock_current_waits")),
			}},
			{"Redis", []*panel{
				graph("Memory", ratio, "Memory in use as a share of maxmemory.", q("max by (bosh_deployment, bosh_job_ip) (cf_info_memory_used_memory_bytes{@} / cf_info_memory_maxmemory_bytes{@})", vm)).share().atMost(0.9),
				graph("Commands", perSec, "Commands that are processed.", each("cf_info_stats_instantaneous_ops_per_sec")),
				graph("Hits", ratio, "Lookups that found their key.",
					q("sum by (bosh_deployment) (rate(cf_info_stats_keyspace_hits{@}[$__rate_interval])) / (sum by (bosh_deployment) (rate(cf_info_stats_keyspace_hits{@}[$__rate_interval])) + "+
						"sum by (bosh_deployment) (rate(cf_info_stats_keyspace_misses{@}[$__rate_interval])))", "{{bosh_deployment}}")).share(),
				graph("Clients", count, "Clients that are connected, and those that wait in a blocking call.",
					q("max by (bosh_deployment, bosh_job_ip) (cf_info_clients_connected_clients{@})", vm+" connected"), q("max by (bosh_deployment, bosh_job_ip) (cf_info_clients_blocked_clients{@})", vm+" blocked")),
				graph("Evicted and expired", perSec, "Keys removed for lack of memory, and those that have expired.", rate("cf_info_stats_evicted_keys", "evicted"), rate("cf_info_stats_expired_keys", "expired")),
				graph("Fragmentation", ratio, "Memory that Redis occupies to memory that it uses. Far above 1 it wastes, below 1 it swaps.", each("cf_info_memory_mem_fragmentation_ratio")).atMost(1.5),
			}},
			{"RabbitMQ", []*panel{
				graph("Running", state, "1 while the node, the proxy or the broker runs.",
					q("min by (bosh_deployment, bosh_job_ip) (cf_rabbitmq_heartbeat{@})", vm+" node"), q("min by (bosh_deployment, bosh_job_ip) (cf_haproxy_heartbeat{@})", vm+" proxy"), q("min by (bosh_deployment, bosh_job_ip) (cf_service_broker_heartbeat{@})", vm+" broker")).share(),
				graph("Alarms", state, "1 while publishers are stopped for lack of memory or disk space.",
					q("max by (bosh_deployment, bosh_job_ip) (cf_rabbitmq_system_mem_alarm{@})", vm+" memory"), q("max by (bosh_deployment, bosh_job_ip) (cf_rabbitmq_system_disk_free_alarm{@})", vm+" disk")).share().atMost(1),
				graph("Nodes reached", count, "Nodes of the cluster that each one reaches. Fewer than there are is a split.", each("cf_rabbitmq_erlang_reachable_nodes")),
				graph("Messages", perSec, "Messages published, delivered and delivered again.",
					q("sum by (bosh_deployment) (cf_rabbitmq_messages_published_rate{@})", "{{bosh_deployment}} published"), q("sum by (bosh_deployment) (cf_rabbitmq_messages_delivered_rate{@})", "{{bosh_deployment}} delivered"),
					q("sum by (bosh_deployment) (cf_rabbitmq_messages_redelivered_rate{@})", "{{bosh_deployment}} again")),
				graph("Deepest queues", count, "The ten queues that have the most messages.", q("topk(10, max by (bosh_deployment, vhost, queue) (cf_rabbitmq_queues_depth{@}))", "{{queue}} ({{vhost}})")),
				graph("Queues without consumers", count, "Consumers of the queues that have the fewest.", q("bottomk(10, max by (bosh_deployment, vhost, queue) (cf_rabbitmq_queues_consumers{@}))", "{{queue}} ({{vhost}})")),
				graph("Connections", count, "Connections, channels and consumers of each cluster.",
					q("max by (bosh_deployment) (cf_rabbitmq_connections_count{@})", "{{bosh_deployment}} connections"), q("max by (bosh_deployment) (cf_rabbitmq_channels_count{@})", "{{bosh_deployment}} channels"), q("max by (bosh_deployment) (cf_rabbitmq_consumers_count{@})", "{{bosh_deployment}} consumers")),
				graph("Memory", size, "Memory that each node uses.", each("cf_rabbitmq_system_memory_bytes")),
				graph("Free disk", size, "Disk space above the limit at which publishers are stopped.", q("min by (bosh_deployment, bosh_job_ip) (cf_rabbitmq_system_disk_free_bytes{@} - cf_rabbitmq_system_disk_free_limit_bytes{@})", vm)).signed(),
			}},
			{"Plans", []*panel{
				graph("Instances by plan", count, "Service instances on demand.", q(`max by (service, plan) (cf_total_instances{@,plan!=""})`, "{{service}} {{plan}}")).wide().stacked(),
				graph("Quota left by plan", count, "Service instances that can still be made.", q(`min by (bosh_deployment, service, plan) (cf_quota_remaining{@,plan!=""})`, "{{bosh_deployment}} {{service}} {{plan}}")).wide(),
			}},
		},
	}
}
