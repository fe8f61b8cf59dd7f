// Package web serves the exporter's pages: the metrics, the console and the JSON API or a landing page in their place,
// health and readiness for probes, and Go's profiles where they are asked for. TLS and authentication are
// exporter-toolkit's.
package web
