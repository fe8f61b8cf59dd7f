// Package prometheus holds what deploy/prometheus promises to be true: with promtool, with a Prometheus that scrapes
// the demo, and against docs/runbook.md and the names that the exporter makes.
package prometheus
