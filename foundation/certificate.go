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

// issue makes a certificate that names itself and is good for both ends of a connection.
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

// ClientFiles are the paths of what a client of the RLP needs, PEM-encoded.
type ClientFiles struct {
	CA, Certificate, Key string
}

// WriteClientFiles writes the authority's certificate, the client's and its key to a folder, readable by the owner only.
func (f *Foundation) WriteClientFiles(dir string) (ClientFiles, error) {
	key, err := x509.MarshalPKCS8PrivateKey(f.client.PrivateKey)
	if err != nil {
		return ClientFiles{}, fmt.Errorf("key of the client: %w", err)
	}
	files := ClientFiles{
		CA:          filepath.Join(dir, "ca.crt"),
		Certificate: filepath.Join(dir, "client.crt"),
		Key:         filepath.Join(dir, "client.key"),
	}
	for _, file := range []struct {
		path, kind string
		der        []byte
	}{
		{files.CA, "CERTIFICATE", f.authority.certificate.Raw},
		{files.Certificate, "CERTIFICATE", f.client.Certificate[0]},
		{files.Key, "PRIVATE KEY", key},
	} {
		block := pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der})
		if err := os.WriteFile(file.path, block, 0o600); err != nil {
			return ClientFiles{}, fmt.Errorf("client files: %w", err)
		}
	}
	return files, nil
}

// ClientTLS is the configuration of a client that the RLP accepts. Every call returns a new one.
func (f *Foundation) ClientTLS() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		ServerName:   ServerName,
		RootCAs:      f.authority.pool,
		Certificates: []tls.Certificate{f.client},
	}
}

func (f *Foundation) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{f.server},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    f.authority.pool,
	}
}

// httpsTLS is the configuration of servers that ask for no client certificate.
func (f *Foundation) httpsTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{f.server}}
}
