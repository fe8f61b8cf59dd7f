package store

import (
	"bytes"

	"loggregator_exporter/metric"
)

// batch holds samples that a writer has taken and not yet brought into the store, and a copy of their keys and names.
type batch struct {
	samples []sample
	text    []byte
	touched uint32 // what locate read
}

const (
	maxBatch     = 128      // samples: they are brought into the store under one hold of the lock
	maxBatchText = 64 << 10 // from so many bytes on the batch is full; what exceeds it is not kept for the next one
)

// add appends a sample, and copies what it borrows.
func (b *batch) add(of *sample, entries *entries) {
	if of.invalid != "" {
		of.key = nil // it may be longer than any identity
	}
	if n := len(b.samples); n > 0 && bytes.Equal(b.samples[n-1].key, of.key) {
		// Fast path: senders have many metrics with the same tags, and send them one after the other.
		before := &b.samples[n-1]
		of.key, of.hash, of.sameKey = before.key, before.hash, true
	} else {
		of.hash, of.sameKey = entries.hashBytes(of.key), false
		from := len(b.text)
		b.text = append(b.text, of.key...)
		of.key = b.text[from:]
	}
	of.nameHash = entries.hashName(of.kind, of.name, of.unit)
	from, unit := len(b.text), len(b.text)+len(of.name)
	b.text = append(append(b.text, of.name...), of.unit...)
	of.name, of.unit = b.text[from:unit], b.text[unit:]
	b.samples = append(b.samples, *of)
}

func (b *batch) full() bool { return len(b.samples) >= maxBatch || len(b.text) >= maxBatchText }

func (b *batch) reset() {
	if cap(b.text) > 2*maxBatchText {
		clear(b.samples)
		b.text = nil
	}
	b.samples, b.text = b.samples[:0], b.text[:0]
}

// Flush brings what Add has taken into the store, in order, and adds one outcome for each of these samples to the
// tally. The lock is held once.
func (w *Writer) Flush(tally *metric.Tally) {
	if len(w.batch.samples) > 0 || w.repeats.count > 0 {
		w.takeAll(w.batch.samples, tally)
		w.batch.reset()
	}
}

func (w *Writer) takeAll(samples []sample, tally *metric.Tally) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(samples) > 1 {
		w.batch.touched = s.entries.locate(samples)
	}
	removals, outcome := s.entries.removals, metric.Stored
	for i := range samples {
		of := &samples[i]
		switch {
		case !of.follows:
			var pos entryPos
			if pos, outcome = s.take(of, removals); outcome != metric.Stored {
				s.leaveOut(pos, of, outcome)
			}
			tally[outcome]++
		case outcome == metric.Stored:
			s.take(of, removals)
		}
	}
	w.repeats.take(&s.registry)
}

// take brings one sample into the store, and returns its entry, or 0. removals is what it was at locate. The caller
// holds the lock.
func (s *registry) take(of *sample, removals uint64) (entryPos, metric.Outcome) {
	pos, outcome := s.reach(of, removals)
	if outcome != metric.Stored {
		return pos, outcome
	}
	switch e := s.entries.at(pos); {
	case of.kind == nameGauge:
		return pos, e.setGauge(of.value, &s.conversions[e.conversion], of.stamp, of.arrived)
	case of.kind.counter() && of.began > 0:
		return pos, s.counters.setSince(pos, e, of)
	case of.kind.counter():
		return pos, s.counters.set(pos, e, of)
	default:
		s.observe(e, of)
		return pos, metric.Stored
	}
}

// reach is findOrAdd for a sample that locate has seen.
func (s *registry) reach(of *sample, removals uint64) (entryPos, metric.Outcome) {
	if of.found != 0 && removals == s.entries.removals {
		if e := s.entries.at(of.found); e.tagset == of.tagset && e.name == of.nameAt {
			return s.revisit(of.found, of)
		}
	}
	of.tagset = 0
	return s.findOrAdd(of)
}

// locate finds the entries of samples that are there. Of many series nothing is in a cache: each step reads a little
// of what the next one needs, of all samples, so that the processor waits for all of them at once.
func (n *entries) locate(samples []sample) (touched uint32) {
	if n.pairs.live == 0 {
		return 0
	}
	for i := range samples {
		of := &samples[i]
		touched += n.nameIndex.begin(of.nameHash)
		if !of.sameKey {
			touched += n.tagsetIndex.begin(of.hash)
		}
	}
	for i := range samples {
		of := &samples[i]
		of.nameAt = n.nameIndex.candidate(of.nameHash)
		touched += n.names.at(of.nameAt).refs
		if !of.sameKey {
			of.tagset = n.tagsetIndex.candidate(of.hash)
			touched += n.tagsets.at(of.tagset).refs
		}
	}
	for i := range samples {
		of := &samples[i]
		if text := n.names.at(of.nameAt).text; text != "" {
			touched += uint32(text[0])
		}
		if !of.sameKey {
			key := n.tagsets.at(of.tagset).key
			for at := 0; at < len(key); at += 64 {
				touched += uint32(key[at])
			}
		}
	}
	tagset := tagsetPos(0)
	for i := range samples {
		of := &samples[i]
		if !of.sameKey {
			if tagset = of.tagset; n.tagsets.at(tagset).key != string(of.key) {
				tagset = n.findTagset(of.hash, of.key)
			}
		}
		of.tagset = tagset
		if !n.names.at(of.nameAt).is(of.kind, of.name, of.unit) {
			of.nameAt = n.findName(of.nameHash, of.kind, of.name, of.unit)
		}
		if tagset == 0 || of.nameAt == 0 || of.invalid != "" {
			of.nameAt = 0
			continue
		}
		of.pairHash = n.hashPair(tagset, of.nameAt)
		touched += n.pairs.begin(of.pairHash)
	}
	for i := range samples {
		if of := &samples[i]; of.nameAt != 0 {
			of.found = n.pairs.candidate(of.pairHash)
			touched += n.at(of.found).gen
		}
	}
	return touched
}
