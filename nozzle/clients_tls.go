package nozzle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"loggregator_exporter/nozzle/watch"
)

// Why a source refused a client, besides the reasons of package watch.
const (
	reasonNoClientCertificate = "no_client_certificate" // the client shows none
	reasonClosed              = "closed_in_handshake"   // the client closed the connection, as port scanners do
	reasonHandshakeTimeout    = "handshake_timeout"     // the client did not end the handshake in time
)

// handshakeRefusals are the reasons for which clients are refused.
var handshakeRefusals = []string{
	watch.ReasonClientCertificate, reasonNoClientCertificate, watch.ReasonServerCertificate, watch.ReasonCertificateFiles,
	watch.ReasonTLS, reasonClosed, reasonHandshakeTimeout,
}

// perConnection returns a configuration that asks for another one for each connection.
func (c *clients) perConnection() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			config, err := c.config()
			if err != nil {
				return nil, &filesError{err}
			}
			config = config.Clone()
			config.NextProtos = []string{c.protocol}
			return config, nil
		},
	}
}

// filesError is a failure to read our own certificates.
type filesError struct{ error }

func (e *filesError) Unwrap() error { return e.error }

func clientName(state tls.ConnectionState) string {
	if len(state.PeerCertificates) > 0 {
		return state.PeerCertificates[0].Subject.CommonName
	}
	return ""
}

// explain returns why a handshake with a client failed.
func (c *clients) explain(err error) (reason, advice string) {
	var (
		files       *filesError
		unknown     x509.UnknownAuthorityError
		invalid     x509.CertificateInvalidError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &files):
		return watch.ReasonCertificateFiles, "our own certificates cannot be read: mend the files of " + c.tlsKey
	case errors.As(err, &unknown):
		return watch.ReasonClientCertificate, "the client's certificate is not signed by the CA of " + c.tlsKey +
			".ca_file, which must be that of its senders; loggregator_ca signs those of the foundation's agents"
	case errors.As(err, &invalid), errors.As(err, &certificate):
		return watch.ReasonClientCertificate, "the client's certificate is not valid, perhaps out of date or not for clients"
	case strings.Contains(err.Error(), "client didn't provide a certificate"):
		return reasonNoClientCertificate, "the client shows no certificate: it needs one of the CA of " + c.tlsKey +
			".ca_file"
	case strings.Contains(err.Error(), "remote error: tls:"):
		needs := "the name by which it is called"
		if c.serverName != "" {
			needs = "the name " + c.serverName
		}
		return watch.ReasonServerCertificate, "the client refuses our certificate: that of " + c.tlsKey +
			".cert_file needs " + needs + ", and must be in date and signed by the CA of the clients"
	case errors.As(err, &record):
		return watch.ReasonTLS, "the client does not speak TLS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		strings.Contains(err.Error(), "connection reset"):
		return reasonClosed, "the client hung up during the TLS handshake; was it a port scan, or does it refuse our " +
			"certificate?"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return reasonHandshakeTimeout, "the client did not complete the TLS handshake in time"
	default:
		return watch.ReasonTLS, "the TLS handshake with the client failed"
	}
}

// warnOfName logs if every agent will refuse our certificate, since it lacks the name that they demand.
func (c *clients) warnOfName() {
	config, err := c.config()
	if err != nil || len(config.Certificates) == 0 {
		return
	}
	if err := namesServer(&config.Certificates[0], c.serverName); err != nil {
		c.log.Warn("forwarder agents will refuse our certificate", "advice",
			"the certificate in "+c.tlsKey+".cert_file needs the name "+c.serverName, "error", err)
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
