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
	// chunkBytes is how much is rendered before it is written: enough to make system calls and checks cheap, and little
	// memory to hold for a slow client.
	chunkBytes = 64 << 10
	// keepBytes bounds the buffer that a page keeps for the next scrape.
	keepBytes = 4 * chunkBytes
)

// Reader reads the samples of the family that it was last reset to, in chunks whose memory it owns. An empty chunk is
// the end. *store.Reader implements it.
type Reader interface {
	Reset(f *store.Family)
	Next() []store.Sample
}

// encoder writes families in one format. It serves one page at a time.
type encoder interface {
	// names returns the family's names in the format.
	names(f *store.Family) names
	// unknownNames returns names that a family may have if the others are taken; ok is false if there are none.
	unknownNames(f *store.Family) (n names, ok bool)
	// suffixes returns the name endings that the format reserves for a family of the type.
	suffixes(t metric.Type) suffixes
	// encode appends a family to the page: the samples, of which there is at least one, and those that r still has.
	encode(p *page, f *store.Family, n names, samples []store.Sample, r Reader) error
}

// omission is a family that is left out of a page.
type omission struct {
	family, reason string
}

// page is the answer to one scrape while it is rendered. Its memory is reused for the next scrape.
type page struct {
	w        io.Writer
	stop     func() error // called before every chunk; an error ends the page
	buf      []byte
	rendered int64 // bytes passed to w, taken or not

	claims  claims
	planned []names // the names of the families of the same index; an empty sample name means that nothing is written
	omitted []omission
	unknown map[string]bool // the exporter's own counters that are written as families of unknown type

	ahead aheadBuffer // for the protobuf format
	read  byte        // the result of prefetch
}

// begin prepares the page for a scrape.
func (p *page) begin(w io.Writer, stop func() error) {
	p.w, p.stop, p.rendered = w, stop, 0
	p.claims.reset()
	if p.unknown == nil {
		p.unknown = map[string]bool{}
	}
	clear(p.unknown)
	p.planned, p.omitted, p.buf = p.planned[:0], p.omitted[:0], p.buf[:0]
}

// end drops all references of the scrape, and the buffer if one huge line made it huge.
func (p *page) end() {
	p.w, p.stop = nil, nil
	clear(p.planned)
	clear(p.omitted)
	p.claims.reset()
	p.ahead.rest.trim()
	if cap(p.buf) > keepBytes {
		p.buf = nil
	}
}

// render writes the requested part of the families and of the exporter's own, and the end of the format. What a whole
// page leaves out, a partial page leaves out as well. The error is one of the writer or of stop.
func (p *page) render(o *offer, part *part, own []*dto.MetricFamily, families []store.Family, r Reader) error {
	p.plan(o.encoder, own, families)
	from := &partReader{Reader: r, part: part, stop: p.stop}
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
	if err := p.renderOwn(o, part.ofOwn(own)); err != nil {
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

// plan names all families and omits those that would repeat a name. The exporter's own families are planned first,
// then those whose names the format writes as the store has them, then those that the format alters, so that an
// escaped name never takes the place of a legal one. Otherwise the order of the families decides, so that every scrape
// omits the same.
func (p *page) plan(e encoder, own []*dto.MetricFamily, families []store.Family) {
	for _, mf := range own {
		f := store.Family{Name: mf.GetName(), Type: metric.TypeOf(mf.GetType())}
		if p.claims.claim(e.names(&f).family, e.suffixes(f.Type)) {
			continue
		}
		if n, ok := e.unknownNames(&f); ok && p.claims.claim(n.family, 0) {
			p.unknown[mf.GetName()] = true
		}
	}
	altered := false
	for i := range families {
		f := &families[i]
		n := e.names(f)
		altered = altered || n.altered
		p.planned = append(p.planned, n)
		if n.sample == "" {
			p.omit(i, f, "it has no name")
		} else if !n.altered {
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
	n := &p.planned[i]
	if p.claims.claim(n.family, e.suffixes(f.Type)) {
		return
	}
	if other, ok := e.unknownNames(f); ok && p.claims.claim(other.family, 0) {
		*n = other
		return
	}
	p.omit(i, f, "another family of this page has the name "+n.sample)
}

func (p *page) omit(i int, f *store.Family, reason string) {
	p.planned[i].sample = ""
	p.omitted = append(p.omitted, omission{f.Name, reason})
}

// renderOwn writes families that client_golang gathered as its own handler would. A family that cannot be encoded is
// omitted.
func (p *page) renderOwn(o *offer, own []*dto.MetricFamily) error {
	enc := expfmt.NewEncoder((*bufWriter)(p), o.own, o.options...)
	for _, mf := range own {
		start := len(p.buf)
		if p.unknown[mf.GetName()] {
			mf = untyped(mf)
		}
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

// untyped copies a family of counters as one of unknown type.
func untyped(mf *dto.MetricFamily) *dto.MetricFamily {
	out := &dto.MetricFamily{Name: mf.Name, Help: mf.Help, Type: dto.MetricType_UNTYPED.Enum()}
	for _, m := range mf.GetMetric() {
		out.Metric = append(out.Metric, &dto.Metric{
			Label: m.GetLabel(), Untyped: &dto.Untyped{Value: new(m.GetCounter().GetValue())}, TimestampMs: m.TimestampMs,
		})
	}
	return out
}

// bufWriter is the page's buffer as a writer.
type bufWriter page

func (w *bufWriter) Write(b []byte) (int, error) {
	w.buf = append(w.buf, b...)
	return len(b), nil
}

const (
	prefetchSamples = 16
	cacheLine       = 64
)

// prefetch is called before each sample is written and reads a byte of every cache line of the labels of the next 16
// samples at the first of them. With many series these lines are in no cache: here the processor loads them all at
// once, where rendering would wait for each in turn. It halves the time per line at a million series and costs nothing
// measurable at ten thousand.
func (p *page) prefetch(samples []store.Sample, at int) {
	if at%prefetchSamples != 0 {
		return
	}
	sum := byte(0)
	for i := at; i < min(at+prefetchSamples, len(samples)); i++ {
		for l, j := samples[i].Labels, 0; j < len(l); j += cacheLine {
			sum += l[j]
		}
	}
	p.read = sum // without a use of the sum the compiler would remove the loop
}

// flushFull writes the buffer if it holds a chunk.
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
	p.rendered += int64(len(p.buf))
	_, err := p.w.Write(p.buf)
	p.buf = p.buf[:0]
	return err
}

// Write writes a whole page with the families, without the exporter's own metrics, as a scrape in the format would.
// The format is one that Negotiate returns. The error is the first one of w.
func Write(w io.Writer, format expfmt.Format, families []store.Family, r Reader) error {
	var p page
	p.begin(w, func() error { return nil })
	return p.render(newOffer(format), nil, nil, families, r)
}
