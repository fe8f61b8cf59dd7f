// Package metric is the vocabulary that flows through the exporter: the view of a decoded envelope that a source
// fills, the labels and types of the series that come of it, and the outcomes by which everything received is
// accounted for.
//
// It imports nothing of the project, so that every other stage can speak it.
package metric
