package store

import (
	"bytes"
	"encoding/binary"

	"loggregator_exporter/metric"
)

// identifier brings envelopes into the canonical form that finds their series. It owns the memory that this takes,
// so that the steady state allocates nothing.
type identifier struct {
	identification *Identification // the resolver's, set for timers

	sender uint64       // whose identity is in key, see metric.Envelope.Sender; 0 where that is not known
	tags   []metric.Tag // of a timer: those that make its identity
	order  tagOrder
	key    []byte // the canonical form
	trace  TraceID
}

// usualKey is more than the identities of Cloud Foundry take, so that all of one is copied in blocks.
const usualKey = 1 << 10

// begin empties the key.
func (d *identifier) begin() {
	if cap(d.key) < usualKey {
		d.key = make([]byte, 0, usualKey)
	}
	d.key, d.sender = d.key[:0], 0
}

// identify puts the identity of a gauge or counter envelope into the key. It returns why the envelope is invalid, or
// "".
func (d *identifier) identify(e *metric.Envelope) (invalid string) {
	if e.Sender != 0 && e.Sender == d.sender {
		return "" // fast path
	}
	d.begin()
	ok := !e.TooManyTags && len(e.SourceID) <= metric.MaxValueBytes && len(e.InstanceID) <= metric.MaxValueBytes
	for i := range e.Tags {
		ok = ok && len(e.Tags[i].Key)+len(e.Tags[i].Value) <= metric.MaxValueBytes
	}
	if ok {
		d.key = appendIdentity(d.key, e.SourceID, e.InstanceID, e.Tags, d.order.sort(e.Tags))
	}
	if !ok || len(d.key) > metric.MaxIdentityBytes {
		return reasonTags
	}
	d.sender = e.Sender
	return ""
}

const (
	timerHTTP     = "http" // the timer of HTTP requests
	tagStatusCode = "status_code"
	tagScheme     = "scheme"
	tagHost       = "host"
)

var appIDKey, schemeKey, hostKey = []byte("app_id"), []byte(tagScheme), []byte(tagHost)

// timing is what a timer says beside its identity.
type timing struct {
	invalid   string // why the envelope is invalid, or ""
	duplicate bool   // the gorouter's second timer for the same request
	seconds   float64
	length    float64 // of the response in bytes; -1 where it does not say
}

// identifyTimer puts the identity of a timer into the key: source id, instance id, and the tags that the resolver
// wants.
func (d *identifier) identifyTimer(e *metric.Envelope) timing {
	took := e.Stop - e.Start
	t := timing{seconds: float64(took) / 1e9, length: -1}
	d.begin()
	d.tags, d.trace = d.tags[:0], TraceID{}
	sourceID, instanceID := e.SourceID, e.InstanceID
	if string(e.Name) == timerHTTP {
		sourceID, instanceID = d.httpRequest(e, &t)
	} else {
		for _, tag := range e.Tags {
			d.readTag(tag, &t, d.identification.TimerTags)
		}
	}
	switch {
	case e.TooManyTags, len(sourceID) > metric.MaxValueBytes, len(instanceID) > metric.MaxValueBytes:
		t.invalid = reasonTags
	case t.invalid == "":
		d.key = appendIdentity(d.key, sourceID, instanceID, d.tags, d.order.sort(d.tags))
		if len(d.key) > metric.MaxIdentityBytes {
			t.invalid = reasonTags
		}
	}
	if t.invalid == "" && (e.Stop < e.Start || took < 0) {
		t.invalid = reasonTimer
	}
	return t
}

// readTag takes a tag of a timer into its identity if it is among those wanted, and the trace if it names one.
func (d *identifier) readTag(tag metric.Tag, t *timing, wanted map[string]bool) {
	if traceTags[string(tag.Key)] {
		d.trace.readTrace(tag)
	}
	if wanted[string(tag.Key)] {
		if len(tag.Value) > metric.MaxValueBytes {
			t.invalid = reasonTags
		}
		d.tags = append(d.tags, tag)
	}
}

