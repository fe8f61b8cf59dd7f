// Package nozzle reads envelopes from Loggregator. Each source speaks one of its protocols, decodes the received
// bytes into a reused metric.Envelope and hands it to a Sink on the goroutine that received it. There is no queue in
// between: what cannot be taken in time is held back by the protocol and shows in Loggregator's drop counters.
package nozzle

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
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

// Listener is a source that others send to.
type Listener interface {
	Source
	// Addr waits until the source listens and returns its address, which the configuration may leave to the system.
	Addr(ctx context.Context) (netip.AddrPort, error)
}

// Sink takes decoded envelopes. Write must not keep any part of the view after it returns, and adds one outcome for
// each of e.Samples() to the tally. A Sink serves one goroutine; a source asks for one a goroutine.
type Sink interface {
	Write(e *metric.Envelope, tally *metric.Tally)
}

// Recorder takes messages as sources received them: the name of the source, the bytes and the time of arrival. It is
// called from the goroutines of the sources, keeps no bytes after it returns, and delays the source until then.
type Recorder interface {
	// RecordV1 takes one dropsonde envelope.
	RecordV1(source string, envelope []byte, arrived time.Time)
	// RecordV2 takes one loggregator.v2 EnvelopeBatch.
	RecordV2(source string, batch []byte, arrived time.Time)
	// LeaveOut counts envelopes that a source received in a form that cannot be recorded.
	LeaveOut(envelopes int)
}

// Options configure the sources; they are the section nozzle of the configuration.
type Options struct {
	Stream   StreamOptions   `mapstructure:",squash"`
	RLP      RLPOptions      `mapstructure:"rlp"`
	Gateway  GatewayOptions  `mapstructure:"gateway"`
	Firehose FirehoseOptions `mapstructure:"firehose"`
	UDP      UDPOptions      `mapstructure:"udp"`
	Ingress  IngressOptions  `mapstructure:"ingress"`
	Replay   ReplayOptions   `mapstructure:"replay"`
}

// Env is what all sources share.
type Env struct {
	Ledger  *Ledger
	NewSink func() Sink // makes the sink of one goroutine
	Log     *slog.Logger
	UAA     UAAOptions // only used by sources that need a token
	// Recorder gets everything that the sources receive; nil for none. It may be set until the sources run.
	Recorder Recorder

	filter *filter.Filter // nil keeps everything
	tokens *UAA           // made when the first source needs it
}

// constructor builds one source.
type constructor struct {
	enabled bool
	build   func(env *Env) (Source, error)
}

// constructors has one line for each source.
func (o *Options) constructors() []constructor {
	return []constructor{
		{o.RLP.Enabled, func(env *Env) (Source, error) { return newRLP(o.RLP, o.Stream, env) }},
		{o.Gateway.Enabled, func(env *Env) (Source, error) { return newGateway(o.Gateway, o.Stream, env) }},
		{o.Firehose.Enabled, func(env *Env) (Source, error) { return newFirehose(o.Firehose, o.Stream, env) }},
		{o.UDP.Enabled, func(env *Env) (Source, error) { return newUDP(o.UDP, env) }},
		{o.Ingress.Enabled, func(env *Env) (Source, error) { return newIngress(o.Ingress, env) }},
		{o.Replay.Enabled, func(env *Env) (Source, error) { return newReplay(o.Replay, env) }},
	}
}

// New builds the sources that are enabled. It opens and starts nothing.
func New(o *Options, env *Env) (sources []Source, err error) {
	if env.filter, err = filter.New(o.Stream.Filters); err != nil {
		return nil, err
	}
	env.Ledger.upstream.log = env.Log
	for _, c := range o.constructors() {
		if !c.enabled {
			continue
		}
		source, err := c.build(env)
		if err != nil {
			return nil, err
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// uaa returns the source of tokens, which the sources share. user names who needs one, for the error.
func (env *Env) uaa(user string) (*UAA, error) {
	if env.UAA.URL == "" {
		return nil, fmt.Errorf("uaa.url: not set; %s asks for a token of UAA", user)
	}
	if env.tokens == nil {
		var err error
		if env.tokens, err = NewUAA(env.UAA, env.Ledger, env.Log); err != nil {
			return nil, err
		}
	}
	return env.tokens, nil
}

// base is what all sources have.
type base struct {
	name    string
	env     *Env
	account *SourceLedger
	log     *slog.Logger
}

func (env *Env) base(name string, attrs ...any) base {
	return base{name: name, env: env, account: env.Ledger.Source(name), log: env.Log.With("source", name).With(attrs...)}
}

// Name implements Source.
func (b *base) Name() string { return b.name }

// port is the address of a source that others send to, which is known once the source listens.
type port struct {
	opened chan struct{} // closed when addr or failed is set
	addr   netip.AddrPort
	failed error
}

func newPort() port { return port{opened: make(chan struct{})} }

// open stores the address. Either open or fail is called, once.
func (p *port) open(addr netip.AddrPort) {
	p.addr = addr
	close(p.opened)
}

// fail stores why the source does not listen.
func (p *port) fail(err error) {
	p.failed = err
	close(p.opened)
}

// Addr implements Listener.
func (p *port) Addr(ctx context.Context) (netip.AddrPort, error) {
	select {
	case <-p.opened:
		return p.addr, p.failed
	case <-ctx.Done():
		return netip.AddrPort{}, ctx.Err()
	}
}
