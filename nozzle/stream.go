package nozzle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/nozzle/filter"
	"loggregator_exporter/nozzle/watch"
)

// StreamOptions say what a reader asks a foundation-wide stream for; all such sources share them.
type StreamOptions struct {
	// ShardID groups readers: an envelope goes to one reader of each group. Empty: this reader gets everything.
	ShardID string `mapstructure:"shard_id"`
	// DeterministicName tells the readers of a group apart, so that a series stays on one of them.
	DeterministicName string `mapstructure:"deterministic_name"`
	// NameFrom is what the name was derived from; empty where it was set, or there is none.
	NameFrom string `mapstructure:"-"`
	// Selectors are the kinds of envelopes to ask for: gauge, counter, timer; each once.
	Selectors []string `mapstructure:"selectors"`
	// IdleTimeout is how long a stream may bring nothing before a new one is opened; 30 s where 0.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// Filters decide what of all sources is stored. A stream is not asked for what they refuse, where the protocol has
	// words for that.
	Filters []filter.Options `mapstructure:"filters"`
}

// Validate checks what a server would refuse, or deliver twice.
func (o StreamOptions) Validate() error {
	if len(o.Selectors) == 0 {
		return errors.New("nozzle.selectors: empty; Loggregator sends nothing without a selector, want some of " + strings.Join(filter.Kinds, ", "))
	}
	for i, s := range o.Selectors {
		if !slices.Contains(filter.Kinds, s) {
			return fmt.Errorf("nozzle.selectors: %q is not one of %s", s, strings.Join(filter.Kinds, ", "))
		}
		if slices.Contains(o.Selectors[:i], s) {
			return fmt.Errorf("nozzle.selectors: %q stands twice, Loggregator would deliver each such envelope twice", s)
		}
	}
	_, err := filter.New(o.Filters)
	return err
}

// selection is what to ask for.
func (o StreamOptions) selection() filter.Selection {
	f, err := filter.New(o.Filters)
	if err != nil {
		f = nil // Validate says so
	}
	return filter.NewSelection(o.Selectors, f)
}

// request is what the RLP is asked for.
func (o StreamOptions) request() *loggregator_v2.EgressBatchRequest {
	return &loggregator_v2.EgressBatchRequest{
		ShardId: o.ShardID, DeterministicName: o.DeterministicName, UsePreferredTags: true, Selectors: o.selection().Selectors(),
	}
}

// streamSource is what the sources that read the stream of a whole foundation have in common.
type streamSource struct {
	base
	kinds  []string
	keeper watch.Keeper
}

// streamSource returns a source whose keeper lacks only Read. attrs are for the log, reasons those for a new stream.
func (env *Env) streamSource(name string, o StreamOptions, reasons []string, attrs ...any) streamSource {
	b := env.base(name, attrs...)
	b.account.expect(reasons...)
	b.account.expect(watch.Reasons...)
	keeper := watch.Keeper{Account: b.account, Log: b.log, Idle: o.IdleTimeout, Share: o.ShardID != ""}
	return streamSource{base: b, kinds: o.Selectors, keeper: keeper}
}

// intake returns the intake of one stream.
func (s *streamSource) intake(p *watch.Pulse) *Intake {
	return s.env.intake(s.account, intakeOptions{kinds: s.kinds, pulse: p, log: s.log})
}
