package nozzle

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

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

// server returns the configuration of a server that demands a certificate of the CA, or none where there is no CA.
func (o TLSOptions) server(key string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pool, err := o.authorities(key)
		if err != nil {
			return nil, err
		}
		config.ClientCAs, config.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	cert, err := o.pair(key)
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{cert}
	return config, nil
}

func (o TLSOptions) read(key string) (*x509.CertPool, tls.Certificate, error) {
	pool, err := o.authorities(key)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	cert, err := o.pair(key)
	return pool, cert, err
}

// file reads one of the files, which must be named.
func (o TLSOptions) file(key, name, path string) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf("%s.%s: not set", key, name)
	}
	text, err := boundedfile.Read(path, boundedfile.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", key, name, err)
	}
	return text, nil
}

func (o TLSOptions) authorities(key string) (*x509.CertPool, error) {
	pem, err := o.file(key, "ca_file", o.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s.ca_file: %s holds no PEM certificate", key, o.CAFile)
	}
	return pool, nil
}

func (o TLSOptions) pair(key string) (cert tls.Certificate, err error) {
	certPEM, err := o.file(key, "cert_file", o.CertFile)
	if err != nil {
		return cert, err
	}
	keyPEM, err := o.file(key, "key_file", o.KeyFile)
	if err != nil {
		return cert, err
	}
	if cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		err = fmt.Errorf("%s: cert_file %s with key_file %s: %w", key, o.CertFile, o.KeyFile, err)
	}
	return cert, err
}

// serverFiles is the configuration of a server with many connections. Its files are read again when one of them has
// changed, which is looked for at each handshake.
type serverFiles struct {
	options TLSOptions
	key     string
	memory  *tls.Config // in place of files; nil where there are some

	mu     sync.Mutex
	config *tls.Config // of the files as they were in state; nil before
	state  [3]fs.FileInfo
}

// serverConfig returns a function that returns the configuration of a server with many connections: that in memory if
// there is one, else that of the files. It fails if these cannot be read, and returns nil where there is no TLS.
func (o TLSOptions) serverConfig(key string, memory *tls.Config) (func() (*tls.Config, error), error) {
	if memory == nil && o == (TLSOptions{}) {
		return nil, nil
	}
	files := &serverFiles{options: o, key: key, memory: withoutTickets(memory)}
	_, err := files.get()
	return files.get, err
}

// get returns the configuration, which is not to be changed.
func (f *serverFiles) get() (*tls.Config, error) {
	if f.memory != nil {
		return f.memory, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	state := f.look()
	if f.config != nil && slices.EqualFunc(state[:], f.state[:], sameFile) {
		return f.config, nil
	}
	config, err := f.options.server(f.key)
	if err != nil && f.config != nil && changedLately(state) {
		return f.config, nil
	}
	if err != nil {
		return nil, err
	}
	f.config, f.state = withoutTickets(config), state
	return f.config, nil
}

// withoutTickets returns a configuration without session tickets, nil of nil. An agent resumes no session, and reads
// nothing: when a connection with unread bytes, as tickets are, is closed, the kernel resets it and forgets what is
// still to be sent.
func withoutTickets(config *tls.Config) *tls.Config {
	if config != nil {
		config = config.Clone()
		config.SessionTicketsDisabled = true
	}
	return config
}

// look returns what is known of the files; nil for one that is not there.
func (f *serverFiles) look() (state [3]fs.FileInfo) {
	for i, path := range []string{f.options.CAFile, f.options.CertFile, f.options.KeyFile} {
		state[i], _ = os.Stat(path)
	}
	return state
}

// replacement is the time that the files of a certificate may take to be replaced one after the other; until then the
// former ones are used where the present ones do not go together.
const replacement = time.Minute

// changedLately says whether certificate and key are there, and one of them has just been changed.
func changedLately(state [3]fs.FileInfo) bool {
	cert, key := state[1], state[2]
	return cert != nil && key != nil &&
		(time.Since(cert.ModTime()) < replacement || time.Since(key.ModTime()) < replacement)
}

// sameFile says whether a file is as it was.
func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
