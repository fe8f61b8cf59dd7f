package store

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"loggregator_exporter/metric"
)

// Cloud Foundry's prom scraper takes Prometheus' histograms and summaries apart: a histogram x is sent as counters
// x_bucket with the tag le, a summary x as gauges x with the tag quantile, and both with a gauge x_sum and a counter
// x_count. Their other tags are the same, and they have no unit.
// (https://github.com/cloudfoundry/loggregator-agent-release, src/pkg/scraper.) They are put together again: the
// histogram or summary is a series, the composite; its parts are entries that keep their own state by the rules for
// gauges and counters.

// role is what an entry is to a composite.
type role uint8

const (
	roleNone     role = iota
	roleBucket        // counter x_bucket with le
	roleQuantile      // gauge x with quantile
	roleSum           // gauge x_sum, only if x is known as a composite
	roleCount         // counter x_count, likewise
)

// tag is the tag that distinguishes the parts of a role; the composite does not have it.
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

// partName is what a name and an envelope's identity say about the part that an entry is, or may be.
type partName struct {
	role role
	base []byte  // x
	at   float64 // the bound or quantile
}

var (
	suffixBucket = []byte("_bucket")
	suffixSum    = []byte("_sum")
	suffixCount  = []byte("_count")
)

// partNameOf returns the role that an entry has or may have. The key is an envelope's identity.
func partNameOf(kind nameKind, name, unit, key []byte) partName {
	cut := func(suffix []byte) ([]byte, bool) {
		base, ok := bytes.CutSuffix(name, suffix)
		return base, ok && len(base) > 0
	}
	switch {
	case kind == nameCounter && len(unit) == 0:
		if base, ok := cut(suffixBucket); ok {
			if bound, ok := parseBound(keyTag(key, roleBucket.tag())); ok {
				return partName{roleBucket, base, bound}
			}
		}
		if base, ok := cut(suffixCount); ok {
			return partName{role: roleCount, base: base}
		}
	case kind == nameGauge && len(unit) == 0:
		if q, ok := parseBound(keyTag(key, roleQuantile.tag())); ok && q >= 0 && q <= 1 {
			return partName{roleQuantile, name, q}
		}
		if base, ok := cut(suffixSum); ok {
			return partName{role: roleSum, base: base}
		}
	}
	return partName{}
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

// nextField splits the first field off appendIdentity's bytes.
func nextField(key []byte) (field, rest []byte) {
	n, size := binary.Uvarint(key)
	return key[size : size+int(n)], key[size+int(n):]
}

// keyTag returns the value of a tag in appendIdentity's bytes, or nil.
func keyTag(key []byte, name string) []byte {
	_, key = nextField(key)
	_, key = nextField(key)
	for len(key) > 0 {
		var tag, value []byte
		tag, key = nextField(key)
		value, key = nextField(key)
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

// compositeKey appends the identity of the composite that an envelope's identity belongs to. The tags by which
// counters and gauges of v1 differ are left out, as well as the one given.
func compositeKey(dst, key []byte, without string) []byte {
	source, key := nextField(key)
	instance, key := nextField(key)
	dst = appendField(appendField(dst, source), instance)
	for len(key) > 0 {
		var tag, value []byte
		tag, key = nextField(key)
		value, key = nextField(key)
		switch string(tag) {
		case without, tagV1Type:
		case tagInstanceID:
			if !bytes.Equal(value, instance) {
				dst = appendField(appendField(dst, tag), value)
			}
		default:
			dst = appendField(appendField(dst, tag), value)
		}
	}
	return dst
}

// partKeys are the identities that x_sum or x_count of a composite may have: that of the composite, or with the tags
// of v1.
func partKeys(composite string, r role) [][]byte {
	source, instance, tags := parseIdentity(composite)
	v1 := "CounterEvent"
	if r == roleSum {
		v1 = "ValueMetric"
	}
	with := func(more ...metric.Label) []byte {
		var all []metric.Tag
		for _, t := range append(more, tags...) {
			all = append(all, metric.Tag{Key: []byte(t.Name), Value: []byte(t.Value)})
		}
		var order tagOrder
		return appendIdentity(nil, []byte(source), []byte(instance), all, order.sort(all))
	}
	keys := [][]byte{[]byte(composite), with(metric.Label{Name: tagV1Type, Value: v1})}
	if r == roleSum && instance != "" {
		of := metric.Label{Name: tagInstanceID, Value: instance}
		keys = append(keys, with(metric.Label{Name: tagV1Type, Value: v1}, of))
	}
	return keys
}

// compositeOf returns the composite that a bucket or quantile belongs to, by its kind, key and name. Whether x_sum and
// x_count belong to one depends on what else there is.
func compositeOf(kind metric.Kind, p *metric.Point, key []byte) (of nameKind, composite, base []byte, ok bool) {
	switch q := partNameOf(nameKindOf(kind), p.Name, p.Unit, key); q.role {
	case roleBucket:
		return nameCompositeHistogram, compositeKey(nil, key, q.role.tag()), q.base, true
	case roleQuantile:
		return nameCompositeSummary, compositeKey(nil, key, q.role.tag()), q.base, true
	default:
		return 0, nil, nil, false
	}
}
