package store

import (
	"hash/maphash"

	"loggregator_exporter/metric"
)

type (
	tagsetPos uint32
	namePos   uint32
)

// tagset is an interned envelope identity: source id, instance id and all tags. The series of one emitter share it.
type tagset struct {
	key    string // canonical bytes, see appendIdentity
	hash   uint64
	refs   uint32
	sender senderPos
}

// name is an interned metric name with its kind and unit as emitted: a changed unit is another identity, because it
// means another conversion.
type name struct {
	text, unit string
	kind       nameKind
	leftOut    refusalPos // that counts the last sample of it that was left out, 0 if there was none
	hash       uint64
	refs       uint32
	untagged   uint32 // number of its entries that no rule matched
	// described says that an entry of metrics describes the last of these that was decided.
	described bool
}

func (n *name) is(kind nameKind, text, unit []byte) bool {
	return n.text == string(text) && n.unit == string(unit) && n.kind == kind
}

// nameKind distinguishes the series that envelopes of one name may feed.
type nameKind uint8

const (
	nameGauge nameKind = iota
	nameCounter
	nameFractionalCounter // its counts are bits of float64: see metric.Envelope.Fractional
	nameHistogram         // counted by its sender, as is nameSummary
	nameSummary
	nameCompositeHistogram
	nameCompositeSummary
	nameTimer
	nameHTTPDuration
	nameHTTPSize
)

func (k nameKind) timer() bool { return k >= nameTimer }

func (k nameKind) counter() bool { return k == nameCounter || k == nameFractionalCounter }

func (k nameKind) kind() metric.Kind {
	switch k {
	case nameGauge, nameCompositeSummary:
		return metric.KindGauge
	case nameCounter, nameFractionalCounter, nameCompositeHistogram:
		return metric.KindCounter
	case nameHistogram:
		return metric.KindHistogram
	case nameSummary:
		return metric.KindSummary
	default:
		return metric.KindTimer
	}
}

// nameKindOf is the kind of names that envelopes of a kind have, where the name does not tell more.
func nameKindOf(k metric.Kind) nameKind {
	switch k {
	case metric.KindGauge:
		return nameGauge
	case metric.KindCounter:
		return nameCounter
	case metric.KindHistogram:
		return nameHistogram
	case metric.KindSummary:
		return nameSummary
	default:
		return nameTimer
	}
}

// composite is the type of a composite; TypeGauge for all other names.
func (k nameKind) composite() metric.Type {
	switch k {
	case nameCompositeHistogram:
		return metric.TypeHistogram
	case nameCompositeSummary:
		return metric.TypeSummary
	default:
		return metric.TypeGauge
	}
}

// makeup is how the series of an entry of this kind is kept.
func (k nameKind) makeup() makeup {
	switch k {
	case nameCompositeHistogram, nameCompositeSummary:
		return ofParts
	case nameHistogram, nameSummary:
		return ofDistributions
	default:
		return ofValues
	}
}

// identities interns tag sets and names.
type identities struct {
	seed maphash.Seed
	mask uint64 // the bits of hashes that are used: with 0, tests make all hashes equal

	tagsets     arena[tagsetPos, tagset]
	tagsetIndex index[tagsetPos]
	names       arena[namePos, name]
	nameIndex   index[namePos]
	untagged    int // number of names with an entry that no rule matched
	undescribed int // number of these that no entry of metrics describes

	limits *limits // counts tag sets by sender
}

func (d *identities) hashBytes(b []byte) uint64 { return maphash.Bytes(d.seed, b) & d.mask }

func (d *identities) hashName(kind nameKind, text, unit []byte) uint64 {
	h := maphash.Bytes(d.seed, text)
	return (h ^ uint64(kind)<<27 ^ uint64(len(unit))<<21) & d.mask // bits that the index looks at
}

// hash sets the hashes of a sample.
func (d *identities) hash(of *sample) {
	of.hash, of.nameHash = d.hashBytes(of.key), d.hashName(of.kind, of.name, of.unit)
}

func (d *identities) hashPair(tagset tagsetPos, name namePos) uint64 {
	return mix(uint32(tagset), uint32(name)) & d.mask
}

// mix hashes two positions; both halves of the result depend on both.
func mix(a, b uint32) uint64 {
	h := (uint64(a)<<32 | uint64(b)) * 0x9e3779b97f4a7c15
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return h ^ h>>32
}

func (d *identities) findTagset(hash uint64, key []byte) tagsetPos {
	return d.tagsetIndex.find(hash, func(pos tagsetPos) bool { return d.tagsets.all[pos].key == string(key) })
}

// internTagset finds or adds a tag set.
func (d *identities) internTagset(hash uint64, key []byte) tagsetPos {
	if pos := d.findTagset(hash, key); pos != 0 {
		return pos
	}
	t := tagset{key: string(key), hash: hash}
	t.sender = d.limits.hold(t.key)
	pos := d.tagsets.add(t)
	d.tagsetIndex.insert(hash, pos)
	return pos
}

func (d *identities) findName(hash uint64, kind nameKind, text, unit []byte) namePos {
	return d.nameIndex.find(hash, func(pos namePos) bool {
		return d.names.all[pos].is(kind, text, unit)
	})
}

// internName finds or adds a name.
func (d *identities) internName(hash uint64, kind nameKind, text, unit []byte) namePos {
	if pos := d.findName(hash, kind, text, unit); pos != 0 {
		return pos
	}
	pos := d.names.add(name{text: string(text), unit: string(unit), kind: kind, hash: hash})
	d.nameIndex.insert(hash, pos)
	return pos
}

// hold counts a reference to a tag set and a name.
func (d *identities) hold(tagset tagsetPos, name namePos) {
	d.tagsets.at(tagset).refs++
	d.names.at(name).refs++
}

// release gives a reference back. What nothing refers to is removed.
func (d *identities) release(tagset tagsetPos, name namePos) {
	if n := d.names.at(name); n.refs > 1 {
		n.refs--
	} else {
		d.nameIndex.remove(n.hash, name)
		d.names.remove(name)
	}
	t := d.tagsets.at(tagset)
	if t.refs--; t.refs > 0 {
		return
	}
	d.limits.release(t.sender)
	d.tagsetIndex.remove(t.hash, tagset)
	d.tagsets.remove(tagset)
}

// countUntagged notes that no rule matches an entry of a name (1), that this is still so (0), or that the entry is
// gone or tagged now (-1), and whether an entry of metrics describes the name. Names of composites do not count:
// nobody has sent them.
func (d *identities) countUntagged(pos namePos, change int, described bool) {
	n := d.names.at(pos)
	counts := n.kind.composite() == metric.TypeGauge
	if counts {
		d.addUntagged(n, -1)
	}
	n.untagged, n.described = n.untagged+uint32(change), described
	if counts {
		d.addUntagged(n, 1)
	}
}

// addUntagged adds a name to the numbers of names without a rule (1) or takes it off (-1), if it is one.
func (d *identities) addUntagged(n *name, by int) {
	if n.untagged == 0 {
		return
	}
	d.untagged += by
	if !n.described {
		d.undescribed += by
	}
}
