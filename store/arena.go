package store

// positions hands out positions of one kind, first those that were given back. Position 0 is never handed out: it
// stands for "none".
type positions[P ~uint32] struct {
	free []P
	last P // the highest position that was ever handed out
}

func (x *positions[P]) take() P {
	if n := len(x.free); n > 0 {
		p := x.free[n-1]
		x.free = x.free[:n-1]
		return p
	}
	x.last++
	return x.last
}

func (x *positions[P]) giveBack(p P) { x.free = append(x.free, p) }

// inUse is the number of positions that are handed out.
func (x *positions[P]) inUse() int { return int(x.last) - len(x.free) }

// arena keeps values by position. A pointer into it is valid until the next add.
type arena[P ~uint32, T any] struct {
	positions[P]

	all []T
}

func (a *arena[P, T]) at(p P) *T { return &a.all[p] }

func (a *arena[P, T]) add(v T) P {
	p := a.take()
	for int(p) >= len(a.all) {
		a.all = append(a.all, *new(T))
	}
	a.all[p] = v
	return p
}

func (a *arena[P, T]) remove(p P) {
	a.all[p] = *new(T)
	a.giveBack(p)
}

// index is an open-addressing hash table from identities, which are kept elsewhere, to their positions. A slot is
// eight bytes: half of the hash, which says where the slot is and avoids most comparisons of identities, and the
// position. So it grows without a look at the identities. It holds no pointers, so the garbage collector never looks
// inside.
//
// Growing moves movedSlots slots with each insertion, so that no sample waits until a large table is copied and all
// of its new memory is touched.
type index[P ~uint32] struct {
	slots []slot[P]
	used  int // slots that are not empty, including the deleted ones, and those that positions of old will take
	live  int // positions, those in old included

	old   []slot[P] // the table before, while slots are moved; a slot that was moved is a deleted one
	moved int       // how many of old
}

type slot[P ~uint32] struct {
	tag uint32 // lower half of the hash
	pos P      // 0 is an empty slot, slotDeleted a deleted one
}

const (
	slotDeleted = ^uint32(0)
	minSlots    = 64
	movedSlots  = 128 // with each insertion
)

// find returns the position whose identity has this hash and for which equal returns true, or 0. The hash only
// narrows the search: equal compares the identities themselves.
func (x *index[P]) find(hash uint64, equal func(pos P) bool) P {
	if x.live == 0 {
		return 0
	}
	if pos := find(x.slots, hash, equal); pos != 0 || x.old == nil {
		return pos
	}
	return find(x.old, hash, equal)
}

func find[P ~uint32](slots []slot[P], hash uint64, equal func(pos P) bool) P {
	mask := uint32(len(slots) - 1)
	for i := uint32(hash) & mask; ; i = (i + 1) & mask {
		s := slots[i]
		if s.pos == 0 {
			return 0
		}
		if s.tag == uint32(hash) && s.pos != P(slotDeleted) && equal(s.pos) {
			return s.pos
		}
	}
}

// begin returns a part of the slot in which the search for a hash begins. The index is not empty.
func (x *index[P]) begin(hash uint64) uint32 { return x.slots[uint32(hash)&uint32(len(x.slots)-1)].tag }

// candidate returns the first position that has this hash, as far as the index itself knows, or 0. It does not look at
// what is to be moved yet.
func (x *index[P]) candidate(hash uint64) P {
	mask := uint32(len(x.slots) - 1)
	for i := uint32(hash) & mask; ; i = (i + 1) & mask {
		s := x.slots[i]
		if s.pos == 0 || s.tag == uint32(hash) && s.pos != P(slotDeleted) {
			return s.pos
		}
	}
}

// insert adds a position that find does not know.
func (x *index[P]) insert(hash uint64, pos P) {
	if 4*(x.used+1) > 3*len(x.slots) {
		x.grow()
	}
	x.move(movedSlots)
	x.place(slot[P]{uint32(hash), pos})
	x.live++
}

func (x *index[P]) place(s slot[P]) {
	mask := uint32(len(x.slots) - 1)
	i := s.tag & mask
	for x.slots[i].pos != 0 && x.slots[i].pos != P(slotDeleted) {
		i = (i + 1) & mask
	}
	if x.slots[i].pos == 0 {
		x.used++
	}
	x.slots[i] = s
}

// remove deletes a position that was inserted with this hash.
func (x *index[P]) remove(hash uint64, pos P) {
	switch {
	case remove(x.slots, hash, pos):
		x.live--
	case x.old != nil && remove(x.old, hash, pos):
		x.live--
		x.used--
	}
}

func remove[P ~uint32](slots []slot[P], hash uint64, pos P) bool {
	mask := uint32(len(slots) - 1)
	for i := uint32(hash) & mask; slots[i].pos != 0; i = (i + 1) & mask {
		if slots[i].pos == pos {
			slots[i] = slot[P]{pos: P(slotDeleted)}
			return true
		}
	}
	return false
}

// grow makes room for twice as many positions as are live, and drops the deleted slots. If slots of the growth before
// are left they are moved at once.
func (x *index[P]) grow() {
	size := minSlots
	for size < 2*(x.live+1) {
		size *= 2
	}
	left := x.old[x.moved:]
	x.old, x.moved = x.slots, 0
	x.slots, x.used = make([]slot[P], size), 0
	for _, s := range left {
		if s.pos != 0 && s.pos != P(slotDeleted) {
			x.place(s)
		}
	}
	x.used = x.live
}

// move moves up to n slots of the table before.
func (x *index[P]) move(n int) {
	if x.old == nil {
		return
	}
	end := min(x.moved+n, len(x.old))
	for i := x.moved; i < end; i++ {
		if s := x.old[i]; s.pos != 0 && s.pos != P(slotDeleted) {
			x.old[i] = slot[P]{pos: P(slotDeleted)}
			x.place(s)
			x.used--
		}
	}
	if x.moved = end; end == len(x.old) {
		x.old, x.moved = nil, 0
	}
}
