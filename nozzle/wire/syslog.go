package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"

	"loggregator_exporter/metric"
)

// The ids of Cloud Foundry's structured data elements; 47450 is the number of the Cloud Foundry Foundation.
const (
	syslogGauge   = "gauge@47450"
	syslogCounter = "counter@47450"
	syslogTimer   = "timer@47450"
	syslogEvent   = "event@47450"
	syslogTags    = "tags@47450"
)

// Lengths at which a syslog agent cuts a source id (APP-NAME) and an instance id with its brackets (PROCID).
const (
	sourceIDBytes   = 48
	instanceIDBytes = 128
)

// Syslog decodes messages of RFC 5424 as syslog agents write them, by walking their bytes, into the envelope that the
// agent had. Its zero value is ready; it serves one goroutine.
//
// It takes more than the RFC allows: fields and names of any length and any character that does not end them, as tags
// have them; nine digits of a second; a line feed at the end. A message is malformed where its header or structured
// data cannot be read, where it holds two of the elements gauge, counter, timer and event, where one of them lacks its
// name or a number, or has one that is none: a gauge needs value, a counter total or delta, a timer start and stop. A
// gauge without unit has an empty one. Other elements and parameters are stepped over; of a parameter that comes twice
// the last counts, tags of several elements are put together. A message without any of the four elements is a log.
type Syslog struct {
	// CutSourceID and CutInstanceID say that the last message has an id that its agent has probably cut off.
	CutSourceID, CutInstanceID bool

	memo syslogMemo
}

// syslogMemo holds the ids and the tags of the last message. A component sends most of its metrics one after the other
// with the same: to compare them costs less than to read them again.
type syslogMemo struct {
	ids              []byte // HOSTNAME to MSGID and a space; empty for none
	source, instance []byte // in ids
	text             []byte // from the end of the id of tags to the closing bracket; empty for none
	tags             []metric.Tag
	spans            []syslogTagSpan // of the tags in the text

	sender uint64 // a number for ids and tags: see metric.Envelope.Sender
}

// keepTags takes the text, which has the tags that the spans say.
func (m *syslogMemo) keepTags(text []byte) {
	m.text, m.tags = append(m.text, text...), m.tags[:0]
	for _, s := range m.spans {
		m.tags = append(m.tags, metric.Tag{Key: m.text[s.name:s.nameEnd], Value: m.text[s.value:s.valueEnd]})
	}
}

// syslogTagSpan is where the name and the value of a tag are in the text.
type syslogTagSpan struct{ name, nameEnd, value, valueEnd uint16 }

// maxMemoBytes bounds the text that is kept.
const maxMemoBytes = 2048

// Decode fills the view from a message and reports whether it was well formed; if not, the content of the view is
// undefined. Arrived is left to the caller. It replaces escapes in place: the view points into the message. It
// allocates nothing.
func (d *Syslog) Decode(message []byte, e *metric.Envelope) bool {
	e.Reset()
	t := syslogText{b: message, memo: &d.memo}
	t.priority()
	at, ok := syslogTime(t.word())
	if !ok || t.bad {
		return false
	}
	e.Timestamp = at
	if m := &d.memo; len(m.ids) == 0 || !bytes.HasPrefix(message[t.at:], m.ids) {
		d.identify(&t)
		if t.bad {
			return false
		}
	} else { // fast path
		t.at += len(m.ids)
	}
	e.SourceID, e.InstanceID = d.memo.source, d.memo.instance
	return t.elements(e)
}

// identify reads the ids from APP-NAME and PROCID, which is the instance id in brackets.
func (d *Syslog) identify(t *syslogText) {
	m, from := &d.memo, t.at
	host := t.word() // made of tags, which are better
	source, instance := t.word(), t.word()
	t.word() // MSGID
	m.ids, m.source, m.instance = m.ids[:0], nil, nil
	m.sender++
	if t.bad {
		return
	}
	d.CutSourceID = len(source) == sourceIDBytes
	d.CutInstanceID = len(instance) == instanceIDBytes && instance[len(instance)-1] != ']'
	if text := t.b[from:t.at]; len(text) <= maxMemoBytes {
		m.ids = append(m.ids, text...)
		rest := m.ids[len(host)+1:]
		source, instance = rest[:len(source)], rest[len(source)+1:][:len(instance)]
	}
	if !isNil(source) {
		m.source = source
	}
	if !isNil(instance) {
		m.instance = bytes.TrimSuffix(bytes.TrimPrefix(instance, []byte("[")), []byte("]"))
	}
}

