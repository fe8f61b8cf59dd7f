// Package web serves the exporter's pages: the metrics, a landing page, health and readiness for probes, and Go's
// profiles where they are asked for. TLS and authentication are exporter-toolkit's.
package web
