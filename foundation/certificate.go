package foundation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// ServerName is the name in the RLP's certificate.
const ServerName = "reverselogproxy"

// authority is a certificate authority made at start; it lives in memory only.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
	serial      int64
}

func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key of the authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "loggregatorCA"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("certificate of the authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate of the authority: %w", err)
	}
	a := &authority{certificate: certificate, key: key, pool: x509.NewCertPool(), serial: 1}
	a.pool.AddCert(certificate)
	return a, nil
}

// issue makes a certificate for a name, valid for servers and clients.
func (a *authority) issue(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("key of %s: %w", name, err)
	}
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    a.certificate.NotBefore,
		NotAfter:     a.certificate.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of %s: %w", name, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// certificates are those of one foundation, signed by its authority.
type certificates struct {
	authority *authority
	server    tls.Certificate // of the RLP, the gateway, the traffic controller and UAA
	client    tls.Certificate // of a reader of the RLP
	metron    tls.Certificate // of both ends of a forwarder agent's connection
	collector tls.Certificate // of a collector of OpenTelemetry
	drain     tls.Certificate // of an aggregate drain
	syslog    tls.Certificate // of a syslog agent
}

func newCertificates(now time.Time) (*certificates, error) {
	authority, err := newAuthority(now)
	if err != nil {
		return nil, err
	}
	c := &certificates{authority: authority}
	for name, of := range map[string]*tls.Certificate{
		ServerName: &c.server, "loggregator_exporter": &c.client, ForwarderName: &c.metron,
		CollectorName: &c.collector, DrainName: &c.drain, "syslog_agent": &c.syslog,
	} {
		if *of, err = authority.issue(name); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// RootCAs returns the authority that signed the certificates of all servers.
func (c *certificates) RootCAs() *x509.CertPool { return c.authority.pool }

// ClientTLS returns a new configuration of a client that the RLP accepts.
func (c *certificates) ClientTLS() *tls.Config { return c.dialing(ServerName, c.client) }

// ForwarderTLS returns a new configuration of a forwarder agent's connections: the agent presents the name metron, and
// demands it of the downstream.
func (c *certificates) ForwarderTLS() *tls.Config { return c.dialing(ForwarderName, c.metron) }

// DownstreamTLS returns a new configuration of a downstream that forwarder agents accept.
func (c *certificates) DownstreamTLS() *tls.Config { return c.listening(c.metron) }

// OTLPClientTLS returns a new configuration of a forwarder agent's connections to a collector.
func (c *certificates) OTLPClientTLS() *tls.Config { return c.dialing(CollectorName, c.metron) }

// CollectorTLS returns a new configuration of a collector, or of what is in its place.
func (c *certificates) CollectorTLS() *tls.Config { return c.listening(c.collector) }

// SyslogAgentTLS returns a new configuration of a syslog agent's connections to a drain.
func (c *certificates) SyslogAgentTLS() *tls.Config { return c.dialing(DrainName, c.syslog) }

// DrainTLS returns a new configuration of an aggregate drain that syslog agents accept.
func (c *certificates) DrainTLS() *tls.Config { return c.listening(c.drain) }

func (c *certificates) serverTLS() *tls.Config { return c.listening(c.server) }

// httpsTLS is the configuration of servers that ask for no client certificate.
func (c *certificates) httpsTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c.server}}
}

func (c *certificates) dialing(server string, own tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		ServerName:   server,
		RootCAs:      c.authority.pool,
		Certificates: []tls.Certificate{own},
	}
}

func (c *certificates) listening(own tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{own},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    c.authority.pool,
	}
}

// ClientFiles are the paths of PEM files: an authority's certificate, a certificate and its key.
type ClientFiles struct {
	CA, Certificate, Key string
}

// WriteClientFiles writes what a client of the RLP needs to a folder, readable by the owner only.
func (c *certificates) WriteClientFiles(dir string) (ClientFiles, error) {
	files := ClientFiles{
		CA:          filepath.Join(dir, "ca.crt"),
		Certificate: filepath.Join(dir, "client.crt"),
		Key:         filepath.Join(dir, "client.key"),
	}
	return files, c.write(files, c.client)
}

// WriteDownstreamFiles writes what a downstream of a forwarder agent needs to a folder, readable by the owner only.
func (c *certificates) WriteDownstreamFiles(dir string) (ClientFiles, error) {
	files := ClientFiles{
		CA:          filepath.Join(dir, "ingress_ca.crt"),
		Certificate: filepath.Join(dir, "ingress.crt"),
		Key:         filepath.Join(dir, "ingress.key"),
	}
	return files, c.write(files, c.metron)
}

// WriteCollectorFiles writes what a collector of OpenTelemetry needs to a folder, readable by the owner only: each
// time a new certificate.
func (c *certificates) WriteCollectorFiles(dir string) (ClientFiles, error) {
	files := ClientFiles{
		CA:          filepath.Join(dir, "otlp_ca.crt"),
		Certificate: filepath.Join(dir, "otlp.crt"),
		Key:         filepath.Join(dir, "otlp.key"),
	}
	own, err := c.authority.issue(CollectorName)
	if err != nil {
		return ClientFiles{}, err
	}
	return files, c.write(files, own)
}

func (c *certificates) write(files ClientFiles, own tls.Certificate) error {
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		return fmt.Errorf("%s: %w", files.Key, err)
	}
	for path, block := range map[string]*pem.Block{
		files.CA:          {Type: "CERTIFICATE", Bytes: c.authority.certificate.Raw},
		files.Certificate: {Type: "CERTIFICATE", Bytes: own.Certificate[0]},
		files.Key:         {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			return fmt.Errorf("foundation: %w", err)
		}
	}
	return nil
}
