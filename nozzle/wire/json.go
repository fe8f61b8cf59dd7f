package wire

import (
	"math"
	"slices"
	"strconv"

	"loggregator_exporter/metric"
)

// JSON decodes loggregator.v2 envelopes in the JSON form of protobuf, as the RLP gateway writes them, by walking the text once: names in
// snake_case (or camelCase), 64-bit integers as strings or numbers, NaN, Infinity and -Infinity as strings, zero values present or not,
// null for a field that is not set. Fields that are unknown are stepped over. Where a name stands twice, the last one counts. Its zero
// value is ready; it serves one goroutine.
//
// It is more lenient than protobuf's own decoder where nothing is lost by it: strings need not be UTF-8, and what logs and events say
// is not looked at.
type JSON struct {
	t       JsonText
	wrong   bool   // a value of the envelope at hand is of the wrong type
	scratch []byte // numbers of deprecated tags, rendered
}

// Decode fills the view from the text of one envelope and says whether it was well formed; if not, the view holds nothing of use. Arrived is
// left to the caller. It overwrites the text, into which the view points. In the steady state it allocates nothing.
func (d *JSON) Decode(text []byte, e *metric.Envelope) bool {
	d.t = JsonText{B: text}
	ok := d.envelope(e)
	return d.t.End() && ok
}

// Batch decodes each envelope of {"batch":[...]} into the view and calls each, which is told whether the envelope was well formed. It returns
// false where the text is no JSON: what stood before that was handed over. It overwrites the text.
func (d *JSON) Batch(text []byte, e *metric.Envelope, each func(ok bool)) bool {
	d.t = JsonText{B: text}
	d.t.take('{')
	for first := true; d.t.more(first, '}'); first = false {
		if string(d.t.key()) != "batch" {
			d.t.Skip()
			continue
		}
		if d.t.null() || !d.t.take('[') {
			continue
		}
		for first := true; d.t.more(first, ']'); first = false {
			if ok := d.envelope(e); !d.t.bad {
				each(ok)
			}
		}
	}
	return d.t.End()
}

// Trim frees memory that one large message left behind.
func (d *JSON) Trim() {
	if cap(d.scratch) > maxKeptScratch {
		*d = JSON{}
	}
}

// object consumes the opening bracket of an object. Without one, the value is stepped over; null is an object that is not there.
func (d *JSON) object() bool {
	if d.t.peek() == '{' {
		d.t.at++
		return true
	}
	if !d.t.null() {
		d.mistype()
	}
	return false
}

// mistype steps over a value that is not of the type that it should be.
func (d *JSON) mistype() {
	d.t.Skip()
	d.wrong = true
}

// envelope reads one envelope and says whether its values were right.
func (d *JSON) envelope(e *metric.Envelope) bool {
	e.Reset()
	d.wrong, d.scratch = false, d.scratch[:0]
	if d.t.peek() != '{' {
		d.mistype()
		return false
	}
	d.t.at++
	for first := true; d.t.more(first, '}'); first = false {
		switch string(d.t.key()) {
		case "timestamp":
			e.Timestamp = d.signed()
		case "source_id", "sourceId":
			e.SourceID = d.text()
		case "instance_id", "instanceId":
			e.InstanceID = d.text()
		case "tags":
			d.tags(e)
		case "deprecated_tags", "deprecatedTags":
			d.deprecatedTags(e)
		case "gauge":
			d.message(e, metric.KindGauge, d.gauge)
		case "counter":
			d.message(e, metric.KindCounter, d.counter)
		case "timer":
			d.message(e, metric.KindTimer, d.timer)
		case "log":
			d.unread(e, metric.KindLog)
		case "event":
			d.unread(e, metric.KindEvent)
		default:
			d.t.Skip()
		}
	}
	return !d.wrong
}

func (d *JSON) text() []byte {
	switch d.t.peek() {
	case '"':
		return d.t.text()
	case 'n':
		d.t.null()
	default:
		d.mistype()
	}
	return nil
}

// digits reads the text of a number, which may stand in quotes. Null is 0.
func (d *JSON) digits() (text []byte, quoted bool) {
	switch c := d.t.peek(); {
	case c == '"':
		return d.t.text(), true
	case c == '-' || '0' <= c && c <= '9':
		return d.t.number(), false
	case c == 'n':
		d.t.null()
		return zeroText, false
	default:
		d.mistype()
		return zeroText, false
	}
}

func (d *JSON) signed() int64 {
	text, _ := d.digits()
	magnitude, negative, ok := integer(text)
	if !ok || magnitude > math.MaxInt64 && (!negative || magnitude > 1<<63) {
		d.wrong = true
		return 0
	}
	if negative {
		return -int64(magnitude)
	}
	return int64(magnitude)
}

