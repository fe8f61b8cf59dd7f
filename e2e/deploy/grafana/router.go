package grafana

// from is a router in legends.
const from = `{{component}} {{index}} {{bosh_job_ip}}`

// routerBoard is about gorouters, TCP routers and the route emitters that feed them.
func routerBoard() *board {
	return &board{
		name: "router", title: "Cloud Foundry / Router", filter: foundationFilter,
		description: "Requests, responses, durations and route tables of the HTTP and TCP routers, whichever way they spell their names.",
		variables:   foundationVariables("cf_gorouter_requests_total"),
		annotations: []annotation{exporterRestarts("")},
		rows: []row{
			{"Now", []*panel{
				number("Requests", requests, "HTTP requests that all routers receive.", q("sum(rate(cf_gorouter_requests_total{@}[$__rate_interval]))", "")),
				number("Server errors", ratio, "Responses of status 5xx among all responses.",
					q(`sum(rate(cf_responses_total{@,status="5xx",target_component=""}[$__rate_interval])) / sum(rate(cf_responses_total{@,status=~".xx",target_component=""}[$__rate_interval]))`, "")).warn(0.02, 0.05),
				number("Duration, p99", seconds, "99 of 100 requests are answered within this time.",
					q("histogram_quantile(0.99, sum by (le) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))", "")).warn(2, 5),
				number("Bad gateways", perSec, "Responses 502 that routers make themselves since an app's instance could not be reached.",
					q("sum(rate(cf_bad_gateways_total{@}[$__rate_interval]))", "")).warn(1, 10),
				number("Routes", count, "Routes in the table of the router that has the most; all should have the same.", q("max(cf_total_routes{@})", "")),
				number("Last registration", seconds, "Time since the router that has waited longest received a registration. Above 30 s NATS or the route emitters have stopped; routes are pruned after 120 s.",
					q("max(cf_seconds_since_last_registry_update{@})", "")).warn(10, 30),
			}},
			{"Traffic", []*panel{
				graph("Requests by router", requests, "Requests that each router receives. The load balancer should spread them evenly.",
					q("sum by (component, index, bosh_job_ip) (rate(cf_gorouter_requests_total{@}[$__rate_interval]))", from)),
				graph("Responses by status", requests, "Responses of all routers, by class of status; xxx is everything that has none.",
					q(`sum by (status) (rate(cf_responses_total{@,status=~".xx",target_component=""}[$__rate_interval]))`, "{{status}}")).stacked(),
				graph("Server errors by router", requests, "Responses of status 5xx. One router alone points at that router, all together at applications.",
					q(`sum by (component, index, bosh_job_ip) (rate(cf_responses_total{@,status="5xx",target_component=""}[$__rate_interval]))`, from)),
				graph("Request duration", seconds, "How long requests take, from the router's view and to the last byte.",
					q("histogram_quantile(0.5, sum by (le) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))", "p50"),
					q("histogram_quantile(0.95, sum by (le) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))", "p95"),
					q("histogram_quantile(0.99, sum by (le) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))", "p99")),
				graph("Duration by method, p95", seconds, "95 of 100 requests of a method are answered within this time.",
					q("histogram_quantile(0.95, sum by (le, method) (rate(cf_http_request_duration_seconds_bucket{@}[$__rate_interval])))", "{{method}}")),
				graph("Response size", size, "Size of responses' bodies.",
					q("histogram_quantile(0.5, sum by (le) (rate(cf_http_response_size_bytes_bucket{@}[$__rate_interval])))", "p50"),
					q("histogram_quantile(0.95, sum by (le) (rate(cf_http_response_size_bytes_bucket{@}[$__rate_interval])))", "p95")),
				graph("Last request's duration by router", seconds, "What each router reports as its latency.",
					q(`max by (component, index, bosh_job_ip) (cf_latency_seconds{@,target_component=""})`, from)),
				graph("Duration by target", seconds, "Latency of requests to Cloud Foundry's own components.",
					q(`max by (target_component) (cf_latency_seconds{@,target_component!=""})`, "{{target_component}}")),
				graph("Requests by target", requests, "Requests to Cloud Foundry's own components.",
					q(`sum by (target_component) (rate(cf_requests_total{@,target_component!=""}[$__rate_interval]))`, "{{target_component}}")),
			}},
			routerRefusals(),
			routerRoutes(),
			routerTCP(),
		},
	}
}

