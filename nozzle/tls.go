package nozzle

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLSOptions name the PEM files of a mutual TLS connection. They are read anew for each connection, so that certificates can be
// rotated under a running exporter.
type TLSOptions struct {
	CAFile   string `mapstructure:"ca_file"`
	CertFile string `mapstructure:"cert_file"`
	KeyFile  string `mapstructure:"key_file"`
}

// client reads the files and returns the configuration of a client. key is where the options stand in the configuration, for errors.
func (o TLSOptions) client(key, serverName string) (*tls.Config, error) {
	for _, file := range []struct{ name, value string }{{"ca_file", o.CAFile}, {"cert_file", o.CertFile}, {"key_file", o.KeyFile}} {
		if file.value == "" {
			return nil, fmt.Errorf("%s.%s: not set", key, file.name)
		}
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%s.ca_file: %w", key, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s.ca_file: %s holds no PEM certificate", key, o.CAFile)
	}
	certPEM, err := os.ReadFile(o.CertFile)
	if err != nil {
		return nil, fmt.Errorf("%s.cert_file: %w", key, err)
	}
	keyPEM, err := os.ReadFile(o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s.key_file: %w", key, err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: cert_file %s with key_file %s: %w", key, o.CertFile, o.KeyFile, err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		RootCAs:      roots,
		Certificates: []tls.Certificate{cert},
		ServerName:   serverName,
	}, nil
}
