package foundation

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	batchSize    = 100    // envelopes in one message at most
	readerBuffer = 10_000 // envelopes that the RLP holds for a reader
)

// rlp is the reverse log proxy, with the dopplers behind it: it serves the API loggregator.v2.Egress. Readers that
// have a shard id share the envelopes they ask for; a reader without one gets all. A reader that is too slow is
// never disconnected; it loses the newest envelopes, which is counted.
type rlp struct {
	loggregator_v2.UnimplementedEgressServer

	dopplers      int
	batchInterval time.Duration

	mu              sync.Mutex
	rng             *rand.Rand
	readers         []*reader // in the order in which they came
	groups          []*group
	away            []time.Time        // until when each doppler is stopped
	mutes           map[mute]time.Time // until when
	among           []*reader          // scratch
	changed         chan struct{}      // closed and replaced when a reader comes or goes
	joined          uint64             // readers that ever came
	ingress, egress uint64
	lost            Flow // without Sent
}

func newRLP(o Options) *rlp {
	return &rlp{
		dopplers:      o.Dopplers,
		batchInterval: o.BatchInterval,
		rng:           o.rng("rlp"),
		away:          make([]time.Time, o.Dopplers),
		mutes:         make(map[mute]time.Time),
		changed:       make(chan struct{}),
	}
}

// tallies returns the counts by the words that metrics.tsv uses for them.
func (r *rlp) tallies() tallies {
	count := func(n *uint64) func() float64 {
		return func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(*n)
		}
	}
	return tallies{
		"rlp ingress": count(&r.ingress),
		"rlp egress":  count(&r.egress),
		"rlp dropped": count(&r.lost.Full),
		"rlp subscriptions": func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(len(r.readers))
		},
	}
}

// publish offers an envelope to the readers, by any of the dopplers. It must not be changed afterwards.
func (r *rlp) publish(e *loggregator_v2.Envelope) { r.publishBy(anyDoppler, e) }

const anyDoppler = -1

// publishBy offers an envelope that came by one doppler to the readers. It must not be changed afterwards.
func (r *rlp) publishBy(doppler int, e *loggregator_v2.Envelope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if doppler == anyDoppler {
		doppler = r.rng.IntN(r.dopplers)
	}
	if doppler = r.reachable(doppler); doppler < 0 {
		r.lost.Away++
		return
	}
	r.ingress++
	for _, g := range r.groups {
		if !selects(g.selector, e) {
			continue
		}
		among := r.present(g.members, doppler)
		switch {
		case len(among) == 0:
			r.lost.Nobody++
		case g.shard == "":
			for _, reader := range among {
				r.push(reader, e)
			}
		default:
			r.push(g.choose(e, among, r.rng), e)
		}
	}
}

func (r *rlp) push(to *reader, e *loggregator_v2.Envelope) {
	if to.push(e) {
		r.egress++
	} else {
		r.lost.Full++
	}
}

// watch returns the number of readers, and a channel that is closed when it changes.
func (r *rlp) watch() (int, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.readers), r.changed
}

