package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
)

const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	// writeTimeout must outlast a profile of some minutes and a page on a slow line, and yet end connections of clients
	// that stopped reading. The metrics page is stricter and more lenient at once: it sets a deadline of its own for each
	// chunk.
	writeTimeout   = 5 * time.Minute
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	// stopTimeout leaves the rest of the process a second of the five within which it must end.
	stopTimeout = 4 * time.Second
)

// Options say where and how to serve.
type Options struct {
	Address    string // host:port; port 0 leaves it to the system
	ConfigFile string // TLS and authentication as in exporter-toolkit, none where empty
	Log        *slog.Logger
}

// Server serves a handler until it is told to stop.
type Server struct {
	options  Options
	server   *http.Server
	listener net.Listener
}

// New returns a server that has not opened anything yet.
func New(handler http.Handler, options Options) *Server {
	return &Server{options: options, server: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(options.Log.Handler(), slog.LevelWarn),
	}}
}

// Listen opens the port and returns its address, so that a port in use is found out before anything else starts. It is
// called once, before Run, which closes the port again.
func (s *Server) Listen(ctx context.Context) (net.Addr, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.options.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(s.options.Address)
		return nil, fmt.Errorf("cannot listen on %s, which is in use: choose another address by --web.listen_address, for example --web.listen_address=%s: %w",
			s.options.Address, net.JoinHostPort(host, "9287"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: correct --web.listen_address: %w", s.options.Address, err)
	}
	s.listener = listener
	return listener.Addr(), nil
}

// Run serves until ctx is done, then lets requests under way finish for up to four seconds, and returns nil. It fails
// where the web configuration file is wrong.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		return errors.New("web: Run before Listen")
	}
	defer func() { _ = s.listener.Close() }() // the server closes it too, unless the toolkit refuses its file

	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		s.stop(context.WithoutCancel(ctx))
	})
	flags := &toolkit.FlagConfig{WebConfigFile: &s.options.ConfigFile}
	err := toolkit.ServeMultiple([]net.Listener{s.listener}, s.server, flags, s.options.Log)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving at %s: %w", s.listener.Addr(), err)
}

func (s *Server) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.options.Log.Warn("cutting off requests that did not finish", "error", err)
		_ = s.server.Close()
	}
}
