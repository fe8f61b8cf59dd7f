package nozzle

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// issueUntil makes a certificate that is valid until a time.
func (a *authority) issueUntil(tb testing.TB, name string, until time.Time) tls.Certificate {
	tb.Helper()
	return a.issueTemplate(tb, name,
		&x509.Certificate{
			NotAfter:    until,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		})
}

// issueFor makes a certificate for one use.
func (a *authority) issueFor(tb testing.TB, name string, use x509.ExtKeyUsage) tls.Certificate {
	tb.Helper()
	return a.issueTemplate(tb, name,
		&x509.Certificate{NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{use}})
}

func (a *authority) issueTemplate(tb testing.TB, name string, template *x509.Certificate) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject, template.DNSNames = pkix.Name{CommonName: name}, []string{name}
	template.NotBefore = time.Now().Add(-time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// filesFor writes the authority and a certificate for a name as PEM files.
func (a *authority) filesFor(tb testing.TB, dir, name string) TLSOptions {
	tb.Helper()
	cert := a.issue(tb, name)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		tb.Fatal(err)
	}
	o := TLSOptions{
		CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "cert.pem"),
		KeyFile: filepath.Join(dir, "key.pem"),
	}
	for file, block := range map[string]*pem.Block{
		o.CAFile:   {Type: "CERTIFICATE", Bytes: a.cert.Raw},
		o.CertFile: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]},
		o.KeyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return o
}
