package learn

import "slices"

// tail is what stands behind a segment: the rest of a name, or only its depth and its last segment.
type tail struct {
	branches  int
	last      int // the branch that had it last
	unit      uint32
	unlike    bool // branches have it with different kinds or units
	measure   bool
	statistic bool
}

// likeness says when what stands behind two segments is the same.
type likeness uint8

const (
	sameRest likeness = iota // all of it, ids of one type being equal
	sameEnd                  // depth and last segment
	sameIDs                  // depth, and which segments are ids
)

// tails is what stands behind the branches of a node.
type tails struct {
	how    likeness
	counts map[uint64]*tail
	of     [][]uint64 // by branch
}

// tails counts the branches behind which the same stands.
func (s *nameSet) tails(all []branch, at int, how likeness) *tails {
	counts, of := make(map[uint64]*tail), make([][]uint64, len(all))
	for k, b := range all {
		for _, i := range b.deep {
			e := &s.entries[i]
			rest := e.segments[at+1:]
			h, ok := s.tailHash(rest, how)
			if !ok {
				continue
			}
			t := counts[h]
			if t == nil {
				last := s.segment(rest[len(rest)-1])
				t = &tail{unit: e.unitID, last: -1, measure: last.measure, statistic: len(rest) == 1 && last.statistic}
				counts[h] = t
			}
			t.unlike = t.unlike || t.unit != e.unitID
			if t.last != k {
				t.last = k
				t.branches++
				of[k] = append(of[k], h)
			}
		}
	}
	return &tails{how, counts, of}
}

// tailHash is the same for what is alike. ok is false if there is nothing to compare.
func (s *nameSet) tailHash(rest []uint32, how likeness) (hash uint64, ok bool) {
	var buffer [maxSegments]uint32
	ids := buffer[:0]
	if n := len(rest); n > 1 && s.segment(rest[n-1]).statistic {
		rest = rest[:n-1] // the figures of one measurement are one name
	}
	for k, id := range rest {
		g := s.segment(id)
		switch {
		case g.typ != "":
			id = g.firstOfType
			ok = ok || g.typ == "guid" || g.typ == "ip"
		case how == sameIDs, how == sameEnd && k < len(rest)-1:
			id = ^uint32(0)
		}
		ids = append(ids, id)
	}
	isID := s.segment(rest[len(rest)-1]).typ != ""
	return s.hash("", ids), how != sameIDs || ok && !isID
}

// maxSets bounds the sets of branches of a node that are judged.
const maxSets = 16

// alike returns sets of branches that are connected by what stands behind them, the largest first.
func (t *tails) alike(all []branch) [][]branch {
	set := make([]int, len(all)) // of each branch: another one of its set, itself if it stands for the set
	for k := range set {
		set[k] = k
	}
	find := func(k int) int {
		for set[k] != k {
			set[k] = set[set[k]]
			k = set[k]
		}
		return k
	}
	first := make(map[uint64]int)
	for k := range all {
		shared := 0
		for _, h := range t.of[k] {
			if t.counts[h].branches > 1 {
				shared++
			}
		}
		if shared*3 < len(t.of[k]) || shared == 0 {
			set[k] = -1
			continue
		}
		for _, h := range t.of[k] {
			if t.counts[h].branches < 2 {
				continue
			}
			if other, known := first[h]; known {
				set[find(k)] = find(other)
			} else {
				first[h] = k
			}
		}
	}
	var sets [][]branch
	at := make(map[int]int)
	for k, b := range all {
		if set[k] < 0 {
			continue
		}
		i, known := at[find(k)]
		if !known {
			i = len(sets)
			at[find(k)] = i
			sets = append(sets, nil)
		}
		sets[i] = append(sets[i], b)
	}
	sets = slices.DeleteFunc(sets, func(set []branch) bool { return len(set) < 2 })
	slices.SortStableFunc(sets, func(a, b []branch) int { return len(b) - len(a) })
	return sets[:min(len(sets), maxSets)]
}

// commonTails counts what stands behind several branches.
type commonTails struct {
	shared   int // all of it
	unlike   int // with different kinds or units
	names    int // apart from statistics, behind a fifth of the branches
	measures int // of these end in the word for a measurement
}

// common counts what stands behind several of the members.
func (t *tails) common(members, all []branch) commonTails {
	inside := idsOf(members)
	behind := make(map[uint64]int)
	for k, b := range all {
		for _, h := range t.of[k] {
			if inside[b.id] {
				behind[h]++
			}
		}
	}
	var c commonTails
	for h, n := range behind {
		if n < 2 {
			continue
		}
		tail := t.counts[h]
		c.shared++
		if tail.unlike && t.how == sameRest {
			c.unlike++
		}
		if tail.statistic || n*5 < len(members) {
			continue
		}
		c.names++
		if tail.measure {
			c.measures++
		}
	}
	return c
}
