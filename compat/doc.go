// Package compat speaks the dialect of firehose_exporter: the names, labels and HTTP families by which it exposes what
// comes from Loggregator, so that dashboards and alerts that were written for it go on working.
//
// The rules are those of firehose_exporter as of 2026 in its default (retro-compatible) mode. Where its output is not valid (a label or a name
// twice on a page, names that are not legal) this one is; docs/firehose-exporter.md lists the differences.
package compat
