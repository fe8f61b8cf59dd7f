package nozzle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
)

// StreamOptions say what a reader asks a foundation-wide stream for; all such sources share them.
type StreamOptions struct {
	// ShardID groups readers: an envelope goes to one reader of each group. Empty: this reader gets everything.
	ShardID string `mapstructure:"shard_id"`
	// DeterministicName tells the readers of a group apart, so that a series stays on one of them.
	DeterministicName string `mapstructure:"deterministic_name"`
	// Selectors are the kinds of envelopes to ask for: gauge, counter, timer; each once.
	Selectors []string `mapstructure:"selectors"`
	// IdleTimeout is how long a stream may bring nothing before a new one is opened; 30 s where 0.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
}

// selectorKinds are the kinds that hold metrics.
var selectorKinds = []string{"gauge", "counter", "timer"}

// Validate checks what a server would refuse, or deliver twice.
func (o StreamOptions) Validate() error {
	if len(o.Selectors) == 0 {
		return errors.New("nozzle.selectors: empty; Loggregator sends nothing without a selector, want some of " + strings.Join(selectorKinds, ", "))
	}
	for i, s := range o.Selectors {
		if !slices.Contains(selectorKinds, s) {
			return fmt.Errorf("nozzle.selectors: %q is not one of %s", s, strings.Join(selectorKinds, ", "))
		}
		if slices.Contains(o.Selectors[:i], s) {
			return fmt.Errorf("nozzle.selectors: %q stands twice, Loggregator would deliver each such envelope twice", s)
		}
	}
	return nil
}

// request is what the RLP is asked for.
func (o StreamOptions) request() *loggregator_v2.EgressBatchRequest {
	r := &loggregator_v2.EgressBatchRequest{ShardId: o.ShardID, DeterministicName: o.DeterministicName, UsePreferredTags: true}
	for _, s := range o.Selectors {
		selector := &loggregator_v2.Selector{}
		switch s {
		case "gauge":
			selector.Message = &loggregator_v2.Selector_Gauge{Gauge: &loggregator_v2.GaugeSelector{}}
		case "counter":
			selector.Message = &loggregator_v2.Selector_Counter{Counter: &loggregator_v2.CounterSelector{}}
		case "timer":
			selector.Message = &loggregator_v2.Selector_Timer{Timer: &loggregator_v2.TimerSelector{}}
		}
		r.Selectors = append(r.Selectors, selector)
	}
	return r
}
