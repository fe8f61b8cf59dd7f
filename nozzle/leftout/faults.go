package leftout

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"loggregator_exporter/metric"
)

const (
	// maxFaults bounds the errors of one source that are told apart, maxLooks how many malformed envelopes of it are
	// looked at in a second: that costs some microseconds each, and whatever somebody sends to a port is malformed.
	maxFaults = 32
	maxLooks  = 20

	maxErrorBytes   = 200
	maxExcerptBytes = 48
)

// NotLookedAt is the error of malformed envelopes beyond the first 20 of a second.
const NotLookedAt = "not looked at: more than 20 came in that second"

// Fault is one error that malformed envelopes had.
type Fault struct {
	// Error is empty for errors beyond the first 32.
	Error string
	Count uint64
	Last  time.Time
	// Sender and Excerpt are those of the last one that was looked at: the address it came from, or who it says that it
	// is, and how it begins, quoted. Both may be empty.
	Sender, Excerpt string
}

// Faults counts malformed envelopes of one source by what is wrong with them. It is safe for concurrent use.
type Faults struct {
	mu sync.Mutex
	table[string, Fault]
	second int64 // since the epoch, in which looks were taken
	looks  int
}

// NewFaults makes a count of nothing.
func NewFaults() *Faults { return &Faults{table: newTable[string, Fault](maxFaults)} }

// Malformed is a malformed envelope, or a part of a message that cannot be told into envelopes.
type Malformed struct {
	Error string                      // what is wrong, unless Why says it
	Why   func(message []byte) string // finds out what is wrong; nil for Error
	// Message is what came, or nil; Sender says from where, nil where that is not known.
	Message []byte
	Sender  func() string
}

// Add counts one, which came at the time given in nanoseconds since the epoch.
func (f *Faults) Add(m Malformed, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if second := now / int64(time.Second); second != f.second {
		f.second, f.looks = second, 0
	}
	if f.looks++; f.looks > maxLooks {
		f.at(NotLookedAt).note(now)
		return
	}
	why := m.Error
	if m.Why != nil {
		why = m.Why(m.Message)
	}
	of := f.at(cutText(why))
	of.note(now)
	of.Sender, of.Excerpt = "", ""
	if m.Sender != nil {
		of.Sender = cutText(m.Sender())
	}
	if len(m.Message) > 0 {
		of.Excerpt = strconv.QuoteToASCII(string(m.Message[:min(len(m.Message), maxExcerptBytes)]))
		if len(m.Message) > maxExcerptBytes {
			of.Excerpt += "..."
		}
	}
}

func (f *Fault) note(now int64) {
	f.Count++
	f.Last = time.Unix(0, now)
}

// at returns what counts an error.
func (f *Faults) at(why string) *Fault {
	of := f.by[why]
	switch {
	case of != nil:
		return of
	case f.full() && why != NotLookedAt:
		return &f.rest
	}
	of = &Fault{Error: why}
	f.by[why] = of
	return of
}

func cutText(text string) string {
	if len(text) > maxErrorBytes {
		text = strings.ToValidUTF8(text[:maxErrorBytes], "") + "..."
	}
	return metric.Printable(text)
}

// Report lists the errors that came, the most frequent first.
func (f *Faults) Report() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Fault
	for _, of := range f.by {
		all = append(all, *of)
	}
	slices.SortFunc(all, func(x, y Fault) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), strings.Compare(x.Error, y.Error))
	})
	if f.rest.Count > 0 {
		all = append(all, f.rest)
	}
	return all
}
