package store

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"loggregator_exporter/metric"
)

// tagset is an interned envelope identity: source id, instance id and all tags. Series of one emitter share it.
type tagset struct {
	key  string // canonical bytes, see appendIdentity
	hash uint64
	refs uint32
}

// name is an interned metric name with its kind and unit as emitted: a changed unit is another identity, because
// it means another conversion.
type name struct {
	text, unit string
	kind       nameKind
	hash       uint64
	refs       uint32
	untagged   bool // no rule matched it
}

// nameKind tells apart the series that envelopes of one name may feed.
type nameKind uint8

const (
	nameGauge nameKind = iota
	nameCounter
	nameTimer
	nameHTTPDuration
	nameHTTPSize
)

func (k nameKind) kind() metric.Kind {
	switch k {
	case nameGauge:
		return metric.KindGauge
	case nameCounter:
		return metric.KindCounter
	default:
		return metric.KindTimer
	}
}

// keyedTag is a tag on its way to being sorted. Most keys differ in their first eight bytes, which compare as one number;
// having no pointers, it moves without a write barrier.
type keyedTag struct {
	prefix uint64
	at     uint32 // position in the envelope's tags
}

// keyPrefix returns the first eight bytes of a key as a number that compares as the bytes do; shorter keys end in zeros.
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

// sortTags returns the positions of tags in the order of their keys, in order's memory. Of a key that is there twice only the last
// one on the wire counts. There are a few tags, which insertion sorts best.
func sortTags(order []keyedTag, tags []metric.Tag) []keyedTag {
	order = order[:0]
next:
	for at := range tags {
		key := tags[at].Key
		p := keyPrefix(key)
		i := len(order)
		for ; i > 0 && order[i-1].prefix >= p; i-- {
			if order[i-1].prefix > p {
				continue
			}
			c := bytes.Compare(tags[order[i-1].at].Key, key)
			if c == 0 {
				order[i-1].at = uint32(at)
				continue next
			}
			if c < 0 {
				break
			}
		}
		order = append(order, keyedTag{})
		for k := len(order) - 1; k > i; k-- {
			order[k] = order[k-1]
		}
		order[i] = keyedTag{p, uint32(at)}
	}
	return order
}

// appendIdentity appends the canonical form of an envelope's identity: every part behind its length, so that no two
// identities have the same bytes, and tags in the order of their keys, so that the order on the wire does not matter.
func appendIdentity(dst, sourceID, instanceID []byte, tags []metric.Tag, order []keyedTag) []byte {
	dst = appendPart(dst, sourceID)
	dst = appendPart(dst, instanceID)
	for i := range order {
		t := &tags[order[i].at]
		dst = appendPart(dst, t.Key)
		dst = appendPart(dst, t.Value)
	}
	return dst
}

func appendPart(dst, part []byte) []byte {
	if len(part) < 0x80 {
		dst = append(dst, byte(len(part)))
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(part)))
	}
	return append(dst, part...)
}

// parseIdentity takes appendIdentity's bytes apart again.
func parseIdentity(key string) (sourceID, instanceID string, tags []metric.Label) {
	next := func() string {
		n, size := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
		part := key[size : size+int(n)]
		key = key[size+int(n):]
		return part
	}
	sourceID, instanceID = next(), next()
	for key != "" {
		k := next()
		tags = append(tags, metric.Label{Name: k, Value: next()})
	}
	return sourceID, instanceID, tags
}

// identities interns tag sets and names, and finds the series of a pair of them.
type identities struct {
	seed maphash.Seed
	mask uint64 // what of a hash is used: tests make all hashes equal with 0

	tagsets     []tagset
	tagsetIndex index
	freeTagsets []uint32

	names     []name
	nameIndex index
	freeNames []uint32
	untagged  int
}

func newIdentities() identities {
	return identities{seed: maphash.MakeSeed(), mask: ^uint64(0)}
}

func (d *identities) hashBytes(b []byte) uint64 { return maphash.Bytes(d.seed, b) & d.mask }

func (d *identities) hashName(kind nameKind, text, unit []byte) uint64 {
	h := maphash.Bytes(d.seed, text)
	return (h ^ uint64(kind)<<59 ^ uint64(len(unit))<<53) & d.mask
}

// hashPair mixes two positions; both halves of the result depend on both.
func (d *identities) hashPair(tagset, name uint32) uint64 {
	h := (uint64(tagset)<<32 | uint64(name)) * 0x9e3779b97f4a7c15
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return (h ^ h>>32) & d.mask
}

func (d *identities) findTagset(hash uint64, key []byte) (uint32, bool) {
	return d.tagsetIndex.find(hash, func(pos uint32) bool { return d.tagsets[pos].key == string(key) })
}

func (d *identities) addTagset(hash uint64, key []byte) uint32 {
	t := tagset{key: string(key), hash: hash}
	pos := uint32(len(d.tagsets))
	if n := len(d.freeTagsets); n > 0 {
		pos, d.freeTagsets = d.freeTagsets[n-1], d.freeTagsets[:n-1]
		d.tagsets[pos] = t
	} else {
		d.tagsets = append(d.tagsets, t)
	}
	d.tagsetIndex.insert(hash, pos, func(p uint32) uint64 { return d.tagsets[p].hash })
	return pos
}

func (d *identities) releaseTagset(pos uint32) {
	t := &d.tagsets[pos]
	if t.refs--; t.refs > 0 {
		return
	}
	d.tagsetIndex.remove(t.hash, pos)
	*t = tagset{}
	d.freeTagsets = append(d.freeTagsets, pos)
}

func (d *identities) findName(hash uint64, kind nameKind, text, unit []byte) (uint32, bool) {
	return d.nameIndex.find(hash, func(pos uint32) bool {
		n := &d.names[pos]
		return n.text == string(text) && n.unit == string(unit) && n.kind == kind
	})
}

func (d *identities) addName(hash uint64, kind nameKind, text, unit []byte) uint32 {
	n := name{text: string(text), unit: string(unit), kind: kind, hash: hash}
	pos := uint32(len(d.names))
	if f := len(d.freeNames); f > 0 {
		pos, d.freeNames = d.freeNames[f-1], d.freeNames[:f-1]
		d.names[pos] = n
	} else {
		d.names = append(d.names, n)
	}
	d.nameIndex.insert(hash, pos, func(p uint32) uint64 { return d.names[p].hash })
	return pos
}

func (d *identities) releaseName(pos uint32) {
	n := &d.names[pos]
	if n.refs--; n.refs > 0 {
		return
	}
	if n.untagged {
		d.untagged--
	}
	d.nameIndex.remove(n.hash, pos)
	*n = name{}
	d.freeNames = append(d.freeNames, pos)
}
