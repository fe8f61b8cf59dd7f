package nozzle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/outgoing"
	"loggregator_exporter/nozzle/watch"
)

// ServerTLSOptions say how to verify a server that asks for no client certificate: the RLP gateway, the traffic
// controller, UAA. The file is read anew for each connection.
type ServerTLSOptions struct {
	// CAFile holds the certificates (PEM) to trust in place of those of the system.
	CAFile string `mapstructure:"ca_file"`
	// SkipVerify accepts any certificate.
	SkipVerify bool `mapstructure:"skip_verify"`
	// RootCAs, where set, stand in place of CAFile: certificates that are in memory only.
	RootCAs *x509.CertPool `mapstructure:"-"`
}

const (
	httpsDialTimeout      = 10 * time.Second
	httpsHandshakeTimeout = 10 * time.Second
	httpsAnswerTimeout    = 30 * time.Second // from the request to the answer's header

	userAgent = "loggregator_exporter"
	// The gorouter says by this header that an answer is its own, and why.
	routerErrorHeader = "X-Cf-Routererror"
	unknownRoute      = "unknown_route"
)

// httpsPeer is a server that is asked by HTTPS, as the configuration names it.
type httpsPeer struct {
	key  string // of its settings: nozzle.gateway
	what string // for the log: the RLP gateway
	url  string
	tls  ServerTLSOptions
	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil for that of the system
}

// validURL checks an address of scheme and host.
func validURL(key, address, scheme, example string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", key, err)
	case u.Scheme != scheme || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%s %q: want %s://host, for example %s", key, u.Redacted(), scheme, example)
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s %q: want no more than %s://host or %s://host:port", key, u.Redacted(), scheme, scheme)
	}
	return nil
}

func (p httpsPeer) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: p.tls.SkipVerify} //nolint:gosec // only where the operator says so
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

// client is for one connection: whoever has it closes it by CloseIdleConnections. It speaks HTTP/1.1, which is all
// that is needed for one long answer and costs the least, and goes through the proxy that the environment names.
func (p httpsPeer) client() (*http.Client, error) {
	config, err := p.tlsConfig()
	if err != nil {
		return nil, err
	}
	dial := p.dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: httpsDialTimeout}).DialContext
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dial,
			TLSClientConfig:       config,
			TLSHandshakeTimeout:   httpsHandshakeTimeout,
			ResponseHeaderTimeout: httpsAnswerTimeout,
			ReadBufferSize:        64 << 10,
			DisableCompression:    true,
		},
		CheckRedirect: outgoing.CheckRedirect,
	}, nil
}

// explain finds out why a request got no answer.
func (p httpsPeer) explain(err error) watch.Failure {
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
		return watch.Failure{
			Reason: watch.ReasonWrongURL, Err: err,
			Advice: fmt.Sprintf("%s answers with a redirect that is not followed; is %s.url right?", p.what, p.key),
		}
	case errors.As(err, &name):
		return watch.Failure{Reason: watch.ReasonServerName, Advice: fmt.Sprintf("the server's certificate is not for the host of %s.url; is that of %s?", p.key, p.what), Err: err}
	case errors.As(err, &unknown) && p.tls.CAFile == "":
		return watch.Failure{Reason: watch.ReasonServerCertificate, Advice: fmt.Sprintf("the server's certificate is not signed by a CA that the system trusts; set %s.tls.ca_file to the CA of the platform", p.key), Err: err}
	case errors.As(err, &unknown):
		return watch.Failure{Reason: watch.ReasonServerCertificate, Advice: fmt.Sprintf("the server's certificate is not signed by our CA; is %s.tls.ca_file that of the platform?", p.key), Err: err}
	case errors.As(err, &invalid):
		return watch.Failure{Reason: watch.ReasonServerCertificate, Advice: "the server's certificate is not valid, perhaps out of date", Err: err}
	case errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return watch.Failure{Reason: watch.ReasonTLS, Advice: fmt.Sprintf("the server does not speak TLS; is %s.url that of %s?", p.key, p.what), Err: err}
	case errors.As(err, &alert):
		return watch.Failure{Reason: watch.ReasonTLS, Advice: "the TLS handshake with " + p.what + " failed", Err: err}
	case errors.As(err, &dns) || errors.As(err, &dial) && dial.Op == "dial":
		return watch.Failure{Reason: watch.ReasonUnreachable, Advice: fmt.Sprintf("%s cannot be reached; is %s.url right, and does it run?", p.what, p.key), Err: err}
	default:
		return watch.Failure{Reason: watch.ReasonUnreachable, Advice: fmt.Sprintf("no answer from %s; is %s.url right?", p.what, p.key), Err: err}
	}
}

// explainStatus says what is wrong with an answer that is not a stream. Answers that may be about the token are the
// caller's.
func (p httpsPeer) explainStatus(answer *http.Response) watch.Failure {
	err := fmt.Errorf("%s answered %s", p.url, answer.Status)
	router := answer.Header.Get(routerErrorHeader)
	if router != "" {
		err = fmt.Errorf("%w (router: %.100q)", err, router)
	}
	switch {
	case router == unknownRoute:
		return watch.Failure{Reason: watch.ReasonWrongURL, Advice: fmt.Sprintf("the platform has no such route; is %s.url that of %s, and does it run?", p.key, p.what), Err: err}
	case answer.StatusCode >= 500:
		return watch.Failure{Reason: watch.ReasonUnavailable, Advice: p.what + " is there, and cannot serve at the moment", Err: err}
	default:
		return watch.Failure{Reason: watch.ReasonWrongURL, Advice: fmt.Sprintf("what answers at %s.url does not serve the request; is it %s?", p.key, p.what), Err: err}
	}
}
