package nozzle

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/internal/check"
	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/watch"
)

// TestSyslogTakes: what a real agent sent arrives by each kind of connection, whole, in order, with an outcome each.
func TestSyslogTakes(t *testing.T) {
	ca := newAuthority(t)
	server := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.issueRSA(t, drainName)}, ClientCAs: ca.pool,
		ClientAuth: tls.RequireAndVerifyClientCert,
	}
	anybody := server.Clone()
	anybody.ClientAuth, anybody.ClientCAs = tls.NoClientCert, nil
	agent := func(change func(c *tls.Config)) *tls.Config {
		config := agentTLS(t, ca)
		change(config)
		return config
	}
	var want []wiretest.Plain
	for _, message := range wiretest.SyslogMessages(t) {
		plain, err := wiretest.OracleSyslog(message)
		if err != nil {
			t.Fatal(err)
		}
		if plain.Kind != metric.KindLog && plain.Kind != metric.KindEvent {
			want = append(want, plain)
		}
	}
	text := strings.Join(wiretest.SyslogFrames(t), "")
	for _, c := range []struct {
		name          string
		server, agent *tls.Config
	}{
		{"plain", nil, nil},
		{"TLS 1.3", server, agent(func(*tls.Config) {})},
		{"TLS 1.3, P-256", ca.server(t, drainName), agent(func(*tls.Config) {})},
		{"TLS 1.2", server, agent(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })},
		{"TLS 1.2, the cipher list for internal drains", server, agent(func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.CipherSuites = []uint16{
				tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			}
		})},
		{"no client certificate", anybody, agent(func(c *tls.Config) { c.Certificates = nil })},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runSyslog(t, SyslogOptions{TLSConfig: c.server})
			conn := r.dial(c.agent)
			half := len(text) / 2
			r.send(conn, text[:half])
			r.send(conn, text[half:])
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			for _, plain := range want {
				wiretest.RequireEqual(t, "envelope", receive(t, r.got), plain)
			}
			r.await("an agent is gone")
			r.requireOutcomes(map[string]float64{"converted": float64(len(want)), "ignored": 3})
			requireLint(t, r.reg)
			for _, reason := range slices.Concat(handshakeRefusals, syslogRefusals) {
				if n := r.refusals(reason); n != 0 {
					t.Errorf("%d times %s", n, reason)
				}
			}
		})
	}
}

// TestSyslogUp: the source is up while a connection is open on which a message has come, an agent counts once however
// many connections it has, and connections without data are probes.
func TestSyslogUp(t *testing.T) {
	ca := newAuthority(t)
	r := runSyslog(t, SyslogOptions{TLSConfig: ca.server(t, drainName)})
	probe, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	_ = probe.Close()
	r.await("a connection ended without data")
	handshake := r.dial(agentTLS(t, ca))
	_ = handshake.Close()
	r.await("a connection ended without data")
	if r.ledger.Ready() || r.value("syslog_probes_total") != 2 || r.value("source_refusals_total") != 0 {
		t.Fatal("probes are not agents, and not failures")
	}
	var conns []net.Conn
	for range 3 {
		conn := r.dial(agentTLS(t, ca))
		r.send(conn, framed(syslogMessage))
		receive(t, r.got)
		conns = append(conns, conn)
	}
	if !r.ledger.Ready() || r.value("source_up") != 1 || r.value("syslog_agents") != 1 ||
		r.value("syslog_connections") != 3 {
		t.Fatalf("agents %v, connections %v", r.value("syslog_agents"), r.value("syslog_connections"))
	}
	until(t, "the ledger has what came on open connections", func() bool { return r.value("envelopes_total") == 3 })
	for _, conn := range conns {
		_ = conn.Close()
		r.await("an agent is gone")
	}
	until(t, "no connection", func() bool { return r.value("syslog_connections") == 0 })
	if r.ledger.Ready() || r.value("syslog_agents") != 0 {
		t.Fatal("up without agents")
	}
}

