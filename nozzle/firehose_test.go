package nozzle

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"loggregator_exporter/foundation"
	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/watch"
)

// serveFrames hands each websocket to a function, and then cuts it.
func serveFrames(t *testing.T, send func(ctx context.Context, conn *websocket.Conn) error) string {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/firehose/a%20b%2Fc" {
			http.Error(w, r.URL.Path, http.StatusNotFound)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		_ = send(conn.CloseRead(r.Context()), conn)
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "https:", "wss:", 1)
}

// TestFirehoseStreams: how a websocket may go wrong, and end.
func TestFirehoseStreams(t *testing.T) {
	f := newFoundation(t, nil, foundation.HTTPSOptions{})
	good := wiretest.MarshalV1(t, wiretest.ValueV1())
	for _, c := range []struct {
		name           string
		send           func(ctx context.Context, conn *websocket.Conn) error
		reason, advice string
		bad            uint64 // envelopes of one stream
	}{
		{"cut", func(context.Context, *websocket.Conn) error { return nil }, watch.ReasonLost, "cuts readers", 0},
		{"close", func(_ context.Context, conn *websocket.Conn) error {
			return conn.Close(websocket.StatusNormalClosure, "")
		}, watch.ReasonEnded, "ended the stream", 0},
		{"slow", func(_ context.Context, conn *websocket.Conn) error {
			return conn.Close(websocket.StatusPolicyViolation, "slow consumer")
		}, watch.ReasonSlow, "short of CPU", 0},
		{"garbage", func(ctx context.Context, conn *websocket.Conn) error {
			if err := conn.Write(ctx, websocket.MessageBinary, []byte("garbage")); err != nil {
				return err
			}
			return conn.Close(websocket.StatusNormalClosure, "")
		}, watch.ReasonEnded, "", 1},
		{"text", func(ctx context.Context, conn *websocket.Conn) error {
			if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}, watch.ReasonTextFrame, "no traffic controller", 1},
		{"oversized", func(ctx context.Context, conn *websocket.Conn) error {
			if err := conn.Write(ctx, websocket.MessageBinary, make([]byte, maxFrame+1)); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}, watch.ReasonOversized, "longer than the 10485760 bytes", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := setup(f, serveFrames(t, func(ctx context.Context, conn *websocket.Conn) error {
				if err := conn.Write(ctx, websocket.MessageBinary, good); err != nil {
					return err
				}
				return c.send(ctx, conn)
			}))
			s.tls = ServerTLSOptions{SkipVerify: true}
			s.stream.ShardID = "a b/c"
			r := runHTTPS(t, nameFirehose, s)
			line := r.await(t, c.reason)
			if !strings.Contains(line.attrs["advice"], c.advice) || line.attrs["error"] == "" {
				t.Errorf("%+v", line)
			}
			r.sink.await(t, 1)
			r.stop()
			account := r.ledger.Source(nameFirehose)
			streams := account.reconnects.snapshot()[c.reason]
			if got := account.envelopes[malformed].Load(); streams == 0 || got < streams*c.bad || got > (streams+1)*c.bad {
				t.Errorf("%d malformed in %d streams", got, streams)
			}
		})
	}
}

// TestFirehoseLongMessage: the buffer grows for a message, up to the limit.
func TestFirehoseLongMessage(t *testing.T) {
	f := newFoundation(t, nil, foundation.HTTPSOptions{})
	long := wiretest.ValueV1()
	long.Tags = map[string]string{"long": strings.Repeat("x", 3<<20)}
	message := wiretest.MarshalV1(t, long)
	s := setup(f, serveFrames(t, func(ctx context.Context, conn *websocket.Conn) error {
		for range 2 {
			if err := conn.Write(ctx, websocket.MessageBinary, message); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	}))
	s.tls = ServerTLSOptions{SkipVerify: true}
	s.stream.ShardID = "a b/c"
	r := runHTTPS(t, nameFirehose, s)
	r.sink.await(t, 2)
}
