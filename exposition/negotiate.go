package exposition

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// text100 is the text format with quoted names. expfmt reads and writes it but has no name for it.
const text100 expfmt.Format = "text/plain; version=1.0.0; charset=utf-8"

// format is a format on offer.
type format struct {
	name    expfmt.Format // as it is negotiated, and without the escaping the Content-Type
	own     expfmt.Format // what expfmt calls it when it writes the exporter's own metrics
	encoder func(model.EscapingScheme) encoder
}

// formats lists what is on offer, the preferred ones first, in client_golang's order.
func formats() []format {
	return []format{
		{expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_1_0_0, newOpenMetrics},
		{expfmt.FmtOpenMetrics_0_0_1, expfmt.FmtOpenMetrics_0_0_1, newOpenMetrics},
		{expfmt.FmtProtoDelim, expfmt.FmtProtoDelim, newProtobuf},
		{text100, expfmt.FmtText, newText},
		{expfmt.FmtText, expfmt.FmtText, newText},
	}
}

// Negotiate chooses the format of an answer, with its escaping scheme, from the header Accept as client_golang does. It is
// the Content-Type. One thing is added: whoever asks for text 1.0.0 is told that it is what they get.
func Negotiate(h http.Header) expfmt.Format {
	all := formats()
	names := make([]expfmt.Format, len(all))
	for i, f := range all {
		names[i] = f.name
	}
	return expfmt.NegotiateAccept(h, names...)
}

// offer is a format as one scrape gets it.
type offer struct {
	encoder encoder
	own     expfmt.Format
	options []expfmt.EncoderOption
}

// withCreated adds lines that say when counters, histograms and summaries were 0, where the format has such lines.
func (o *offer) withCreated() *offer {
	if e, ok := o.encoder.(*textEncoder); ok && e.openMetrics {
		e.created = true
		o.options = append(o.options, expfmt.WithCreatedLines())
	}
	return o
}

// newOffer returns what writes a negotiated format; the text format where it is none of ours.
func newOffer(negotiated expfmt.Format) *offer {
	scheme := negotiated.ToEscapingScheme()
	for _, f := range formats() {
		if strings.HasPrefix(string(negotiated), string(f.name)) {
			return &offer{encoder: f.encoder(scheme), own: f.own.WithEscapingScheme(scheme)}
		}
	}
	return &offer{encoder: newText(scheme), own: expfmt.FmtText.WithEscapingScheme(scheme)}
}

const identity = "identity"

// negotiateEncoding chooses one of the encodings on offer, of which identity is the first, from the header
// Accept-Encoding (RFC 9110, section 12.5.3): the one with the highest weight, the earlier one where they are equal. identity
// needs no mention, but then everything named comes before it. Where all is refused it is identity, as no scraper gains by a 406.
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

// quality reads the weight among parameters such as ` q=0.5`: 1 where there is none, 0 where it cannot be read.
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
