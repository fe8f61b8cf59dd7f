package nozzle

import (
	"errors"
	"math"
	"net"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/check"
	"loggregator_exporter/nozzle/filter"
)

// Check reports mistakes in the options.
func (o *StreamOptions) Check(s check.Section) {
	s.That(o.ShardID != "", "shard_id", "must not be empty: exporters with the same shard id share the stream")
	s.That(len(o.Selectors) > 0, "selectors", "must name at least one kind, for example gauge,counter")
	s.Unique("selectors", o.Selectors)
	s.That(o.IdleTimeout >= 5*time.Second && o.IdleTimeout <= time.Hour, "idle_timeout",
		"must be 5s to 1h, is %s", o.IdleTimeout)
}

// CheckFilters reports mistakes in the filters.
func (o *StreamOptions) CheckFilters(s check.Section) {
	_, err := filter.New(o.Filters)
	mistakes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		mistakes = joined.Unwrap()
	}
	for _, m := range mistakes {
		if m, ok := errors.AsType[*filter.Error](m); ok {
			s.That(false, strings.TrimPrefix(m.Path, s.Key("")), "%s", m.Problem)
		}
	}
}

// Check reports mistakes in the options.
func (o *RLPOptions) Check(s check.Section) {
	s.Address("address", o.Address, 1)
	s.That(o.ServerName != "", "server_name",
		"must not be empty: it is the name in the RLP's certificate, usually reverselogproxy")
	o.TLS.check(s)
}

// Check reports mistakes in the options.
func (o *GatewayOptions) Check(s check.Section) {
	s.URL("url", o.URL, "https")
	o.TLS.check(s)
}

// Check reports mistakes in the options.
func (o *FirehoseOptions) Check(s check.Section) {
	s.URL("url", o.URL, "wss")
	o.TLS.check(s)
}

// Check reports mistakes in the options.
func (o *UDPOptions) Check(s check.Section) {
	s.Address("listen_address", o.ListenAddress, 0)
	s.That(o.ReceiveBufferBytes >= 1<<16 && o.ReceiveBufferBytes <= 1<<30, "receive_buffer_bytes",
		"must be 65536 to 1073741824, is %d", o.ReceiveBufferBytes)
}

// loopbackHosts are the hosts to listen at that a client which dials 127.0.0.1 reaches.
var loopbackHosts = []string{"", "127.0.0.1", "0.0.0.0", "::", "localhost"} // constant

// Check reports mistakes in the options.
func (o *IngressOptions) Check(s check.Section) {
	s.Address("listen_address", o.ListenAddress, 0)
	o.TLS.check(s)
	host, _, err := net.SplitHostPort(o.ListenAddress)
	s.That(o.PortFile == "" || err != nil || slices.Contains(loopbackHosts, host), "listen_address",
		"the agent that reads %s dials 127.0.0.1, which does not reach %s", s.Key("port_file"), check.Quote(o.ListenAddress))
}

// Check reports mistakes in the options.
func (o *ReplayOptions) Check(s check.Section) {
	if s.Needed("file", o.File) && o.File != stdinName {
		f, err := boundedfile.Open(o.File)
		if err == nil {
			err = f.Close()
		}
		s.That(err == nil, "file", "cannot read the file: %v", err)
	}
	s.That(o.Speed >= 0 && !math.IsInf(o.Speed, 0), "speed",
		"%v is no speed: 1 is that of the recording, 10 is ten times as fast, 0 is as fast as possible", o.Speed)
}

// Check reports mistakes in the options.
func (o *UAAOptions) Check(s check.Section) {
	const needed = "is needed for nozzle.gateway and nozzle.firehose: %s"
	s.URL("url", o.URL, "https")
	s.That(o.ClientID != "", "client_id", needed, s.Remedy("client_id"))
	hasSecret := o.ClientSecret != "" || s.IsUnreadable("client_secret")
	s.That(hasSecret || o.ClientSecretFile != "", "client_secret_file", needed, s.Remedy("client_secret_file"))
	s.That(o.ClientSecret == "" || o.ClientSecretFile == "", "client_secret_file",
		"cannot be set beside %s: remove one of them", s.Key("client_secret"))
	text := s.File("client_secret_file", o.ClientSecretFile)
	s.That(text == nil || o.ClientSecret != "" || strings.TrimSpace(string(text)) != "", "client_secret_file",
		"%s is empty", o.ClientSecretFile)
	o.TLS.check(s)
}

// check reports mistakes in the files of a source that cannot do without them.
func (o *TLSOptions) check(s check.Section) {
	s.Needed("tls.ca_file", o.CAFile)
	s.Needed("tls.cert_file", o.CertFile)
	s.Needed("tls.key_file", o.KeyFile)
	s.Authorities("tls.ca_file", o.CAFile)
	s.KeyPair("tls.cert_file", o.CertFile, "tls.key_file", o.KeyFile)
}

// check reports mistakes in the options.
func (o *ServerTLSOptions) check(s check.Section) {
	if s.That(o.CAFile == "" || !o.SkipVerify, "tls.ca_file", "has no effect beside %s: remove one of them",
		s.Key("tls.skip_verify")) {
		s.Authorities("tls.ca_file", o.CAFile)
	}
}
