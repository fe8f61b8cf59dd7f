package store

import "loggregator_exporter/metric"

// identifier brings envelopes into the canonical form that finds their series. It owns the memory that this takes, so that the
// steady state allocates nothing.
type identifier struct {
	timerTags map[string]bool // the envelope tags that may become labels of timers

	tags  []metric.Tag // of a timer: those that make its identity
	order tagOrder
	key   []byte // the canonical form
	trace TraceID
}

// identify puts the identity of a gauge or counter envelope into the key. It is false where the envelope exceeds the bounds.
func (d *identifier) identify(e *metric.Envelope) bool {
	d.key = d.key[:0]
	ok := !e.TooManyTags && len(e.SourceID) <= metric.MaxValueBytes && len(e.InstanceID) <= metric.MaxValueBytes
	for i := range e.Tags {
		ok = ok && len(e.Tags[i].Key)+len(e.Tags[i].Value) <= metric.MaxValueBytes
	}
	if ok {
		d.key = appendIdentity(d.key, e.SourceID, e.InstanceID, e.Tags, d.order.sort(e.Tags))
	}
	return ok && len(d.key) <= metric.MaxIdentityBytes
}

const (
	timerHTTP     = "http" // the timer of HTTP requests
	tagStatusCode = "status_code"
)

var appIDKey = []byte("app_id")

// timing is what a timer says beside its identity.
type timing struct {
	ok        bool // within the bounds, and it ends no sooner than it starts
	duplicate bool // the gorouter's second timer for the same request
	seconds   float64
	length    float64 // of the response in bytes; -1 where it does not say
}

// identifyTimer puts the identity of a timer into the key: the tags on the allow-list, the status code as its class, the app's
// id. So no request id or address ever makes an entry.
func (d *identifier) identifyTimer(e *metric.Envelope) timing {
	took := e.Stop - e.Start
	t := timing{ok: !e.TooManyTags && e.Stop >= e.Start && took >= 0, seconds: float64(took) / 1e9, length: -1}
	d.key = d.key[:0]
	hasApp, origin := d.timerFacts(e, &t)
	sourceID, instanceID := e.SourceID, e.InstanceID
	if metric.IsGUID(sourceID) && !hasApp && d.timerTags["app_id"] {
		d.tags = append(d.tags, metric.Tag{Key: appIDKey, Value: sourceID})
	}
	if !d.timerTags["source_id"] && (metric.IsGUID(sourceID) || len(origin) > 0) {
		sourceID = nil // it would only serve to name the component, which the origin does better
	}
	if !d.timerTags["instance_id"] {
		instanceID = nil
	}
	if t.ok = t.ok && len(sourceID) <= metric.MaxValueBytes && len(instanceID) <= metric.MaxValueBytes; t.ok {
		d.key = appendIdentity(d.key, sourceID, instanceID, d.tags, d.order.sort(d.tags))
		t.ok = len(d.key) <= metric.MaxIdentityBytes
	}
	return t
}

// timerFacts reads the tags of a timer, and keeps those on the allow-list.
func (d *identifier) timerFacts(e *metric.Envelope, t *timing) (hasApp bool, origin []byte) {
	client := false
	d.tags, d.trace = d.tags[:0], TraceID{}
	for _, tag := range e.Tags {
		switch string(tag.Key) {
		case "peer_type":
			client = string(tag.Value) == "Client"
		case "content_length":
			t.length = parseLength(tag.Value)
		case "origin":
			origin = tag.Value
		case tagStatusCode:
			tag.Value = statusClass(tag.Value)
		case "app_id":
			hasApp = hasApp || len(tag.Value) > 0
		default:
			if traceTags[string(tag.Key)] {
				d.trace.readTrace(tag)
			}
		}
		if d.timerTags[string(tag.Key)] {
			t.ok = t.ok && len(tag.Value) <= metric.MaxValueBytes
			d.tags = append(d.tags, tag)
		}
	}
	sender := origin
	if len(sender) == 0 {
		sender = e.SourceID
	}
	t.duplicate = client && metric.IsRouter(sender)
	return hasApp, origin
}

func parseLength(b []byte) float64 {
	if len(b) == 0 || len(b) > 18 {
		return -1
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return float64(n)
}

// statusClass makes 2xx of 200; what is not a status code is no class.
func statusClass(code []byte) []byte {
	if len(code) != 3 || code[0] < '1' || code[0] > '9' || code[1] < '0' || code[1] > '9' || code[2] < '0' || code[2] > '9' {
		return nil
	}
	return statusClasses[code[0]-'1']
}

var statusClasses = [...][]byte{
	[]byte("1xx"), []byte("2xx"), []byte("3xx"), []byte("4xx"), []byte("5xx"), []byte("6xx"), []byte("7xx"), []byte("8xx"), []byte("9xx"),
}
