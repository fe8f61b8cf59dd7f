package nozzle

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/check"
	"loggregator_exporter/nozzle/filter"
)

// Check reports mistakes in the options of all sources.
func (o *Options) Check(s check.Section, allowOverlap bool) {
	o.Stream.check(s)
	s.That(o.AnyEnabled(), nameUDP+".enabled", "no source is enabled: enable one, for example %s or %s", s.Key(nameUDP),
		s.Key(nameRLP))
	for _, e := range o.entries() {
		s.Section(e.name).Switch(e.enabled)
	}
	for _, e := range o.entries() {
		if e.enabled {
			e.options.Check(s.Section(e.name))
		}
	}
	o.checkOverlap(s, allowOverlap)
	o.Stream.checkFilters(s)
}

// checkOverlap refuses several sources of a whole foundation, and warns of a VM's own source beside one: what the
// VM's agent forwards comes by both.
func (o *Options) checkOverlap(s check.Section, allow bool) {
	var whole, own []string
	for _, e := range o.entries() {
		switch {
		case e.enabled && e.scope == wholeFoundation:
			whole = append(whole, e.name)
		case e.enabled && e.scope == ownVM:
			own = append(own, e.name)
		}
	}
	if len(whole) > 1 && !allow {
		keys := make([]string, len(whole))
		for i, name := range whole {
			keys[i] = s.Key(name)
		}
		s.That(false, whole[len(whole)-1]+".enabled", "%s each bring all envelopes of the foundation, so that "+
			"everything counts twice: enable one of them, or set %s to true where they are those of different foundations",
			strings.Join(keys, " and "), s.Key("allow_overlap"))
	}
	for _, name := range own {
		if len(whole) > 0 {
			s.Warn(name+".enabled", "envelopes of this VM may come by %s as well, and their requests and deltas then count "+
				"twice; enable both only where the VM's agent does not forward them", s.Key(whole[0]))
		}
	}
}

func (o *StreamOptions) check(s check.Section) {
	s.That(o.ShardID != "", "shard_id", "must not be empty: exporters with the same shard id share the stream")
	s.That(len(o.Selectors) > 0, "selectors", "must name at least one kind, for example gauge,counter")
	s.Unique("selectors", o.Selectors)
	s.That(o.IdleTimeout >= 5*time.Second && o.IdleTimeout <= time.Hour, "idle_timeout",
		"must be 5s to 1h, is %s", o.IdleTimeout)
}

func (o *StreamOptions) checkFilters(s check.Section) {
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
	if o.PortFile != "" {
		checkReachable(s, "listen_address", o.ListenAddress)
	}
}

// checkReachable reports an address that the agent that reads the port file cannot reach.
func checkReachable(s check.Section, name, address string) {
	host, _, err := net.SplitHostPort(address)
	s.That(err != nil || slices.Contains(loopbackHosts, host), name,
		"the agent that reads %s dials 127.0.0.1, which does not reach %s", s.Key("port_file"), check.Quote(address))
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

// isLoopback says whether only this host reaches an address to listen at.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // which has its mistake already
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// checkListener reports mistakes in the files of a source that others connect to. It may do without any where it
// listens on loopback only, and without a CA where it takes every client.
func (o *TLSOptions) checkListener(s check.Section, addressName, address string) {
	if *o == (TLSOptions{}) {
		s.That(isLoopback(address), "tls.cert_file",
			"is needed since %s is %s, which others than this host reach: %s; without TLS listen at 127.0.0.1",
			s.Key(addressName), check.Quote(address), s.Remedy("tls.cert_file"))
		return
	}
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
