package nozzle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/outgoing"
	"loggregator_exporter/nozzle/gather"
	"loggregator_exporter/nozzle/watch"
)

// ServerTLSOptions say how to verify a server that asks for no client certificate: the RLP gateway, the traffic
// controller, UAA. The CA file is read again for each connection.
type ServerTLSOptions struct {
	// CAFile holds the certificates (PEM) to trust in place of those of the system.
	CAFile string `mapstructure:"ca_file"`
	// SkipVerify accepts any certificate.
	SkipVerify bool `mapstructure:"skip_verify"`
	// RootCAs replaces CAFile if set: certificates that are in memory only.
	RootCAs *x509.CertPool `mapstructure:"-"`
}

const (
	httpsDialTimeout      = 10 * time.Second
	httpsHandshakeTimeout = 10 * time.Second
	httpsAnswerTimeout    = 30 * time.Second // from the request to the answer's header

	userAgent = "loggregator_exporter"
	// routerErrorHeader holds the cause of an answer that the gorouter itself gives.
	routerErrorHeader = "X-Cf-Routererror"
	unknownRoute      = "unknown_route"
)

// httpsPeer is a server that a source or the token source sends requests to, by HTTPS.
type httpsPeer struct {
	key  string // of its settings, for errors: nozzle.gateway
	what string // for the log: the RLP gateway
	url  string
	tls  ServerTLSOptions
	dial dialContext // nil: net.Dialer
	// streams says that answers are streams, whose connections are read in turns.
	streams bool
	drained func() // is called when all that a connection of a stream has at hand was read; nil for nothing
	// upgraded stands between a connection that leaves HTTP and who uses it; nil for nothing
	upgraded func(io.ReadWriteCloser) io.ReadWriteCloser
}

func (p httpsPeer) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: p.tls.SkipVerify, //nolint:gosec // only where the operator says so
	}
	if config.RootCAs = p.tls.RootCAs; config.RootCAs != nil || p.tls.CAFile == "" {
		return config, nil
	}
	pem, err := boundedfile.Read(p.tls.CAFile, boundedfile.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("%s.tls.ca_file: %w", p.key, err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s.tls.ca_file: %s holds no PEM certificate", p.key, p.tls.CAFile)
	}
	return config, nil
}

// client returns a client for one connection; the caller calls CloseIdleConnections. It speaks HTTP/1.1, which costs
// the least for one long answer, and uses the proxy that the environment names.
func (p httpsPeer) client() (*http.Client, error) {
	config, err := p.tlsConfig()
	if err != nil {
		return nil, err
	}
	dial := p.dial
	if dial == nil {
		dial = httpsDialer.DialContext
	}
	if p.streams {
		dial = inTurns(dial, p.drained)
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   httpsHandshakeTimeout,
		ResponseHeaderTimeout: httpsAnswerTimeout,
		ReadBufferSize:        64 << 10,
		DisableCompression:    true,
	}
	return &http.Client{Transport: upgrading{transport, p.upgraded}, CheckRedirect: outgoing.CheckRedirect}, nil
}

// upgrading is a transport that knows of connections which leave HTTP.
type upgrading struct {
	*http.Transport
	upgraded func(io.ReadWriteCloser) io.ReadWriteCloser // or nil
}

// RoundTrip implements http.RoundTripper.
func (t upgrading) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.Transport.RoundTrip(r)
	if err != nil || t.upgraded == nil || answer.StatusCode != http.StatusSwitchingProtocols {
		return answer, err
	}
	if conn, ok := answer.Body.(io.ReadWriteCloser); ok {
		answer.Body = t.upgraded(conn)
	}
	return answer, nil
}

var httpsDialer = net.Dialer{Timeout: httpsDialTimeout}

// dialContext is how a client of HTTP opens connections.
type dialContext = func(ctx context.Context, network, address string) (net.Conn, error)

// inTurns opens connections that are read in turns. drained is what gather.New takes.
func inTurns(dial dialContext, drained func()) dialContext {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return gather.New(conn, drained), nil
	}
}

// explain returns why a request got no answer.
func (p httpsPeer) explain(err error) watch.Failure {
	reason, advice := p.diagnose(err)
	return watch.Failure{Reason: reason, Advice: advice, Err: err}
}

func (p httpsPeer) diagnose(err error) (reason, advice string) {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		dial    *net.OpError
		dns     *net.DNSError
		moved   *outgoing.RedirectError
	)
	switch {
	case errors.As(err, &moved):
		return watch.ReasonWrongURL,
			fmt.Sprintf("%s answers with a redirect that is not followed; is %s.url right?", p.what, p.key)
	case errors.As(err, &name):
		return watch.ReasonServerName,
			fmt.Sprintf("the server's certificate is not for the host of %s.url; is that of %s?", p.key, p.what)
	case errors.As(err, &unknown) && p.tls.CAFile == "":
		return watch.ReasonServerCertificate,
			fmt.Sprintf("the server's certificate is not signed by a CA that the system trusts; set %s.tls.ca_file to the "+
				"CA of the platform", p.key)
	case errors.As(err, &unknown):
		return watch.ReasonServerCertificate,
			fmt.Sprintf("the server's certificate is not signed by our CA; is %s.tls.ca_file that of the platform?", p.key)
	case errors.As(err, &invalid):
		return watch.ReasonServerCertificate, "the server's certificate is not valid, perhaps out of date"
	case errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return watch.ReasonTLS, fmt.Sprintf("the server does not speak TLS; is %s.url that of %s?", p.key, p.what)
	case errors.As(err, &alert):
		return watch.ReasonTLS, "the TLS handshake with " + p.what + " failed"
	case errors.As(err, &dns) || errors.As(err, &dial) && dial.Op == "dial":
		return watch.ReasonUnreachable, fmt.Sprintf("%s cannot be reached; is %s.url right, and does it run?", p.what, p.key)
	default:
		return watch.ReasonUnreachable, fmt.Sprintf("no answer from %s; is %s.url right?", p.what, p.key)
	}
}

// explainStatus returns what is wrong with an answer that is not a stream. The caller handles answers that may be
// about the token.
func (p httpsPeer) explainStatus(answer *http.Response) watch.Failure {
	err := fmt.Errorf("%s answered %s", p.url, answer.Status)
	router := answer.Header.Get(routerErrorHeader)
	if router != "" {
		err = fmt.Errorf("%w (router: %.100q)", err, router)
	}
	failed := watch.Failure{Reason: watch.ReasonWrongURL, Err: err}
	switch {
	case router == unknownRoute:
		failed.Advice = fmt.Sprintf("the platform has no such route; is %s.url that of %s, and does it run?", p.key, p.what)
	case answer.StatusCode >= 500:
		failed.Reason, failed.Advice = watch.ReasonUnavailable, p.what+" is there, and cannot serve at the moment"
	default:
		failed.Advice = fmt.Sprintf("what answers at %s.url does not serve the request; is it %s?", p.key, p.what)
	}
	return failed
}
