// Package otlp shows that programs and collectors with OpenTelemetry's own exporters can send to the exporter, and
// what comes of it. It is a module of its own, since OpenTelemetry's releases have dependencies that move together.
package otlp
