// Package exposition writes what the store holds for scrapers: it negotiates format and compression, renders families
// from their shared parts into reused buffers, and adds the exporter's own metrics. A scrape may ask for a part of the
// page, by names of families and by selectors.
//
// A format is an encoder and an entry in formats; a compression is an entry in encodings.
package exposition

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"loggregator_exporter/store"
)

// Options are the settings of a handler. The zero value is usable.
type Options struct {
	// MaxScrapes bounds concurrent scrapes; see scrapeSlots. Others are answered with 503. Default: 8.
	MaxScrapes int
	// StallTimeout ends a scrape whose client takes longer than this for a chunk of 64 KiB. It replaces the server's
	// WriteTimeout, so that a large page on a slow line arrives. Default: 30 s.
	StallTimeout time.Duration
	// PageTimeout ends a scrape that takes longer altogether, so that no slow client holds a slot for hours. Default: 5
	// min.
	PageTimeout time.Duration
	// CreatedLines adds _created lines to OpenMetrics: when counters, histograms and summaries were 0. Prometheus stores
	// them as series of their own unless told otherwise.
	CreatedLines bool
	// Logger gets what a page lacks: own metrics that could not be gathered, and omitted families. Default:
	// slog.Default().
	Logger *slog.Logger
	// Observe is called after each scrape, from its goroutine; nil for none.
	Observe func(Scrape)
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
	slots     *scrapeSlots
	buffers   sync.Pool // of *scrapeBuffers
	omissions omissionLog
	oversized oversizedLog
}

// scrapeBuffers is the memory of one scrape.
type scrapeBuffers struct {
	page   page
	reader Reader
	out    *bufio.Writer // compressors write a few hundred bytes at a time; whole chunks pass it by
}

// end drops all references of the scrape.
func (b *scrapeBuffers) end() {
	b.page.end()
	b.reader.Reset(nil)
	b.out.Reset(nil)
}

// Source has the families of a page, sorted by name, no name twice. *store.Store and store.Stores implement it.
type Source interface {
	Families() []store.Family
}

// NewHandler returns a handler that answers scrapes with the families of s and then those that g gathers. It takes a
// snapshot first and holds no lock of the store while it writes, so that a slow client delays nobody.
//
// No name is written twice: a family of the store that would repeat a name of g or, after escaping, of another family
// is omitted, counted, and logged by name. The store keeps its names distinct and outside the exporter's prefix, so
// this happens only under verbatim naming.
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
		slots:     newScrapeSlots(o.MaxScrapes),
		buffers: sync.Pool{New: func() any {
			return &scrapeBuffers{reader: newReader(), out: bufio.NewWriterSize(nil, chunkBytes/2)}
		}},
		omissions: omissionLog{logger: o.Logger},
		oversized: oversizedLog{logger: o.Logger},
	}
}

// Scrape says how one request for the page went.
type Scrape struct {
	Remote, UserAgent string
	// Format is text, openmetrics or protobuf, Compression the content encoding or empty, Outcome as in
	// loggregator_exporter_scrapes_total.
	Format, Compression, Outcome string
	// Bytes is the size of the page before compression, as far as it was written.
	Bytes int64
	// LimitBytes is the size that the client accepts unless told otherwise, where that is known; else 0.
	LimitBytes int64
	Duration   time.Duration
	// Omitted is the number of families that were left out.
	Omitted int
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET and HEAD are answered here.", http.StatusMethodNotAllowed)
		return
	}
	scrape, began := Scrape{Remote: r.RemoteAddr, UserAgent: r.UserAgent()}, time.Now()
	if isVictoriaMetrics(scrape.UserAgent) {
		scrape.LimitBytes = victoriaMetricsBytes
	}
	release, refusal := h.slots.take(r.RemoteAddr)
	if release == nil {
		h.ended(&scrape, outcomeRefused, began)
		w.Header().Set("Retry-After", "1")
		http.Error(w, refusal, http.StatusServiceUnavailable)
		return
	}
	defer release()
	part, err := parsePart(r.URL)
	if err != nil {
		h.ended(&scrape, outcomeInvalid, began)
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
	scrape.Format, scrape.Compression = formatWord(format), strings.TrimPrefix(enc.name, identity)
	o := newOffer(format)
	if h.options.CreatedLines {
		o.withCreated()
	}
	if err = h.write(w, r, o, part, enc, &scrape); err != nil {
		h.ended(&scrape, outcomeAborted, began)
		h.options.Logger.Debug("scrape ended early", "remote", r.RemoteAddr, "error", err)
		// A plain return would complete the response, and the missing series would look like series that have ended.
		panic(http.ErrAbortHandler)
	}
	h.ended(&scrape, outcomeComplete, began)
}

// ended counts a scrape and tells who observes scrapes.
func (h *handler) ended(s *Scrape, outcome string, began time.Time) {
	h.metrics.scrapes.WithLabelValues(outcome).Inc()
	if h.options.Observe != nil {
		s.Outcome, s.Duration = outcome, time.Since(began)
		h.options.Observe(*s)
	}
}

// write renders a page to the client, and notes its size and what it lacks.
func (h *handler) write(
	w http.ResponseWriter, r *http.Request, o *offer, part *part, enc *encoding, scrape *Scrape,
) error {
	deadline := time.Now().Add(h.options.PageTimeout)
	ctx, cancel := context.WithDeadline(r.Context(), deadline) // a part without any series never writes
	defer cancel()
	client := &clientWriter{
		w: w, control: http.NewResponseController(w), stall: h.options.StallTimeout, deadline: deadline,
	}
	b := h.buffers.Get().(*scrapeBuffers)
	defer func() {
		b.end()
		h.buffers.Put(b)
	}()
	b.out.Reset(client)
	body := enc.get(b.out)
	defer enc.put(body)
	b.page.begin(body, ctx.Err)

	own := h.gather()
	err := b.page.render(o, part, own, h.families(), b.reader)
	scrape.Bytes, scrape.Omitted = b.page.rendered, len(b.page.omitted)
	h.metrics.omitted.Add(float64(scrape.Omitted))
	h.omissions.report(b.page.omitted)
	h.oversized.report(r, scrape.Bytes)
	if err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	if err := b.out.Flush(); err != nil {
		return err
	}
	return client.finish()
}

// gather returns the exporter's own metrics, after an error those that could be gathered.
func (h *handler) gather() []*dto.MetricFamily {
	own, err := h.gatherer.Gather()
	if err != nil {
		h.metrics.gatherErrors.Inc()
		h.options.Logger.Error("some of the exporter's own metrics are missing from a scrape", "error", err)
	}
	return own
}

// clientWriter writes to the scraper. Each write may take the stall timeout, and none may last beyond the deadline.
type clientWriter struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	stall    time.Duration
	deadline time.Time
}

func (c *clientWriter) Write(b []byte) (int, error) {
	deadline := time.Now().Add(c.stall)
	if c.deadline.Before(deadline) {
		deadline = c.deadline
	}
	if err := c.setDeadline(deadline); err != nil {
		return 0, err
	}
	return c.w.Write(b)
}

// finish writes what the server has buffered and removes the deadline, which belongs to the connection and would end
// its next request.
func (c *clientWriter) finish() error {
	if err := c.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return c.setDeadline(time.Time{})
}

func (c *clientWriter) setDeadline(t time.Time) error {
	if err := c.control.SetWriteDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("setting the write deadline: %w", err)
	}
	return nil
}
