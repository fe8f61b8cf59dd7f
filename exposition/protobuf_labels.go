package exposition

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// sizeLabels is the size of the label pairs of a rendered label set. pairs is store.Sample.Pairs.
func sizeLabels(ls metric.Labels, pairs int) int {
	if pairs > 0 {
		// Fast path: `name="value",` has four bytes beside name and value, the pair as a message has six, since all its
		// lengths take one byte; the last label has no comma.
		return len(ls) + 1 + 2*pairs
	}
	size := 0
	for name, value := range ls.All() {
		size += sizeBytes(sizeBytes(len(name)) + sizeBytes(len(value)))
	}
	return size
}

// labelLayout appends rendered label sets as label pairs. It looks for each quote first where the last label set had
// it, since sets in a row differ in few lengths.
type labelLayout struct {
	lengths [64]struct{ name, value uint8 } // of the labels of the last set
}

// append appends the label pairs of a sample. Only values with an escape allocate.
func (l *labelLayout) append(dst []byte, s *store.Sample) []byte {
	if s.Pairs > 0 && s.Pairs <= len(l.lengths) {
		start := len(dst)
		end := start + sizeLabels(s.Labels, s.Pairs)
		dst = slices.Grow(dst, end-start)[:end]
		if !l.fill(dst[start:], string(s.Labels), s.Pairs) {
			*l = labelLayout{} // no label is as short as this says, so that each quote is looked for
			l.fill(dst[start:], string(s.Labels), s.Pairs)
		}
		return dst
	}
	for name, value := range s.Labels.All() {
		dst = appendUint(dst, metricLabel, uint64(sizeBytes(len(name))+sizeBytes(len(value))))
		dst = appendString(appendString(dst, labelName, name), labelValue, value)
	}
	return dst
}

// fill writes label pairs that are as long as out. It returns false if a quote was taken for one that comes earlier:
// the labels have two quotes each, and none in a value, so that then some label finds no quote any more.
func (l *labelLayout) fill(out []byte, rest string, pairs int) bool {
	const head = 4 // bytes of a pair before the name
	for i := range l.lengths[:pairs] {
		last := &l.lengths[i]
		name := int(last.name)
		if name+1 >= len(rest) || rest[name+1] != '"' {
			name = quote(rest, 0) - 1
			last.name = uint8(name)
		}
		value := name + len(`="`)
		end := value + int(last.value)
		if end >= len(rest) || rest[end] != '"' {
			end = quote(rest, value)
			last.value = uint8(end - value)
		}
		if end >= len(rest) {
			return false
		}
		// Both forms have two bytes between name and value, so that one copy moves both.
		to := out[: head+end : head+end]
		to[0], to[1], to[2], to[3] = metricLabel, byte(end+2), labelName, byte(name)
		copy(to[head:], rest)
		to[head+name], to[head+name+1] = labelValue, byte(end-value)
		out = out[len(to):]
		rest = rest[min(end+len(`",`), len(rest)):]
	}
	return len(out) == 0
}

// quote returns the index of the first quote in s[from:], or len(s) if there is none. For the short strings that labels
// are it takes less time than strings.IndexByte.
func quote(s string, from int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; from+8 <= len(s); from += 8 {
		x := binary.LittleEndian.Uint64([]byte(s[from:])) ^ '"'*ones
		if zero := (x - ones) &^ x & high; zero != 0 { // the lowest bit is that of the first byte which is a quote
			return from + bits.TrailingZeros64(zero)/8
		}
	}
	for ; from < len(s) && s[from] != '"'; from++ {
	}
	return min(from, len(s))
}
