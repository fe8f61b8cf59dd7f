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

	owner uint32 // position in identities.owners
}

// name is an interned metric name with its kind and unit as emitted: a changed unit is another identity, because
// it means another conversion.
type name struct {
	text, unit string
	kind       nameKind
	hash       uint64
	refs       uint32
	untagged   uint32 // how many of its entries no rule matched
}

// nameKind tells apart the series that envelopes of one name may feed.
type nameKind uint8

const (
	nameGauge nameKind = iota
	nameCounter
	nameHistogram // put together from pieces
	nameSummary   // the same
	nameTimer
	nameHTTPDuration
	nameHTTPSize
)

func (k nameKind) timer() bool { return k >= nameTimer }

func (k nameKind) kind() metric.Kind {
	switch k {
	case nameGauge, nameSummary:
		return metric.KindGauge
	case nameCounter, nameHistogram:
		return metric.KindCounter
	default:
		return metric.KindTimer
	}
}

// composite is the type of what is put together; TypeGauge for what is not.
func (k nameKind) composite() metric.Type {
	switch k {
	case nameHistogram:
		return metric.TypeHistogram
	case nameSummary:
		return metric.TypeSummary
	default:
		return metric.TypeGauge
	}
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

// tagOrder sorts the tags of an envelope by key. It remembers the keys of the last one, since a sender that writes its tags in a fixed
// order needs no sorting.
type tagOrder struct {
	prefixes []uint64 // of the keys, as they came
	order    []uint32 // positions of the tags in the order of their keys
	distinct bool     // all prefixes differ, so that they alone decide the order
}

// sort returns the positions of tags in the order of their keys, valid until the next call. Of a key that is there twice only the
// last one on the wire counts.
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

// insert puts a tag in its place. There are a few tags, which insertion sorts best; most keys differ in their first eight bytes.
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

// appendIdentity appends the canonical form of an envelope's identity: every part behind its length, so that no two
// identities have the same bytes, and tags in the order of their keys, so that the order on the wire does not matter.
func appendIdentity(dst, sourceID, instanceID []byte, tags []metric.Tag, order []uint32) []byte {
	dst = appendPart(dst, sourceID)
	dst = appendPart(dst, instanceID)
	for _, at := range order {
		// An empty value is no label, and no part of the identity.
		if t := &tags[at]; len(t.Value) > 0 {
			dst = appendPart(dst, t.Key)
			dst = appendPart(dst, t.Value)
		}
	}
	return dst
}

const shortPart = 16

func appendPart(dst, part []byte) []byte {
	if n := len(dst); len(part) <= shortPart && cap(part) >= shortPart && cap(dst) > n+shortPart {
		// Fast path: the bytes behind a short part are copied too, which costs less than a call, and cut off again.
		dst = dst[:n+1+shortPart]
		dst[n] = byte(len(part))
		*(*[shortPart]byte)(dst[n+1:]) = [shortPart]byte(part[:shortPart])
		return dst[:n+1+len(part)]
	}
	dst = binary.AppendUvarint(dst, uint64(len(part)))
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

	owners      owners
	tagsets     []tagset
	tagsetIndex index
	freeTagsets []uint32

	names     []name
	nameIndex index
	freeNames []uint32
	untagged  int // names of which that is more than none
}

func newIdentities() identities {
	return identities{seed: maphash.MakeSeed(), mask: ^uint64(0), owners: newOwners()}
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
	d.owners.release(t.owner)
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

// countUntagged notes that no rule matches an entry of a name (1), or that the entry is gone or tagged now (-1).
func (d *identities) countUntagged(pos uint32, change int) {
	n := &d.names[pos]
	if n.untagged == 0 {
		d.untagged++
	}
	n.untagged += uint32(change)
	if n.untagged == 0 {
		d.untagged--
	}
}

func (d *identities) releaseName(pos uint32) {
	n := &d.names[pos]
	if n.refs--; n.refs > 0 {
		return
	}
	d.nameIndex.remove(n.hash, pos)
	*n = name{}
	d.freeNames = append(d.freeNames, pos)
}
