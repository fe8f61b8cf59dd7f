// Package leftout counts what is received and not handed on, by what it was: filtered metrics by name, envelopes
// without a metric by kind, and malformed ones by what is wrong with them. All of it is bounded.
package leftout

import (
	"fmt"
	"strings"

	"loggregator_exporter/metric"
)

// table counts what belongs to the first keys one by one, and the rest together.
type table[K comparable, V any] struct {
	by   map[K]*V
	most int
	rest V
}

func newTable[K comparable, V any](most int) table[K, V] {
	return table[K, V]{by: map[K]*V{}, most: most}
}

// full reports whether there is no room for another key.
func (t *table[K, V]) full() bool { return len(t.by) >= t.most }

// maxText bounds the texts that are kept of an envelope beside its name.
const maxText = 64

// cut cuts what an envelope says.
func cut(b []byte) string {
	if len(b) > maxText {
		return strings.ToValidUTF8(string(b[:maxText]), "") + "..."
	}
	return string(b)
}

// text cuts what an envelope says, and makes it printable.
func text(b []byte) string { return metric.Printable(cut(b)) }

// SenderOf says who sent an envelope, in a line: its origin or source id, and its VM.
func SenderOf(e *metric.Envelope) string {
	var line strings.Builder
	add := func(what string, value []byte) {
		if len(value) == 0 {
			return
		}
		if line.Len() > 0 {
			line.WriteString(", ")
		}
		fmt.Fprintf(&line, "%s %q", what, cut(value))
	}
	if origin := e.Tag("origin"); len(origin) > 0 {
		add("origin", origin)
	} else {
		add("source id", e.SourceID)
	}
	for _, tag := range [...]string{"job", "index", "ip"} {
		add(tag, e.Tag(tag))
	}
	return line.String()
}
