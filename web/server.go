package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
)

const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	// writeTimeout is longer than a profile of some minutes or a page on a slow line takes, and yet ends the connections
	// of clients that stop reading. The metrics page sets its own deadline for each chunk instead.
	writeTimeout   = 5 * time.Minute
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	// stopTimeout leaves the rest of the process one of the five seconds within which it must end.
	stopTimeout = 4 * time.Second
)

// Options say where and how to serve.
type Options struct {
	Address    string // host:port; the system chooses the port if it is 0
	ConfigFile string // TLS and authentication as in exporter-toolkit; empty: none
	Log        *slog.Logger

	// Probes answers HealthyPath and ReadyPath in two ways beside Address with its password: at ProbeAddress, without TLS
	// and password, if that is not empty; and at Address without password if ProbeWithoutAuth is set. Liveness must not
	// depend on passwords: they are checked one at a time, so that attempts to log in delay all others.
	Probes           http.Handler
	ProbeAddress     string
	ProbeWithoutAuth bool
}

// Server serves a handler until it is told to stop.
type Server struct {
	options Options
	pages   endpoint
	probes  endpoint // without listener if there is no ProbeAddress
}

// endpoint is a server and the listener of its address.
type endpoint struct {
	server   *http.Server
	listener net.Listener
}

// New returns a server that has not opened a port yet.
func New(handler http.Handler, options Options) *Server {
	if options.Probes == nil {
		options.Probes = http.NotFoundHandler()
	}
	s := &Server{
		options: options,
		pages:   endpoint{server: newHTTPServer(handler, options.Log)},
		probes:  endpoint{server: newHTTPServer(options.Probes, options.Log)},
	}
	if options.ProbeWithoutAuth {
		// The toolkit replaces Handler by one that checks passwords before it serves; BaseContext is called when serving
		// begins.
		s.pages.server.BaseContext = func(net.Listener) context.Context {
			s.pages.server.Handler = probesFirst(options.Probes, s.pages.server.Handler)
			return context.Background()
		}
	}
	return s
}

func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// probesFirst answers probes by one handler and everything else by another.
func probesFirst(probes, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == HealthyPath || r.URL.Path == ReadyPath {
			probes.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// Listen opens the ports and returns the address of the pages, so that a port in use is noticed before anything else
// starts. It is called once, before Run, which closes the ports.
func (s *Server) Listen(ctx context.Context) (net.Addr, error) {
	var err error
	if s.pages.listener, err = listen(ctx, "web.listen_address", s.options.Address, "9287"); err != nil {
		return nil, err
	}
	if s.options.ProbeAddress != "" {
		if s.probes.listener, err = listen(ctx, "web.probe_address", s.options.ProbeAddress, "9288"); err != nil {
			_ = s.pages.listener.Close()
			return nil, err
		}
	}
	return s.pages.listener.Addr(), nil
}

// listen opens a port. The error names the setting and, if the port is in use, an example with another port.
func listen(ctx context.Context, setting, address, otherPort string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("cannot listen on %s, which is in use: choose another address by --%[2]s, "+
			"for example --%[2]s=%[3]s: %[4]w", address, setting, net.JoinHostPort(host, otherPort), err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: correct --%s: %w", address, setting, err)
	}
	return listener, nil
}

// Run serves until ctx is done, then gives running requests up to four seconds, and returns nil. It fails if the web
// configuration file is wrong.
func (s *Server) Run(ctx context.Context) error {
	if s.pages.listener == nil {
		return errors.New("web: Run before Listen")
	}
	defer func() { _ = s.pages.listener.Close() }() // the server closes it too, unless the toolkit rejects its file
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		s.stop(context.WithoutCancel(ctx))
	})
	results := make(chan error, 2)
	go func() {
		flags := &toolkit.FlagConfig{WebConfigFile: &s.options.ConfigFile}
		listeners := []net.Listener{s.pages.listener}
		results <- s.pages.result(toolkit.ServeMultiple(listeners, s.pages.server, flags, s.options.Log))
	}()
	running := 1
	if s.probes.listener != nil {
		defer func() { _ = s.probes.listener.Close() }()
		running++
		go func() { results <- s.probes.result(s.probes.server.Serve(s.probes.listener)) }()
	}
	var errs []error
	for range running {
		errs = append(errs, <-results)
		cancel() // one that ends ends the other
	}
	<-stopped
	return errors.Join(errs...)
}

// result returns the error of serving, or nil after a stop.
func (e *endpoint) result(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving at %s: %w", e.listener.Addr(), err)
}

// stop ends both servers at the same time.
func (s *Server) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	var group sync.WaitGroup
	for _, server := range []*http.Server{s.pages.server, s.probes.server} {
		group.Go(func() {
			if err := server.Shutdown(ctx); err != nil {
				s.options.Log.Warn("cutting off requests that did not finish", "error", err)
				_ = server.Close()
			}
		})
	}
	group.Wait()
}
