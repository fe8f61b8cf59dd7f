package nozzle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"loggregator_exporter/nozzle/gather"
	"loggregator_exporter/nozzle/watch"
)

var rlpReasons = []string{
	watch.ReasonUnreachable, watch.ReasonServerCertificate, watch.ReasonServerName, watch.ReasonClientCertificate,
	watch.ReasonTLS,
	watch.ReasonCertificateFiles, watch.ReasonRefused, watch.ReasonOversized, watch.ReasonEnded, watch.ReasonLost,
}

// attempt is one connection being made. It keeps the errors of dialling and of the handshake, which gRPC passes on
// only as text.
type attempt struct {
	credentials.TransportCredentials
	// connected is set when a stream is open.
	connected bool
	dialer    dialer

	last *handshake
}

// handshake holds the outcome of the last connection; it is shared by all clones of an attempt.
type handshake struct {
	mu      sync.Mutex
	dialing error // of the connection
	failed  error // of the handshake
	done    bool  // the client's part of the handshake succeeded
}

// dialer opens a connection to host:port.
type dialer func(ctx context.Context, address string) (net.Conn, error)

// dialTCP opens a TCP connection whose keep-alive detects within five seconds that the other side has vanished.
// Probes are sent only while no data comes. The connection is read in turns.
func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 2 * time.Second, Interval: time.Second,
		Count: 3,
	}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return gather.New(conn, nil), nil
}

func newAttempt(config *tls.Config, d dialer) *attempt {
	return &attempt{TransportCredentials: credentials.NewTLS(config), dialer: d, last: &handshake{}}
}

// ClientHandshake implements credentials.TransportCredentials.
func (a *attempt) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo,
	error,
) {
	conn, info, err := a.TransportCredentials.ClientHandshake(ctx, authority, raw)
	a.last.mu.Lock()
	defer a.last.mu.Unlock()
	a.last.failed, a.last.done = err, err == nil
	return conn, info, err
}

// Clone implements credentials.TransportCredentials. A clone stores its errors in the attempt.
func (a *attempt) Clone() credentials.TransportCredentials {
	clone := *a
	clone.TransportCredentials = a.TransportCredentials.Clone()
	return &clone
}

// dial connects, and keeps the error.
func (a *attempt) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := a.dialer(ctx, address)
	a.last.mu.Lock()
	defer a.last.mu.Unlock()
	a.last.dialing = err
	return conn, err
}

// explain returns why connecting, or the stream, failed.
func (a *attempt) explain(err error, o RLPOptions) watch.Failure {
	a.last.mu.Lock()
	defer a.last.mu.Unlock()
	f := watch.Failure{Reason: watch.ReasonUnreachable, Err: err}
	switch {
	case a.connected:
		f.Reason, f.Advice = diagnoseStream(err, o)
	case a.last.dialing != nil:
		f.Err = a.last.dialing
		f.Advice = "the reverse log proxy cannot be reached; is nozzle.rlp.address right, and does it run?"
	case a.last.failed != nil:
		f.Err = a.last.failed
		f.Reason, f.Advice = diagnoseHandshake(a.last.failed, o)
	case a.last.done && timedOut(err):
		f.Advice = silentServer
	case a.last.done:
		// With TLS 1.3 a server refuses a client's certificate after the client's part of the handshake is done: by an
		// alert, which may come later than the end of the connection.
		f.Reason = watch.ReasonClientCertificate
		f.Advice = "the reverse log proxy closed the connection right after the TLS handshake: most likely it refuses " +
			"our client " +
			"certificate; is that of nozzle.rlp.tls.cert_file in date and signed by the CA of the proxy?"
	default:
		f.Advice = "no connection to the reverse log proxy; is nozzle.rlp.address right?"
	}
	return f
}

// timedOut says whether the server was silent for too long. gRPC hands on some errors as text only; it closes a
// connection itself on which HTTP/2 does not begin in time, and then says that the connection was closed at our
// side.
func timedOut(err error) bool {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return true
	}
	text := err.Error()
	return slices.ContainsFunc(timeouts, func(e error) bool { return strings.Contains(text, e.Error()) })
}

var timeouts = []error{os.ErrDeadlineExceeded, context.DeadlineExceeded, net.ErrClosed, io.ErrClosedPipe} // constant

// silentServer is the advice for a server that may be frozen: its kernel still accepts connections.
const silentServer = "the reverse log proxy accepts connections, but does not answer; is it frozen or overloaded?"

// diagnoseHandshake returns why a handshake failed.
func diagnoseHandshake(err error, o RLPOptions) (reason, advice string) {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case timedOut(err):
		return watch.ReasonUnreachable, silentServer
	case errors.As(err, &name):
		return watch.ReasonServerName,
			fmt.Sprintf("the server's certificate is not for the name %q; is nozzle.rlp.server_name right, and "+
				"nozzle.rlp.address that of a reverse log proxy?", o.ServerName)
	case errors.As(err, &unknown):
		return watch.ReasonServerCertificate, "the server's certificate is not signed by our CA; is " +
			"nozzle.rlp.tls.ca_file that of the foundation?"
	case errors.As(err, &invalid):
		return watch.ReasonServerCertificate, "the server's certificate is not valid, perhaps out of date"
	case errors.As(err, &record):
		return watch.ReasonTLS, "the server does not speak TLS; is nozzle.rlp.address that of a reverse log proxy?"
	case strings.Contains(err.Error(), "no application protocol"):
		return watch.ReasonTLS, "the server speaks TLS, but no gRPC; is nozzle.rlp.address that of a reverse log proxy, " +
			"and not of its gateway?"
	case strings.Contains(err.Error(), "remote error: tls:"):
		return watch.ReasonClientCertificate, "the reverse log proxy refuses our client certificate; is that of " +
			"nozzle.rlp.tls.cert_file in date and signed by its CA?"
	default:
		return watch.ReasonTLS, "the TLS handshake with the reverse log proxy failed"
	}
}

// diagnoseStream returns why an open stream ended.
func diagnoseStream(err error, o RLPOptions) (reason, advice string) {
	if errors.Is(err, io.EOF) {
		return watch.ReasonEnded, "the reverse log proxy ended the stream"
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented, codes.NotFound:
		return watch.ReasonRefused, "the server does not serve the request; is " + o.Address + " a reverse log proxy?"
	case codes.ResourceExhausted:
		return watch.ReasonOversized, fmt.Sprintf("a message is longer than the %d bytes that are accepted", rlpMaxMessage)
	default:
		return watch.ReasonLost, "the connection to the reverse log proxy was lost"
	}
}
