package exposition

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// pipeListener accepts the one connection that it was made with.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener(c net.Conn) *pipeListener {
	l := &pipeListener{make(chan net.Conn, 1), make(chan struct{})}
	l.conns <- c
	return l
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestStalledClientEndsTheScrape has a client that asks and then reads nothing. Time is the bubble's.
func TestStalledClientEndsTheScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, conn := net.Pipe()
		h, handled, over := serveEndless(Options{StallTimeout: 20 * time.Second})
		server := &http.Server{Handler: handled} //nolint:gosec // its timeouts are what is tested
		served := make(chan error, 1)
		listener := newPipeListener(conn)
		go func() { served <- server.Serve(listener) }()
		start := time.Now()
		if _, err := fmt.Fprint(client, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-over; got != any(http.ErrAbortHandler) {
			t.Errorf("ended with %v", got)
		}
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("ended after %v", waited)
		}
		if got := testutil.ToFloat64(h.metrics.scrapes.WithLabelValues(outcomeAborted)); got != 1 {
			t.Errorf("%v aborted", got)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
	})
}

// TestDeadlineEndsWithThePage asks twice over one connection, the second time long after the first page's deadline.
func TestDeadlineEndsWithThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, serverConn := net.Pipe()
		server := &http.Server{Handler: newTestHandler(small, own(), Options{StallTimeout: time.Second})} //nolint:gosec // see above
		served := make(chan error, 1)
		go func() { served <- server.Serve(newPipeListener(serverConn)) }()
		dialed := false
		client := &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				if dialed {
					return nil, net.ErrClosed
				}
				dialed = true
				return conn, nil
			},
		}}
		for range 2 {
			resp, err := client.Get("http://pipe/metrics")
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, len(textPage)+1)
			n := 0
			for err == nil {
				var m int
				m, err = resp.Body.Read(buf[n:])
				n += m
			}
			if string(buf[:n]) != textPage {
				t.Errorf("got %q, %v", buf[:n], err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			<-time.After(time.Hour)
		}
		client.CloseIdleConnections()
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
	})
}
