package store

import (
	"hash/maphash"
	"math/bits"
)

type entryPos uint32

// state says what an entry is for. These are the ways from one state to another:
//
//	add (entries)             free -> loose
//	begin, end                loose <-> live: the family gets or loses a series
//	setAside                  loose -> refused, dropped or joined
//	attach, detach            loose <-> part: the composite gets or loses it
//	makeLoose                 any other -> loose, by end or detach where it was live or a part
//	remove                    any -> free, and what existed only because of it
//	removeAlone               any -> free, for remove and for the ends of several entries at once
//
// A family ends with its last series (removeIfEmpty). endFamily removes the composites of one and makes its other
// series loose; endBareFamily is that for composites without buckets and quantiles. A composite that ends makes its
// parts loose.
type state uint8

const (
	stateFree    state = iota
	stateLoose         // not decided: its next sample does
	stateLive          // it owns an exposed series
	stateRefused       // its series or its family belongs to another, or a limit forbids it, or its name
	stateDropped       // a rule drops it
	stateJoined        // a timer whose series belongs to another timer: it observes there
	statePart          // a part of a composite, which may be refused or dropped
)

const (
	flagFamily   uint8 = 1 << iota // of a refused entry: a family has refused it, see refusingFamily
	flagTotals                     // of a counter: its highest total counts
	flagDeltas                     // of a counter: its deltas are added up
	flagBoth                       // of a counter: it had a sample with both delta and total; see sharedTotals
	flagShared                     // of a counter: others share its total
	flagUntagged                   // no rule matched it
	flagFull                       // of a refused entry: a limit was reached, perhaps that of refusingFamily
	flagCrowded                    // of a refused entry: it depends on a composite that has too many parts
)

const refusalFlags = flagFamily | flagFull | flagCrowded

// ref names an entry at one moment: an entry that was removed and used again has another gen.
type ref struct {
	pos entryPos
	gen uint32
}

// entry is what the store knows of one identity: a tag set and a name. In the common case it owns the exposed series
// that the resolver made of it; else it remembers why it does not.
//
// A loose entry has its tag set, its name and its value as it was sent, and nothing else.
//
// An entry holds no pointers: a million of them cost the garbage collector nothing. It fills one cache line, since the
// steady state waits for little else than memory.
type entry struct {
	value   float64
	stamp   int64 // the emitter's clock at the value, nanoseconds; 0 before the first value
	arrived int64 // our clock at the last sample, nanoseconds: expiry depends on it
	// Of a counter its highest total, or the sum of its deltas (a uint64); else our clock at the first of the samples
	// since the value that were all outdated, 0 for none.
	aux int64

	tagset tagsetPos
	name   namePos
	family familyPos // of a live entry; else the position in dependsOn or refusingFamily
	labels labelsPos // of a live entry; else the gen in dependsOn or refusingFamily
	gen    uint32
	extra  uint32 // position of what the entry has beside: see counterState, distribution, composite and refusal

	conversion conversionPos
	expiry     periodPos
	state      state
	flags      uint8
	pace       pace
}

func (e *entry) counterState() counterPos      { return counterPos(e.extra) }
func (e *entry) distribution() distributionPos { return distributionPos(e.extra) }
func (e *entry) composite() compositePos       { return compositePos(e.extra) }
func (e *entry) refusal() refusalPos           { return refusalPos(e.extra) }

// dependsOn is the owner of the series that a refused or joined entry would have, or the composite of a part.
func (e *entry) dependsOn() ref { return ref{entryPos(e.family), uint32(e.labels)} }

func (e *entry) setDependsOn(o ref) { e.family, e.labels = familyPos(o.pos), labelsPos(o.gen) }

// refusingFamily is the family that a refused entry lost to.
func (e *entry) refusingFamily() (pos familyPos, gen uint32) { return e.family, uint32(e.labels) }

func (e *entry) setRefusingFamily(pos familyPos, gen uint32) {
	e.family, e.labels = pos, labelsPos(gen)
}

const (
	chunkBits = 10
	chunkSize = 1 << chunkBits
)

