package nozzle

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"loggregator_exporter/internal/check"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/watch"
	"loggregator_exporter/nozzle/wire"
)

// OTLPOptions configure the source that collectors and forwarder agents of OpenTelemetry send to.
type OTLPOptions struct {
	Enabled       bool   `mapstructure:"enabled"`
	ListenAddress string `mapstructure:"listen_address"` // of gRPC
	// HTTPListenAddress is empty where nothing is taken by HTTP.
	HTTPListenAddress string `mapstructure:"http_listen_address"`
	// PortFile is where a forwarder agent reads the port from; none is written if it is empty.
	PortFile string     `mapstructure:"port_file"`
	TLS      TLSOptions `mapstructure:"tls"`
	// MaxRequestBytes bounds a request, unpacked.
	MaxRequestBytes int `mapstructure:"max_request_bytes"`
	// ResourceAttributes are patterns of the attributes of resources that become labels.
	ResourceAttributes []string `mapstructure:"resource_attributes"`
	// TLSConfig replaces TLS if set: certificates that are in memory only.
	TLSConfig *tls.Config `mapstructure:"-"`
}

const (
	nameOTLP   = "otlp"
	otlpTLSKey = "nozzle.otlp.tls"

	// otlpServerName is the name that forwarder agents demand of a collector's certificate.
	otlpServerName = "otel-collector"
	otlpPortLine   = "protocol: otelcol\n"

	// An agent or a collector has one connection, or as many as it has HTTP requests under way.
	otlpMaxConnections = 1024
	// otlpMaxRequests bounds what is received or decoded at a time, on all connections. Further requests are answered
	// Unavailable, so that their senders send them again.
	otlpMaxRequests = 128
	// otlpWorkers is how many requests at a time need no new goroutine. Senders have one under way, or some.
	otlpWorkers = 4
	// otlpRequestTimeout is how long a request may take to arrive.
	otlpRequestTimeout = time.Minute

	reasonOverload = "overload"    // too many requests at a time
	reasonEncoding = "unsupported" // a request in a form that OTLP does not have, or that we do not read
)

// Check reports mistakes in the options.
func (o *OTLPOptions) Check(s check.Section) {
	s.Address("listen_address", o.ListenAddress, 0)
	if o.HTTPListenAddress != "" {
		s.Address("http_listen_address", o.HTTPListenAddress, 0)
		s.That(o.HTTPListenAddress != o.ListenAddress || strings.HasSuffix(o.ListenAddress, ":0"), "http_listen_address",
			"is that of gRPC, %s, too: give it another port, for example 4318", s.Key("listen_address"))
	}
	if o.TLSConfig == nil {
		public, address := "listen_address", o.ListenAddress
		if isLoopback(address) && o.HTTPListenAddress != "" {
			public, address = "http_listen_address", o.HTTPListenAddress
		}
		o.TLS.checkListener(s, public, address)
	}
	s.That(o.MaxRequestBytes >= 1<<16 && o.MaxRequestBytes <= 1<<30, "max_request_bytes",
		"must be 65536 to 1073741824, is %d", o.MaxRequestBytes)
	for i, pattern := range o.ResourceAttributes {
		_, err := metric.CompileGlob(pattern)
		s.That(err == nil, check.Item("resource_attributes", i), "%s: %v", check.Quote(pattern), err)
	}
	if o.PortFile != "" {
		s.That(o.TLS != (TLSOptions{}) || o.TLSConfig != nil, "port_file",
			"the agent that reads it takes nothing but TLS: %s", s.Remedy("tls.cert_file"))
		checkReachable(s, "listen_address", o.ListenAddress)
	}
}

// OTLP takes metrics by OpenTelemetry's protocol, gRPC and HTTP, from collectors, from forwarder agents in the place
// of a collector, and from programs. Traces and logs are accepted and ignored, so that no sender reports errors
// about them. The source is connected while a client has a connection open.
type OTLP struct {
	sourceBase
	port
	http      port
	options   OTLPOptions
	clients   clients
	receivers pool[*otlpReceiver]
	requests  chan struct{} // one for each request under way
	timeout   time.Duration // of a request
	config    net.ListenConfig

	conversions chan struct{} // one for each request in JSON that is being converted

	refusedPoints [wire.NumRefusals]atomic.Uint64
}