// routerRefusals are requests that no application got.
func routerRefusals() row {
	return row{"Refusals", []*panel{
		graph("Refused by router", perSec, "Requests that routers refuse or cannot pass on, by router.",
			q("sum by (component, index, bosh_job_ip) (rate(cf_bad_gateways_total{@}[$__rate_interval]))", from+" bad gateway"),
			q("sum by (component, index, bosh_job_ip) (rate(cf_rejected_requests_total{@}[$__rate_interval]))", from+" rejected")),
		graph("Back ends that fail", perSec, "Requests refused since back ends had no connection left, were not the instance that the router meant, or could not prove who they are.",
			q("sum(rate(cf_backend_exhausted_conns_total{@}[$__rate_interval]))", "no connection left"),
			q("sum(rate(cf_backend_invalid_id_total{@}[$__rate_interval]))", "wrong instance"),
			q("sum(rate(cf_backend_invalid_tls_cert_total{@}[$__rate_interval]))", "invalid certificate"),
			q("sum(rate(cf_backend_tls_handshake_failed_total{@}[$__rate_interval]))", "handshake failed")),
		graph("Websockets", perSec, "Connections upgraded to websockets, and upgrades that failed.",
			q("sum(rate(cf_websocket_upgrades_total{@}[$__rate_interval]))", "upgraded"), q("sum(rate(cf_websocket_failures_total{@}[$__rate_interval]))", "failed")),
	}}
}

// routerRoutes is about the tables, and those who fill them.
func routerRoutes() row {
	return row{"Routes", []*panel{
		graph("Routes by router", count, "Routes in each router's table: a router that lags behind the others answers 404.",
			q("max by (component, index, bosh_job_ip) (cf_total_routes{@})", from)),
		graph("Time since the last registration", seconds, "By router. Registrations come from route emitters through NATS.",
			q("max by (component, index, bosh_job_ip) (cf_seconds_since_last_registry_update{@})", from)).atMost(30),
		graph("Registrations", perSec, "Registrations of routes that routers receive, by who sent them.",
			q("sum by (target_component) (rate(cf_registry_message_total{@}[$__rate_interval]))", "{{target_component}}")),
		graph("Removals", perSec, "Removals of routes that routers receive, by who sent them, and routes pruned since nobody refreshed them.",
			q("sum by (target_component) (rate(cf_unregistry_message_total{@}[$__rate_interval]))", "{{target_component}}"), q("sum(rate(cf_routes_pruned_total{@}[$__rate_interval]))", "pruned")),
		graph("Route lookup", seconds, "Time to look a route up in the table, the slowest router.",
			q("max by (component, index, bosh_job_ip) (cf_route_lookup_time_seconds{@})", from)),
		graph("File descriptors", count, "File descriptors that routers hold open; the limit is 60,000 by default.",
			q("max by (component, bosh_job_ip) (cf_file_descriptors{@})", "{{component}} {{bosh_job_ip}}")).atMost(50000),
		graph("Route emitters' tables", count, "Routes that route emitters know, by kind.",
			q("sum(cf_http_route_count{@})", "HTTP"), q("sum(cf_tcp_route_count{@})", "TCP"), q("sum(cf_total_routes_in_table{@})", "all")),
		graph("Route emitters' messages", perSec, "NATS messages that route emitters send, and registrations in them.",
			q("sum(rate(cf_messages_emitted_total{@}[$__rate_interval]))", "messages"), q("sum(rate(cf_routes_registered_total{@}[$__rate_interval]))", "registered"),
			q("sum(rate(cf_routes_unregistered_total{@}[$__rate_interval]))", "unregistered"), q("sum(rate(cf_routes_synced_total{@}[$__rate_interval]))", "synced")),
		graph("Route emitters' sync", seconds, "Time to bring the table in line with the BBS.",
			q("max(cf_route_emitter_sync_duration_seconds{@})", "slowest")).atMost(10),
	}}
}

// routerTCP is about TCP routes.
func routerTCP() row {
	return row{"TCP", []*panel{
		graph("TCP sessions", count, "Sessions open, by port of the route.", q("sum by (port) (cf_current_sessions{@})", "{{port}}")).stacked(),
		graph("Time to connect", seconds, "Time to connect to back ends, by port of the route.",
			q("max by (port) (cf_connection_time_seconds{@})", "{{port}}"), q("max(cf_average_connect_time_seconds{@})", "average of all")),
		graph("TCP queue and errors", count, "Requests that wait for a back end, and errors of connecting to one.",
			q("sum(cf_total_current_queued_requests{@})", "queued"), q("sum(cf_total_backend_connection_errors{@})", "errors")),
	}}
}
