package store

import "hash/maphash"

// sharedTotals finds the counters that share an agent's running total: same name, source id and tags, and another
// instance id. A counter takes part from its first sample that has both a delta and a total. Those without an
// instance id are found by their identity and are not listed here, so that most counters cost nothing.
type sharedTotals struct {
	arena[totalPos, sharedTotal]

	index   index[totalPos]
	entries *entries
	key     []byte // scratch memory
}

type totalPos uint32

// sharedTotal stands for all counters that share one running total. It keeps the tag set and name of the first of
// them, whether that lives or not.
type sharedTotal struct {
	hash    uint64
	tagset  tagsetPos
	name    namePos
	members uint32
	first   entryPos // 0 once it has left
}

// totalKey is what counters with a shared total have in common: an envelope's identity before and behind the
// instance id.
type totalKey struct {
	name           namePos
	before, behind string
	hash           uint64
}

// keyOf returns the key of a counter, and its instance id.
func (t *sharedTotals) keyOf(tagset tagsetPos, name namePos) (k totalKey, instance string) {
	key := t.entries.tagsets.at(tagset).key
	_, rest := cutField(key)
	k = totalKey{name: name, before: key[:len(key)-len(rest)]}
	instance, k.behind = cutField(rest)
	seed := t.entries.seed
	h := maphash.String(seed, k.before)*0x9e3779b97f4a7c15 ^ maphash.String(seed, k.behind)
	k.hash = (h ^ uint64(name)*0xbf58476d1ce4e5b9) & t.entries.mask
	return k, instance
}

func (t *sharedTotals) find(k *totalKey) totalPos {
	return t.index.find(k.hash, func(pos totalPos) bool {
		total := t.at(pos)
		if total.name != k.name {
			return false
		}
		other, _ := t.keyOf(total.tagset, total.name)
		return other.before == k.before && other.behind == k.behind
	})
}

// join looks for the other counters of a running total, and marks all as sharing it if there are any.
func (t *sharedTotals) join(pos entryPos, e *entry) {
	e.flags |= flagBoth
	key, instance := t.keyOf(e.tagset, e.name)
	found := t.find(&key)
	if found != 0 {
		e.flags |= flagShared
		if first := t.at(found).first; first != 0 {
			t.entries.at(first).flags |= flagShared
		}
	}
	if len(instance) == 0 {
		return
	}
	if found == 0 {
		found = t.add(sharedTotal{hash: key.hash, tagset: e.tagset, name: e.name, first: pos})
		t.entries.hold(e.tagset, e.name)
		t.index.insert(key.hash, found)
		t.joinNameless(e, &key)
	}
	t.at(found).members++
}

// joinNameless looks for the counter of the same running total that has no instance id.
func (t *sharedTotals) joinNameless(e *entry, k *totalKey) {
	t.key = append(append(append(t.key[:0], k.before...), 0), k.behind...)
	key := t.key
	tagset := t.entries.findTagset(t.entries.hashBytes(key), key)
	if tagset == 0 {
		return
	}
	if pos := t.entries.find(tagset, e.name); pos != 0 && t.entries.at(pos).flags&flagBoth != 0 {
		t.entries.at(pos).flags |= flagShared
		e.flags |= flagShared
	}
}

// leave takes a counter out that has joined. The entry still has its tag set and name.
func (t *sharedTotals) leave(e *entry) {
	key, instance := t.keyOf(e.tagset, e.name)
	if len(instance) == 0 {
		return
	}
	found := t.find(&key)
	if found == 0 {
		return
	}
	total := t.at(found)
	if total.first != 0 && t.entries.at(total.first) == e {
		total.first = 0
	}
	if total.members--; total.members > 0 {
		return
	}
	t.index.remove(key.hash, found)
	t.entries.release(total.tagset, total.name)
	t.remove(found)
}