func (d *JSON) unsigned() uint64 {
	text, _ := d.digits()
	magnitude, negative, ok := integer(text)
	if !ok || negative && magnitude != 0 {
		d.wrong = true
		return 0
	}
	return magnitude
}

func (d *JSON) float() float64 {
	text, quoted := d.digits()
	if quoted {
		switch string(text) {
		case "NaN":
			return math.NaN()
		case "Infinity":
			return math.Inf(1)
		case "-Infinity":
			return math.Inf(-1)
		}
	}
	v, ok := float(text)
	if !ok {
		d.wrong = true
	}
	return v
}

func (d *JSON) tags(e *metric.Envelope) {
	if !d.object() {
		return
	}
	for first := true; d.t.more(first, '}'); first = false {
		key := d.t.key()
		if d.t.peek() != '"' {
			d.mistype()
			continue
		}
		e.AddTag(key, d.t.text())
	}
}

// deprecatedTags reads them to where they belong: before the preferred ones, which so win.
func (d *JSON) deprecatedTags(e *metric.Envelope) {
	if !d.object() {
		return
	}
	preferred := len(e.Tags)
	for first := true; d.t.more(first, '}'); first = false {
		key := d.t.key()
		e.AddTag(key, d.deprecatedTag())
	}
	if added := len(e.Tags) - preferred; added > 0 && preferred > 0 {
		slices.Reverse(e.Tags[:preferred])
		slices.Reverse(e.Tags[preferred:])
		slices.Reverse(e.Tags)
	}
}

// deprecatedTag reads {"text"|"integer"|"decimal": value} and renders it as V2 does.
func (d *JSON) deprecatedTag() (text []byte) {
	if d.t.peek() != '{' {
		d.mistype()
		return nil
	}
	d.t.at++
	for first := true; d.t.more(first, '}'); first = false {
		key := d.t.key()
		from := len(d.scratch)
		switch {
		case string(key) != "text" && string(key) != "integer" && string(key) != "decimal":
			d.t.Skip()
			continue
		case d.t.null():
			continue
		case string(key) == "text":
			text = d.text()
			continue
		case string(key) == "integer":
			d.scratch = strconv.AppendInt(d.scratch, d.signed(), 10)
		default:
			d.scratch = strconv.AppendFloat(d.scratch, d.float(), 'f', 6, 64)
		}
		text = d.scratch[from:]
	}
	return text
}

// message reads one of the messages with metrics; null leaves the envelope as it is.
func (d *JSON) message(e *metric.Envelope, kind metric.Kind, read func(e *metric.Envelope)) {
	if !d.object() {
		return
	}
	become(e, kind)
	read(e)
}

// unread steps over a message without metrics.
func (d *JSON) unread(e *metric.Envelope, kind metric.Kind) {
	switch d.t.peek() {
	case '{':
		become(e, kind)
		d.t.Skip()
	case 'n':
		d.t.null()
	default:
		d.mistype()
	}
}

func (d *JSON) counter(e *metric.Envelope) {
	for first := true; d.t.more(first, '}'); first = false {
		switch string(d.t.key()) {
		case "name":
			e.Name = d.text()
		case "delta":
			e.Delta = d.unsigned()
		case "total":
			e.Total = d.unsigned()
		default:
			d.t.Skip()
		}
	}
}

func (d *JSON) timer(e *metric.Envelope) {
	for first := true; d.t.more(first, '}'); first = false {
		switch string(d.t.key()) {
		case "name":
			e.Name = d.text()
		case "start":
			e.Start = d.signed()
		case "stop":
			e.Stop = d.signed()
		default:
			d.t.Skip()
		}
	}
}

func (d *JSON) gauge(e *metric.Envelope) {
	for first := true; d.t.more(first, '}'); first = false {
		if string(d.t.key()) != "metrics" {
			d.t.Skip()
			continue
		}
		if !d.object() {
			continue
		}
		for first := true; d.t.more(first, '}'); first = false {
			e.Points = append(e.Points, metric.Point{Name: d.t.key()})
			d.point(&e.Points[len(e.Points)-1])
		}
	}
}

func (d *JSON) point(p *metric.Point) {
	if d.t.peek() != '{' {
		d.mistype()
		return
	}
	d.t.at++
	for first := true; d.t.more(first, '}'); first = false {
		switch string(d.t.key()) {
		case "unit":
			p.Unit = d.text()
		case "value":
			p.Value = d.float()
		default:
			d.t.Skip()
		}
	}
}
