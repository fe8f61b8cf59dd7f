package nozzle

import (
	"time"
)

// Recorder takes what sources receive, as it came: the name of the source, the bytes and the time of arrival. It is called from
// the goroutine of each source, keeps nothing of the bytes after it returns, and holds the source up for as long as it takes.
type Recorder interface {
	// RecordV1 takes one dropsonde envelope.
	RecordV1(source string, envelope []byte, arrived time.Time)
	// RecordV2 takes one loggregator.v2 EnvelopeBatch.
	RecordV2(source string, batch []byte, arrived time.Time)
}

// RecordTo hands everything that sources receive to a recorder as well. It is called before any source runs.
func (l *Ledger) RecordTo(r Recorder) { l.recorder = r }
