package store

import "time"

const (
	sweepChunk = 4096
	sweptAhead = 64 // entries whose memory a sweep waits for at once
)

// sweep removes every entry that has been silent for too long, a chunk at a time so that the lock is held briefly.
func (s *Store) sweep(now time.Time) {
	for from := entryPos(1); s.sweepChunk(from, now.UnixNano()); from += sweepChunk {
	}
	for from := labelsPos(0); s.compactLabels(from); from += sweepChunk {
	}
}

// compactLabels reports whether there is more to do.
func (s *Store) compactLabels(from labelsPos) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.families.labels.texts.wasteful() && s.families.labels.compact(from, sweepChunk)
}

// sweepChunk reports whether there are more entries.
func (s *Store) sweepChunk(from entryPos, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleIndexes()
	to := min(from+sweepChunk, s.entries.last+1)
	for pos := from; pos < to; pos++ {
		if (pos-from)%sweptAhead == 0 {
			s.touched = s.readAhead(pos, min(pos+sweptAhead, to), now)
		}
		e := s.entries.at(pos)
		if e.arrived > now {
			e.arrived = now // the clock was set back; a series that has ended must not live longer for it
		}
		switch {
		case e.state == stateFree:
		case s.expiry.expired(e, now):
			s.expiry.removed(e)
			s.remove(pos)
		default:
			s.expiry.kept(e)
		}
	}
	if to <= s.entries.last {
		return true
	}
	s.expiry.summarize()
	if s.resolved == 0 {
		s.session = nil // its memory is for times in which many series are new
	}
	s.resolved = 0
	return false
}

// settleIndexes goes on with indexes that grow, also where no series is new.
func (s *registry) settleIndexes() {
	s.entries.pairs.move(sweepChunk)
	s.entries.tagsetIndex.move(sweepChunk)
	s.entries.nameIndex.move(sweepChunk)
	s.families.series.move(sweepChunk)
	s.families.labels.index.move(sweepChunk)
}

// readAhead reads a little of what it takes to remove those of some entries that have expired. Of many series nothing
// is in a cache, and those that end at once are far apart in the indexes: so the processor waits for all of them
// together.
func (s *registry) readAhead(from, to entryPos, now int64) (touched uint32) {
	var hashes [sweptAhead]uint32 // of labels
	ending := hashes[:0]
	for pos := from; pos < to; pos++ {
		e := s.entries.at(pos)
		if e.state == stateFree || !s.expiry.expired(e, now) {
			continue
		}
		touched += s.entries.pairs.begin(s.entries.hashPair(e.tagset, e.name))
		touched += s.entries.names.at(e.name).refs + s.entries.tagsets.at(e.tagset).refs
		if e.state == stateLive {
			touched += s.families.series.begin(s.families.hash(seriesKey{e.family, e.labels}))
			ending = append(ending, s.families.labels.at(e.labels).hash)
		}
	}
	for _, hash := range ending {
		touched += s.families.labels.index.begin(uint64(hash))
	}
	return touched
}
