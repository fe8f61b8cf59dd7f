package store

import (
	"errors"
	"fmt"

	"loggregator_exporter/metric"
)

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
	tagStatusCode = "status_code"
	labelStatus   = "status"
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
	if isGUID(sourceID) && !hasApp && d.timerTags["app_id"] {
		d.tags = append(d.tags, metric.Tag{Key: appIDKey, Value: sourceID})
	}
	if !d.timerTags["source_id"] && (isGUID(sourceID) || len(origin) > 0) {
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
	t.duplicate = client && fromRouter(origin, e.SourceID)
	return hasApp, origin
}

// fromRouter says whether the gorouter sent an envelope, as an old one (router__0) or a new one.
func fromRouter(origin, sourceID []byte) bool {
	if len(origin) == 0 {
		origin = sourceID
	}
	for _, p := range routerOrigins {
		if len(origin) >= len(p) && string(origin[:len(p)]) == p {
			return len(origin) == len(p) || origin[len(p)] == '_'
		}
	}
	return false
}

var routerOrigins = []string{"gorouter", "router"}

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

// Identities returns what the store would look for on an envelope, one for each of its samples, for those who want to show how it
// is resolved. Samples that the store would count as invalid are an error.
func (r *Resolver) Identities(e *metric.Envelope) ([]Identity, error) {
	d := identifier{timerTags: r.timerTags}
	if ok := e.Kind == metric.KindTimer && d.identifyTimer(e).ok || e.Kind != metric.KindTimer && d.identify(e); !ok {
		return nil, fmt.Errorf("its tags exceed the bounds (%d tags, %d bytes each and %d together), or it is a timer that ends before it starts",
			metric.MaxTags, metric.MaxValueBytes, metric.MaxIdentityBytes)
	}
	points := e.Points
	if e.Kind != metric.KindGauge {
		points = []metric.Point{{Name: e.Name}}
	}
	var out []Identity
	for _, p := range points {
		switch {
		case len(p.Name) == 0:
			return nil, errors.New("it has no name")
		case len(p.Name) > metric.MaxNameBytes:
			return nil, fmt.Errorf("its name has %d bytes, the limit is %d", len(p.Name), metric.MaxNameBytes)
		}
		source, instance, tags := parseIdentity(string(d.key))
		if of, base, ok := pieceIdentity(e.Kind, &p, d.key); ok {
			out = append(out, identityOf(compositeKey(nil, d.key, of.without()), of, base))
			continue
		}
		out = append(out, Identity{
			Kind: e.Kind, Name: string(p.Name), Unit: string(p.Unit), SourceID: source, InstanceID: instance, Tags: tags,
		})
	}
	return out, nil
}
