package store

import (
	"strings"

	"loggregator_exporter/metric"
)

type labelsPos uint32

// labelSets interns rendered label sets.
type labelSets struct {
	arena[labelsPos, labelSet]

	identities *identities // of which it has the hash
	index      index[labelsPos]
	texts      shelf
}

type labelSet struct {
	at     shelfAt
	refs   uint32
	hash   uint32 // the half of it that the index looks at
	pairs  int16  // as in Sample
	packed bool
}

func (ls *labelSets) text(pos labelsPos) metric.Labels {
	return metric.Labels(ls.texts.at(ls.at(pos).at))
}

// pack moves the text of a set to the end of the shelf, unless it was moved before, and returns it.
func (ls *labelSets) pack(pos labelsPos) metric.Labels {
	if set := ls.at(pos); !set.packed {
		set.packed = true
		set.at = ls.texts.move(set.at)
	}
	return ls.text(pos)
}

// plainPairs counts labels for Sample.Pairs.
func plainPairs(text metric.Labels) int16 {
	if strings.IndexByte(string(text), '\\') >= 0 {
		return 0
	}
	n := int16(0)
	for name, value := range text.All() {
		if n++; len(name)+len(value) > PairBytes {
			return 0
		}
	}
	return n
}

// intern returns the position of a set. The caller owns one reference.
func (ls *labelSets) intern(text []byte) labelsPos {
	hash := ls.identities.hashBytes(text)
	pos := ls.index.find(hash, func(pos labelsPos) bool { return string(ls.text(pos)) == string(text) })
	if pos != 0 {
		ls.at(pos).refs++
		return pos
	}
	at := ls.texts.add(text)
	pos = ls.add(labelSet{at: at, refs: 1, hash: uint32(hash), pairs: plainPairs(metric.Labels(ls.texts.at(at)))})
	ls.index.insert(hash, pos)
	return pos
}

func (ls *labelSets) release(pos labelsPos) {
	l := ls.at(pos)
	if l.refs--; l.refs > 0 {
		return
	}
	ls.index.remove(uint64(l.hash), pos)
	ls.texts.remove(l.at)
	ls.remove(pos)
}

// compact moves texts out of blocks that are mostly empty, and so frees these. It looks at some sets from a position
// on, and reports whether there are more.
func (ls *labelSets) compact(from labelsPos, sets int) (more bool) {
	end := min(int(from)+sets, len(ls.all))
	for i := int(from); i < end; i++ {
		if set := &ls.all[i]; set.refs > 0 && ls.texts.sparse(set.at) {
			set.at = ls.texts.move(set.at)
		}
	}
	return end < len(ls.all)
}

// shelfBytes is the size of the blocks of a shelf.
const shelfBytes = 32 << 10

// shelf keeps texts side by side, in blocks, so that the garbage collector has nothing to follow for each. A text stays
// what it is for readers that have it when it is moved or removed.
type shelf struct {
	blocks []block
	free   []uint32 // blocks without memory
	filled uint32   // the block to which texts are added
	end    strings.Builder
	bytes  int // of all blocks
	live   int
}

type block struct {
	text string
	size int // of its memory
	live int // bytes of it that are texts
}

// shelfAt is where a text is.
type shelfAt struct{ block, from, size uint32 }

func (s *shelf) at(p shelfAt) string { return s.blocks[p.block].text[p.from : p.from+p.size] }

func (s *shelf) add(text []byte) shelfAt {
	from := s.end.Len()
	if len(s.blocks) == 0 || from+len(text) > s.end.Cap() {
		s.begin(max(shelfBytes, len(text)))
		from = 0
	}
	if len(text) == 0 {
		return shelfAt{} // it is in every block, and must not depend on one that may go
	}
	s.end.Write(text)
	b := &s.blocks[s.filled]
	b.text = s.end.String()
	b.live += len(text)
	s.live += len(text)
	return shelfAt{s.filled, uint32(from), uint32(len(text))}
}

// begin begins a block.
func (s *shelf) begin(size int) {
	before := s.filled
	s.end = strings.Builder{}
	s.end.Grow(size)
	if n := len(s.free); n > 0 {
		s.filled, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.filled, s.blocks = uint32(len(s.blocks)), append(s.blocks, block{})
	}
	s.blocks[s.filled].size = s.end.Cap()
	s.bytes += s.end.Cap()
	if before != s.filled {
		s.freeIfEmpty(before)
	}
}

func (s *shelf) remove(p shelfAt) {
	s.blocks[p.block].live -= int(p.size)
	s.live -= int(p.size)
	if p.block != s.filled {
		s.freeIfEmpty(p.block)
	}
}

func (s *shelf) freeIfEmpty(at uint32) {
	if b := &s.blocks[at]; b.live == 0 && b.size > 0 {
		s.bytes -= b.size
		*b = block{}
		s.free = append(s.free, at)
	}
}

func (s *shelf) move(p shelfAt) shelfAt {
	to := s.add([]byte(s.at(p)))
	s.remove(p)
	return to
}

// wasteful reports whether more than half of the memory is not used any more.
func (s *shelf) wasteful() bool { return s.bytes > 2*s.live+4*shelfBytes }

func (s *shelf) sparse(p shelfAt) bool {
	b := &s.blocks[p.block]
	return p.block != s.filled && 2*b.live < b.size
}
