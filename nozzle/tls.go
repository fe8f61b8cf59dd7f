package nozzle

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"loggregator_exporter/internal/boundedfile"
)

// TLSOptions name the PEM files of a mutual TLS connection. They are read again for each connection, so that
// certificates can be rotated while the exporter runs.
type TLSOptions struct {
	CAFile   string `mapstructure:"ca_file"`
	CertFile string `mapstructure:"cert_file"`
	KeyFile  string `mapstructure:"key_file"`
}

// client returns the configuration of a client. key is the key of the options in the configuration, for errors.
func (o TLSOptions) client(key, serverName string) (*tls.Config, error) {
	pool, cert, err := o.read(key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		RootCAs:      pool,
		Certificates: []tls.Certificate{cert},
		ServerName:   serverName,
	}, nil
}

// server returns the configuration of a server that demands a certificate of the CA.
func (o TLSOptions) server(key string) (*tls.Config, error) {
	pool, cert, err := o.read(key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		Certificates: []tls.Certificate{cert},
	}, nil
}

func (o TLSOptions) read(key string) (*x509.CertPool, tls.Certificate, error) {
	var none tls.Certificate
	for _, file := range []struct{ name, value string }{
		{"ca_file", o.CAFile},
		{"cert_file", o.CertFile},
		{"key_file", o.KeyFile},
	} {
		if file.value == "" {
			return nil, none, fmt.Errorf("%s.%s: not set", key, file.name)
		}
	}
	pem, err := boundedfile.Read(o.CAFile, boundedfile.MaxBytes)
	if err != nil {
		return nil, none, fmt.Errorf("%s.ca_file: %w", key, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, none, fmt.Errorf("%s.ca_file: %s holds no PEM certificate", key, o.CAFile)
	}
	certPEM, err := boundedfile.Read(o.CertFile, boundedfile.MaxBytes)
	if err != nil {
		return nil, none, fmt.Errorf("%s.cert_file: %w", key, err)
	}
	keyPEM, err := boundedfile.Read(o.KeyFile, boundedfile.MaxBytes)
	if err != nil {
		return nil, none, fmt.Errorf("%s.key_file: %w", key, err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, none, fmt.Errorf("%s: cert_file %s with key_file %s: %w", key, o.CertFile, o.KeyFile, err)
	}
	return pool, cert, nil
}
