package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"loggregator_exporter/internal/suggest"
	"loggregator_exporter/tagger/naming"
	"loggregator_exporter/web/live"
)

const (
	// maxNear is how many names, and how many metrics, are offered in place of one that does not exist.
	maxNear = 5
	// maxNearBytes and maxNearWords bound what is looked at of each text.
	maxNearBytes = 200
	maxNearWords = 24
	// leastLikeness is how much of a wanted text must be found in one that is offered, from 0 to 1.
	leastLikeness = 0.6
)

// near returns the raw names and the metrics that resemble a text most. Texts resemble each other by their words, as
// naming takes them apart, wherever these stand: a misspelt word, and another separator or prefix, are no hindrance.
func near(ctx context.Context, s *live.Snapshot, text string) (names, metrics []string, err error) {
	wanted := newLikeness(text)
	isMetric := make([]bool, len(s.Texts))
	var found, foundMetrics nearest
	last := ""
	for i := range s.Names {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, nil, canceled(ctx)
		}
		n := &s.Names[i]
		for _, pos := range n.Metrics {
			isMetric[pos] = true
		}
		if n.Name != last || i == 0 { // a name has a row for each kind and unit
			found.add(n.Name, wanted.of(n.Name))
		}
		last = n.Name
	}
	for pos, is := range isMetric {
		if is {
			foundMetrics.add(s.Texts[pos], wanted.of(s.Texts[pos]))
		}
	}
	return found.texts(), foundMetrics.texts(), nil
}

// likeness compares texts with a wanted one.
type likeness struct {
	words []string
	bytes int                // of the words
	known map[string][]uint8 // how much of each wanted word another word has, in hundredths
}

func newLikeness(text string) *likeness {
	l := &likeness{words: wordsOf(text), known: map[string][]uint8{}}
	for _, w := range l.words {
		l.bytes += len(w)
	}
	return l
}

func wordsOf(text string) []string {
	words := naming.Words(text[:min(len(text), maxNearBytes)])
	return words[:min(len(words), maxNearWords)]
}

// of returns how much of the wanted text another one has, from 0 to 1; words that were not wanted count against it.
func (l *likeness) of(text string) float64 {
	if l.bytes == 0 {
		return 0
	}
	words := wordsOf(text)
	parts := make([]uint8, len(l.words))
	more := 0
	for _, w := range words {
		best := uint8(0)
		for i, part := range l.compare(w) {
			parts[i], best = max(parts[i], part), max(best, part)
		}
		if best == 0 {
			more += len(w)
		}
	}
	sum := 0.0
	for i, part := range parts {
		sum += float64(part) / 100 * float64(len(l.words[i]))
	}
	const against = 0.2
	return sum / (float64(l.bytes) + against*float64(more))
}

// compare returns how much of each wanted word a word has: all of it if it is the same, less if few letters differ,
// or if one is the beginning of the other.
func (l *likeness) compare(word string) []uint8 {
	if parts, ok := l.known[word]; ok {
		return parts
	}
	parts := make([]uint8, len(l.words))
	for i, wanted := range l.words {
		short, long := min(len(word), len(wanted)), max(len(word), len(wanted))
		switch allowed := 1 + long/5; {
		case word == wanted:
			parts[i] = 100
		case short >= 3 && long-short <= allowed && suggest.Distance(word, wanted) <= allowed:
			parts[i] = 80
		case short >= 3 && word[:short] == wanted[:short]:
			parts[i] = uint8(80 * short / long)
		}
	}
	l.known[word] = parts
	return parts
}

// nearest keeps the texts that resemble most.
type nearest struct {
	list []nearText
}

type nearText struct {
	text     string
	likeness float64
}

func (n *nearest) add(text string, likeness float64) {
	if likeness < leastLikeness || len(n.list) == maxNear && likeness < n.list[maxNear-1].likeness {
		return
	}
	n.list = append(n.list, nearText{text, likeness})
	slices.SortFunc(n.list, func(x, y nearText) int {
		return cmp.Or(cmp.Compare(y.likeness, x.likeness), cmp.Compare(len(x.text), len(y.text)), strings.Compare(x.text, y.text))
	})
	n.list = n.list[:min(len(n.list), maxNear)]
}

func (n *nearest) texts() []string {
	texts := make([]string, len(n.list))
	for i := range n.list {
		texts[i] = n.list[i].text
	}
	return texts
}
