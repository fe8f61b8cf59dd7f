package nozzle

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"loggregator_exporter/nozzle/watch"
)

// IngressOptions configure the source that a forwarder agent sends to.
type IngressOptions struct {
	Enabled       bool   `mapstructure:"enabled"`
	ListenAddress string `mapstructure:"listen_address"`
	// PortFile is where the agent reads the port from; none is written if it is empty.
	PortFile string     `mapstructure:"port_file"`
	TLS      TLSOptions `mapstructure:"tls"`
	// TLSConfig replaces TLS if set: certificates that are in memory only.
	TLSConfig *tls.Config `mapstructure:"-"`
}

const (
	nameIngress   = "ingress"
	ingressTLSKey = "nozzle.ingress.tls"

	// The name that forwarder agents demand of the server's certificate.
	ingressServerName = "metron"

	ingressMaxMessage = 10 << 20
	// The agent is one client; emitters may connect directly. More wait.
	ingressMaxConnections = 128
)

// Ingress is a downstream of the forwarder agent of a VM: a server of the gRPC API loggregator.v2.Ingress with mutual
// TLS. The source is connected while a client whose certificate was accepted has a connection open: listening does
// not mean that an agent has found it.
type Ingress struct {
	sourceBase
	port
	options   IngressOptions
	clients   clients
	receivers pool[*batchReceiver]
	config    net.ListenConfig
}

// newIngress makes a source; Run, which is called once, begins to listen. It fails if the certificates cannot be read.
// The options have been checked.
func newIngress(options IngressOptions, env *Env) (*Ingress, error) {
	i := &Ingress{sourceBase: env.newBase(nameIngress), port: newPort(), options: options}
	i.clients = i.newClients(ingressTLSKey, i.tlsConfig)
	i.clients.protocol, i.clients.limit, i.clients.serverName = "h2", ingressMaxConnections, ingressServerName
	i.clients.inTurns = true
	i.receivers.make = func() *batchReceiver {
		return &batchReceiver{intake: env.intake(i.account, intakeOptions{log: i.log})}
	}
	if _, err := i.tlsConfig(); err != nil {
		return nil, err
	}
	i.account.refusals.expect(watch.ReasonOversized)
	return i, nil
}

// Run implements Source. It fails where the address cannot be listened on and where the port file cannot be written,
// since then no agent finds the source. The file stays when Run ends: an agent reads it only once, at its start,
// which may be while the exporter restarts.
func (i *Ingress) Run(ctx context.Context) error {
	listener, err := i.listen(ctx)
	if err != nil {
		i.fail(err)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the source was ended before it listened
		}
		return err
	}
	server := newGRPCServer(ingressMaxMessage)
	server.RegisterService(ingressService(), i)
	i.open(listener.Addr().(*net.TCPAddr).AddrPort())
	i.log.Info("listening for envelopes of a forwarder agent", "address", i.addr.String(), "port_file",
		i.options.PortFile)
	i.clients.warnOfName()
	if err := serveGRPC(ctx, server, i.clients.listen(ctx, listener)); err != nil {
		return fmt.Errorf("nozzle.ingress: accept connections at %s: %w", i.addr, err)
	}
	return nil
}

func (i *Ingress) listen(ctx context.Context) (net.Listener, error) {
	listener, err := i.config.Listen(ctx, "tcp", i.options.ListenAddress)
	if err != nil {
		return nil, fmt.Errorf("nozzle.ingress.listen_address: cannot listen on %s: %w", i.options.ListenAddress, err)
	}
	if i.options.PortFile != "" {
		if err := writePortFile(i.options.PortFile, listener.Addr().(*net.TCPAddr).Port, ""); err != nil {
			_ = listener.Close()
			return nil, fmt.Errorf("nozzle.ingress.port_file: %w", err)
		}
	}
	return listener, nil
}

// tlsConfig returns the configuration of the server. Clients have to show a certificate of the CA.
func (i *Ingress) tlsConfig() (*tls.Config, error) {
	if i.options.TLSConfig != nil {
		return i.options.TLSConfig.Clone(), nil
	}
	if i.options.TLS.CAFile == "" {
		return nil, fmt.Errorf("%s.ca_file: not set", ingressTLSKey)
	}
	return i.options.TLS.server(ingressTLSKey)
}
