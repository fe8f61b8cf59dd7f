package tagger

// stepsBeforeMemory is the length of a walk from which on it pays to remember where it has been.
const stepsBeforeMemory = 2000

// memory is what a long walk remembers. To be at the same place again can only find what was found there, so that the time
// of a walk is bounded by nodes times bytes, whatever patterns and text are.
type memory struct {
	visited map[uint64]struct{} // nodes and positions
	runs    map[int32]*runs     // by the node behind a capture
}

// runs are the runs of bytes in a text that a capture can hold.
type runs struct {
	end  []int32 // by position: the end of the run that it is in
	from []int32 // by end of a run: all texts from here on to that end have been taken, but for the shortest length
}

// seen says whether the walk has been there, and notes it.
func (m *memory) seen(n *node, pos int) bool {
	if m.visited == nil {
		m.visited = make(map[uint64]struct{})
		m.runs = make(map[int32]*runs)
	}
	key := uint64(n.id)<<32 | uint64(uint32(pos))
	if _, ok := m.visited[key]; ok {
		return true
	}
	m.visited[key] = struct{}{}
	return false
}

func (m *memory) runsOf(e *captureEdge, text string) *runs {
	r := m.runs[e.to.id]
	if r != nil {
		return r
	}
	r = &runs{end: make([]int32, len(text)+1), from: make([]int32, len(text)+1)}
	r.end[len(text)] = int32(len(text))
	for i := len(text) - 1; i >= 0; i-- {
		r.end[i] = int32(i)
		if e.classes[text[i]]&classHeld != 0 {
			r.end[i] = r.end[i+1]
		}
	}
	for i := range r.from {
		r.from[i] = noOrder
	}
	m.runs[e.to.id] = r
	return r
}

// takeRest is takeRun for long walks: it follows only the ends that no start further right in the same run has led to.
func (s *search) takeRest(e *captureEdge, pos int) {
	r := s.memory.runsOf(e, s.text)
	end := int(r.end[pos])
	shortest := pos + e.capture.shortestRun()
	longest := end
	if from := r.from[end]; from != noOrder {
		longest = int(from) + e.capture.shortestRun() - 1
	}
	r.from[end] = min(r.from[end], int32(pos))
	for at := longest; at >= shortest; at-- {
		if s.worthwhile(e, at) {
			s.follow(e, pos, at)
		}
	}
}