// await blocks until the condition holds, which is checked while mu is held.
func (r *rlp) await(ctx context.Context, wanted func() bool) error {
	for {
		r.mu.Lock()
		ok, changed := wanted(), r.changed
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// join adds a reader for a request; leave removes it.
func (r *rlp) join(request *loggregator_v2.EgressBatchRequest) (*reader, error) {
	if len(request.GetSelectors()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "Selectors cannot be empty")
	}
	for _, s := range request.GetSelectors() {
		if s.GetMessage() == nil {
			return nil, status.Error(codes.InvalidArgument, "Selectors must have a Message")
		}
	}
	reader := &reader{name: request.GetDeterministicName(), ready: make(chan struct{}, 1), interval: r.batchInterval}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readers = append(r.readers, reader)
	r.joined++
	for doppler, back := range r.away {
		if now := time.Now(); now.Before(back) {
			r.mutes[mute{reader, doppler}] = dopplerBackAt(now, back)
		}
	}
	for _, s := range request.GetSelectors() {
		r.group(request.GetShardId(), s).add(reader)
	}
	r.announce()
	return reader, nil
}

// group finds or makes a group; mu is held.
func (r *rlp) group(shard string, s *loggregator_v2.Selector) *group {
	key := groupKey(shard, s)
	if i := slices.IndexFunc(r.groups, func(g *group) bool { return g.key == key }); i >= 0 {
		return r.groups[i]
	}
	g := &group{key: key, shard: shard, selector: s}
	r.groups = append(r.groups, g)
	return g
}

func (r *rlp) leave(gone *reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readers = slices.DeleteFunc(r.readers, func(other *reader) bool { return other == gone })
	for _, g := range r.groups {
		g.remove(gone)
	}
	r.groups = slices.DeleteFunc(r.groups, func(g *group) bool { return len(g.members) == 0 })
	maps.DeleteFunc(r.mutes, func(m mute, _ time.Time) bool { return m.reader == gone })
	r.lost.Left += uint64(gone.held())
	r.announce()
}

// announce wakes the goroutines that wait for a reader; mu is held.
func (r *rlp) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// BatchedReceiver streams batches of at most 100 envelopes, or of what came within the batch interval, until the
// client ends the stream or the RLP stops.
func (r *rlp) BatchedReceiver(
	request *loggregator_v2.EgressBatchRequest, stream loggregator_v2.Egress_BatchedReceiverServer,
) error {
	return r.serve(stream.Context(), request, func(batch []*loggregator_v2.Envelope) error {
		return stream.Send(&loggregator_v2.EnvelopeBatch{Batch: batch})
	})
}

// Receiver streams envelopes one by one. It takes no notice of the reader's name.
func (r *rlp) Receiver(request *loggregator_v2.EgressRequest, stream loggregator_v2.Egress_ReceiverServer) error {
	batched := &loggregator_v2.EgressBatchRequest{
		ShardId: request.GetShardId(), Selectors: request.GetSelectors(), UsePreferredTags: request.GetUsePreferredTags(),
	}
	return r.serve(stream.Context(), batched, func(batch []*loggregator_v2.Envelope) error {
		for _, e := range batch {
			if err := stream.Send(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// serve sends a reader its batches until ctx is done, the RLP stops or send fails.
func (r *rlp) serve(
	ctx context.Context, request *loggregator_v2.EgressBatchRequest, send func([]*loggregator_v2.Envelope) error,
) error {
	reader, err := r.join(request)
	if err != nil {
		return err
	}
	defer r.leave(reader)
	for {
		batch, err := reader.take(ctx)
		if err != nil {
			return err
		}
		if !request.GetUsePreferredTags() {
			deprecate(batch)
		}
		if err := send(batch); err != nil {
			return err
		}
	}
}

// reader is one stream and the envelopes that wait for it.
type reader struct {
	name     string
	interval time.Duration // how long an envelope may wait for others
	ready    chan struct{} // holds one token when something new waits, or a batch is full

	mu      sync.Mutex
	waiting []*loggregator_v2.Envelope
	taken   int // of the last batch, as long as it may not have left
}

// push adds an envelope; false means that the buffer is full.
func (r *reader) push(e *loggregator_v2.Envelope) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) >= readerBuffer {
		return false
	}
	r.waiting = append(r.waiting, e)
	if n := len(r.waiting); n == 1 || n == batchSize {
		r.wake()
	}
	return true
}

func (r *reader) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// held returns how many envelopes were never sent.
func (r *reader) held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting) + r.taken
}

// take blocks until a batch is full, or something has waited for the interval, and returns at most a batch of it,
// which the caller owns. The envelopes are shared. A further call means that the batch before was sent.
func (r *reader) take(ctx context.Context) ([]*loggregator_v2.Envelope, error) {
	var late <-chan time.Time
	overdue := r.interval <= 0
	for {
		r.mu.Lock()
		r.taken = 0
		n := min(len(r.waiting), batchSize)
		if n == batchSize || n > 0 && overdue {
			batch := slices.Clone(r.waiting[:n])
			r.waiting = slices.Delete(r.waiting, 0, n)
			r.taken = n
			r.mu.Unlock()
			return batch, nil
		}
		r.mu.Unlock()
		if n > 0 && late == nil {
			timer := time.NewTimer(r.interval)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		case <-r.ready:
		case <-late:
			overdue = true
		}
	}
}

// selects reports whether a selector matches an envelope.
func selects(s *loggregator_v2.Selector, e *loggregator_v2.Envelope) bool {
	if s.GetSourceId() != "" && s.GetSourceId() != e.GetSourceId() {
		return false
	}
	switch selector := s.GetMessage().(type) {
	case *loggregator_v2.Selector_Gauge:
		return e.GetGauge() != nil && consistsOf(e.GetGauge().GetMetrics(), selector.Gauge.GetNames())
	case *loggregator_v2.Selector_Counter:
		name := selector.Counter.GetName()
		return e.GetCounter() != nil && (name == "" || name == e.GetCounter().GetName())
	case *loggregator_v2.Selector_Timer:
		return e.GetTimer() != nil
	case *loggregator_v2.Selector_Log:
		return e.GetLog() != nil
	case *loggregator_v2.Selector_Event:
		return e.GetEvent() != nil
	default:
		return false
	}
}

// consistsOf reports whether a gauge holds exactly the metrics that its selector names, if it names any.
func consistsOf(metrics map[string]*loggregator_v2.GaugeValue, names []string) bool {
	if len(names) == 0 {
		return true
	}
	for _, name := range names {
		if metrics[name] == nil {
			return false
		}
	}
	return len(metrics) == len(names)
}

// deprecate replaces the envelopes of a batch by copies that have their tags in the form that old clients ask for.
func deprecate(batch []*loggregator_v2.Envelope) {
	for i, e := range batch {
		tags := make(map[string]*loggregator_v2.Value, len(e.GetTags()))
		for key, value := range e.GetTags() {
			tags[key] = &loggregator_v2.Value{Data: &loggregator_v2.Value_Text{Text: value}}
		}
		batch[i] = &loggregator_v2.Envelope{
			Timestamp:      e.GetTimestamp(),
			SourceId:       e.GetSourceId(),
			InstanceId:     e.GetInstanceId(),
			DeprecatedTags: tags,
			Message:        e.Message,
		}
	}
}
