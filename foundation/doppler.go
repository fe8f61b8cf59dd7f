package foundation

import (
	"errors"
	"hash/crc64"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/proto"
)

// group is the readers among whom a doppler shares what a selector lets through: those with the same shard id that
// asked for exactly the same. Without a shard id each of them gets everything.
type group struct {
	key      string
	shard    string
	selector *loggregator_v2.Selector
	// named is true if a reader has a deterministic name: counters and gauges are then shared by their names.
	named   bool
	members []*reader // by name, those without one first
}

// groupKey identifies a group: readers with equal keys share envelopes.
func groupKey(shard string, s *loggregator_v2.Selector) string {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
	if err != nil {
		return shard
	}
	return shard + "\x00" + string(text)
}

func (g *group) add(r *reader) {
	at, _ := slices.BinarySearchFunc(g.members, r.name, func(m *reader, name string) int {
		if m.name == name {
			return -1 // of the same name, the newest is the last
		}
		return strings.Compare(m.name, name)
	})
	g.members = slices.Insert(g.members, at, r)
	g.named = g.members[len(g.members)-1].name != ""
}

func (g *group) remove(r *reader) {
	g.members = slices.DeleteFunc(g.members, func(m *reader) bool { return m == r })
	g.named = len(g.members) > 0 && g.members[len(g.members)-1].name != ""
}

// choose picks which reader of a group gets an envelope, as a doppler does: by the checksum of a counter's name, by
// the sum of those of all names in a gauge, at random for everything else. Only names count, so that all instances
// of a metric go to one reader.
func (g *group) choose(e *loggregator_v2.Envelope, among []*reader, rng *rand.Rand) *reader {
	if hash, ok := hashNames(e); ok && g.named {
		return among[hash%uint64(len(among))]
	}
	return among[rng.IntN(len(among))]
}

var ecma = crc64.MakeTable(crc64.ECMA) // constant

func hashNames(e *loggregator_v2.Envelope) (hash uint64, ok bool) {
	switch message := e.Message.(type) {
	case *loggregator_v2.Envelope_Counter:
		return crc64.Checksum([]byte(message.Counter.GetName()), ecma), true
	case *loggregator_v2.Envelope_Gauge:
		for name := range message.Gauge.GetMetrics() {
			hash += crc64.Checksum([]byte(name), ecma)
		}
		return hash, true
	default:
		return 0, false
	}
}

// present returns the readers whose streams carry a doppler's envelopes.
func (r *rlp) present(members []*reader, doppler int) []*reader {
	if len(r.mutes) == 0 {
		return members
	}
	now := time.Now()
	r.among = r.among[:0]
	for _, m := range members {
		if until, muted := r.mutes[mute{m, doppler}]; !muted || !now.Before(until) {
			r.among = append(r.among, m)
		}
	}
	return r.among
}

// mute is a stream that does not carry a doppler's envelopes.
type mute struct {
	reader  *reader
	doppler int
}

// RestartDoppler stops one of the dopplers for some time. While it is away its own metrics stop, and the VMs' agents
// send by the other dopplers, if there are any; when it is back they find it at once. Streams stay open, but bring
// nothing of the doppler until the RLP tries it again, see dopplerBackAt.
func (f *Foundation) RestartDoppler(doppler int, away time.Duration) error {
	if doppler < 0 || doppler >= f.options.Dopplers {
		return errors.New("foundation: there is no such doppler")
	}
	r := f.rlp
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	back := now.Add(away)
	r.away[doppler] = back
	for _, reader := range r.readers {
		r.mutes[mute{reader, doppler}] = dopplerBackAt(now, back)
	}
	return nil
}

// dopplerBackAt returns when a stream has a doppler's data again that was lost, or missing from its beginning, at
// one time and is back at another. For each stream of its own the RLP tries again after pauses of 1, 10 and 100 ms,
// 1, 10 and 100 s, and after 100 s each from then on.
func dopplerBackAt(missing, back time.Time) time.Time {
	at, pause := missing, time.Millisecond
	for at.Before(back) {
		at = at.Add(pause)
		if pause < time.Minute {
			pause *= 10
		}
	}
	return at
}

// stopped says whether a doppler is stopped.
func (r *rlp) stopped(doppler int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.isAway(doppler)
}

// isAway says whether a doppler is stopped; mu is held.
func (r *rlp) isAway(doppler int) bool { return time.Now().Before(r.away[doppler]) }

// reachable returns the doppler that an agent sends by: its own, or the next one that is not away; -1 if all are. mu
// is held.
func (r *rlp) reachable(doppler int) int {
	for i := range r.dopplers {
		if at := (doppler + i) % r.dopplers; !r.isAway(at) {
			return at
		}
	}
	return -1
}

// Flow counts what became of the envelopes that readers asked for, each once for every group that asked for it.
type Flow struct {
	// Sent were handed to a reader's stream. Some may not have arrived if the reader left.
	Sent uint64
	// Full were dropped since a reader's buffer was full.
	Full uint64
	// Left waited for a reader when it left.
	Left uint64
	// Nobody were asked for only by readers whose streams do not carry the doppler's envelopes.
	Nobody uint64
	// Away were emitted while all dopplers were away, each counted once. They do not count as sent.
	Away uint64
	// Held wait for readers now. They count as sent.
	Held uint64
	// Messages were written by the traffic controller, which may make several of one envelope.
	Messages uint64
}

// Lost returns how many envelopes were sent so far, and how many were lost.
func (f *Foundation) Lost() Flow {
	f.rlp.mu.Lock()
	defer f.rlp.mu.Unlock()
	flow := f.rlp.lost
	flow.Sent = f.rlp.egress - flow.Left
	flow.Messages = f.messages.Load()
	for _, r := range f.rlp.readers {
		flow.Held += uint64(r.held())
	}
	return flow
}
