// Package compose holds the Compose project to the specification's own reader, and runs Prometheus with its
// configuration.
package compose
