// Package nozzle reads envelopes from Loggregator. Each source speaks one of its protocols, decodes the received
// bytes into a reused metric.Envelope and hands it to a Sink on the goroutine that received it. There is no queue in
// between: what cannot be taken in time is held back by the protocol and shows in Loggregator's drop counters.
package nozzle

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"loggregator_exporter/internal/check"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
)

// Source reads envelopes from one way out of Loggregator.
//
// Run blocks until ctx is done, reconnecting by itself for as long as that may help, and returns nil then; an error
// means that the source can never work as configured. A constructor opens nothing and starts nothing.
type Source interface {
	// Name is the source's configuration key: rlp, gateway, firehose, udp, ingress, syslog, otlp or replay.
	Name() string
	Run(ctx context.Context) error
}

// Listener is a source that others send to.
type Listener interface {
	Source
	// Addr waits until the source listens and returns its address, which the configuration may leave to the system.
	Addr(ctx context.Context) (netip.AddrPort, error)
}

// Sink takes decoded envelopes in batches: one message, or all that came by one read. Add neither changes the view nor
// keeps any part of it after it returns. By the end of the batch, which Flush is, the sink has added one outcome for
// each of e.Samples() to the tally. A Sink serves one goroutine; a source asks for one a goroutine.
type Sink interface {
	Add(e *metric.Envelope, tally *metric.Tally)
	Flush(tally *metric.Tally)
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
	Syslog   SyslogOptions   `mapstructure:"syslog"`
	OTLP     OTLPOptions     `mapstructure:"otlp"`
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

	filters *filter.List // nil keeps everything
	tokens  *uaaTokens   // made when the first source needs it
}

// scope says which envelopes a source brings.
type scope uint8

const (
	wholeFoundation scope = iota // all of the foundation
	ownVM                        // those of the VM that the exporter runs on
	recorded                     // those of a capture
)

// entry is a source as the configuration knows it.
type entry struct {
	name    string
	enabled bool
	scope   scope
	options interface{ Check(check.Section) }
	build   func(env *Env) (Source, error)
}

// entries is the list of all sources. A new source also needs a field of Options, a method Check, and its keys in
// config/settings_nozzle.go.
func (o *Options) entries() []entry {
	rlp := func(env *Env) (Source, error) { return newRLP(o.RLP, o.Stream, env) }
	gateway := func(env *Env) (Source, error) { return newGateway(o.Gateway, o.Stream, env) }
	firehose := func(env *Env) (Source, error) { return newFirehose(o.Firehose, o.Stream, env) }
	udp := func(env *Env) (Source, error) { return newUDP(o.UDP, env) }
	ingress := func(env *Env) (Source, error) { return newIngress(o.Ingress, env) }
	syslog := func(env *Env) (Source, error) { return newSyslog(o.Syslog, env) }
	otlp := func(env *Env) (Source, error) { return newOTLP(o.OTLP, env) }
	replay := func(env *Env) (Source, error) { return newReplay(o.Replay, env), nil }
	return []entry{
		{nameRLP, o.RLP.Enabled, wholeFoundation, &o.RLP, rlp},
		{nameGateway, o.Gateway.Enabled, wholeFoundation, &o.Gateway, gateway},
		{nameFirehose, o.Firehose.Enabled, wholeFoundation, &o.Firehose, firehose},
		{nameUDP, o.UDP.Enabled, ownVM, &o.UDP, udp},
		{nameIngress, o.Ingress.Enabled, ownVM, &o.Ingress, ingress},
		{nameSyslog, o.Syslog.Enabled, wholeFoundation, &o.Syslog, syslog},
		{nameOTLP, o.OTLP.Enabled, wholeFoundation, &o.OTLP, otlp},
		{nameReplay, o.Replay.Enabled, recorded, &o.Replay, replay},
	}
}

// AnyEnabled says whether a source is enabled.
func (o *Options) AnyEnabled() bool {
	return slices.ContainsFunc(o.entries(), func(e entry) bool { return e.enabled })
}

// NeedToken says whether a source is enabled that asks UAA for tokens.
func (o *Options) NeedToken() bool { return o.Gateway.Enabled || o.Firehose.Enabled }

// New builds the sources that are enabled. It opens and starts nothing.
func New(o *Options, env *Env) (sources []Source, err error) {
	if env.filters, err = filter.New(o.Stream.Filters); err != nil {
		return nil, err
	}
	env.Ledger.upstream.log = env.Log
	for _, e := range o.entries() {
		if !e.enabled {
			continue
		}
		source, err := e.build(env)
		if err != nil {
			return nil, err
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// uaaTokens returns the tokens of UAA, which the sources share.
func (env *Env) uaaTokens() (*uaaTokens, error) {
	if env.tokens == nil {
		var err error
		if env.tokens, err = newUAATokens(env.UAA, env.Ledger, env.Log); err != nil {
			return nil, err
		}
	}
	return env.tokens, nil
}

// sourceBase holds the fields that all sources have.
type sourceBase struct {
	name    string
	env     *Env
	account *SourceLedger
	log     *slog.Logger
}

// newBase returns the fields of the source of that name; attrs are for its log.
func (env *Env) newBase(name string, attrs ...any) sourceBase {
	log := env.Log.With("source", name).With(attrs...)
	return sourceBase{name: name, env: env, account: env.Ledger.Source(name), log: log}
}

// Name implements Source.
func (b *sourceBase) Name() string { return b.name }

// maxIdle is how many a pool keeps.
const maxIdle = 32

// pool keeps what has a sink, and is not in use, for later streams or messages, so that hardly more sinks are made
// than are in use at a time.
type pool[T any] struct {
	make func() T
	mu   sync.Mutex
	idle []T
}

func (p *pool[T]) take() T {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		item := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return item
	}
	return p.make()
}

func (p *pool[T]) put(item T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) < maxIdle {
		p.idle = append(p.idle, item)
	}
}
