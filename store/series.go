package store

// state says what a series entry is for.
type state uint8

const (
	stateFree    state = iota
	stateLive          // it owns an exposed series
	stateRefused       // its exposed series, or its family's name, belongs to another: see owner
	stateDropped       // a rule drops it
	stateJoined        // a timer whose series another timer owns: it observes there
	statePiece         // a part of a composite: see owner
)

const (
	flagFamily   uint8 = 1 << iota // of a refused entry: it lost to a family
	flagTotals                     // of a counter: its highest total counts
	flagDeltas                     // of a counter: its deltas are added up
	flagMet                        // of a counter: it had a delta and a total at once, and its siblings were looked for
	flagShared                     // of a counter: siblings share its total
	flagUntagged                   // no rule matched it
	flagFull                       // of a refused entry: a limit was reached; its owner is the family
	flagCrowded                    // of a refused entry: a piece too many; its owner is the composite
)

// ref names an entry as it was at one moment: an entry that was freed and used again has another gen.
type ref struct {
	pos, gen uint32
}

// series is what the store knows of one raw identity: a tag set and a name. In the common case it owns the exposed series
// that the rules made of it; else it remembers why it does not. It holds no pointers: a million of them cost
// the garbage collector nothing. It fills one cache line, since the steady state waits for little else than memory.
type series struct {
	value   float64
	stamp   int64 // the emitter's clock at the value, nanoseconds
	arrived int64 // our clock at the last sample, nanoseconds: what expiry goes by
	// Of a gauge our clock at the first of the samples since the value that were all outdated, 0 for none; of a counter its highest
	// total, or the sum of its deltas (a uint64).
	aux int64

	tagset, name   uint32
	family, labels uint32 // stateLive; where stateRefused, stateJoined or statePiece they hold the owner
	gen            uint32
	extra          uint32 // position of the histogram or composite; of what a counter needs beside, 0 for nothing; of the refusal where stateRefused

	conversion uint16
	expiry     uint16 // position in Store.expiries
	state      state
	flags      uint8
	pace       pace
}

// setOwner notes what a refused entry lost to: a series, or a family where flagFamily is set.
func (e *series) setOwner(o ref) { e.family, e.labels = o.pos, o.gen }

func (e *series) owner() ref { return ref{e.family, e.labels} }

const (
	chunkBits = 10
	chunkSize = 1 << chunkBits
)

// slab keeps series in chunks that never move.
type slab struct {
	chunks []*[chunkSize]series
	free   []uint32
	next   uint32
}

func (l *slab) at(pos uint32) *series {
	return &l.chunks[pos>>chunkBits][pos&(chunkSize-1)]
}

// take returns a free entry; its gen differs from that of every use before.
func (l *slab) take() (uint32, *series) {
	if n := len(l.free); n > 0 {
		pos := l.free[n-1]
		l.free = l.free[:n-1]
		return pos, l.at(pos)
	}
	if int(l.next) == len(l.chunks)*chunkSize {
		l.chunks = append(l.chunks, new([chunkSize]series))
	}
	pos := l.next
	l.next++
	return pos, l.at(pos)
}

func (l *slab) put(pos uint32) {
	s := l.at(pos)
	*s = series{gen: s.gen + 1}
	l.free = append(l.free, pos)
}

// alive says whether a reference still means what it meant.
func (l *slab) alive(r ref) bool {
	return l.at(r.pos).gen == r.gen
}
