package nozzle

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/nozzle/watch"
)

// RLPOptions configure the reverse log proxy source.
type RLPOptions struct {
	Enabled    bool       `mapstructure:"enabled"`
	Address    string     `mapstructure:"address"`
	ServerName string     `mapstructure:"server_name"`
	TLS        TLSOptions `mapstructure:"tls"`
	// TLSConfig replaces TLS if set: certificates that are in memory only.
	TLSConfig *tls.Config `mapstructure:"-"`
}

const (
	nameRLP   = "rlp"
	rlpTLSKey = "nozzle.rlp.tls"
	rlpMethod = "/loggregator.v2.Egress/BatchedReceiver"

	// Batches of 6 MB have been seen; gRPC's own limit of 4 MiB would end the stream.
	rlpMaxMessage = 10 << 20
	// Unread bytes on their way to the exporter: some 40 batches. Half the window costs a third more CPU for window
	// updates; a larger one brings nothing, and more unread bytes must be queued, and counted as lost, by the RLP.
	rlpWindow = 1 << 20

	// Pings find a frozen proxy. The server ends connections that ping more often than every 10 s.
	rlpPingAfter = 12 * time.Second
	// How long a ping may be unanswered, and, since gRPC sets TCP_USER_TIMEOUT to it, sent bytes unacknowledged.
	rlpPingTimeout = 4 * time.Second
	rlpDialTimeout = 10 * time.Second
)

// RLP reads the envelopes of a whole foundation from the reverse log proxy, by gRPC with mutual TLS. The source is
// connected while a stream is open that is not silent for longer than usual.
type RLP struct {
	streamBase
	options RLPOptions
	request []byte
	dialer  dialer
}

// newRLP fails if the certificates cannot be read. The options have been checked.
func newRLP(options RLPOptions, stream StreamOptions, env *Env) (*RLP, error) {
	request, err := proto.Marshal(stream.request())
	if err != nil {
		return nil, fmt.Errorf("nozzle.shard_id, nozzle.deterministic_name: %w", err)
	}
	r := &RLP{options: options, request: request, dialer: dialTCP}
	if _, err := r.tlsConfig(); err != nil {
		return nil, err
	}
	r.streamBase = env.newStreamBase(nameRLP, stream, rlpReasons, "address", options.Address)
	r.keeper.Read = r.stream
	return r, nil
}

// Run implements Source. No behaviour of an RLP ends it, since the cause may be fixed there, or in the certificate
// files.
func (r *RLP) Run(ctx context.Context) error {
	r.keeper.Run(ctx)
	return nil
}

// stream connects, reads one stream to its end and returns why it ended. Each stream has its own connection: it reads
// the certificates again, and gets the envelopes of a doppler that the old stream has lost.
func (r *RLP) stream(ctx context.Context, p *watch.Pulse) watch.Failure {
	config, err := r.tlsConfig()
	if err != nil {
		return noCertificates(err)
	}
	attempt := newAttempt(config, r.dialer)
	conn, err := r.dial(attempt)
	if err != nil {
		return attempt.explain(err, r.options)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	desc := grpc.StreamDesc{StreamName: "BatchedReceiver", ServerStreams: true}
	stream, err := conn.NewStream(ctx, &desc, rlpMethod, grpc.ForceCodecV2(rawCodec{}))
	if err != nil {
		return attempt.explain(err, r.options)
	}
	attempt.connected = true
	// SendMsg and CloseSend return io.EOF for a stream that ended; RecvMsg then returns the cause.
	if err := stream.SendMsg(rawMessage(r.request)); err != nil && !errors.Is(err, io.EOF) {
		return attempt.explain(err, r.options)
	}
	if err := stream.CloseSend(); err != nil && !errors.Is(err, io.EOF) {
		return attempt.explain(err, r.options)
	}
	p.Opened()
	r.log.Info("connected to the reverse log proxy")
	batches := &batchReceiver{intake: r.intake(p)}
	for !p.Leave() {
		if err := stream.RecvMsg(batches); err != nil {
			return attempt.explain(err, r.options)
		}
	}
	return watch.Failure{}
}

func (r *RLP) dial(a *attempt) (*grpc.ClientConn, error) {
	// The dialer resolves the name, so that its error names what is wrong.
	return grpc.NewClient("passthrough:///"+r.options.Address,
		grpc.WithTransportCredentials(a),
		grpc.WithContextDialer(a.dial),
		// The RLP is inside the foundation; the proxies of the environment are for servers outside.
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(rlpMaxMessage)),
		grpc.WithInitialWindowSize(rlpWindow),
		grpc.WithInitialConnWindowSize(rlpWindow),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: rlpPingAfter, Timeout: rlpPingTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: rlpDialTimeout}),
		grpc.WithDisableServiceConfig(),
	)
}

func (r *RLP) tlsConfig() (*tls.Config, error) {
	if r.options.TLSConfig == nil {
		return r.options.TLS.client(rlpTLSKey, r.options.ServerName)
	}
	config := r.options.TLSConfig.Clone()
	if config.ServerName == "" {
		config.ServerName = r.options.ServerName
	}
	return config, nil
}
