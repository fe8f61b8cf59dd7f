// Package statsdtest compares the reader of mapping files with statsd_exporter itself. It is a module of its own, so
// that the product does not depend on statsd_exporter.
package statsdtest
