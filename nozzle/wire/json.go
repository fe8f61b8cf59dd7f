package wire

import (
	"math"
	"strconv"

	"loggregator_exporter/metric"
)

// JSON decodes batches of loggregator.v2 envelopes in the form that the RLP gateway writes, by walking the text once:
// protobuf's JSON with field names in snake_case, 64-bit integers as decimal strings, and NaN, Infinity and -Infinity
// as strings. The gateway asks for preferred tags, so deprecated ones are not read. Unknown fields and what logs and
// events say are skipped, and of a name that is there twice the last one counts. Its zero value is ready; it serves
// one goroutine.
//
// Walking is our own, since decoders without reflection take longer: github.com/go-faster/jx 1.2 was 1.8 times as
// slow for an envelope in BenchmarkGateway.
type JSON struct {
	// Broken is the last malformed envelope, valid as long as its message; escapes in it may have been replaced.
	Broken []byte

	t     jsonText
	wrong bool // a value of the envelope at hand has the wrong type
}

// Batch decodes each envelope of {"batch":[...]} into the view and calls each, which is told whether the envelope was
// well formed. It returns false where the text is no JSON or no batch; the envelopes before that were handed over. It
// overwrites the text, into which the view points. In the steady state it allocates nothing.
func (d *JSON) Batch(text []byte, e *metric.Envelope, each func(ok bool)) bool {
	d.t = jsonText{b: text}
	d.t.take('{')
	for open := begun; d.t.more(open, '}'); open = inside {
		if string(d.t.key()) != "batch" || d.t.peek() == 'n' {
			d.t.skip()
			continue
		}
		d.t.take('[')
		for open := begun; d.t.more(open, ']'); open = inside {
			e.Reset()
			d.wrong = false
			d.t.peek()
			from := d.t.at
			d.envelope(e)
			if d.wrong {
				d.Broken = text[from:d.t.at]
			}
			if !d.t.bad {
				each(!d.wrong)
			}
		}
	}
	return d.t.end()
}

// envelope reads a loggregator.v2.Envelope:
//
//	int64 timestamp; string source_id, instance_id; map<string, string> tags;
//	oneof message { Log log; Counter counter; Gauge gauge; Timer timer; Event event; }
func (d *JSON) envelope(e *metric.Envelope) {
	for open := d.object(); d.t.more(open, '}'); open = inside {
		switch string(d.t.key()) {
		case "timestamp":
			e.Timestamp = d.signed()
		case "source_id":
			e.SourceID = d.text()
		case "instance_id":
			e.InstanceID = d.text()
		case "tags":
			d.tags(e)
		case "gauge":
			become(e, metric.KindGauge)
			d.gauge(e)
		case "counter":
			become(e, metric.KindCounter)
			d.counter(e)
		case "timer":
			become(e, metric.KindTimer)
			d.timer(e)
		case "log":
			become(e, metric.KindLog)
			d.skipObject()
		case "event":
			become(e, metric.KindEvent)
			d.skipObject()
		default:
			d.t.skip()
		}
	}
}

func (d *JSON) tags(e *metric.Envelope) {
	for open := d.object(); d.t.more(open, '}'); open = inside {
		key := d.t.key()
		e.AddTag(key, d.text())
	}
}

// counter reads a loggregator.v2.Counter: string name; uint64 delta, total.
func (d *JSON) counter(e *metric.Envelope) {
	for open := d.object(); d.t.more(open, '}'); open = inside {
		switch string(d.t.key()) {
		case "name":
			e.Name = d.text()
		case "delta":
			e.Delta = d.unsigned()
		case "total":
			e.Total = d.unsigned()
		default:
			d.t.skip()
		}
	}
}

// timer reads a loggregator.v2.Timer: string name; int64 start, stop.
func (d *JSON) timer(e *metric.Envelope) {
	for open := d.object(); d.t.more(open, '}'); open = inside {
		switch string(d.t.key()) {
		case "name":
			e.Name = d.text()
		case "start":
			e.Start = d.signed()
		case "stop":
			e.Stop = d.signed()
		default:
			d.t.skip()
		}
	}
}

// gauge reads a loggregator.v2.Gauge: map<string, GaugeValue> metrics.
func (d *JSON) gauge(e *metric.Envelope) {
	for open := d.object(); d.t.more(open, '}'); open = inside {
		if string(d.t.key()) != "metrics" {
			d.t.skip()
			continue
		}
		for open := d.object(); d.t.more(open, '}'); open = inside {
			e.Points = append(e.Points, metric.Point{Name: d.t.key()})
			d.gaugeValue(&e.Points[len(e.Points)-1])
		}
	}
}

// gaugeValue reads a loggregator.v2.GaugeValue: string unit; double value.
func (d *JSON) gaugeValue(p *metric.Point) {
	for open := d.object(); d.t.more(open, '}'); open = inside {
		switch string(d.t.key()) {
		case "unit":
			p.Unit = d.text()
		case "value":
			p.Value = d.float()
		default:
			d.t.skip()
		}
	}
}

// object begins an object. A value of another type is skipped, and has no members.
func (d *JSON) object() jsonOpen {
	if d.t.peek() != '{' {
		d.mistyped()
		return none
	}
	d.t.at++
	return begun
}

func (d *JSON) skipObject() {
	for open := d.object(); d.t.more(open, '}'); open = inside {
		d.t.key()
		d.t.skip()
	}
}

// mistyped skips a value that is not of the type that its field has.
func (d *JSON) mistyped() {
	d.t.skip()
	d.wrong = true
}

func (d *JSON) text() []byte {
	if d.t.peek() != '"' {
		d.mistyped()
		return nil
	}
	return d.t.text()
}

func (d *JSON) signed() int64 {
	text := d.text()
	if v, ok := shortDecimal(text); ok && v <= math.MaxInt64 {
		return int64(v)
	}
	v, err := strconv.ParseInt(string(text), 10, 64)
	d.wrong = d.wrong || err != nil
	return v
}

func (d *JSON) unsigned() uint64 {
	text := d.text()
	if v, ok := shortDecimal(text); ok {
		return v
	}
	v, err := strconv.ParseUint(string(text), 10, 64)
	d.wrong = d.wrong || err != nil
	return v
}

// shortDecimal is the fast path for a number of up to 19 digits, which fits into 64 bits.
func shortDecimal(text []byte) (v uint64, ok bool) {
	if len(text) == 0 || len(text) > 19 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}

func (d *JSON) float() float64 {
	switch c := d.t.peek(); {
	case c == '"':
		switch string(d.t.text()) {
		case "NaN":
			return math.NaN()
		case "Infinity":
			return math.Inf(1)
		case "-Infinity":
			return math.Inf(-1)
		}
		d.wrong = true
	case c == '-' || '0' <= c && c <= '9':
		v, err := strconv.ParseFloat(string(d.t.number()), 64)
		d.wrong = d.wrong || err != nil
		return v
	default:
		d.mistyped()
	}
	return 0
}
