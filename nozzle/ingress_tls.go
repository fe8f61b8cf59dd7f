package nozzle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"

	"loggregator_exporter/internal/throttle"
	"loggregator_exporter/nozzle/watch"
)

// Why the ingress source refused a client, besides the reasons of package watch.
const (
	reasonNoClientCertificate = "no_client_certificate" // the client shows none
	reasonClosed              = "closed_in_handshake"   // the client closed the connection, as port scanners do
	reasonHandshakeTimeout    = "handshake_timeout"     // the client did not end the handshake in time
)

var ingressRefusals = []string{
	watch.ReasonClientCertificate, reasonNoClientCertificate, watch.ReasonServerCertificate, watch.ReasonCertificateFiles,
	watch.ReasonTLS, reasonClosed, reasonHandshakeTimeout, watch.ReasonOversized,
}

// ingressCredentials make the server's side of connections. They count the accepted clients, and explain the refused
// ones.
type ingressCredentials struct {
	credentials.TransportCredentials
	source *Ingress
	// atEnd calls f when the source ends, unless cancel is called before.
	atEnd func(f func()) (cancel func() bool)
}

func newIngressCredentials(ctx context.Context, i *Ingress) *ingressCredentials {
	outer := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2"},
		// Certificates are read again for each connection, so that they can be rotated while the exporter runs.
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			config, err := i.tlsConfig()
			if err != nil {
				return nil, &filesError{err}
			}
			config.NextProtos = []string{"h2"}
			config.ClientAuth = tls.RequireAndVerifyClientCert
			return config, nil
		},
	}
	return &ingressCredentials{
		credentials.NewTLS(outer), i,
		func(f func()) func() bool { return context.AfterFunc(ctx, f) },
	}
}

// filesError is a failure to read our own certificates.
type filesError struct{ error }

func (e *filesError) Unwrap() error { return e.error }

// ServerHandshake implements credentials.TransportCredentials.
func (c *ingressCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	// Server.Stop waits for handshakes, and so for clients that send nothing.
	cancel := c.atEnd(func() { _ = raw.Close() })
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		if ended := !cancel(); ended && errors.Is(err, net.ErrClosed) {
			return nil, nil, err // closed by atEnd
		}
		reason, advice := explainClient(err, ingressTLSKey, ingressServerName)
		c.source.refused.add(reason, advice, err, "remote", raw.RemoteAddr().String())
		return nil, nil, err
	}
	c.source.account.Connect()
	c.source.log.Info("a client connected", "remote", raw.RemoteAddr().String(), "client", clientName(info))
	return &countedConn{Conn: conn, closed: func() {
		cancel()
		c.source.account.Disconnect()
		c.source.log.Info("a client is gone", "remote", raw.RemoteAddr().String())
	}}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (c *ingressCredentials) Clone() credentials.TransportCredentials {
	return &ingressCredentials{c.TransportCredentials.Clone(), c.source, c.atEnd}
}

// countedConn calls closed once, when it is closed.
type countedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *countedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

func clientName(info credentials.AuthInfo) string {
	if t, ok := info.(credentials.TLSInfo); ok && len(t.State.PeerCertificates) > 0 {
		return t.State.PeerCertificates[0].Subject.CommonName
	}
	return ""
}

// explainClient returns why a handshake with a client failed. key is that of the server's TLS options, name what the
// client demands in the server's certificate.
func explainClient(err error, key, name string) (reason, advice string) {
	var (
		files       *filesError
		unknown     x509.UnknownAuthorityError
		invalid     x509.CertificateInvalidError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &files):
		return watch.ReasonCertificateFiles, "our own certificates cannot be read: mend the files of " + key
	case errors.As(err, &unknown):
		return watch.ReasonClientCertificate, "the client's certificate is not signed by the CA of " + key +
			".ca_file, which must be that of the foundation's agents (loggregator_ca)"
	case errors.As(err, &invalid), errors.As(err, &certificate):
		return watch.ReasonClientCertificate, "the client's certificate is not valid, perhaps out of date or not for clients"
	case strings.Contains(err.Error(), "client didn't provide a certificate"):
		return reasonNoClientCertificate, "the client shows no certificate: agents do, so it is none"
	case strings.Contains(err.Error(), "remote error: tls:"):
		return watch.ReasonServerCertificate, "the client refuses our certificate: that of " + key + ".cert_file " +
			"needs the name " + name + ", and must be in date and signed by the CA of the agents"
	case errors.As(err, &record):
		return watch.ReasonTLS, "the client does not speak TLS"
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), strings.Contains(err.Error(), "connection reset"):
		return reasonClosed, "the client hung up during the TLS handshake; was it a port scan, or does it refuse our " +
			"certificate?"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return reasonHandshakeTimeout, "the client did not go on with the TLS handshake in time"
	default:
		return watch.ReasonTLS, "the TLS handshake with the client failed"
	}
}

// namesServer returns an error if a certificate is not valid for a server of that name.
func namesServer(pair *tls.Certificate, name string) error {
	leaf := pair.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return err
		}
	}
	if err := leaf.VerifyHostname(name); err != nil {
		return err
	}
	if len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) &&
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return errors.New("the certificate is not for servers: its extended key usage lacks serverAuth")
	}
	return nil
}

// refusals counts what a source refuses, and logs each reason at most once a minute, since a client may try again and
// again.
type refusals struct {
	account *SourceLedger
	log     *slog.Logger

	mu  sync.Mutex
	due map[string]*refused
}

// refused is what there is to report of one reason.
type refused struct {
	throttle.Throttle
	peers []netip.Addr // since the last report, up to maxRefusedPeers
}

const maxRefusedPeers = 10

func (r *refusals) add(reason, advice string, err error, attrs ...any) {
	r.account.refuse(reason)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report(reason, advice, err, attrs...)
}

// addPeer is add for a source with many clients: the report has the addresses of some since the last one.
func (r *refusals) addPeer(reason, advice string, err error, peer netip.Addr) {
	r.account.refuse(reason)
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of(reason)
	if len(of.peers) < maxRefusedPeers && !slices.Contains(of.peers, peer) {
		of.peers = append(of.peers, peer)
	}
	if r.report(reason, advice, err, "peers", of.peers) {
		of.peers = nil
	}
}

// of returns what is known of a reason; mu is held.
func (r *refusals) of(reason string) *refused {
	if r.due == nil {
		r.due = make(map[string]*refused)
	}
	if r.due[reason] == nil {
		r.due[reason] = &refused{}
	}
	return r.due[reason]
}

// report logs if a report is due, and says so; mu is held.
func (r *refusals) report(reason, advice string, err error, attrs ...any) bool {
	count, due := r.of(reason).Add(time.Now())
	if due {
		r.log.With(attrs...).Warn("refused", "reason", reason, "advice", advice, "error", err, "refused_since_last_report",
			count)
	}
	return due
}
