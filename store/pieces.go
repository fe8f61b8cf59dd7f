package store

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"loggregator_exporter/metric"
)

// Cloud Foundry's prom scraper takes histograms and summaries of Prometheus apart: of a histogram x come counters x_bucket with the tag le, of
// a summary x gauges x with the tag quantile, and of both a gauge x_sum and a counter x_count; their other tags are the same, and gauges have
// no unit. (https://github.com/cloudfoundry/loggregator-agent-release, src/pkg/scraper.) They are put together again: the
// histogram or summary is a series, the composite; what it is made of are its pieces, each of them an entry that keeps its own state by
// the rules for gauges and counters.

// role is what an entry is to a composite.
type role uint8

const (
	roleNone     role = iota
	roleBucket        // counter x_bucket with le
	roleQuantile      // gauge x with quantile
	roleSum           // gauge x_sum: only where x is known as a composite
	roleCount         // counter x_count: the same
)

// tag is the tag that tells pieces of a role apart, and that the composite lacks.
func (r role) tag() string {
	switch r {
	case roleBucket:
		return "le"
	case roleQuantile:
		return "quantile"
	default:
		return ""
	}
}

// without is the tag that a composite lacks and its pieces have.
func (k nameKind) without() string {
	if k == nameSummary {
		return roleQuantile.tag()
	}
	return roleBucket.tag()
}

// piece is what a name and an envelope's identity say of a role.
type piece struct {
	role role
	base []byte  // x
	at   float64 // the bound or quantile
}

var (
	suffixBucket = []byte("_bucket")
	suffixSum    = []byte("_sum")
	suffixCount  = []byte("_count")
)

// pieceOf says whether an entry is, or may be, a piece. The key is an envelope's identity.
func pieceOf(kind nameKind, name, unit, key []byte) piece {
	cut := func(suffix []byte) ([]byte, bool) {
		base, ok := bytes.CutSuffix(name, suffix)
		return base, ok && len(base) > 0
	}
	switch {
	case kind == nameCounter:
		if base, ok := cut(suffixBucket); ok {
			if bound, ok := parseBound(keyTag(key, roleBucket.tag())); ok {
				return piece{roleBucket, base, bound}
			}
		}
		if base, ok := cut(suffixCount); ok {
			return piece{role: roleCount, base: base}
		}
	case kind == nameGauge && len(unit) == 0:
		if q, ok := parseBound(keyTag(key, roleQuantile.tag())); ok && q >= 0 && q <= 1 {
			return piece{roleQuantile, name, q}
		}
		if base, ok := cut(suffixSum); ok {
			return piece{role: roleSum, base: base}
		}
	}
	return piece{}
}

// parseBound reads the value of a tag le or quantile. NaN and -Inf bound nothing.
func parseBound(b []byte) (float64, bool) {
	const longest = 32
	if len(b) == 0 || len(b) > longest || bytes.ContainsAny(b, "xXpP_") {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, -1) {
		return 0, false
	}
	if v == 0 {
		v = 0 // no -0
	}
	return v, true
}

// nextPart takes the first part off appendIdentity's bytes.
func nextPart(key []byte) (part, rest []byte) {
	n, size := binary.Uvarint(key)
	return key[size : size+int(n)], key[size+int(n):]
}

// keyTag returns the value of a tag in appendIdentity's bytes, or nil.
func keyTag(key []byte, name string) []byte {
	_, key = nextPart(key)
	_, key = nextPart(key)
	for len(key) > 0 {
		var tag, value []byte
		tag, key = nextPart(key)
		value, key = nextPart(key)
		if string(tag) == name {
			return value
		}
	}
	return nil
}

const (
	tagV1Type     = "__v1_type"
	tagInstanceID = "instance_id"
)

// compositeKey appends the identity of the composite that an envelope's identity belongs to. The tags that counters and gauges of v1
// differ by are left out, as well as the one given.
func compositeKey(dst, key []byte, without string) []byte {
	source, key := nextPart(key)
	instance, key := nextPart(key)
	dst = appendPart(appendPart(dst, source), instance)
	for len(key) > 0 {
		var tag, value []byte
		tag, key = nextPart(key)
		value, key = nextPart(key)
		switch string(tag) {
		case without, tagV1Type:
		case tagInstanceID:
			if !bytes.Equal(value, instance) {
				dst = appendPart(appendPart(dst, tag), value)
			}
		default:
			dst = appendPart(appendPart(dst, tag), value)
		}
	}
	return dst
}

// pieceKeys are the identities by which x_sum or x_count of a composite may have come: as the composite's own, or with the tags of v1.
func pieceKeys(composite []byte, r role) [][]byte {
	v1 := "CounterEvent"
	if r == roleSum {
		v1 = "ValueMetric"
	}
	tags := []metric.Label{{Name: tagV1Type, Value: v1}}
	keys := [][]byte{composite, withTags(composite, tags)}
	_, rest := nextPart(composite)
	if instance, _ := nextPart(rest); r == roleSum && len(instance) > 0 {
		keys = append(keys, withTags(composite, append(tags, metric.Label{Name: tagInstanceID, Value: string(instance)})))
	}
	return keys
}

// withTags returns an identity with more tags, which are sorted by name and not yet there.
func withTags(key []byte, tags []metric.Label) []byte {
	source, key := nextPart(key)
	instance, key := nextPart(key)
	dst := appendPart(appendPart(nil, source), instance)
	add := func() {
		dst = appendPart(appendPart(dst, []byte(tags[0].Name)), []byte(tags[0].Value))
		tags = tags[1:]
	}
	for len(key) > 0 {
		var tag, value []byte
		tag, key = nextPart(key)
		value, key = nextPart(key)
		for len(tags) > 0 && tags[0].Name < string(tag) {
			add()
		}
		dst = appendPart(appendPart(dst, tag), value)
	}
	for len(tags) > 0 {
		add()
	}
	return dst
}

// pieceIdentity says which composite a sample makes by itself, which x_sum and x_count do not.
func pieceIdentity(kind metric.Kind, p *metric.Point, key []byte) (of nameKind, base []byte, ok bool) {
	entry := nameTimer
	switch kind {
	case metric.KindGauge:
		entry = nameGauge
	case metric.KindCounter:
		entry = nameCounter
	default:
	}
	switch q := pieceOf(entry, p.Name, p.Unit, key); q.role {
	case roleBucket:
		return nameHistogram, q.base, true
	case roleQuantile:
		return nameSummary, q.base, true
	default:
		return 0, nil, false
	}
}
