package exposition

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// text100 is the text format with quoted names. expfmt reads and writes it but has no name for it.
const text100 expfmt.Format = "text/plain; version=1.0.0; charset=utf-8"

// format is a format on offer.
type format struct {
	name    expfmt.Format // for negotiation, and without the escaping scheme the Content-Type
	own     expfmt.Format // the format in which expfmt writes the exporter's own metrics
	encoder func(model.EscapingScheme) encoder
}

// formats lists the formats on offer in client_golang's order of preference.
func formats() []format {
	return []format{
		{expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_1_0_0, newOpenMetrics},
		{expfmt.FmtOpenMetrics_0_0_1, expfmt.FmtOpenMetrics_0_0_1, newOpenMetrics},
		{expfmt.FmtProtoDelim, expfmt.FmtProtoDelim, newProtobuf},
		{text100, expfmt.FmtText, newText},
		{expfmt.FmtText, expfmt.FmtText, newText},
	}
}

// Negotiate chooses the format and escaping scheme of an answer from the Accept header, as client_golang does. The
// result is the Content-Type. Unlike client_golang it answers a request for text 1.0.0 with a Content-Type of version
// 1.0.0.
func Negotiate(h http.Header) expfmt.Format {
	all := formats()
	names := make([]expfmt.Format, len(all))
	for i, f := range all {
		names[i] = f.name
	}
	return expfmt.NegotiateAccept(h, names...)
}

// formatWord is the word for a negotiated format.
func formatWord(negotiated expfmt.Format) string {
	switch negotiated.FormatType() {
	case expfmt.TypeOpenMetrics:
		return "openmetrics"
	case expfmt.TypeProtoDelim:
		return "protobuf"
	default:
		return "text"
	}
}

// offer is the negotiated format of one scrape.
type offer struct {
	encoder encoder
	own     expfmt.Format // of the exporter's own metrics
	options []expfmt.EncoderOption
}

// newOffer returns the encoder of a negotiated format, or of the text format for one that is not on offer.
func newOffer(negotiated expfmt.Format) *offer {
	scheme := negotiated.ToEscapingScheme()
	for _, f := range formats() {
		if strings.HasPrefix(string(negotiated), string(f.name)) {
			return &offer{encoder: f.encoder(scheme), own: f.own.WithEscapingScheme(scheme)}
		}
	}
	return &offer{encoder: newText(scheme), own: expfmt.FmtText.WithEscapingScheme(scheme)}
}

// withCreated adds _created lines, the start times of counters, histograms and summaries, if the format is
// OpenMetrics.
func (o *offer) withCreated() *offer {
	if e, ok := o.encoder.(*textEncoder); ok && e.openMetrics {
		e.created = true
		o.options = append(o.options, expfmt.WithCreatedLines())
	}
	return o
}

// compressor is what the writers of klauspost/compress have in common.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// encoding is a content encoding on offer. Its compressors hold large tables and are kept between scrapes.
type encoding struct {
	name string
	pool *sync.Pool // of compressor
}

const (
	identity = "identity"
	// gzipLevel is the fastest level. Higher ones save few bytes of a page, whose lines repeat each other, for much more
	// CPU on the scraped host (BenchmarkCompressors, docs/performance.md).
	gzipLevel = gzip.BestSpeed
	// zstdWindow bounds the memory of compressor and reader. A larger window makes pages no smaller, since lines repeat
	// within a few kilobytes, and is slower, since it does not fit into the processor's cache.
	zstdWindow = 512 << 10
)

// encodings lists the content encodings on offer in client_golang's order of preference.
func encodings() []encoding {
	offer := func(name string, create func() compressor) encoding {
		return encoding{name, &sync.Pool{New: func() any { return create() }}}
	}
	return []encoding{
		offer(identity, func() compressor { return new(uncompressed) }),
		offer("gzip", func() compressor {
			w, _ := gzip.NewWriterLevel(io.Discard, gzipLevel) // fails only for an unknown level
			return w
		}),
		offer("zstd", func() compressor {
			w, _ := newZstd(zstd.SpeedFastest, zstdWindow) // fails only for wrong options
			return w
		}),
	}
}

// newZstd returns a compressor that starts no goroutine. For an empty page it writes a frame, which some readers
// require.
func newZstd(level zstd.EncoderLevel, window int) (compressor, error) {
	return zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window),
		zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
}

// get returns a compressor that writes to w.
func (e *encoding) get(w io.Writer) compressor {
	c := e.pool.Get().(compressor)
	c.Reset(w)
	return c
}

// put takes a compressor back, closed or not, and drops its reference to the writer.
func (e *encoding) put(c compressor) {
	c.Reset(io.Discard)
	e.pool.Put(c)
}

// uncompressed is the compressor of the identity encoding.
type uncompressed struct{ io.Writer }

func (u *uncompressed) Reset(w io.Writer) { u.Writer = w }
func (u *uncompressed) Close() error      { return nil }

// negotiateEncoding returns the index of the encoding with the highest weight in the Accept-Encoding header (RFC 9110,
// section 12.5.3), of equal ones the first. Offer 0 is identity: it needs no mention, but then every encoding that is
// mentioned goes before it. If all offers are refused it is identity as well, since a status 406 helps no scraper.
func negotiateEncoding(h http.Header, offers []encoding) int {
	const unmentioned = -1
	weights := make([]float64, len(offers))
	for i := range weights {
		weights[i] = unmentioned
	}
	other := float64(unmentioned) // the weight of *
	for spec := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(spec, ";")
		name = strings.TrimSpace(name)
		weight := quality(params)
		if name == "*" {
			other = weight
		}
		for i, o := range offers {
			if strings.EqualFold(name, o.name) {
				weights[i] = weight
			}
		}
	}
	best, bestWeight := 0, 0.0
	for i, w := range weights {
		if w == unmentioned {
			w = other
		}
		if w > bestWeight {
			best, bestWeight = i, w
		}
	}
	return best
}

// quality returns the weight in parameters such as ` q=0.5`: 1 if there is none, 0 if it is malformed.
func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
