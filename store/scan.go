package store

import (
	"slices"

	"loggregator_exporter/metric"
)

// Scan is what a pass over all identities has found so far. Texts are found once; the marks of identities refer to them
// by number, so that a million of them are passed within some tens of milliseconds.
type Scan struct {
	// Names, Senders and Metrics are all that have been passed. One may be there twice. Senders have no kind: see SentBy.
	Names   []ScannedName
	Senders []Sender
	Metrics []string

	// Marks are the identities of this chunk.
	Marks []Mark
}

// ScannedName is a name with its unit and kind.
type ScannedName struct {
	Name, Unit string
	// Undescribed says that no rule matches it from some sender, and no entry of metrics describes it.
	Undescribed bool

	kind nameKind
}

// Kind returns that of the name's envelopes.
func (n *ScannedName) Kind() metric.Kind { return n.kind.kind() }

// Second is Visited.Second.
func (n *ScannedName) Second() bool { return n.kind == nameHTTPSize }

// Composite is Visited.Composite.
func (n *ScannedName) Composite() bool { return n.kind.composite() != metric.TypeGauge }

// SentBy returns the sender as one of this name, which Sender.Identity needs.
func (n *ScannedName) SentBy(s Sender) Sender { return Sender{s.key, n.kind} }

// Mark is one identity of a scan.
type Mark struct {
	// Arrived is the time of the last sample, in nanoseconds since the epoch.
	Arrived int64
	// Name and Sender are numbers in Scan.Names and Scan.Senders, from 0, Metric in Scan.Metrics, from 1: 0 is none.
	Name, Sender, Metric uint32
	State                EntryState
	Outcome              metric.Outcome
	Untagged             bool
	Part                 metric.Type // as Visited.Part

	of ref
}

// scanChunk is how many entries are looked at under one hold of the lock: some 50 µs.
const scanChunk = 2048

// Scan calls visit with all identities, a chunk at a time, until it returns false. It is Walk for those who count: what
// a chunk refers to by numbers keeps its number until the scan ends.
func (s *Store) Scan(visit func(*Scan) bool) { newScanner(s).run(visit) }

// ScanOf is Scan for the identities of those senders for which keep returns true. It is called without the lock.
func (s *Store) ScanOf(keep func(Sender) bool, visit func(*Scan) bool) {
	c := newScanner(s)
	c.only, c.keep = s.sendersOf(keep), keep
	c.run(visit)
}

func (c *scanner) run(visit func(*Scan) bool) {
	for from, more := entryPos(1), true; more; from += scanChunk {
		more = c.chunk(from)
		if c.only != nil {
			c.drop()
		}
		if len(c.Marks) > 0 && !visit(&c.Scan) {
			return
		}
	}
}

// sendersOf returns which tag sets belong to senders that are kept, by position.
func (s *Store) sendersOf(keep func(Sender) bool) []bool {
	var kept []bool
	keys := make([]string, 0, readChunk)
	for from, more := 0, true; more; from += readChunk {
		keys, more = s.tagsetKeys(keys[:0], from)
		for _, key := range keys {
			kept = append(kept, key != "" && keep(Sender{key: key}))
		}
	}
	return kept
}

// tagsetKeys appends the keys of a chunk of positions, "" where one is free.
func (s *Store) tagsetKeys(dst []string, from int) (keys []string, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.entries.tagsets.all
	for i := from; i < min(from+readChunk, len(all)); i++ {
		dst = append(dst, all[i].key)
	}
	return dst, from+readChunk < len(all)
}

// scanner makes a scan.
type scanner struct {
	Scan

	store                   *Store
	names, senders, metrics numbering // by position
	refusals                numbering // the metrics of refusals, by position

	// Of ScanOf: the tag sets of senders that are kept, by position, and whether the senders are that were found there.
	only []bool
	keep func(Sender) bool
	kept []bool
}

// numbered is the number of the text at a position, which was looked at last at an epoch: since then it cannot have
// changed. Epochs begin at 1.
type numbered struct {
	epoch  uint64
	number uint32
}

type numbering []numbered

// newScanner makes room for what is there already: lists that grow under the lock would delay samples.
func newScanner(s *Store) *scanner {
	s.mu.Lock()
	names, senders, metrics := len(s.entries.names.all), len(s.entries.tagsets.all), len(s.families.all)
	s.mu.Unlock()
	return &scanner{
		Scan: Scan{
			Names: make([]ScannedName, 0, names), Senders: make([]Sender, 0, senders), Metrics: make([]string, 0, metrics),
			Marks: make([]Mark, 0, scanChunk),
		},
		store: s, names: make(numbering, names), senders: make(numbering, senders), metrics: make(numbering, metrics),
	}
}

