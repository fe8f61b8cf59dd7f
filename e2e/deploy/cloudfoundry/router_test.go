package cloudfoundry

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"loggregator_exporter/foundation"
)

const systemDomain, appRoute = "sys.example.com", "loggregator-exporter.apps.example.com"

// router stands for the platform's: it ends TLS for the names of the system domain, with a certificate of the
// platform's own authority, and sends requests for the app to the instance that a header names.
type router struct {
	proxy *httptest.Server // takes the place of DNS: programs reach all names by it, as HTTPS_PROXY
	apps  *httptest.Server
	certs string // the folder that platforms put their authorities into

	mu        sync.Mutex
	instances map[string]*url.URL // by X-Cf-App-Instance
}

func newRouter(t *testing.T, f *foundation.Foundation) *router {
	t.Helper()
	r := &router{instances: map[string]*url.URL{}, certs: t.TempDir()}
	backends := map[string]http.Handler{}
	for name, address := range map[string]string{"log-stream": f.GatewayURL(), "uaa": f.UAAURL()} {
		backends[name+"."+systemDomain] = &httputil.ReverseProxy{
			Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(parse(t, address)) },
			Transport: &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: f.RootCAs(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12},
			},
		}
	}
	system := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if backend := backends[req.Host]; backend != nil {
			backend.ServeHTTP(w, req)
			return
		}
		http.NotFound(w, req)
	}))
	system.TLS = &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{r.certificate(t, "*."+systemDomain)},
	}
	system.StartTLS()
	r.proxy = httptest.NewServer(tunnel(backends, system.Listener.Addr().String()))
	r.apps = httptest.NewServer(http.HandlerFunc(r.serveApp))
	t.Cleanup(func() {
		r.proxy.CloseClientConnections()
		system.CloseClientConnections()
		r.proxy.Close()
		r.apps.Close()
		system.Close()
	})
	return r
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// tunnel answers CONNECT for known names with a connection to the server.
func tunnel(known map[string]http.Handler, server string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host, port, err := net.SplitHostPort(req.Host)
		if err != nil || req.Method != http.MethodConnect || port != "443" || known[host] == nil {
			http.Error(w, "no such name: "+req.Host, http.StatusBadGateway)
			return
		}
		var dialer net.Dialer
		to, err := dialer.DialContext(req.Context(), "tcp", server)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = to.Close() }()
		from, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = from.Close() }()
		if _, err := from.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
			return
		}
		splice(from, buffered.Reader, to)
	})
}

// splice copies both ways until one side ends.
func splice(from net.Conn, early *bufio.Reader, to net.Conn) {
	done := make(chan struct{}, 2)
	go func() { _, _ = early.WriteTo(to); done <- struct{}{} }()
	go func() { _, _ = bufio.NewReader(to).WriteTo(from); done <- struct{}{} }()
	<-done
}

// serveApp sends a request to the instance that it names; real routers send others anywhere, which no scrape wants.
func (r *router) serveApp(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	instance := r.instances[req.Header.Get("X-Cf-App-Instance")]
	r.mu.Unlock()
	if instance == nil {
		w.Header().Set("X-Cf-RouterError", "unknown_route")
		http.NotFound(w, req)
		return
	}
	(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(instance) }}).ServeHTTP(w, req)
}

func (r *router) register(name string, to *url.URL) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instances[name] = to
}

// certificate makes an authority, puts it among those of the platform, and returns a certificate that it signed.
func (r *router) certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	authority := newAuthority(t)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.certificate.Raw})
	if err := os.WriteFile(filepath.Join(r.certs, "trusted-ca-1.crt"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	template := authority.template(name)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return authority.sign(t, template)
}