// TestSyslogRefusals: each kind of bad client has a count, and a line with its address, and a good one is served
// beside it. With TLS 1.3 an agent without a certificate believes that it is connected.
func TestSyslogRefusals(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	files := ca.filesFor(t, t.TempDir(), drainName)
	r := runSyslog(t, SyslogOptions{TLS: files})
	good := r.dial(agentTLS(t, ca))
	raw := func(text string) func() {
		return func() {
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, text)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}
	handshake := func(config *tls.Config) func() {
		return func() {
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			client := tls.Client(conn, config)
			if client.Handshake() == nil {
				_, _ = client.Read(make([]byte, 1)) // until it is turned away
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}
	broken := func(text string) func() {
		return func() {
			conn := r.dial(agentTLS(t, ca))
			r.send(conn, framed(syslogMessage)+text)
			receive(t, r.got)
			_ = conn.Close()
		}
	}
	with := func(pair tls.Certificate) *tls.Config {
		return &tls.Config{ServerName: drainName, RootCAs: ca.pool, Certificates: []tls.Certificate{pair}}
	}
	for _, c := range []struct {
		reason, advice string
		try            func()
	}{
		{watch.ReasonClientCertificate, "nozzle.syslog.tls.ca_file", handshake(with(foreign.issue(t, "a")))},
		{
			reasonNoClientCertificate, "believes that all it sends arrives",
			handshake(&tls.Config{ServerName: drainName, RootCAs: ca.pool}),
		},
		{
			watch.ReasonServerCertificate, "in its url",
			handshake(&tls.Config{ServerName: "other", RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(t, "a")}}),
		},
		{watch.ReasonTLS, "does not speak TLS", raw(framed(syslogMessage))},
		{reasonClosed, "port scan", raw("\x16\x03\x01")},
		{watch.ReasonCertificateFiles, "mend the files of nozzle.syslog.tls", func() {
			if err := os.Rename(files.KeyFile, files.KeyFile+".away"); err != nil {
				t.Fatal(err)
			}
			handshake(agentTLS(t, ca))()
			if err := os.Rename(files.KeyFile+".away", files.KeyFile); err != nil {
				t.Fatal(err)
			}
		}},
		{reasonNoCount, "line feeds", broken(syslogMessage)},
		{reasonBrokenFrame, "octet count", broken("\n")},
		{reasonCutFrame, "within a message", broken("100 <14>1")},
	} {
		c.try()
		line := r.await("refused")
		if line.attrs["reason"] != c.reason || !strings.Contains(line.attrs["advice"], c.advice) ||
			line.attrs["peers"] != "[127.0.0.1]" || line.attrs["error"] == "" || line.level != slog.LevelWarn {
			t.Fatalf("want %s, %q: %+v", c.reason, c.advice, line)
		}
		if n := r.refusals(c.reason); n != 1 {
			t.Fatalf("%s counted %d times", c.reason, n)
		}
		r.send(good, framed(syslogMessage))
		receive(t, r.got)
	}
	// The same again is counted, and not told again within the minute; out of date is as bad as foreign.
	handshake(with(ca.issueUntil(t, "a", time.Now().Add(-time.Minute))))()
	until(t, "the second failure", func() bool { return r.refusals(watch.ReasonClientCertificate) == 2 })
	r.stop()
	close(r.lines)
	for line := range r.lines {
		if line.message == "refused" {
			t.Fatalf("told twice: %+v", line)
		}
	}
	if n := r.value("syslog_probes_total"); n != 0 {
		t.Errorf("%v probes", n)
	}
}

// TestSyslogBadMessages: a message that is malformed or too long costs only itself.
func TestSyslogBadMessages(t *testing.T) {
	r := runSyslog(t, SyslogOptions{MaxMessageBytes: 2048})
	conn := r.dial(nil)
	long := strings.Replace(syslogMessage, " \n", " "+strings.Repeat("x", 2048-len(syslogMessage))+"\n", 1)
	for range 2 {
		r.send(conn, framed(strings.Replace(syslogMessage, "value", "values", 1)))
		r.send(conn, framed(syslogMessage))
		r.send(conn, framed("x"+long))
		r.send(conn, framed(long))
		receive(t, r.got)
		receive(t, r.got)
	}
	if line := r.await("malformed message"); line.attrs["remote"] != "127.0.0.1" || line.attrs["bytes"] != "93" {
		t.Errorf("%+v", line)
	}
	if line := r.await("message longer than nozzle.syslog.max_message_bytes"); line.attrs["limit_bytes"] != "2048" {
		t.Errorf("%+v", line)
	}
	_ = conn.Close()
	r.await("an agent is gone")
	r.requireOutcomes(map[string]float64{"converted": 4, "malformed": 4})
	if n := r.value("syslog_oversized_messages_total"); n != 2 {
		t.Errorf("%v over the limit", n)
	}
}

// TestSyslogSendsNothing: an agent reads nothing, and what it would have to read would make the end of its
// connection a reset, which loses what it has still to send. So no session tickets are sent, nothing but the end.
func TestSyslogSendsNothing(t *testing.T) {
	ca := newAuthority(t)
	for _, options := range []SyslogOptions{
		{TLSConfig: ca.server(t, drainName)}, {TLS: ca.filesFor(t, t.TempDir(), drainName)},
	} {
		r := runSyslog(t, options)
		conn := r.dial(agentTLS(t, ca))
		r.send(conn, framed(syslogMessage))
		receive(t, r.got)
		r.stop()
		sent, err := io.ReadAll(conn.(*tls.Conn).NetConn())
		if alert := 5 + 2 + 1 + 16; err != nil || len(sent) > alert { // a record of one alert
			t.Errorf("%d bytes sent, %v", len(sent), err)
		}
	}
}

// TestSyslogTooManyConnections: more than so many are closed at once, and when one is free another is served.
func TestSyslogTooManyConnections(t *testing.T) {
	r := runSyslog(t, SyslogOptions{MaxConnections: 2})
	first := r.dial(nil)
	r.send(first, framed(syslogMessage))
	receive(t, r.got)
	second := r.dial(nil)
	r.send(second, framed(syslogMessage))
	receive(t, r.got)
	third := r.dial(nil)
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Fatal("the third connection is served")
	}
	if line := r.await("refused"); line.attrs["reason"] != reasonTooMany || r.refusals(reasonTooMany) != 1 {
		t.Fatalf("%+v", line)
	}
	_ = first.Close()
	until(t, "a connection is free", func() bool { return r.value("syslog_connections") == 1 })
	r.send(r.dial(nil), framed(syslogMessage))
	receive(t, r.got)
}

