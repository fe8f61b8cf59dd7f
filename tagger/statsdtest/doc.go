// Package statsdtest holds the reader of mapping files against statsd_exporter itself, in a module of its own, so that
// statsd_exporter stays out of the product's.
package statsdtest
