package store

import (
	"time"

	"loggregator_exporter/metric"
)

// SeriesQuery says which identities Series lists.
type SeriesQuery struct {
	Name string
	// Unit and Kind keep identities of one unit and kind; nil and KindNone keep all.
	Unit *string
	Kind metric.Kind
	// Keep keeps an identity; nil keeps all. It is called without the lock.
	Keep func(*Visited) bool
	// Each, unless nil, is called with every identity of the name, whether it is listed or not, without the lock.
	Each func(*Visited)
	// After is where the list goes on: SeriesState.Position of the last one before. Before, unless 0, is where it ends:
	// the last ones before that position are listed. Limit bounds it.
	After, Before uint32
	Limit         int
}

// SeriesState is one identity and its series.
type SeriesState struct {
	Visited

	// Position is where the identity is in the list.
	Position uint32
	// Type and Sample are those of the series, where State is EntryLive and the series still exists. Labels are set for
	// EntryPart and EntryJoined, too.
	Type   metric.Type
	Labels metric.Labels
	Sample *Sample
	// Owner is the identity whose series it would be, where that is why it has none.
	Owner *Visited

	family Family
}

// Series lists the identities of a name in the order of their positions, with their values. more says that there are
// others, after them, or before them if Before is set. It looks at every entry, a chunk under one hold of the lock.
func (s *Store) Series(q SeriesQuery) (list []SeriesState, more bool) {
	names := s.namePositions(&q)
	if len(names) == 0 {
		return nil, false
	}
	l := seriesList{SeriesQuery: &q}
	from := entryPos(1)
	if q.Each == nil {
		from += entryPos(q.After)
	}
	for last := from; from <= last && (q.Each != nil || !l.done); from += readChunk {
		var chunk []SeriesState
		chunk, last = s.seriesChunk(names, &q, from)
		for i := range chunk {
			l.add(&chunk[i])
		}
	}
	s.readValues(l.list)
	return l.list, l.more
}

// seriesList is what Series returns, while it is made.
type seriesList struct {
	*SeriesQuery

	list       []SeriesState
	more, done bool
}

// add adds the next identity of the name.
func (l *seriesList) add(next *SeriesState) {
	if l.Each != nil {
		l.Each(&next.Visited)
	}
	if l.done || next.Position <= l.After || l.Keep != nil && !l.Keep(&next.Visited) {
		return
	}
	switch full := len(l.list) == l.Limit; {
	case l.Before > 0 && next.Position >= l.Before:
		l.done = true
		return
	case full && l.Before > 0:
		l.list, l.more = append(l.list[:0], l.list[1:]...), true
	case full:
		l.more, l.done = true, true
		return
	}
	l.list = append(l.list, *next)
}

// namePositions finds the positions of a name by all kinds and units that are asked for.
func (s *Store) namePositions(q *SeriesQuery) map[namePos]bool {
	found := map[namePos]bool{}
	for from := 0; ; from += readChunk {
		if !s.findNames(found, q, from) {
			return found
		}
	}
}

func (s *Store) findNames(found map[namePos]bool, q *SeriesQuery, from int) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.entries.names.all
	for i := from; i < min(from+readChunk, len(names)); i++ {
		n := &names[i]
		if n.refs > 0 && n.text == q.Name && (q.Unit == nil || *q.Unit == n.unit) &&
			(q.Kind == metric.KindNone || q.Kind == n.kind.kind()) && n.kind.composite() == metric.TypeGauge {
			found[namePos(i)] = true
		}
	}
	return from+readChunk < len(names)
}

// seriesChunk copies those of a chunk of entries that have one of the names, and returns the position of the last
// entry.
func (s *Store) seriesChunk(names map[namePos]bool, q *SeriesQuery,
	from entryPos,
) (chunk []SeriesState, last entryPos) {
	s.mu.Lock()
	defer s.mu.Unlock()
	only := namePos(0) // most names have one position, which costs no look-up
	if len(names) == 1 {
		for pos := range names {
			only = pos
		}
	}
	for pos := from; pos < min(from+readChunk, s.entries.last+1); pos++ {
		e := s.entries.at(pos)
		if e.name != only && (only != 0 || !names[e.name]) || e.state == stateFree ||
			s.entries.names.at(e.name).text != q.Name {
			continue
		}
		chunk = append(chunk, SeriesState{Position: uint32(pos)})
		s.fillSeries(&chunk[len(chunk)-1], pos, e)
	}
	return chunk, s.entries.last
}

// fillSeries fills in all but the values, which a Reader reads. The caller holds the lock.
func (s *Store) fillSeries(out *SeriesState, pos entryPos, e *entry) {
	s.visit(&out.Visited, e)
	at := ref{pos, e.gen}
	switch out.State {
	case EntryLive:
	case EntryPart, EntryJoined:
		at = e.dependsOn()
	case EntryRefused:
		if other := e.dependsOn(); e.state == stateRefused && e.flags&refusalFlags == 0 && other.pos != pos &&
			s.entries.alive(other) {
			out.Owner = &Visited{}
			s.visit(out.Owner, s.entries.at(other.pos))
		}
		return
	default:
		return
	}
	owner := s.entries.at(at.pos)
	f, labels := s.families.at(owner.family), s.families.labels.text(owner.labels)
	out.Type, out.Labels = f.typ, labels
	if out.State == EntryLive {
		only := member{at, s.families.labels.at(owner.labels).pairs, labels}
		out.family = Family{Name: f.name, Type: f.typ, store: s, members: []member{only}}
	}
}

// readValues reads the values of series as a scrape does.
func (s *Store) readValues(list []SeriesState) {
	now := time.Now().UnixNano()
	for i := range list {
		f := &list[i].family
		if f.store == nil {
			continue
		}
		f.now = now
		var r Reader // what it returns lives as long as the reader
		r.Reset(f)
		if samples := r.Next(); len(samples) == 1 {
			list[i].Sample = &samples[0]
		}
	}
}
