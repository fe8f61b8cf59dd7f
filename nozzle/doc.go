// Package nozzle reads envelopes from Loggregator. Each source speaks one of its protocols, decodes the wire bytes
// into a reused metric.Envelope and hands it to a Sink on the goroutine that received it: there is no queue in
// between, so what cannot be taken in time is pushed back to the protocol and shows in Loggregator's own drop
// counters.
package nozzle
