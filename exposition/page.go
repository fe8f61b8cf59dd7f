package exposition

import (
	"fmt"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

const (
	// chunkBytes is what is rendered before it is handed on: large enough to make system calls and checks cheap, small
	// enough that a slow client holds little memory.
	chunkBytes = 64 << 10
	// keepBytes bounds the buffer that a page keeps for the next one.
	keepBytes = 4 * chunkBytes
)

// Reader gives the samples of the family that it was last reset to, in chunks whose memory it owns; an empty one is the end.
// *store.Reader is one.
type Reader interface {
	Reset(f *store.Family)
	Next() []store.Sample
}

// encoder writes families in one format. It serves one page at a time.
type encoder interface {
	// names says what the format calls a family.
	names(f *store.Family) names
	// suffixes says which endings the format reserves for a family of the type.
	suffixes(t metric.Type) suffixes
	// writes says whether the format, and what the store gives of the type, suffice to write it.
	writes(t metric.Type) bool
	// encode appends a family to the page: the samples given, of which there is at least one, and what r still has.
	encode(p *page, f *store.Family, n names, samples []store.Sample, r Reader) error
}

// omission is a family that a page could not hold.
type omission struct {
	family, reason string
}

// lender is a writer that has space for what it is given next: what was appended to it goes without a copy.
type lender interface {
	space() []byte
}

// page is one scrape's answer while it is rendered. Its memory is reused for the next one.
type page struct {
	w    io.Writer
	stop func() error // asked before every chunk: an error ends the page
	lent lender       // w, if it is one; then buf is the lender's
	buf  []byte

	claims  claims
	planned []names // what was decided on the family of the same index: nothing is written where sample is empty
	omitted []omission

	snapshot snapshot // of one family, for formats that need it
	touched  byte     // what readAhead read
}

// begin makes the page ready for a scrape.
func (p *page) begin(w io.Writer, stop func() error) {
	p.w, p.stop = w, stop
	p.claims.reset()
	p.planned, p.omitted = p.planned[:0], p.omitted[:0]
	p.lent, _ = w.(lender)
	p.nextChunk()
}

// nextChunk makes the buffer empty.
func (p *page) nextChunk() {
	if p.lent != nil {
		p.buf = p.lent.space()
	} else {
		p.buf = p.buf[:0]
	}
}

// end lets go of everything that belongs to the scrape, and of a buffer that one huge line made huge.
func (p *page) end() {
	p.w, p.stop = nil, nil
	clear(p.planned)
	clear(p.omitted)
	p.claims.reset()
	if cap(p.buf) > keepBytes || p.lent != nil {
		p.buf = nil
	}
	p.lent = nil
}

// render writes what is selected of the families, then of the exporter's own, and the end of the format. What a whole page
// would leave out a partial one leaves out too. An error is the writer's or that of stop.
func (p *page) render(o *offer, s *selection, own []*dto.MetricFamily, families []store.Family, r Reader) error {
	p.plan(o.encoder, own, families)
	if s == nil {
		s = &selection{}
	}
	from := &selected{Reader: r, selection: s, stop: p.stop}
	for i := range families {
		if err := p.stop(); err != nil {
			return err
		}
		f := &families[i]
		if p.planned[i].sample == "" || !from.enter(f, p.planned[i]) {
			continue
		}
		if err := p.renderFamily(o.encoder, f, p.planned[i], from); err != nil {
			return err
		}
	}
	if err := p.renderOwn(o, s.own(own)); err != nil {
		return err
	}
	return p.flush()
}

func (p *page) renderFamily(e encoder, f *store.Family, n names, r Reader) error {
	r.Reset(f)
	samples := r.Next()
	if len(samples) == 0 {
		return p.stop()
	}
	return e.encode(p, f, n, samples, r)
}

// plan names all families and leaves out those that would repeat a name. The exporter's own come first, then the names
// that the store gave, then those that the format or its escaping made: who has a legal name never suffers from one who
// has not. Among equals the order of the families decides, so that the same one is left out of every scrape.
func (p *page) plan(e encoder, own []*dto.MetricFamily, families []store.Family) {
	for _, mf := range own {
		f := store.Family{Name: mf.GetName(), Type: ownType(mf.GetType())}
		p.claims.claim(e.names(&f).family, e.suffixes(f.Type))
	}
	altered := false
	for i := range families {
		f := &families[i]
		n := e.names(f)
		altered = altered || n.altered
		p.planned = append(p.planned, n)
		switch {
		case !e.writes(f.Type):
			p.omit(i, f, "this format cannot say its type")
		case n.sample == "":
			p.omit(i, f, "it has no name")
		case !n.altered:
			p.claim(e, i, f)
		}
	}
	if !altered {
		return
	}
	for i := range families {
		if n := &p.planned[i]; n.altered && n.sample != "" {
			p.claim(e, i, &families[i])
		}
	}
}

func (p *page) claim(e encoder, i int, f *store.Family) {
	if n := p.planned[i]; !p.claims.claim(n.family, e.suffixes(f.Type)) {
		p.omit(i, f, "another family of this page has the name "+n.sample)
	}
}

func (p *page) omit(i int, f *store.Family, reason string) {
	p.planned[i].sample = ""
	p.omitted = append(p.omitted, omission{f.Name, reason})
}

func ownType(t dto.MetricType) metric.Type {
	switch t {
	case dto.MetricType_COUNTER:
		return metric.TypeCounter
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		return metric.TypeHistogram
	case dto.MetricType_SUMMARY:
		return metric.TypeSummary
	default:
		return metric.TypeGauge
	}
}

// renderOwn writes families that client_golang gathered as it would itself. One that it cannot write is left out.
func (p *page) renderOwn(o *offer, own []*dto.MetricFamily) error {
	enc := expfmt.NewEncoder((*appender)(p), o.own, o.options...)
	for _, mf := range own {
		start := len(p.buf)
		if err := enc.Encode(mf); err != nil {
			p.buf = p.buf[:start]
			p.omitted = append(p.omitted, omission{mf.GetName(), err.Error()})
		}
		if err := p.flushFull(); err != nil {
			return err
		}
	}
	if c, ok := enc.(expfmt.Closer); ok {
		if err := c.Close(); err != nil {
			return fmt.Errorf("ending the page: %w", err)
		}
	}
	return nil
}

// appender lets others write to a page's buffer.
type appender page

func (a *appender) Write(b []byte) (int, error) {
	a.buf = append(a.buf, b...)
	return len(b), nil
}

const (
	aheadSamples = 16
	cacheLine    = 64
)

// readAhead is called before each of the samples is written, and touches the labels of the next few at the first of them.
// Of many series they are in no cache, and here the processor waits for all of them at once, where writing would wait for one
// after the other: that halves what a line costs at a million series, and at ten thousand it is lost in the noise.
func (p *page) readAhead(samples []store.Sample, at int) {
	if at%aheadSamples != 0 {
		return
	}
	sum := byte(0)
	for i := at; i < min(at+aheadSamples, len(samples)); i++ {
		for l, j := samples[i].Labels, 0; j < len(l); j += cacheLine {
			sum += l[j]
		}
	}
	p.touched = sum // or the compiler would see that nobody wants it
}

// flushFull hands the buffer on if it holds a chunk.
func (p *page) flushFull() error {
	if len(p.buf) < chunkBytes {
		return nil
	}
	return p.flush()
}

func (p *page) flush() error {
	if err := p.stop(); err != nil {
		return err
	}
	_, err := p.w.Write(p.buf)
	p.nextChunk()
	return err
}

// Write writes families as a scrape in that format would, without the exporter's own metrics: a whole page, with its end.
// The format is one that Negotiate gives. It returns the first error of w.
func Write(w io.Writer, format expfmt.Format, families []store.Family, r Reader) error {
	var p page
	p.begin(w, func() error { return nil })
	return p.render(newOffer(format), nil, nil, families, r)
}
