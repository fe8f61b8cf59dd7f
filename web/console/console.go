package console

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"loggregator_exporter/web/api"
	"loggregator_exporter/web/overview"
)

//go:embed templates
var templates embed.FS

// Data answers what the pages show. *api.API does.
type Data interface {
	Status(ctx context.Context) (*overview.Status, error)
	History(ctx context.Context) (*overview.History, error)
	Names(ctx context.Context, q api.NamesQuery) (*api.NamesPage, error)
	Explain(ctx context.Context, q api.ExplainQuery) (*api.Explained, error)
	Rules(ctx context.Context, q api.RulesQuery) (*api.RulesPage, error)
	RuleText(ctx context.Context, file string) (*api.RuleText, error)
	RuleCopy(ctx context.Context, id string) (*api.RuleText, error)
	Try(ctx context.Context, q api.TryQuery) (*api.TryReport, error)
	Learn(ctx context.Context) (*api.Proposals, error)
	Cardinality(ctx context.Context, q api.CardinalityQuery) (*api.Cardinality, error)
	Config(ctx context.Context) (*api.Config, error)

	Admit(ctx context.Context) (answering context.Context, release func(), err error)
	AdmitHeavy(ctx context.Context) (answering context.Context, release func(), err error)
}

// Options configure a console.
type Options struct {
	Data          Data
	TelemetryPath string
	// Demo shows on the first page how flat names of a simulated foundation become one metric.
	Demo bool
	Log  *slog.Logger
}

// Console renders the pages.
type Console struct {
	options Options
	parts   func() *parts // made with the first page: an exporter that is only scraped does without their memory
}

// parts are what pages are made of.
type parts struct {
	assets *assets
	manual *manual
	pages  map[string]*template.Template
}

// page is one of the pages: its path, its name in the bar, the template of its content, and what makes its data.
type page struct {
	path, name, file string
	show             func(c *Console, r *http.Request, f *frame) error
}

var pages = []page{
	{"./", "Overview", "overview.html", (*Console).overview},
	{"names", "Names", "names.html", (*Console).names},
	{"explain", "Explain", "explain.html", (*Console).explain},
	{"rules", "Rules", "rules.html", (*Console).rules},
	{"cardinality", "Cardinality", "cardinality.html", (*Console).cardinality},
	{"config", "Configuration", "config.html", (*Console).config},
}

// New makes a console. Its templates are parsed when the first page is asked for.
func New(o Options) *Console { return &Console{options: o, parts: sync.OnceValue(newParts)} }

func newParts() *parts {
	p := &parts{assets: newAssets(), manual: newManual(), pages: make(map[string]*template.Template)}
	layout := template.Must(template.New("layout").Funcs(p.functions()).ParseFS(templates, "templates/layout.html",
		"templates/parts.html"))
	for _, file := range []string{
		"overview.html", "names.html", "explain.html", "rules.html", "cardinality.html", "config.html", "docs.html",
		"error.html",
	} {
		p.pages[file] = template.Must(template.Must(layout.Clone()).ParseFS(templates, "templates/"+file))
	}
	return p
}

// Register adds the pages to a mux. No request changes anything.
func (c *Console) Register(mux *http.ServeMux) {
	for _, p := range pages {
		pattern := "GET /" + p.path
		if p.path == "./" {
			pattern = "GET /{$}"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, &p) })
	}
	mux.HandleFunc("GET /assets/", func(w http.ResponseWriter, r *http.Request) { c.parts().assets.ServeHTTP(w, r) })
	manual := page{"docs", "Documentation", "docs.html", (*Console).manualPage}
	mux.HandleFunc("GET /docs", func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, &manual) })
	bench := page{"rules", "Rules", "rules.html", (*Console).try}
	mux.HandleFunc("POST /rules", func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, &bench) })
}

// frame is what all pages have, and the data of one.
type frame struct {
	Path, Title   string
	Tabs          []page
	Verdict       verdict
	Version       string
	Uptime        string
	TelemetryPath string
	API           string
	Now           time.Time
	Page          any
	// Again is after how many seconds the browser asks for the page again; 0 for never.
	Again int

	status *overview.Status
}

// Name and Link are for the bar of pages.
func (p page) Name() string { return p.name }

// Link is relative, so that the console works below any path of a proxy.
func (p page) Link() string { return p.path }

// DocumentTitle tells already on the browser's tab whether all is well.
func (f *frame) DocumentTitle() string {
	return f.Verdict.Sign + " " + f.Title + " – loggregator_exporter"
}

// bare is the frame of a page of which nothing is known.
func (c *Console) bare(p *page) *frame {
	return &frame{
		Path: p.path, Title: p.name, Tabs: pages, TelemetryPath: strings.TrimPrefix(c.options.TelemetryPath, "/"),
		Verdict: unknown,
	}
}

// frame starts the answer to a request.
func (c *Console) frame(ctx context.Context, p *page) (*frame, error) {
	f := c.bare(p)
	status, err := c.options.Data.Status(ctx)
	if err != nil {
		return f, err
	}
	f.Verdict, f.Version, f.Now, f.status = judge(status.Problems), status.Version, status.Time, status
	f.Uptime = span(status.Time.Sub(status.Started))
	return f, nil
}

// serve answers one request. The page is made as a whole, within the budget of the API, before any of it is sent.
func (c *Console) serve(w http.ResponseWriter, r *http.Request, p *page) {
	admit := c.options.Data.Admit
	if p.path == "rules" && (r.Method == http.MethodPost || learns(r)) {
		admit = c.options.Data.AdmitHeavy
	}
	ctx, release, err := admit(r.Context())
	if err != nil {
		c.fail(w, c.bare(p), err)
		return
	}
	body, f, err := func() ([]byte, *frame, error) {
		defer release()
		return c.make(r.WithContext(ctx), p)
	}()
	if err != nil {
		c.fail(w, f, err)
		return
	}
	send(w, http.StatusOK, body)
}

func (c *Console) make(r *http.Request, p *page) ([]byte, *frame, error) {
	f, err := c.frame(r.Context(), p)
	if err != nil {
		return nil, f, err
	}
	if err := p.show(c, r, f); err != nil {
		return nil, f, err
	}
	body, err := c.render(p.file, f)
	return body, f, err
}

// errorPage is the data of the page of an error.
type errorPage struct {
	Text                   string
	NearNames, NearMetrics []string
}

// againAfter is after how many seconds a page is asked for again that could not be made in time.
const againAfter = 2

// fail answers with the page of an error.
func (c *Console) fail(w http.ResponseWriter, f *frame, err error) {
	status := http.StatusInternalServerError
	shown := errorPage{Text: "This page could not be made, see the log: " + err.Error()}
	if known, ok := errors.AsType[*api.Error](err); ok {
		status, shown = known.Status(), errorPage{known.Text, known.NearNames, known.NearMetrics}
	} else {
		c.options.Log.Error("a page of the console failed", "path", f.Path, "error", err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
		f.Again = againAfter
	}
	f.Page, f.API = shown, ""
	body, err := c.render("error.html", f)
	if err != nil {
		body = []byte(template.HTMLEscapeString(shown.Text))
	}
	send(w, status, body)
}

// policy lets the browser run and load nothing but the console's own script, stylesheet and pictures.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

func (c *Console) render(file string, f *frame) ([]byte, error) {
	var b bytes.Buffer
	err := c.parts().pages[file].ExecuteTemplate(&b, "layout", f)
	return b.Bytes(), err
}

func send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	secure(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
