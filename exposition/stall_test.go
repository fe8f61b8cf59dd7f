package exposition

import (
	"context"
	"errors"
	"fmt"
	"io"
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
		server := &http.Server{Handler: handled}
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
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// TestTricklingClientEndsTheScrape has a client that takes a little before every stall timeout is over, for ever.
func TestTricklingClientEndsTheScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, conn := net.Pipe()
		_, handled, over := serveEndless(Options{StallTimeout: 20 * time.Second, PageTimeout: 2 * time.Minute})
		server := &http.Server{Handler: handled}
		served := make(chan error, 1)
		go func() { served <- server.Serve(newPipeListener(conn)) }()
		start := time.Now()
		if _, err := fmt.Fprint(client, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		trickled := make(chan struct{})
		go func() {
			defer close(trickled)
			chunk := make([]byte, 128<<10)
			for {
				<-time.After(19 * time.Second)
				if _, err := io.ReadFull(client, chunk); err != nil {
					return
				}
			}
		}()
		if got := <-over; got != any(http.ErrAbortHandler) {
			t.Errorf("ended with %v", got)
		}
		if took := time.Since(start); took != 2*time.Minute {
			t.Errorf("ended after %v", took)
		}
		<-trickled
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// TestDeadlineEndsWithThePage asks for a page and then, over the same connection and long after the page's deadline,
// for something else of the server's, which has no deadline of its own.
func TestDeadlineEndsWithThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, serverConn := net.Pipe()
		mux := http.NewServeMux()
		mux.Handle("/metrics", newTestHandler(small, own(), Options{StallTimeout: time.Second}))
		mux.HandleFunc("/other", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, textPage) })
		server := &http.Server{Handler: mux}
		served := make(chan error, 1)
		go func() { served <- server.Serve(newPipeListener(serverConn)) }()
		conns := make(chan net.Conn, 1)
		conns <- conn
		client := &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				select {
				case c := <-conns:
					return c, nil
				default:
					return nil, net.ErrClosed
				}
			},
		}}
		for _, path := range []string{"/metrics", "/other"} {
			body, err := fetch(t.Context(), client, "http://pipe"+path)
			if body != textPage || err != nil {
				t.Errorf("%s: got %q, %v", path, body, err)
			}
			<-time.After(time.Minute)
		}
		client.CloseIdleConnections()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func fetch(ctx context.Context, c *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	return string(body), errors.Join(err, resp.Body.Close())
}
