package foundation

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// ForwarderTLS is the configuration of a forwarder agent's connections: it presents metron, and demands metron of the downstream. Every
// call returns a new one.
func (f *Foundation) ForwarderTLS() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		ServerName:   ForwarderName,
		RootCAs:      f.authority.pool,
		Certificates: []tls.Certificate{f.metron},
	}
}

// DownstreamTLS is the configuration of a downstream that forwarder agents accept. Every call returns a new one.
func (f *Foundation) DownstreamTLS() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{f.metron},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    f.authority.pool,
	}
}

// WriteDownstreamFiles writes what a downstream of a forwarder agent needs to a folder, readable by the owner only.
func (f *Foundation) WriteDownstreamFiles(dir string) (ClientFiles, error) {
	key, err := x509.MarshalPKCS8PrivateKey(f.metron.PrivateKey)
	if err != nil {
		return ClientFiles{}, fmt.Errorf("key of the downstream: %w", err)
	}
	files := ClientFiles{CA: filepath.Join(dir, "ingress_ca.crt"), Certificate: filepath.Join(dir, "ingress.crt"), Key: filepath.Join(dir, "ingress.key")}
	for path, block := range map[string]*pem.Block{
		files.CA:          {Type: "CERTIFICATE", Bytes: f.authority.certificate.Raw},
		files.Certificate: {Type: "CERTIFICATE", Bytes: f.metron.Certificate[0]},
		files.Key:         {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			return ClientFiles{}, fmt.Errorf("files of the downstream: %w", err)
		}
	}
	return files, nil
}
