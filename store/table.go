package store

// index is an open-addressing hash table from identities that live elsewhere to their positions. A slot is eight bytes: half
// of the hash, which spares most comparisons of what the positions point to, and the position itself.
// It holds no pointers, so the garbage collector never looks inside.
type index struct {
	slots []slot
	used  int // slots that are not empty, deleted ones included
	live  int
}

type slot struct {
	tag uint32 // upper half of the hash
	pos uint32 // position + 2; 0 is an empty slot, 1 a deleted one
}

const (
	slotEmpty   = 0
	slotDeleted = 1
	slotBias    = 2

	minSlots = 64
)

// find returns the position whose identity has this hash and for which equal says yes. The hash only narrows the search:
// equal compares the identities themselves.
func (x *index) find(hash uint64, equal func(pos uint32) bool) (uint32, bool) {
	if x.live == 0 {
		return 0, false
	}
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := x.slots[i]
		if s.pos == slotEmpty {
			return 0, false
		}
		if s.pos != slotDeleted && s.tag == uint32(hash>>32) && equal(s.pos-slotBias) {
			return s.pos - slotBias, true
		}
	}
}

// insert adds a position that find does not know. rehash gives the hash of any position, for when the table grows.
func (x *index) insert(hash uint64, pos uint32, rehash func(pos uint32) uint64) {
	if 4*(x.used+1) > 3*len(x.slots) {
		x.grow(rehash)
	}
	x.place(hash, pos)
	x.live++
}

func (x *index) place(hash uint64, pos uint32) {
	mask := uint64(len(x.slots) - 1)
	i := hash & mask
	for x.slots[i].pos > slotDeleted {
		i = (i + 1) & mask
	}
	if x.slots[i].pos == slotEmpty {
		x.used++
	}
	x.slots[i] = slot{tag: uint32(hash >> 32), pos: pos + slotBias}
}

// remove takes a position out that was inserted with this hash.
func (x *index) remove(hash uint64, pos uint32) {
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; x.slots[i].pos != slotEmpty; i = (i + 1) & mask {
		if x.slots[i].pos == pos+slotBias {
			x.slots[i] = slot{pos: slotDeleted}
			x.live--
			return
		}
	}
}

// grow makes room for as many again as are live, which also sweeps the deleted slots away.
func (x *index) grow(rehash func(pos uint32) uint64) {
	size := minSlots
	for size < 2*(x.live+1) {
		size *= 2
	}
	old := x.slots
	x.slots, x.used = make([]slot, size), 0
	for _, s := range old {
		if s.pos > slotDeleted {
			x.place(rehash(s.pos-slotBias), s.pos-slotBias)
		}
	}
}