// TestSyslogCertificatesChange: new connections get the new certificate, those that are open go on.
func TestSyslogCertificatesChange(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	r := runSyslog(t, SyslogOptions{TLS: ca.filesFor(t, dir, drainName)})
	old := r.dial(agentTLS(t, ca))
	r.send(old, framed(syslogMessage))
	receive(t, r.got)
	next := newAuthority(t)
	fresh := t.TempDir()
	next.filesFor(t, fresh, drainName)
	for _, name := range []string{"ca.pem", "key.pem", "cert.pem"} {
		if err := os.Rename(filepath.Join(fresh, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	conn := r.dial(agentTLS(t, next))
	for _, c := range []net.Conn{conn, old} {
		r.send(c, framed(syslogMessage))
		receive(t, r.got)
	}
	config, err := r.source.clients.config()
	if again, _ := r.source.clients.config(); err != nil || again != config {
		t.Errorf("files that did not change were read again: %v", err)
	}
}

// TestSyslogIDsAndAge: ids as long as agents cut them are counted, and the age of the oldest data is shown.
func TestSyslogIDsAndAge(t *testing.T) {
	r := runSyslog(t, SyslogOptions{})
	conn := r.dial(nil)
	message := func(age time.Duration, source, instance string) string {
		return framed(fmt.Sprintf("<14>1 %s - %s %s - [counter@47450 name=\"n\" total=\"1\" delta=\"1\"] \n",
			time.Now().Add(-age).UTC().Format("2006-01-02T15:04:05.999999-07:00"), source, instance))
	}
	guid := "11111111-2222-3333-4444-555555555555"
	r.send(conn, message(time.Hour, guid, "[0]")+message(time.Minute, strings.Repeat("s", 48), "[0]")+
		message(-time.Hour, guid, "["+strings.Repeat("i", 127))+message(25*time.Hour, guid, "[0]"))
	for range 4 {
		receive(t, r.got)
	}
	r.send(conn, "garbage")
	r.await("refused")
	if got := r.value("syslog_oldest_data_seconds"); got < 3600 || got > 3600+170 {
		t.Errorf("the oldest data is %v seconds old", got)
	}
	requireMetrics(t, r.reg, `
# HELP loggregator_exporter_syslog_cut_ids_total Messages whose source id or instance id is as long as agents cut them, so that several may look as one.
# TYPE loggregator_exporter_syslog_cut_ids_total counter
loggregator_exporter_syslog_cut_ids_total{id="instance_id"} 1
loggregator_exporter_syslog_cut_ids_total{id="source_id"} 1
`, metricPrefix+"syslog_cut_ids_total")
}

func TestOldest(t *testing.T) {
	var o oldest
	at := func(seconds float64) time.Time { return time.Unix(0, int64(seconds*1e9)) }
	for _, c := range []struct{ now, age, want float64 }{
		{600, 5, 5},
		{610, 3, 5},
		{659, 7, 7},
		{660, 1, 7},
		{719, 2, 7},
		{720, 0.5, 2},
		{780, -1, 0.5},
		{840, 100_000, 0},
		{1000, 0, 0},
	} {
		o.note(int64(c.age*1e9), at(c.now).UnixNano())
		if got := o.seconds(at(c.now)); got != c.want {
			t.Errorf("at %v: %v, want %v", c.now, got, c.want)
		}
	}
	o.note(int64(9*time.Second), at(1000).UnixNano())
	if got := o.seconds(at(1120)); got != 0 {
		t.Errorf("%v after two minutes", got)
	}
}

// TestSyslogChecks: without TLS only this host may send.
func TestSyslogChecks(t *testing.T) {
	stream := StreamOptions{ShardID: "a", Selectors: []string{"gauge"}, IdleTimeout: 30 * time.Second}
	ca := newAuthority(t)
	files := ca.filesFor(t, t.TempDir(), drainName)
	good := SyslogOptions{Enabled: true, ListenAddress: "127.0.0.1:1", MaxMessageBytes: 1024, MaxConnections: 1}
	with := func(change func(o *SyslogOptions)) SyslogOptions {
		o := good
		change(&o)
		return o
	}
	for _, c := range []struct {
		options SyslogOptions
		want    []string
	}{
		{good, nil},
		{with(func(o *SyslogOptions) { o.ListenAddress = "[::1]:1" }), nil},
		{with(func(o *SyslogOptions) { o.ListenAddress = "localhost:1" }), nil},
		{with(func(o *SyslogOptions) { o.ListenAddress, o.TLS = ":6067", files }), nil},
		{with(func(o *SyslogOptions) {
			o.ListenAddress, o.TLS = ":6067", TLSOptions{CertFile: files.CertFile, KeyFile: files.KeyFile}
		}), nil},
		{with(func(o *SyslogOptions) { o.ListenAddress = ":6067" }), []string{
			`nozzle.syslog.tls.cert_file: is needed since nozzle.syslog.listen_address is ":6067", which others than this ` +
				`host reach: set nozzle.syslog.tls.cert_file; without TLS listen at 127.0.0.1`,
		}},
		{with(func(o *SyslogOptions) { o.TLS.CAFile = files.CAFile }), []string{
			"nozzle.syslog.tls.cert_file: is needed when nozzle.syslog.enabled is true: set nozzle.syslog.tls.cert_file",
			"nozzle.syslog.tls.key_file: is needed when nozzle.syslog.enabled is true: set nozzle.syslog.tls.key_file",
		}},
		{with(func(o *SyslogOptions) { o.ListenAddress = "here" }), []string{
			`nozzle.syslog.listen_address: "here" is not host:port, for example example of nozzle.syslog.listen_address`,
		}},
		{with(func(o *SyslogOptions) { o.MaxMessageBytes, o.MaxConnections = 1023, 0 }), []string{
			"nozzle.syslog.max_message_bytes: must be 1024 to 16777216, is 1023",
			"nozzle.syslog.max_connections: must be 1 to 1000000, is 0",
		}},
	} {
		r := &reported{set: []string{"nozzle.syslog.enabled", "nozzle.udp.enabled"}}
		options := Options{Stream: stream, Syslog: c.options}
		options.Check(check.NewSection(r, "nozzle"), false)
		wiretest.RequireEqual(t, fmt.Sprintf("%+v", c.options), r.mistakes, c.want)
	}
}

// TestSyslogAgentsReportLosses: what an agent says that it dropped counts once, although it says so by drain as
// well, and totals that come backwards over its connections count nothing again.
func TestSyslogAgentsReportLosses(t *testing.T) {
	r := runSyslog(t, SyslogOptions{})
	const tags = `[tags@47450 deployment="cf" direction="egress" index="a" ip="10.0.0.6" job="router" origin="loggregator.syslog_agent"%s] ` + "\n"
	report := func(second int, name, more string, total int) string {
		return framed(fmt.Sprintf("<14>1 2026-11-18T11:06:%02d.123456+00:00 - loggregator.syslog_agent [a] - "+
			`[counter@47450 name="%s" total="%d" delta="0"]`+tags, second, name, total, more))
	}
	drain := ` drain_scope="aggregate" drain_url="syslog-tls://exporter:6067"`
	older, newer := r.dial(nil), r.dial(nil)
	for _, c := range []struct {
		conn net.Conn
		text string
	}{
		{older, report(10, "dropped", "", 10_000)},
		{older, report(10, "messages_dropped_per_drain", drain, 10_000)},
		{newer, report(40, "dropped", "", 40_000)},
		{newer, report(40, "messages_dropped_per_drain", drain, 40_000)},
		{older, report(20, "dropped", "", 20_000)},
		{older, report(30, "dropped", "", 30_000)},
		{newer, report(50, "dropped", "", 40_000)},
	} {
		r.send(c.conn, c.text)
		receive(t, r.got)
	}
	r.stop()
	if n := r.value("upstream_dropped_total"); n != 30_000 {
		t.Errorf("%v lost, want 30000", n)
	}
}
