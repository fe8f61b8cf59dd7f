package exposition

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
)

// sizeLabels measures the label pairs of a rendered label set, of which pairs is what store.Sample says.
func sizeLabels(ls metric.Labels, pairs int) int {
	if pairs > 0 {
		// Fast path: of `name="value",` four bytes are not name and value, of the pair as a message six are, since all its lengths are of
		// one byte; the last label has no comma.
		return len(ls) + 1 + 2*pairs
	}
	size := 0
	c := newLabelCutter(ls)
	for c.next() {
		size += sizeBytes(c.size())
	}
	return size
}

func appendLabels(dst []byte, ls metric.Labels) []byte {
	c := newLabelCutter(ls)
	for c.next() {
		// Fast path: all lengths are of one byte, as those of nearly all labels are.
		if size := len(c.name) + len(c.value) + 4; size < 128 && !c.escaped {
			dst = append(dst, byte(metricLabel), byte(size), byte(labelName), byte(len(c.name)))
			dst = append(dst, c.name...)
			dst = append(dst, byte(labelValue), byte(len(c.value)))
			dst = append(dst, c.value...)
			continue
		}
		dst = protowire.AppendVarint(append(dst, byte(metricLabel)), uint64(c.size()))
		dst = appendString(dst, labelName, c.name)
		dst = protowire.AppendVarint(append(dst, byte(labelValue)), uint64(len(c.value)-c.escapes))
		if c.escapes == 0 {
			dst = append(dst, c.value...)
		} else {
			dst = appendUnescaped(dst, c.value)
		}
	}
	return dst
}

// labelCutter takes a rendered label set apart and leaves values as they stand there.
type labelCutter struct {
	rest    string
	escaped bool // whether any value holds an escape

	name, value string
	escapes     int // in value: each is two bytes for one
}

func newLabelCutter(ls metric.Labels) labelCutter {
	return labelCutter{rest: string(ls), escaped: strings.IndexByte(string(ls), '\\') >= 0}
}

// next goes to the next label, if there is one.
func (c *labelCutter) next() bool {
	if c.rest == "" {
		return false
	}
	eq := strings.IndexByte(c.rest, '=')
	value := c.rest[eq+len(`="`):]
	c.name = c.rest[:eq]
	end := 0
	if !c.escaped { // Fast path: the next quote ends the value.
		end = strings.IndexByte(value, '"')
	} else {
		for c.escapes = 0; value[end] != '"'; end++ {
			if value[end] == '\\' {
				c.escapes++
				end++
			}
		}
	}
	c.value = value[:end]
	c.rest = ""
	if after := end + len(`",`); after < len(value) {
		c.rest = value[after:]
	}
	return true
}

// size is that of the label pair.
func (c *labelCutter) size() int {
	return sizeBytes(len(c.name)) + sizeBytes(len(c.value)-c.escapes)
}

// appendUnescaped appends what a value as it stands in a label set means.
func appendUnescaped(dst []byte, value string) []byte {
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == '\\' {
			i++
			if c = value[i]; c == 'n' {
				c = '\n'
			}
		}
		dst = append(dst, c)
	}
	return dst
}
