package exposition

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"loggregator_exporter/store"
)

// Options are the settings of a handler. The zero value is usable.
type Options struct {
	// MaxScrapes is how many scrapes may be under way at once; more are answered with 503. Default: 8.
	MaxScrapes int
	// StallTimeout ends a scrape whose client has not taken a chunk of 64 KiB for so long. It counts anew for every chunk and
	// stands in for the server's WriteTimeout, so that a large page on a slow line arrives. Default: 30 s.
	StallTimeout time.Duration
	// PageTimeout ends a scrape that takes longer altogether, so that clients who trickle cannot hold the places of others for
	// hours. Default: 5 min.
	PageTimeout time.Duration
	// CreatedLines adds lines to OpenMetrics that say when counters, histograms and summaries were 0. Prometheus takes them for series
	// of their own unless told otherwise.
	CreatedLines bool
	// Logger is told about the exporter's own metrics that could not be gathered and families that were left out. Default:
	// slog.Default().
	Logger *slog.Logger
	// Registerer takes the handler's own metrics. Default: none.
	Registerer prometheus.Registerer
}

const (
	defaultMaxScrapes   = 8
	defaultStallTimeout = 30 * time.Second
	defaultPageTimeout  = 5 * time.Minute
)

// handler answers scrapes.
type handler struct {
	families  func() []store.Family
	gatherer  prometheus.Gatherer
	options   Options
	metrics   *metrics
	encodings []encoding
	slots     chan struct{}
	works     sync.Pool // *work
	omissions omissionLog
}

// work is the memory of one scrape.
type work struct {
	page   page
	reader Reader
	out    *bufio.Writer // compressors write a few hundred bytes at a time; what is not compressed passes it by
}

// end lets go of what belongs to the scrape.
func (w *work) end() {
	w.page.end()
	w.reader.Reset(nil)
	w.out.Reset(nil)
}

// Source is what a page shows: families by name, none twice. *store.Store is one, and store.Stores.
type Source interface {
	Families() []store.Family
}

// NewHandler answers scrapes of what s holds, followed by what g gathers. It takes a snapshot first and holds no lock of
// the store while it writes, so a slow client delays nobody.
//
// No name is written twice: a family of the store that would repeat a name of g, or after escaping one of another family,
// is left out, counted and logged by name. The store keeps its own names apart and off the exporter's prefix, so this
// happens under the verbatim naming only.
func NewHandler(s Source, g prometheus.Gatherer, options Options) http.Handler {
	return newHandler(s.Families, func() Reader { return new(store.Reader) }, g, options)
}

func newHandler(families func() []store.Family, newReader func() Reader, g prometheus.Gatherer, o Options) *handler {
	if o.MaxScrapes <= 0 {
		o.MaxScrapes = defaultMaxScrapes
	}
	if o.StallTimeout <= 0 {
		o.StallTimeout = defaultStallTimeout
	}
	if o.PageTimeout <= 0 {
		o.PageTimeout = defaultPageTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &handler{
		families:  families,
		gatherer:  g,
		options:   o,
		metrics:   newMetrics(o.Registerer),
		encodings: encodings(),
		slots:     make(chan struct{}, o.MaxScrapes),
		works:     sync.Pool{New: func() any { return &work{reader: newReader(), out: bufio.NewWriterSize(nil, chunkBytes/2)} }},
		omissions: omissionLog{logger: o.Logger},
	}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET and HEAD are answered here.", http.StatusMethodNotAllowed)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		h.metrics.scrapes.WithLabelValues(outcomeRefused).Inc()
		w.Header().Set("Retry-After", "1")
		http.Error(w, fmt.Sprintf("Limit of concurrent scrapes reached (%d), try again later.", h.options.MaxScrapes),
			http.StatusServiceUnavailable)
		return
	}
	selection, err := newSelection(r.URL)
	if err != nil {
		h.metrics.scrapes.WithLabelValues(outcomeInvalid).Inc()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	format := Negotiate(r.Header)
	enc := &h.encodings[negotiateEncoding(r.Header, h.encodings)]
	header := w.Header()
	header.Set("Content-Type", string(format))
	header.Add("Vary", "Accept")
	header.Add("Vary", "Accept-Encoding")
	if enc.name != identity {
		header.Set("Content-Encoding", enc.name)
	}
	if r.Method == http.MethodHead {
		return
	}
	o := newOffer(format)
	if h.options.CreatedLines {
		o.withCreated()
	}
	if err := h.write(r.Context(), w, o, selection, enc); err != nil {
		h.metrics.scrapes.WithLabelValues(outcomeAborted).Inc()
		h.options.Logger.Debug("scrape ended early", "remote", r.RemoteAddr, "error", err)
		// Returning would end the answer in good order, and what is missing would look like series that are gone.
		panic(http.ErrAbortHandler)
	}
	h.metrics.scrapes.WithLabelValues(outcomeComplete).Inc()
}

// write renders a page to the client.
func (h *handler) write(ctx context.Context, w http.ResponseWriter, o *offer, s *selection, enc *encoding) error {
	until := time.Now().Add(h.options.PageTimeout)
	ctx, cancel := context.WithDeadline(ctx, until) // selectors that choose nothing never come to write
	defer cancel()
	to := &client{w: w, control: http.NewResponseController(w), timeout: h.options.StallTimeout, until: until}
	wk := h.works.Get().(*work)
	defer func() {
		wk.end()
		h.works.Put(wk)
	}()
	wk.out.Reset(to)
	pool := enc.of(o)
	body := pool.take(wk.out)
	defer pool.give(body)
	wk.page.begin(body, ctx.Err)

	own := h.gather()
	err := wk.page.render(o, s, own, h.families(), wk.reader)
	h.metrics.omitted.Add(float64(len(wk.page.omitted)))
	h.omissions.report(wk.page.omitted)
	if err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	if err := wk.out.Flush(); err != nil {
		return err
	}
	return to.finish()
}

// gather returns the exporter's own metrics: after an error those that there are.
func (h *handler) gather() []*dto.MetricFamily {
	own, err := h.gatherer.Gather()
	if err != nil {
		h.metrics.gatherErrors.Inc()
		h.options.Logger.Error("some of the exporter's own metrics are missing from a scrape", "error", err)
	}
	return own
}

// client writes to whoever scrapes. Every write has the stall timeout for itself, and all have the time that is left for the page.
type client struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	until   time.Time
}

func (c *client) Write(b []byte) (int, error) {
	deadline := time.Now().Add(c.timeout)
	if c.until.Before(deadline) {
		deadline = c.until
	}
	if err := c.deadline(deadline); err != nil {
		return 0, err
	}
	return c.w.Write(b)
}

// finish pushes out what the server still buffers, then takes the deadline back: it belongs to the connection, whose next
// request has its own.
func (c *client) finish() error {
	if err := c.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return c.deadline(time.Time{})
}

func (c *client) deadline(t time.Time) error {
	if err := c.control.SetWriteDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("setting the write deadline: %w", err)
	}
	return nil
}
