package watch

import (
	"bytes"
	"hash/maphash"
	"sync"
	"time"

	"loggregator_exporter/metric"
)

const (
	// dopplerPause is the longest pause between metrics of a doppler that is heard regularly; real ones emit each 5 s.
	dopplerPause = dopplerSilence / 2
	// dopplerPauses is how many such pauses in a row make a doppler one that can be missing. Where many readers share
	// metrics at random, each hears a doppler irregularly.
	dopplerPauses = 8
	// dopplerSilence is how long a regular doppler may be silent until it is missing. An open stream is replaced as often
	// while a doppler is missing, so that the doppler's data is missing for little longer when it is back.
	dopplerSilence = 35 * time.Second
	// dopplerForgotten is how long a doppler is missed: then it is one that the operator removed.
	dopplerForgotten = 15 * time.Minute
	// dopplerRetried is the age below which a stream needs no replacement: the server behind it tries a doppler again
	// 11 s after the stream began, and then no more for 100 s.
	dopplerRetried = 10 * time.Second

	maxDopplers = 512
)

// dopplers knows from the metrics that dopplers emit about themselves which of them are running. A stream stays open
// when a doppler restarts, but may lack that doppler's data for up to 111 s after it is back, with no error; a new
// stream has it at once.
//
// The metrics of a doppler go by any doppler, as all metrics do: their silence says that the doppler is away, their
// return that it is back, whether or not the open stream has its data.
type dopplers struct {
	seed maphash.Seed

	mu    sync.Mutex
	known map[uint64]*doppler // by a hash of what identifies it
}

type doppler struct {
	heard  bool // since the last check
	silent int  // intervals since it was last heard
	pauses int  // in a row that were short, up to dopplerPauses
}

func newDopplers() *dopplers {
	return &dopplers{seed: maphash.MakeSeed(), known: map[uint64]*doppler{}}
}

// Origins of dopplers, of the releases before 2017 as well.
var (
	dopplerOrigin    = []byte("loggregator.doppler")
	oldDopplerOrigin = []byte("DopplerServer")
	dopplerJob       = []byte("doppler")
)

// note takes a gauge or counter. It counts for the doppler process that emitted it, or for the VM if that is a
// doppler's: where readers share metrics by name, one may get none of the few that the process has.
func (d *dopplers) note(e *metric.Envelope) {
	origin := e.Tag("origin")
	process := bytes.Equal(origin, dopplerOrigin) || bytes.Equal(origin, oldDopplerOrigin)
	if !process && !bytes.Equal(e.Tag("job"), dopplerJob) {
		return
	}
	id := maphash.Bytes(d.seed, e.Tag("index")) + 3*maphash.Bytes(d.seed, e.Tag("ip")) +
		5*maphash.Bytes(d.seed, e.Tag("deployment"))
	if process {
		id = ^id
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.known[id]
	if at == nil {
		if len(d.known) >= maxDopplers {
			return
		}
		at = &doppler{}
		d.known[id] = at
	}
	at.heard = true
}

// check is called while a stream is open, some intervals after the last check, and clears what was heard. It reports
// whether a doppler is missing, and whether one that was missing is heard again.
func (d *dopplers) check(intervals int) (missing, back bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, at := range d.known {
		if at.heard {
			at.heard = false
			back = back || at.missing()
			switch {
			case at.silent > checks(dopplerPause):
				at.pauses = 0
			case at.pauses < dopplerPauses:
				at.pauses++
			}
			at.silent = 0
			continue
		}
		if at.silent += intervals; at.silent > checks(dopplerForgotten) {
			delete(d.known, id)
			continue
		}
		missing = missing || at.missing()
	}
	return missing, back
}

// missing says whether a regular doppler is silent.
func (d *doppler) missing() bool {
	return d.pauses == dopplerPauses && d.silent >= checks(dopplerSilence)
}