// entries keeps all entries and finds them by tag set and name. Chunks of entries never move, so that pointers to
// entries stay valid.
type entries struct {
	positions[entryPos]
	identities

	chunks   []*[chunkSize]entry
	pairs    index[entryPos]
	removals uint64 // of entries; until the next one every position means what it did
}

func newEntries(l *limits) entries {
	return entries{identities: identities{seed: maphash.MakeSeed(), mask: ^uint64(0), limits: l}}
}

func (n *entries) at(pos entryPos) *entry { return &n.chunks[pos>>chunkBits][pos&(chunkSize-1)] }

// alive reports whether a reference still means the entry that it meant.
func (n *entries) alive(r ref) bool { return r.pos != 0 && n.at(r.pos).gen == r.gen }

// find returns the entry of a tag set and a name, or 0.
func (n *entries) find(tagset tagsetPos, name namePos) entryPos {
	return n.pairs.find(n.hashPair(tagset, name), func(pos entryPos) bool {
		e := n.at(pos)
		return e.tagset == tagset && e.name == name
	})
}

// lookup returns the entry of an envelope's identity and a name without a unit, or 0.
func (n *entries) lookup(key []byte, kind nameKind, text []byte) entryPos {
	return n.lookupWithUnit(key, kind, text, nil)
}

func (n *entries) lookupWithUnit(key []byte, kind nameKind, text, unit []byte) entryPos {
	tagset := n.findTagset(n.hashBytes(key), key)
	name := n.findName(n.hashName(kind, text, unit), kind, text, unit)
	if tagset == 0 || name == 0 {
		return 0
	}
	return n.find(tagset, name)
}

// add makes a loose entry. Its gen differs from that of every earlier use of the position.
func (n *entries) add(tagset tagsetPos, name namePos, arrived int64) entryPos {
	pos := n.take()
	if int(pos>>chunkBits) == len(n.chunks) {
		n.chunks = append(n.chunks, new([chunkSize]entry))
	}
	e := n.at(pos)
	e.tagset, e.name, e.arrived, e.state = tagset, name, arrived, stateLoose
	n.hold(tagset, name)
	n.pairs.insert(n.hashPair(tagset, name), pos)
	return pos
}

// remove frees the position of a loose entry.
func (n *entries) remove(pos entryPos) {
	e := n.at(pos)
	n.removals++
	n.pairs.remove(n.hashPair(e.tagset, e.name), pos)
	n.release(e.tagset, e.name)
	*e = entry{gen: e.gen + 1}
	n.giveBack(pos)
}

// identityOf returns the identity of an entry.
func (n *entries) identityOf(e *entry) Identity {
	name := n.names.at(e.name)
	id := newIdentity(n.tagsets.at(e.tagset).key, name.kind, name.text)
	id.Unit = name.unit
	return id
}

// newIdentity returns an identity without a unit.
func newIdentity(key string, kind nameKind, name string) Identity {
	source, instance, tags := parseIdentity(key)
	return Identity{
		Kind: kind.kind(), Composite: kind.composite(), ResponseSize: kind == nameHTTPSize,
		Name: name, SourceID: source, InstanceID: instance, Tags: tags,
	}
}

func (n *entries) kindOf(e *entry) nameKind { return n.names.at(e.name).kind }

// contentHash is the same each time an identity gets an entry, while its positions change.
func (n *entries) contentHash(e *entry) uint64 {
	return (n.tagsets.at(e.tagset).hash ^ bits.RotateLeft64(n.names.at(e.name).hash, 32)) * 0x9e3779b97f4a7c15
}

// tagAs notes of a part what tag noted of its composite, by whose name rules go.
func (n *entries) tagAs(part, composite *entry) {
	n.tag(part, composite.flags&flagUntagged != 0, n.names.at(composite.name).described)
}

// tag notes whether no rule matched an entry, and if so whether an entry of metrics describes its name.
func (n *entries) tag(e *entry, untagged, described bool) {
	switch was := e.flags&flagUntagged != 0; {
	case untagged && !was:
		e.flags |= flagUntagged
		n.countUntagged(e.name, 1, described)
	case untagged:
		n.countUntagged(e.name, 0, described)
	case was:
		e.flags &^= flagUntagged
		n.countUntagged(e.name, -1, n.names.at(e.name).described)
	}
}
