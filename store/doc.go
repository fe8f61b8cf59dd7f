// Package store holds the series: it finds the series of a sample by its untagged identity, asks the tagger on a miss only,
// keeps values, types, counters and histograms right, expires what is silent, and gives scrapes a consistent view.
package store