// request is what the tags of an HTTP request say beside its identity.
type request struct {
	client, hasApp, hasInstance bool
	origin                      []byte
}

// httpRequest reads the tags of an HTTP request, and returns the source id and instance id of its identity. The app's
// id is taken from the source id as well.
func (d *identifier) httpRequest(e *metric.Envelope, t *timing) (sourceID, instanceID []byte) {
	wanted := d.identification.HTTPTags
	r := d.httpTags(e, t)
	sender := r.origin
	if len(sender) == 0 {
		sender = e.SourceID
	}
	fromRouter := metric.IsRouter(sender)
	t.duplicate = r.client && fromRouter
	isApp := metric.IsGUID(e.SourceID)
	if isApp && !r.hasApp && wanted["app_id"] {
		d.tags = append(d.tags, metric.Tag{Key: appIDKey, Value: e.SourceID})
	}
	if wanted["source_id"] || !isApp && len(r.origin) == 0 {
		sourceID = e.SourceID // otherwise the origin names the component
	}
	if wanted[tagInstanceID] && !r.hasInstance && !fromRouter {
		instanceID = e.InstanceID // of the gorouter's requests it is 0 where no app's instance is known
	}
	return sourceID, instanceID
}

// httpTags takes the tags of an HTTP request into its identity that are wanted: scheme and host are those of the uri,
// and unless codes are wanted, the status code is taken as its class, so that no request id or address ever makes an
// entry.
func (d *identifier) httpTags(e *metric.Envelope, t *timing) (r request) {
	wanted := d.identification.HTTPTags
	for _, tag := range e.Tags {
		switch string(tag.Key) {
		case "peer_type":
			r.client = string(tag.Value) == "Client"
		case "content_length":
			t.length = metric.ContentLength(tag.Value)
		case "origin":
			r.origin = tag.Value
		case tagStatusCode:
			tag.Value = d.statusOf(tag.Value)
		case "app_id":
			r.hasApp = r.hasApp || len(tag.Value) > 0
		case tagInstanceID:
			r.hasInstance = r.hasInstance || len(tag.Value) > 0
		case "uri":
			d.readURI(tag.Value, t)
		case tagScheme, tagHost:
			continue
		}
		d.readTag(tag, t, wanted)
	}
	return r
}

// statusOf is what tells requests apart by their status code: the code itself or its class, nil where it is no code.
func (d *identifier) statusOf(code []byte) []byte {
	switch {
	case !d.identification.StatusCodes:
		return metric.StatusClass(code)
	case metric.IsStatusCode(code):
		return code
	default:
		return nil
	}
}

// readURI takes scheme and host of a request into its identity if they are wanted.
func (d *identifier) readURI(uri []byte, t *timing) {
	wanted := d.identification.HTTPTags
	if len(uri) == 0 || !wanted[tagScheme] && !wanted[tagHost] {
		return
	}
	scheme, host := metric.SchemeHost(uri)
	d.readTag(metric.Tag{Key: schemeKey, Value: scheme}, t, wanted)
	d.readTag(metric.Tag{Key: hostKey, Value: host}, t, wanted)
}

// keyPrefix returns the first eight bytes of a key as a number that compares as the bytes do; shorter keys end in
// zeros.
func keyPrefix(key []byte) uint64 {
	if cap(key) >= 8 {
		// Fast path: a shorter key is part of a message, whose next bytes may be read and are cut off.
		p := binary.BigEndian.Uint64(key[:8])
		if len(key) < 8 {
			p &^= ^uint64(0) >> (8 * len(key))
		}
		return p
	}
	var p uint64
	for i, c := range key {
		p |= uint64(c) << (56 - 8*i)
	}
	return p
}

// tagOrder sorts the tags of an envelope by key. It remembers the keys of the last one, since a sender that writes
// its tags in a fixed order needs no sorting.
type tagOrder struct {
	prefixes []uint64 // of the keys, as they came
	order    []uint32 // positions of the tags in the order of their keys
	distinct bool     // all prefixes differ, so that they alone decide the order
}

