// Package diff runs queries, and what exporter diff proposes in their place, by Prometheus' own engine.
package diff
