package bosh

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// authority is a CA such as loggregator_ca, and certificates of it.
type authority struct {
	ca             string
	cert, key      string // of a client
	metron, metKey string // of the agent's downstream, with the name metron
	syslog, otel   pair   // of the exporter's name, and of a collector
}

type pair struct{ cert, key string }

func newAuthority(t *testing.T) *authority {
	t.Helper()
	caKey := newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "loggregatorCA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	sign := func(serial int64, name string, usage x509.ExtKeyUsage) (string, string) {
		key := newKey(t)
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(serial),
			Subject:      pkix.Name{CommonName: name},
			DNSNames:     []string{name},
			NotAfter:     time.Now().Add(time.Hour),
			ExtKeyUsage:  []x509.ExtKeyUsage{usage},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		bytes, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return inPEM("CERTIFICATE", der), inPEM("PRIVATE KEY", bytes)
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{ca: inPEM("CERTIFICATE", der)}
	a.cert, a.key = sign(2, "loggregator_exporter", x509.ExtKeyUsageClientAuth)
	a.metron, a.metKey = sign(3, "metron", x509.ExtKeyUsageServerAuth)
	a.syslog.cert, a.syslog.key = sign(4, exporterHost, x509.ExtKeyUsageServerAuth)
	a.otel.cert, a.otel.key = sign(5, "otel-collector", x509.ExtKeyUsageServerAuth)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