// sort returns the positions of tags in the order of their keys, valid until the next call. Of a key that is there
// twice only the last one on the wire counts.
func (o *tagOrder) sort(tags []metric.Tag) []uint32 {
	same := o.distinct && len(tags) == len(o.prefixes)
	if len(tags) > len(o.prefixes) {
		o.prefixes = append(o.prefixes, make([]uint64, len(tags)-len(o.prefixes))...)
	}
	o.prefixes = o.prefixes[:len(tags)]
	for i := range tags {
		p := keyPrefix(tags[i].Key)
		same = same && o.prefixes[i] == p
		o.prefixes[i] = p
	}
	if same {
		// Fast path: the same keys in the same order as before.
		return o.order
	}
	o.order, o.distinct = o.order[:0], true
	for at := range tags {
		o.insert(tags, uint32(at))
	}
	return o.order
}

// insert puts a tag in its place. There are a few tags, which insertion sorts best; most keys differ in their first
// eight bytes.
func (o *tagOrder) insert(tags []metric.Tag, at uint32) {
	p := o.prefixes[at]
	i := len(o.order)
	for ; i > 0; i-- {
		before := o.order[i-1]
		if o.prefixes[before] < p {
			break
		}
		if o.prefixes[before] > p {
			continue
		}
		o.distinct = false
		c := bytes.Compare(tags[before].Key, tags[at].Key)
		if c == 0 {
			o.order[i-1] = at
			return
		}
		if c < 0 {
			break
		}
	}
	o.order = append(o.order, at)
	for k := len(o.order) - 1; k > i; k-- {
		o.order[k] = o.order[k-1]
	}
	o.order[i] = at
}

// appendIdentity appends the canonical form of an envelope's identity: every field behind its length, so that no two
// identities have the same bytes, and tags in the order of their keys, so that the order on the wire does not matter.
func appendIdentity(dst, sourceID, instanceID []byte, tags []metric.Tag, order []uint32) []byte {
	dst = appendField(dst, sourceID)
	dst = appendField(dst, instanceID)
	for _, at := range order {
		// An empty value is no label, and no part of the identity.
		if t := &tags[at]; len(t.Value) > 0 {
			dst = appendField(dst, t.Key)
			dst = appendField(dst, t.Value)
		}
	}
	return dst
}

// Fields up to these lengths are copied in blocks: GUIDs have 36 bytes.
const (
	shortField  = 16
	mediumField = 48
)

func appendField(dst, field []byte) []byte {
	n, size := len(dst), len(field)
	// Fast paths: the bytes behind a field are copied too, which costs less than a call, and cut off again.
	if cap(dst) > n+mediumField {
		switch {
		case size <= shortField && cap(field) >= shortField:
			dst = dst[:n+1+shortField]
			dst[n] = byte(size)
			*(*[shortField]byte)(dst[n+1:]) = [shortField]byte(field[:shortField])
			return dst[:n+1+size]
		case size <= mediumField && cap(field) >= mediumField:
			dst = dst[:n+1+mediumField]
			dst[n] = byte(size)
			*(*[mediumField]byte)(dst[n+1:]) = [mediumField]byte(field[:mediumField])
			return dst[:n+1+size]
		}
	}
	return append(binary.AppendUvarint(dst, uint64(size)), field...)
}

// usualTags are as many as most envelopes of Cloud Foundry have at most.
const usualTags = 8

// parseIdentity is the inverse of appendIdentity.
func parseIdentity(key string) (sourceID, instanceID string, tags []metric.Label) {
	return appendTags(nil, key)
}

// appendTags is parseIdentity that appends the tags to a slice.
func appendTags(tags []metric.Label, key string) (sourceID, instanceID string, _ []metric.Label) {
	next := func() string {
		n, size := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
		field := key[size : size+int(n)]
		key = key[size+int(n):]
		return field
	}
	sourceID, instanceID = next(), next()
	if key != "" && tags == nil {
		tags = make([]metric.Label, 0, usualTags)
	}
	for key != "" {
		k := next()
		tags = append(tags, metric.Label{Name: k, Value: next()})
	}
	return sourceID, instanceID, tags
}