// isNil says whether a field of the header holds nothing, as NILVALUE says.
func isNil(word []byte) bool { return len(word) == 1 && word[0] == '-' }

// syslogText walks a message from front to back. After the first mistake bad is set and nothing is left.
type syslogText struct {
	b   []byte
	at  int
	bad bool

	name, value []byte // of the last parameter
	escaped     bool   // an escape was replaced

	memo *syslogMemo
}

func (t *syslogText) fail() bool {
	t.bad, t.at = true, len(t.b)
	return false
}

var usualPriority = []byte("<14>1 ") // constant

// priority consumes "<14>1 ": PRI, which is 0 to 191, VERSION and a space. Neither matters.
func (t *syslogText) priority() {
	b := t.b
	if bytes.HasPrefix(b, usualPriority) { // fast path
		t.at = len(usualPriority)
		return
	}
	end := bytes.IndexByte(b[:min(len(b), len("<191>"))], '>')
	if end < 2 || b[0] != '<' || digits(b[1:end]) != end-1 {
		t.fail()
		return
	}
	t.at = end + 1
	if version := t.word(); len(version) > 3 || digits(version) != len(version) {
		t.fail()
	}
}

// word consumes a field of the header and the space that ends it.
func (t *syslogText) word() []byte {
	rest := t.b[t.at:]
	n := bytes.IndexByte(rest, ' ')
	if n <= 0 {
		t.fail()
		return nil
	}
	t.at += n + 1
	return rest[:n]
}

// elements reads the structured data, which ends the message or is followed by a space and the text of a log.
func (t *syslogText) elements(e *metric.Envelope) bool {
	b := t.b
	if t.at < len(b) && b[t.at] == '-' {
		t.at++
	} else {
		for more := true; more; more = t.at < len(b) && b[t.at] == '[' {
			if !t.element(e) {
				return false
			}
		}
	}
	if e.Kind == metric.KindNone {
		e.Kind = metric.KindLog
	}
	rest := b[t.at:]
	return len(rest) == 0 || rest[0] == ' ' || len(rest) == 1 && rest[0] == '\n'
}

// element reads one SD-ELEMENT.
func (t *syslogText) element(e *metric.Envelope) bool {
	b, from := t.b, t.at+1
	at := from
	for at < len(b) && !endsName[b[at]] {
		at++
	}
	if at == from || at >= len(b) || b[t.at] != '[' {
		return t.fail()
	}
	t.at = at
	switch string(b[from:at]) {
	case syslogTags:
		t.tags(e)
	case syslogGauge:
		return t.become(e, metric.KindGauge) && t.gauge(e)
	case syslogCounter:
		return t.become(e, metric.KindCounter) && t.counter(e)
	case syslogTimer:
		return t.become(e, metric.KindTimer) && t.timer(e)
	case syslogEvent:
		return t.become(e, metric.KindEvent) && t.skip()
	default:
		return t.skip()
	}
	return !t.bad
}

// tags reads the parameters of an element of tags.
func (t *syslogText) tags(e *metric.Envelope) {
	m, text, first := t.memo, t.b[t.at:], len(e.Tags) == 0
	e.Sender = 0
	if first && len(m.text) > 0 && bytes.HasPrefix(text, m.text) { // fast path
		t.at += len(m.text)
		e.Tags, e.Sender = append(e.Tags, m.tags...), m.sender
		return
	}
	from := t.at
	m.sender++
	m.text, m.spans, t.escaped = m.text[:0], m.spans[:0], false
	for t.parameter() {
		e.AddTag(t.name, t.value)
		if valueEnd := t.at - 1 - from; valueEnd < maxMemoBytes {
			value := valueEnd - len(t.value)
			nameEnd := value - len(`="`)
			m.spans = append(m.spans, syslogTagSpan{
				uint16(nameEnd - len(t.name)), uint16(nameEnd), uint16(value), uint16(valueEnd),
			})
		}
	}
	if n := t.at - from; first && !t.bad && !t.escaped && !e.TooManyTags && n <= maxMemoBytes {
		m.keepTags(t.b[from:t.at])
		e.Sender = m.sender
	}
}

