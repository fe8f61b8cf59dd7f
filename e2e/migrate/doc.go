// Package migrate runs queries on a real Prometheus before and after `exporter migrate`: over the same ten minutes of
// one foundation, under firehose_exporter's names and under ours, they must give the same result.
package migrate
