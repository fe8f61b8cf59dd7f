// Package wiretest holds envelopes for tests, in all forms in which Loggregator sends them.
package wiretest

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/metric"
)

// Plain is a view without its references to received memory, in a form that does not depend on the order of tags and
// points.
type Plain struct {
	Kind                       metric.Kind
	Timestamp                  int64
	SourceID, InstanceID, Name string
	Tags                       map[string]string
	Points                     map[string]PlainPoint
	Delta, Total               uint64
	Start, Stop                int64
}

// PlainPoint is a point of Plain.
type PlainPoint struct {
	Unit string
	Bits uint64 // of the value, so that NaN equals itself
}

// PlainOf copies a view.
func PlainOf(e *metric.Envelope) Plain {
	p := Plain{
		Kind: e.Kind, Timestamp: e.Timestamp, SourceID: string(e.SourceID), InstanceID: string(e.InstanceID),
		Name: string(e.Name),
		Tags: map[string]string{}, Points: map[string]PlainPoint{}, Delta: e.Delta, Total: e.Total, Start: e.Start,
		Stop: e.Stop,
	}
	for _, t := range e.Tags {
		p.Tags[string(t.Key)] = string(t.Value)
	}
	for _, pt := range e.Points {
		p.Points[string(pt.Name)] = PlainPoint{string(pt.Unit), math.Float64bits(pt.Value)}
	}
	return p
}

// RequireEqual fails the test if two values differ.
func RequireEqual(tb testing.TB, what string, got, want any) {
	tb.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