// become sets the kind of the envelope, which only one element may do.
func (t *syslogText) become(e *metric.Envelope, kind metric.Kind) bool {
	if e.Kind != metric.KindNone {
		return t.fail()
	}
	e.Kind = kind
	return true
}

func (t *syslogText) skip() bool {
	for t.parameter() {
	}
	return !t.bad
}

func (t *syslogText) gauge(e *metric.Envelope) bool {
	var p metric.Point
	var named, valued bool
	for t.parameter() {
		switch string(t.name) {
		case "name":
			p.Name, named = t.value, true
		case "unit":
			p.Unit = t.value
		case "value":
			p.Value, valued = syslogFloat(t.value)
			if !valued {
				return t.fail()
			}
		}
	}
	e.Points = append(e.Points, p)
	return named && valued && !t.bad
}

// syslogFloat reads the value of a gauge, the fast path one of up to 15 digits, which a float64 holds exactly.
func syslogFloat(text []byte) (float64, bool) {
	if n, ok := shortDecimal(text); ok && len(text) <= 15 {
		return float64(n), true
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return v, err == nil
}

func (t *syslogText) counter(e *metric.Envelope) bool {
	var named, counted bool
	for t.parameter() {
		switch string(t.name) {
		case "name":
			e.Name, named = t.value, true
		case "total":
			if e.Total, counted = syslogUnsigned(t.value); !counted {
				return t.fail()
			}
		case "delta":
			if e.Delta, counted = syslogUnsigned(t.value); !counted {
				return t.fail()
			}
		}
	}
	return named && counted && !t.bad
}

func syslogUnsigned(text []byte) (uint64, bool) {
	if n, ok := shortDecimal(text); ok {
		return n, true
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	return n, err == nil
}

func (t *syslogText) timer(e *metric.Envelope) bool {
	var named, started, stopped bool
	for t.parameter() {
		var err error
		switch string(t.name) {
		case "name":
			e.Name, named = t.value, true
		case "start":
			e.Start, err = strconv.ParseInt(string(t.value), 10, 64)
			started = true
		case "stop":
			e.Stop, err = strconv.ParseInt(string(t.value), 10, 64)
			stopped = true
		}
		if err != nil {
			return t.fail()
		}
	}
	return named && started && stopped && !t.bad
}

// endsName holds the characters that no SD-NAME has.
var endsName = func() (ends [256]bool) {
	for c := range ' ' + 1 {
		ends[c] = true
	}
	ends['='], ends[']'], ends['"'] = true, true, true
	return ends
}()

// parameter consumes one SD-PARAM, and the space before it, into name and value; or the bracket that ends the element,
// and returns false. A name may be empty, as that of a tag may.
func (t *syslogText) parameter() bool {
	b, at := t.b, t.at
	if at >= len(b) {
		return t.fail()
	}
	if b[at] == ']' {
		t.at++
		return false
	}
	if b[at] != ' ' {
		return t.fail()
	}
	at++
	from := at
	for at < len(b) && !endsName[b[at]] {
		at++
	}
	if at+1 >= len(b) || b[at] != '=' || b[at+1] != '"' {
		return t.fail()
	}
	t.name = b[from:at]
	at += 2
	from = at
	// Fast path: eight bytes at a time up to the first quote or backslash, as in jsonText.text.
	for at+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[at:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		found := ((quote-ones)&^quote | (slash-ones)&^slash) & highs
		if found == 0 {
			at += 8
			continue
		}
		at += bits.TrailingZeros64(found) >> 3
		if b[at] == '"' {
			t.value, t.at = b[from:at], at+1
			return true
		}
		break
	}
	return t.slowValue(from, at)
}

// slowValue reads the rest of a value from byte at on, with escapes, or near the end. A backslash before any other
// character than a quote, a backslash or a bracket stands for itself.
func (t *syslogText) slowValue(from, at int) bool {
	b, to := t.b, at
	for at < len(b) {
		c := b[at]
		if c == '"' {
			t.value, t.at = b[from:to], at+1
			return true
		}
		if c == '\\' && at+1 < len(b) && (b[at+1] == '"' || b[at+1] == '\\' || b[at+1] == ']') {
			at++
			c = b[at]
			t.escaped = true
		}
		b[to] = c
		to++
		at++
	}
	return t.fail()
}
