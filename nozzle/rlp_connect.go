package nozzle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"loggregator_exporter/nozzle/watch"
)

var rlpReasons = []string{
	watch.ReasonUnreachable, watch.ReasonServerCertificate, watch.ReasonServerName, watch.ReasonClientCertificate, watch.ReasonTLS,
	watch.ReasonCertificateFiles, watch.ReasonRefused, watch.ReasonOversized, watch.ReasonEnded, watch.ReasonLost,
}

// attempt is one connection being made. It keeps the errors of dialling and of the handshake, which gRPC otherwise
// hands on as text only.
type attempt struct {
	credentials.TransportCredentials
	// connected says that a stream was opened.
	connected bool
	dialer    dialer

	heard *handshake
}

// handshake is what was heard of the last connection; it is shared by all clones of an attempt.
type handshake struct {
	mu      sync.Mutex
	dialing error // of the connection
	failed  error // of the handshake
	done    bool  // the client's part of the handshake succeeded
}

// dialer opens a connection to host:port.
type dialer func(ctx context.Context, address string) (net.Conn, error)

// dialTCP opens a TCP connection whose other side may vanish without a word for no longer than five seconds while
// nothing is sent: the kernel asks after two, and then each second. Where data comes all the time it asks nothing.
func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 3}}
	return d.DialContext(ctx, "tcp", address)
}

func newAttempt(config *tls.Config, d dialer) *attempt {
	return &attempt{TransportCredentials: credentials.NewTLS(config), dialer: d, heard: &handshake{}}
}

// ClientHandshake implements credentials.TransportCredentials.
func (a *attempt) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := a.TransportCredentials.ClientHandshake(ctx, authority, raw)
	a.heard.mu.Lock()
	defer a.heard.mu.Unlock()
	a.heard.failed, a.heard.done = err, err == nil
	return conn, info, err
}

// Clone implements credentials.TransportCredentials. Errors of a clone are the attempt's.
func (a *attempt) Clone() credentials.TransportCredentials {
	clone := *a
	clone.TransportCredentials = a.TransportCredentials.Clone()
	return &clone
}

// dial connects, and keeps the error.
func (a *attempt) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := a.dialer(ctx, address)
	a.heard.mu.Lock()
	defer a.heard.mu.Unlock()
	a.heard.dialing = err
	return conn, err
}

// explain finds out why connecting, or the stream, failed.
func (a *attempt) explain(err error, o RLPOptions) watch.Failure {
	if a.connected {
		return explainStream(err, o)
	}
	a.heard.mu.Lock()
	defer a.heard.mu.Unlock()
	switch {
	case a.heard.dialing != nil:
		return watch.Failure{Reason: watch.ReasonUnreachable, Advice: "the reverse log proxy cannot be reached; is nozzle.rlp.address right, and does it run?", Err: a.heard.dialing}
	case a.heard.failed != nil:
		return explainHandshake(a.heard.failed, o)
	case a.heard.done:
		// With TLS 1.3 a server turns a client away after the client's part of the handshake is done: by an alert, which
		// the closing of the connection may overtake.
		return watch.Failure{Reason: watch.ReasonClientCertificate, Advice: "the reverse log proxy closed the connection right after the TLS handshake: most likely it refuses our client certificate; " +
			"is that of nozzle.rlp.tls.cert_file in date and signed by the CA of the proxy?", Err: err}
	}
	return watch.Failure{Reason: watch.ReasonUnreachable, Advice: "no connection to the reverse log proxy; is nozzle.rlp.address right?", Err: err}
}

func explainHandshake(err error, o RLPOptions) watch.Failure {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &name):
		return watch.Failure{Reason: watch.ReasonServerName, Advice: fmt.Sprintf("the server's certificate is not for the name %q; is nozzle.rlp.server_name right, and nozzle.rlp.address that of a reverse log proxy?", o.ServerName), Err: err}
	case errors.As(err, &unknown):
		return watch.Failure{Reason: watch.ReasonServerCertificate, Advice: "the server's certificate is not signed by our CA; is nozzle.rlp.tls.ca_file that of the foundation?", Err: err}
	case errors.As(err, &invalid):
		return watch.Failure{Reason: watch.ReasonServerCertificate, Advice: "the server's certificate is not valid, perhaps out of date", Err: err}
	case errors.As(err, &record):
		return watch.Failure{Reason: watch.ReasonTLS, Advice: "the server does not speak TLS; is nozzle.rlp.address that of a reverse log proxy?", Err: err}
	case strings.Contains(err.Error(), "no application protocol"):
		return watch.Failure{Reason: watch.ReasonTLS, Advice: "the server speaks TLS, but no gRPC; is nozzle.rlp.address that of a reverse log proxy, and not of its gateway?", Err: err}
	case strings.Contains(err.Error(), "remote error: tls:"):
		return watch.Failure{Reason: watch.ReasonClientCertificate, Advice: "the reverse log proxy refuses our client certificate; is that of nozzle.rlp.tls.cert_file in date and signed by its CA?", Err: err}
	default:
		return watch.Failure{Reason: watch.ReasonTLS, Advice: "the TLS handshake with the reverse log proxy failed", Err: err}
	}
}

func explainStream(err error, o RLPOptions) watch.Failure {
	if errors.Is(err, io.EOF) {
		return watch.Failure{Reason: watch.ReasonEnded, Advice: "the reverse log proxy ended the stream", Err: err}
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented, codes.NotFound:
		return watch.Failure{Reason: watch.ReasonRefused, Advice: "the server does not serve the request; is " + o.Address + " a reverse log proxy?", Err: err}
	case codes.ResourceExhausted:
		return watch.Failure{Reason: watch.ReasonOversized, Advice: fmt.Sprintf("a message is longer than the %d bytes that are accepted", rlpMaxMessage), Err: err}
	default:
		return watch.Failure{Reason: watch.ReasonLost, Advice: "the connection to the reverse log proxy was lost", Err: err}
	}
}
