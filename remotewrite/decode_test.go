package remotewrite

import (
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// value is a sample as it was received; stale markers have their own word.
type value struct {
	text             string
	timestamp, start int64
}

func valueOf(bits uint64) string {
	if bits == staleNaN {
		return "stale"
	}
	return fmt.Sprint(math.Float64frombits(bits))
}

// received is one time series of a request.
type received struct {
	series string // {a="1",...}, in the order on the wire
	value  value
	native bool
	traces []string // exemplars: id, value, milliseconds
	typ    uint64
	help   string
	unit   string
}

// decoder reads requests with nothing of the code under test.
type decoder struct {
	symbols []string
	series  []received
}

func fields(b []byte, f func(protowire.Number, uint64, []byte)) {
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			panic("no tag")
		}
		b = b[n:]
		var v uint64
		var text []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(b)
		default:
			n = -1
		}
		if n < 0 {
			panic("no value")
		}
		f(number, v, text)
		b = b[n:]
	}
}

func (d *decoder) sample(b []byte) (v value) {
	fields(b, func(n protowire.Number, x uint64, _ []byte) {
		switch int(n) {
		case 1:
			v.text = valueOf(x)
		case 2:
			v.timestamp = int64(x)
		case 3:
			v.start = int64(x)
		}
	})
	return v
}

// zigzag reads the numbers of a packed field.
func zigzag(b []byte) (out []int64) {
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		out = append(out, protowire.DecodeZigZag(v))
		b = b[n:]
	}
	return out
}

// histogram writes one as count, sum, schema, zero bucket @ its width, first bucket and deltas of the positive and, if
// there are some, of the negative buckets, hint.
func (d *decoder) histogram(b []byte) (v value) {
	var count, schema, zero, threshold, hint uint64
	var deltas []int64
	span, negative := "", ""
	spanOf := func(packed []byte) (text string) {
		fields(packed, func(n protowire.Number, x uint64, _ []byte) {
			if n == 1 {
				text += fmt.Sprint(protowire.DecodeZigZag(x))
			} else {
				text += fmt.Sprintf("+%d", x)
			}
		})
		return text
	}
	fields(b, func(n protowire.Number, x uint64, packed []byte) {
		switch int(n) {
		case 1:
			count = x
		case 3:
			v.text = valueOf(x)
		case 4:
			schema = x
		case 5:
			threshold = x
		case 6:
			zero = x
		case 8:
			negative = " -" + spanOf(packed)
		case 9:
			negative += fmt.Sprint(zigzag(packed))
		case 11:
			span = spanOf(packed)
		case 12:
			deltas = zigzag(packed)
		case 14:
			hint = x
		case 15:
			v.timestamp = int64(x)
		case 17:
			v.start = int64(x)
		default:
			panic(fmt.Sprint("field ", n))
		}
	})
	if v.text != "stale" || count+schema+zero+threshold+hint > 0 || span != "" {
		v.text = fmt.Sprintf("(%d %s %d %d@%g %s%d%s %d)", count, v.text, protowire.DecodeZigZag(schema), zero,
			math.Float64frombits(threshold), span, deltas, negative, hint)
	}
	return v
}

// exemplar reads one, given what reads its label.
func exemplar(b []byte, label func([]byte) string) string {
	var ids []string
	v, at := "", uint64(0)
	fields(b, func(n protowire.Number, x uint64, part []byte) {
		switch int(n) {
		case 1:
			ids = append(ids, label(part))
		case 2:
			v = valueOf(x)
		case 3:
			at = x
		}
	})
	return fmt.Sprint(strings.Join(ids, ","), " ", v, " ", at)
}

func labelOf(part []byte) string {
	var pair [3]string
	fields(part, func(n protowire.Number, _ uint64, text []byte) { pair[n] = string(text) })
	return fmt.Sprintf("%s=%q", pair[1], pair[2])
}

func (d *decoder) labels(part []byte) string {
	var texts []string
	for len(part) > 0 {
		ref, n := protowire.ConsumeVarint(part)
		texts = append(texts, d.symbols[ref])
		part = part[n:]
	}
	var labels []string
	for i := 0; i < len(texts); i += 2 {
		labels = append(labels, fmt.Sprintf("%s=%q", texts[i], texts[i+1]))
	}
	return strings.Join(labels, ",")
}

func (d *decoder) v1(b []byte) {
	fields(b, func(n protowire.Number, _ uint64, entry []byte) {
		var r received
		var labels []string
		switch int(n) {
		case 1:
			fields(entry, func(n protowire.Number, _ uint64, part []byte) {
				switch int(n) {
				case 1:
					labels = append(labels, labelOf(part))
				case 2:
					r.value = d.sample(part)
				case 3:
					r.traces = append(r.traces, exemplar(part, labelOf))
				case 4:
					r.value, r.native = d.histogram(part), true
				}
			})
			r.series = "{" + strings.Join(labels, ",") + "}"
		case 3:
			fields(entry, func(n protowire.Number, v uint64, text []byte) {
				switch int(n) {
				case 1:
					r.typ = v
				case 2:
					r.series = string(text)
				case 4:
					r.help = string(text)
				case 5:
					r.unit = string(text)
				}
			})
		}
		d.series = append(d.series, r)
	})
}

func (d *decoder) v2(b []byte) {
	fields(b, func(n protowire.Number, _ uint64, entry []byte) {
		if n == 4 {
			d.symbols = append(d.symbols, string(entry))
		}
	})
	fields(b, func(n protowire.Number, _ uint64, entry []byte) {
		if n != 5 {
			return
		}
		var r received
		fields(entry, func(n protowire.Number, _ uint64, part []byte) {
			switch int(n) {
			case 1:
				r.series = "{" + d.labels(part) + "}"
			case 2:
				r.value = d.sample(part)
			case 3:
				r.value, r.native = d.histogram(part), true
			case 4:
				r.traces = append(r.traces, exemplar(part, d.labels))
			case 5:
				fields(part, func(n protowire.Number, v uint64, _ []byte) {
					switch int(n) {
					case 1:
						r.typ = v
					case 3:
						r.help = d.symbols[v]
					case 4:
						r.unit = d.symbols[v]
					}
				})
			}
		})
		d.series = append(d.series, r)
	})
}
