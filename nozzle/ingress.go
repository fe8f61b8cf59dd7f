package nozzle

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"loggregator_exporter/internal/boundedfile"
)

// IngressOptions configure the source that a forwarder agent sends to.
type IngressOptions struct {
	Enabled       bool   `mapstructure:"enabled"`
	ListenAddress string `mapstructure:"listen_address"`
	// PortFile is where the agent looks for the port; empty: none is written.
	PortFile string     `mapstructure:"port_file"`
	TLS      TLSOptions `mapstructure:"tls"`
	// TLSConfig, where set, stands in place of TLS: certificates that are in memory only.
	TLSConfig *tls.Config `mapstructure:"-"`
}

const (
	nameIngress   = "ingress"
	ingressTLSKey = "nozzle.ingress.tls"

	// The name that forwarder agents demand of the server's certificate.
	ingressServerName = "metron"

	ingressMaxMessage = 10 << 20
	// What may be on its way unread on one connection; what is more must pile up, and be counted as lost, at the agent.
	ingressWindow = 1 << 20

	// The agent is one client; a few more are emitters that come directly. Beyond the limits they wait.
	ingressMaxConnections = 128
	ingressMaxStreams     = 64

	ingressHandshakeTimeout = 10 * time.Second
	ingressPingAfter        = 30 * time.Second
	ingressPingTimeout      = 15 * time.Second
)

// Ingress is a downstream of the forwarder agent of a VM: a server of the gRPC API loggregator.v2.Ingress with mutual
// TLS. It is connected while at least one client has a connection open whose certificate was accepted: that it
// listens does not mean that an agent has found it.
type Ingress struct {
	base
	port
	options   IngressOptions
	refused   refusals
	receivers receiverPool
	config    net.ListenConfig
}

// newIngress checks the options, including the certificates. The source listens from Run on, which is called once.
func newIngress(options IngressOptions, env *Env) (*Ingress, error) {
	host, _, err := net.SplitHostPort(options.ListenAddress)
	if err != nil {
		return nil, fmt.Errorf("nozzle.ingress.listen_address %q: want host:port: %w", options.ListenAddress, err)
	}
	if options.PortFile != "" && !slices.Contains([]string{"", "127.0.0.1", "0.0.0.0", "::", "localhost"}, host) {
		return nil, fmt.Errorf("nozzle.ingress.listen_address %q: the agent that reads nozzle.ingress.port_file dials 127.0.0.1, which does not reach this address", options.ListenAddress)
	}
	i := &Ingress{base: env.base(nameIngress), port: newPort(), options: options}
	i.refused = refusals{account: i.account, log: i.log}
	i.receivers.make = func() *batchReceiver {
		return &batchReceiver{intake: env.intake(i.account, intakeOptions{log: i.log})}
	}
	if _, err := i.tlsConfig(); err != nil {
		return nil, err
	}
	i.account.expectRefusals(ingressRefusals...)
	return i, nil
}

// Run implements Source. It fails where the address cannot be listened on and where the port file cannot be written:
// no agent would find the source then. The file stays when Run ends, since an agent reads it only once, at its own
// start, which may come while the exporter is being restarted.
func (i *Ingress) Run(ctx context.Context) error {
	listener, err := i.listen(ctx)
	if err != nil {
		i.fail(err)
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	server := i.server(ctx)
	i.open(listener.Addr().(*net.TCPAddr).AddrPort())
	i.log.Info("listening for envelopes of a forwarder agent", "address", i.addr.String(), "port_file", i.options.PortFile)
	i.warnOfName()

	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	// Serve returns before the handlers do; Stop waits for them.
	err = server.Serve(netutil.LimitListener(listener, ingressMaxConnections))
	server.Stop()
	if ctx.Err() != nil || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return fmt.Errorf("nozzle.ingress: accept connections at %s: %w", i.addr, err)
}

func (i *Ingress) listen(ctx context.Context) (net.Listener, error) {
	listener, err := i.config.Listen(ctx, "tcp", i.options.ListenAddress)
	if err != nil {
		return nil, fmt.Errorf("nozzle.ingress.listen_address: cannot listen on %s: %w", i.options.ListenAddress, err)
	}
	if i.options.PortFile != "" {
		if err := writePortFile(i.options.PortFile, listener.Addr().(*net.TCPAddr).Port); err != nil {
			_ = listener.Close()
			return nil, fmt.Errorf("nozzle.ingress.port_file: %w", err)
		}
	}
	return listener, nil
}

func (i *Ingress) server(ctx context.Context) *grpc.Server {
	server := grpc.NewServer(
		grpc.Creds(newIngressCredentials(ctx, i)),
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.MaxRecvMsgSize(ingressMaxMessage),
		grpc.MaxConcurrentStreams(ingressMaxStreams),
		grpc.WaitForHandlers(true),
		grpc.InitialWindowSize(ingressWindow),
		grpc.InitialConnWindowSize(ingressWindow),
		grpc.ConnectionTimeout(ingressHandshakeTimeout),
		// Agents do not ping; without pings of our own one that vanished would count as connected.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: ingressPingAfter, Timeout: ingressPingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: ingressHandshakeTimeout, PermitWithoutStream: true}),
	)
	server.RegisterService(ingressService(), i)
	return server
}

// tlsConfig is the configuration of the server; clients have to show a certificate of the CA.
func (i *Ingress) tlsConfig() (*tls.Config, error) {
	if i.options.TLSConfig != nil {
		return i.options.TLSConfig.Clone(), nil
	}
	return i.options.TLS.server(ingressTLSKey)
}

// warnOfName tells of a certificate that every agent turns away.
func (i *Ingress) warnOfName() {
	config, err := i.tlsConfig()
	if err != nil || len(config.Certificates) == 0 {
		return
	}
	if err := namesServer(&config.Certificates[0], ingressServerName); err != nil {
		i.log.Warn("forwarder agents will refuse our certificate", "advice", "the certificate in nozzle.ingress.tls.cert_file needs the name "+ingressServerName, "error", err)
	}
}

// writePortFile tells the agent the port. The file is replaced as a whole: one that is cut off makes the agent exit.
// One that is right already is left alone, so that its folder need not be writable.
func writePortFile(path string, port int) error {
	text := fmt.Appendf(nil, "ingress: %d\n", port)
	if old, err := boundedfile.Read(path, boundedfile.MaxBytes); err == nil && string(old) == string(text) {
		return nil
	}
	return replaceFile(path, text)
}