// newOTLP makes a source; Run, which is called once, begins to listen. The options have been checked.
func newOTLP(options OTLPOptions, env *Env) (*OTLP, error) {
	o := &OTLP{
		sourceBase: env.newBase(nameOTLP), port: newPort(), http: newPort(), options: options,
		requests: make(chan struct{}, otlpMaxRequests), timeout: otlpRequestTimeout,
		conversions: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	config, err := options.TLS.serverConfig(otlpTLSKey, options.TLSConfig)
	if err != nil {
		return nil, err
	}
	o.clients = o.newClients(otlpTLSKey, config)
	o.clients.limit = otlpMaxConnections
	o.account.refusals.expect(watch.ReasonOversized, reasonOverload, reasonEncoding)
	for r := wire.Taken + 1; r < wire.NumRefusals; r++ {
		if err := env.Ledger.count("otlp_points_refused_total",
			"Data points that cannot be taken, by why; their senders are told in the answer.",
			"reason", r.String(), o.refusedPoints[r].Load); err != nil {
			return nil, err
		}
	}
	keep, err := compileGlobs(options.ResourceAttributes)
	if err != nil {
		return nil, fmt.Errorf("nozzle.otlp.resource_attributes: %w", err)
	}
	o.receivers.make = func() *otlpReceiver {
		in := env.intake(o.account, intakeOptions{log: o.log})
		in.otlp.ResourceAttribute = keep
		return &otlpReceiver{source: o, intake: in}
	}
	return o, nil
}

// compileGlobs returns a function that reports whether one of the patterns matches; nil for no patterns.
func compileGlobs(patterns []string) (func([]byte) bool, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	globs := make([]metric.Glob, len(patterns))
	for i, p := range patterns {
		var err error
		if globs[i], err = metric.CompileGlob(p); err != nil {
			return nil, fmt.Errorf("%s: %w", check.Quote(p), err)
		}
	}
	return func(text []byte) bool {
		for i := range globs {
			if globs[i].Match(text) {
				return true
			}
		}
		return false
	}, nil
}

// Run implements Source. It fails where an address cannot be listened on and where the port file cannot be written.
// The file stays when Run ends, as that of Ingress.
func (o *OTLP) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	servers, err := o.listen(ctx)
	if err != nil {
		o.fail(err)
		o.http.fail(err)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the source was ended before it listened
		}
		return err
	}
	if o.clients.config != nil && o.options.PortFile != "" {
		named := o.clients
		named.serverName = otlpServerName
		named.warnOfName()
	}
	for _, serve := range servers {
		group.Go(func() error { return serve(ctx) })
	}
	return group.Wait()
}

// listen opens the ports, and returns the servers that use them.
func (o *OTLP) listen(ctx context.Context) (servers []func(context.Context) error, err error) {
	var listeners []net.Listener
	defer func() {
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
		}
	}()
	addresses := [2]netip.AddrPort{} // of gRPC and HTTP
	for i, at := range []struct {
		key, address string
		serve        func(context.Context, net.Listener) error
	}{
		{"listen_address", o.options.ListenAddress, o.serveGRPC},
		{"http_listen_address", o.options.HTTPListenAddress, o.serveHTTP},
	} {
		if at.address == "" {
			continue
		}
		listener, err := o.config.Listen(ctx, "tcp", at.address)
		if err != nil {
			return nil, fmt.Errorf("nozzle.otlp.%s: cannot listen on %s: %w", at.key, at.address, err)
		}
		listeners = append(listeners, listener)
		addresses[i] = listener.Addr().(*net.TCPAddr).AddrPort()
		servers = append(servers, func(ctx context.Context) error { return at.serve(ctx, listener) })
	}
	if o.options.PortFile != "" {
		if err := writePortFile(o.options.PortFile, int(addresses[0].Port()), otlpPortLine); err != nil {
			return nil, fmt.Errorf("nozzle.otlp.port_file: %w", err)
		}
	}
	o.open(addresses[0])
	o.http.open(addresses[1])
	o.log.Info("listening for metrics of OpenTelemetry", "address", addresses[0], "http_address", addresses[1],
		"port_file", o.options.PortFile)
	return servers, nil
}

// HTTPAddr waits until the source listens and returns the address of HTTP, which is not valid where there is none.
func (o *OTLP) HTTPAddr(ctx context.Context) (netip.AddrPort, error) { return o.http.Addr(ctx) }

// begin takes a place for a request, if there is one.
func (o *OTLP) begin() bool {
	select {
	case o.requests <- struct{}{}:
		return true
	default:
		return false
	}
}

// overloaded counts a request for which there is no place. Its sender sends it again.
func (o *OTLP) overloaded(remote string) {
	o.clients.refused.add(reasonOverload, "their senders send them again; let them send fewer and larger ones, or give "+
		"the exporter more CPU", errOverload, "remote", remote, "limit", otlpMaxRequests)
}

// oversized counts a request that is too long.
func (o *OTLP) oversized(remote string, err error) {
	o.clients.refused.add(watch.ReasonOversized, "a request is longer than nozzle.otlp.max_request_bytes, and its "+
		"sender does not send it again: let it send smaller batches, or raise the limit", err, "remote", remote)
}

func (o *OTLP) end() { <-o.requests }

// refuse counts the refused points of a request, and returns what its sender is told.
func (o *OTLP) refuse(refused *otlpRefused) (points uint64, message string) {
	var b strings.Builder
	for reason, n := range refused {
		if n == 0 {
			continue
		}
		o.refusedPoints[reason].Add(n)
		points += n
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		_, _ = fmt.Fprintf(&b, "%s: %d", wire.Refusal(reason), n)
	}
	return points, b.String()
}
