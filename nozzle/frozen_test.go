package nozzle

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle/watch"
)

// frozen takes connections and says nothing, or nothing after the TLS handshake.
func frozen(t *testing.T, config *tls.Config) func(context.Context, string) (net.Conn, error) {
	t.Helper()
	return func(context.Context, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
		go func() {
			var server io.Reader = theirs
			if config != nil {
				server = tls.Server(theirs, config)
			}
			_, _ = io.Copy(io.Discard, server)
		}()
		return ours, nil
	}
}

// A server that accepts connections and is frozen is not said to have a bad certificate, or to speak no TLS; and
// that within ten seconds each time.
func TestFrozenServers(t *testing.T) {
	for _, handshake := range []bool{false, true} {
		t.Run(map[bool]string{false: "rlp", true: "rlp after the handshake"}[handshake], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca := newAuthority(t)
				var config *tls.Config
				if handshake {
					config = ca.server(t, "reverselogproxy")
					config.NextProtos = []string{"h2"}
				}
				ledger, _ := newTestLedger(t)
				log, lines := newTestLog()
				options := RLPOptions{Address: "127.0.0.1:1", ServerName: "reverselogproxy", TLSConfig: ca.client(t)}
				r, err := newRLP(options, allKinds, testEnv(ledger, func() Sink { return &nullSink{} }, log))
				if err != nil {
					t.Fatal(err)
				}
				r.dialer = frozen(t, config)
				stop := run(t, r.Run)
				requireFrozen(t, lines)
				stop()
			})
		})
	}
	for kind, k := range httpsKinds {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &foundation.Memory{}
				f := newFoundation(t, network, foundation.HTTPSOptions{})
				set := setup(f, k.url(f))
				set.dial = network.Dial
				log, lines := newTestLog()
				r := newHTTPS(t, kind, set, func() Sink { return &nullSink{} }, log)
				peer := map[string]*httpsPeer{}
				switch source := r.source.(type) {
				case *Gateway:
					peer[kind] = &source.peer
				case *Firehose:
					peer[kind] = &source.peer
				}
				dial := frozen(t, nil)
				peer[kind].dial = func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) }
				stop := run(t, r.source.Run)
				requireFrozen(t, lines)
				stop()
			})
		})
	}
}

func requireFrozen(t *testing.T, lines chan logLine) {
	t.Helper()
	for n := 0; n < 2; {
		line := <-lines
		reason := line.attrs["reason"]
		if reason == "" {
			continue
		}
		if n++; reason != watch.ReasonUnreachable || !strings.Contains(line.attrs["advice"], "answer") {
			t.Errorf("%+v", line)
		}
	}
}
