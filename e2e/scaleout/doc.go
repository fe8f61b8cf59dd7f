// Package scaleout runs several exporters on one simulated foundation and one Prometheus, as docs/sharding.md and
// docs/scaling.md say that they may be run, and compares what Prometheus holds with what the foundation sent. The
// tables of docs/scaling.md are computed anew.
package scaleout
