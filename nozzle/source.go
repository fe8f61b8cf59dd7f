package nozzle

import (
	"context"

	"loggregator_exporter/metric"
)

// Source reads envelopes from one way out of Loggregator.
//
// Run blocks until ctx is done, reconnecting by itself for as long as that may help, and returns nil then; an error
// means that the source can never work as configured. A constructor opens nothing and starts nothing.
type Source interface {
	// Name is the source's configuration key: rlp, gateway, firehose, udp, ingress or replay.
	Name() string
	Run(ctx context.Context) error
}

// Sink takes decoded envelopes. Write must not keep any part of the view after it returns, and adds one outcome for
// each of e.Samples() to the tally. A Sink serves one goroutine; a source asks for one a goroutine.
type Sink interface {
	Write(e *metric.Envelope, tally *metric.Tally)
}
