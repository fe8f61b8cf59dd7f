package store

import (
	"encoding/binary"
	"hash/maphash"
)

// siblings finds the counters that share an agent's running total: same name, source id and tags, and another instance id. A counter takes
// part from its first sample that has both a delta and a total. Those without an instance id are found by their
// identity and are not listed here, so that most counters cost nothing.
type siblings struct {
	all   []brood
	free  []uint32
	index index
}

// brood is all that share one running total. It keeps the tag set and the name of its first member, whether that lives or not.
type brood struct {
	hash         uint64
	tagset, name uint32
	members      uint32
	first        ref // of interest as long as it is alone
}

// withoutInstance splits a canonical identity into what stands before and behind the instance id.
func withoutInstance(key string) (before, instance, behind string) {
	part := func(from int) int {
		n, size := binary.Uvarint([]byte(key[from:min(len(key), from+binary.MaxVarintLen64)]))
		return from + size + int(n)
	}
	source := part(0)
	end := part(source)
	_, size := binary.Uvarint([]byte(key[source:min(len(key), source+binary.MaxVarintLen64)]))
	return key[:source], key[source+size : end], key[end:]
}

func (s *Store) hashBrood(name uint32, before, behind string) uint64 {
	h := maphash.String(s.ids.seed, before)*0x9e3779b97f4a7c15 ^ maphash.String(s.ids.seed, behind)
	return (h ^ uint64(name)*0xbf58476d1ce4e5b9) & s.ids.mask
}

func (s *Store) findBrood(hash uint64, name uint32, before, behind string) (uint32, bool) {
	return s.siblings.index.find(hash, func(pos uint32) bool {
		b := &s.siblings.all[pos]
		if b.name != name {
			return false
		}
		b1, _, b2 := withoutInstance(s.ids.tagsets[b.tagset].key)
		return b1 == before && b2 == behind
	})
}

// meetSiblings looks for the siblings of a counter, and marks all as sharing where there are any.
func (s *Store) meetSiblings(pos uint32, e *series) {
	e.flags |= flagMet
	before, instance, behind := withoutInstance(s.ids.tagsets[e.tagset].key)
	hash := s.hashBrood(e.name, before, behind)
	found, ok := s.findBrood(hash, e.name, before, behind)
	if ok {
		e.flags |= flagShared
		if b := &s.siblings.all[found]; s.slab.alive(b.first) {
			s.slab.at(b.first.pos).flags |= flagShared
		}
	}
	if instance == "" {
		return
	}
	if !ok {
		found = s.addBrood(hash, pos, e)
		s.meetNameless(e, before, behind)
	}
	s.siblings.all[found].members++
}

// meetNameless looks for the sibling that has no instance id.
func (s *Store) meetNameless(e *series, before, behind string) {
	key := []byte(before + "\x00" + behind)
	tagset, ok := s.ids.findTagset(s.ids.hashBytes(key), key)
	if !ok {
		return
	}
	pos, ok := s.find(tagset, e.name)
	if !ok {
		return
	}
	if other := s.slab.at(pos); (other.state == stateLive || other.state == statePiece) && other.flags&flagMet != 0 {
		other.flags |= flagShared
		e.flags |= flagShared
	}
}

func (s *Store) addBrood(hash uint64, pos uint32, e *series) uint32 {
	l := &s.siblings
	b := brood{hash: hash, tagset: e.tagset, name: e.name, first: ref{pos, e.gen}}
	s.ids.tagsets[e.tagset].refs++
	s.ids.names[e.name].refs++
	at := uint32(len(l.all))
	if n := len(l.free); n > 0 {
		at, l.free = l.free[n-1], l.free[:n-1]
		l.all[at] = b
	} else {
		l.all = append(l.all, b)
	}
	l.index.insert(hash, at, func(p uint32) uint64 { return l.all[p].hash })
	return at
}

// leaveSiblings takes a counter that has met its siblings from among them.
func (s *Store) leaveSiblings(e *series) {
	before, instance, behind := withoutInstance(s.ids.tagsets[e.tagset].key)
	if instance == "" {
		return
	}
	hash := s.hashBrood(e.name, before, behind)
	at, ok := s.findBrood(hash, e.name, before, behind)
	if !ok {
		return
	}
	l := &s.siblings
	b := &l.all[at]
	if b.members--; b.members > 0 {
		return
	}
	l.index.remove(hash, at)
	s.ids.releaseTagset(b.tagset)
	s.ids.releaseName(b.name)
	*b = brood{}
	l.free = append(l.free, at)
}

// rejoinSiblings notes that a counter is known by another reference now.
func (s *Store) rejoinSiblings(before, now ref, e *series) {
	ahead, instance, behind := withoutInstance(s.ids.tagsets[e.tagset].key)
	if instance == "" {
		return
	}
	if at, ok := s.findBrood(s.hashBrood(e.name, ahead, behind), e.name, ahead, behind); ok && s.siblings.all[at].first == before {
		s.siblings.all[at].first = now
	}
}
