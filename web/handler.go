package web

import (
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/pprof"

	toolkit "github.com/prometheus/exporter-toolkit/web"

	"loggregator_exporter/store"
	"loggregator_exporter/web/api"
	"loggregator_exporter/web/console"
)

// Paths of the pages that are always there.
const (
	HealthyPath = "/-/healthy"
	ReadyPath   = "/-/ready"
	ReloadPath  = "/-/reload"

	cardinalityPath = "/api/v1/cardinality"
	pprofPath       = "/debug/pprof/"
)

// landingCSS lets the title break on a narrow screen and follows the browser's dark theme.
const landingCSS = ":root { color-scheme: light dark; } h1 { font-size: min(2em, 7vw); overflow-wrap: anywhere; }"

// Pages are the pages to serve and what they show.
type Pages struct {
	// Metrics is served at TelemetryPath, which starts with / and is none of the paths above.
	Metrics       http.Handler
	TelemetryPath string
	// Ready reports whether the exporter does its work, and if not, why. It is called for every probe.
	Ready func() (ok bool, why string)
	// Reload is called by POST or PUT to ReloadPath; nil forbids that.
	Reload func() error
	// Cardinality returns the metrics and owners with the most series, which are shown as JSON.
	Cardinality func() store.Offenders
	// API answers below api.Prefix, and the console shows the same; nil where there is neither, only a landing page and
	// Cardinality.
	API *api.API
	// Demo lets the console's first page show the names of the demo.
	Demo bool
	Log  *slog.Logger
	// Pprof mounts Go's profiles.
	Pprof bool
	// Version is shown on the landing page.
	Version string
}

// NewHandler routes requests to the pages. Unknown paths are answered with 404, methods that a page does not have with
// 405.
func NewHandler(p Pages) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("GET "+p.TelemetryPath, p.Metrics)
	probes := NewProbeHandler(p.Ready)
	mux.Handle("GET "+HealthyPath, probes)
	mux.Handle("GET "+ReadyPath, probes)
	if p.API != nil {
		mux.Handle(api.Prefix, p.API.Handler())
		console.New(console.Options{
			Data: p.API, TelemetryPath: p.TelemetryPath, Demo: p.Demo, Log: p.Log,
		}).Register(mux)
	} else {
		landing, err := p.landing()
		if err != nil {
			return nil, fmt.Errorf("building the landing page: %w", err)
		}
		mux.Handle("GET /{$}", landing)
		mux.HandleFunc("GET "+cardinalityPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			_ = json.NewEncoder(w).Encode(p.Cardinality())
		})
	}
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		mux.HandleFunc(method+" "+ReloadPath, p.reload)
	}
	if p.Pprof {
		mux.HandleFunc(pprofPath, pprof.Index)
		mux.HandleFunc(pprofPath+"cmdline", pprof.Cmdline)
		mux.HandleFunc(pprofPath+"profile", pprof.Profile)
		mux.HandleFunc(pprofPath+"symbol", pprof.Symbol)
		mux.HandleFunc(pprofPath+"trace", pprof.Trace)
	}
	return mux, nil
}

// NewProbeHandler answers HealthyPath and ReadyPath, and everything else with 404. See Pages.Ready.
func NewProbeHandler(ready func() (ok bool, why string)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+HealthyPath, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "OK")
	})
	mux.HandleFunc("GET "+ReadyPath, func(w http.ResponseWriter, _ *http.Request) {
		if ok, why := ready(); !ok {
			answer(w, http.StatusServiceUnavailable, "not ready: "+why)
			return
		}
		answer(w, http.StatusOK, "OK")
	})
	return mux
}

func (p *Pages) reload(w http.ResponseWriter, _ *http.Request) {
	if p.Reload == nil {
		answer(w, http.StatusForbidden, "reloading by request is off: set web.enable_lifecycle, or send SIGHUP")
		return
	}
	if err := p.Reload(); err != nil {
		answer(w, http.StatusInternalServerError, "reload failed, the old rules stay in force: "+err.Error())
		return
	}
	answer(w, http.StatusOK, "OK")
}

func answer(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

// landing builds the page at /. It escapes all values itself, since the toolkit's template does not.
func (p *Pages) landing() (http.Handler, error) {
	links := []toolkit.LandingLinks{
		{Address: html.EscapeString(p.TelemetryPath), Text: "Metrics", Description: "for Prometheus to scrape"},
		{Address: ReadyPath, Text: "Readiness", Description: "answers 200 once a source is connected"},
		{Address: HealthyPath, Text: "Health", Description: "answers as long as the process serves"},
		{
			Address: cardinalityPath, Text: "Cardinality",
			Description: "which metrics and owners have the most series (JSON, counted once a minute)",
		},
	}
	profiling := "false"
	if p.Pprof {
		links = append(links, toolkit.LandingLinks{Address: pprofPath, Text: "Profiles", Description: "of the Go runtime"})
		profiling = "true"
	}
	return toolkit.NewLandingPage(toolkit.LandingConfig{
		Name:        "loggregator_exporter",
		Description: "Prometheus exporter for Cloud Foundry's Loggregator",
		Version:     html.EscapeString(p.Version),
		Links:       links,
		Profiling:   profiling,
		ExtraCSS:    landingCSS,
	})
}