func (c *scanner) chunk(from entryPos) (more bool) {
	s := c.store
	c.Marks = c.Marks[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	to := min(from+scanChunk, s.entries.last+1)
	for pos := from; pos < to; pos++ {
		if e := s.entries.at(pos); e.state != stateFree && c.wants(e.tagset) {
			c.mark(pos, e)
		}
	}
	return to <= s.entries.last
}

func (c *scanner) wants(pos tagsetPos) bool {
	return c.only == nil || int(pos) < len(c.only) && c.only[pos]
}

// drop leaves out senders that have come to positions of those that are kept.
func (c *scanner) drop() {
	for _, sender := range c.Senders[len(c.kept):] {
		c.kept = append(c.kept, c.keep(sender))
	}
	c.Marks = slices.DeleteFunc(c.Marks, func(m Mark) bool { return !c.kept[m.Sender] })
}

// mark appends an entry. The caller holds the lock, as for all that it calls.
func (c *scanner) mark(pos entryPos, e *entry) {
	s := c.store
	m := Mark{
		Name: c.name(e.name), Sender: c.sender(e.tagset), Arrived: e.arrived, Untagged: e.flags&flagUntagged != 0,
		of: ref{pos, e.gen},
	}
	by := s.deciding(e)
	m.Part = s.partOf(e, by)
	switch m.State = e.becomes(by); m.State {
	case EntryLive, EntryPart, EntryJoined:
		m.Metric = c.family(by.family)
	case EntryRefused:
		m.Outcome = s.refusals.all[by.refusal()].Outcome
		if owner := s.ownerOf(by); owner != nil {
			m.Metric = c.family(owner.family)
		} else {
			m.Metric = c.refusal(by.refusal())
		}
	case EntryDropped, EntryWaiting:
	}
	c.Marks = append(c.Marks, m)
}

// at returns what is known of a position.
func (n *numbering) at(pos uint32) *numbered {
	if int(pos) >= len(*n) {
		*n = append(*n, make(numbering, int(pos)+1-len(*n))...)
	}
	return &(*n)[pos]
}

func (c *scanner) name(pos namePos) uint32 {
	known, epoch := c.names.at(uint32(pos)), c.store.entries.removals+1
	if known.epoch == epoch {
		return known.number
	}
	n := c.store.entries.names.at(pos)
	is := ScannedName{n.text, n.unit, n.untagged > 0 && !n.described, n.kind}
	if known.epoch == 0 || c.Names[known.number] != is {
		known.number = uint32(len(c.Names))
		c.Names = append(c.Names, is)
	}
	known.epoch = epoch
	return known.number
}

func (c *scanner) sender(pos tagsetPos) uint32 {
	known, epoch := c.senders.at(uint32(pos)), c.store.entries.removals+1
	if known.epoch == epoch {
		return known.number
	}
	key := c.store.entries.tagsets.at(pos).key
	if known.epoch == 0 || c.Senders[known.number].key != key {
		known.number = uint32(len(c.Senders))
		c.Senders = append(c.Senders, Sender{key: key})
	}
	known.epoch = epoch
	return known.number
}

// family returns the number of a family's name, from 1.
func (c *scanner) family(pos familyPos) uint32 {
	known, epoch := c.metrics.at(uint32(pos)), c.store.families.version+1
	if known.epoch == epoch {
		return known.number
	}
	if name := c.store.families.at(pos).name; known.epoch == 0 || c.Metrics[known.number-1] != name {
		c.Metrics = append(c.Metrics, name)
		known.number = uint32(len(c.Metrics))
	}
	known.epoch = epoch
	return known.number
}

// refusal returns the number of the metric that a refusal is about, which never changes; 0 if it is about none.
func (c *scanner) refusal(pos refusalPos) uint32 {
	known := c.refusals.at(uint32(pos))
	if name := c.store.refusals.all[pos].Metric; known.epoch == 0 && name != "" {
		c.Metrics = append(c.Metrics, name)
		known.number = uint32(len(c.Metrics))
	}
	known.epoch = 1
	return known.number
}

// Visit returns the identities of marks as they are now. Those that have gone are left out.
func (s *Store) Visit(marks []Mark) []Visited {
	all := make([]Visited, 0, len(marks))
	for chunk := range slices.Chunk(marks, walkChunk) {
		all = s.visitMarks(all, chunk)
	}
	return all
}

func (s *Store) visitMarks(dst []Visited, marks []Mark) []Visited {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range marks {
		if of := marks[i].of; s.entries.alive(of) {
			dst = append(dst, Visited{})
			s.visit(&dst[len(dst)-1], s.entries.at(of.pos))
		}
	}
	return dst
}
