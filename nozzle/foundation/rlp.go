package foundation

import (
	"context"
	"slices"
	"sync"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	batchSize    = 100    // envelopes in one message at most
	readerBuffer = 10_000 // envelopes that the RLP holds for a reader
)

// rlp is the reverse log proxy: it serves the API loggregator.v2.Egress. Each reader gets every envelope that it selects.
// One that is too slow is never disconnected; it loses the newest envelopes, which is counted.
type rlp struct {
	loggregator_v2.UnimplementedEgressServer

	mu                       sync.Mutex
	readers                  []*reader     // in the order in which they came
	changed                  chan struct{} // closed and replaced when a reader comes or goes
	ingress, egress, dropped uint64
}

func newRLP() *rlp { return &rlp{changed: make(chan struct{})} }

// tallies are the words that metrics.tsv uses for it.
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
		"rlp dropped": count(&r.dropped),
		"rlp subscriptions": func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(len(r.readers))
		},
	}
}

// publish offers an envelope to all readers. It must not be changed afterwards.
func (r *rlp) publish(e *loggregator_v2.Envelope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ingress++
	for _, reader := range r.readers {
		for _, s := range reader.selectors {
			if !selects(s, e) {
				continue
			}
			if reader.push(e) {
				r.egress++
			} else {
				r.dropped++
			}
		}
	}
}

// watch returns the number of readers, and a channel that is closed when it changes.
func (r *rlp) watch() (int, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.readers), r.changed
}

// await blocks until there are at least count readers.
func (r *rlp) await(ctx context.Context, count int) error {
	for {
		readers, changed := r.watch()
		if readers >= count {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// join makes a reader of the streams's selectors; leave ends it.
func (r *rlp) join(selectors []*loggregator_v2.Selector) (*reader, error) {
	if len(selectors) == 0 {
		return nil, status.Error(codes.InvalidArgument, "Selectors cannot be empty")
	}
	for _, s := range selectors {
		if s.GetMessage() == nil {
			return nil, status.Error(codes.InvalidArgument, "Selectors must have a Message")
		}
	}
	reader := &reader{selectors: selectors, ready: make(chan struct{}, 1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readers = append(r.readers, reader)
	r.announce()
	return reader, nil
}

func (r *rlp) leave(gone *reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readers = slices.DeleteFunc(r.readers, func(other *reader) bool { return other == gone })
	r.announce()
}

// announce wakes those who await a reader; mu is held.
func (r *rlp) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// BatchedReceiver streams batches of at most 100 envelopes until the client ends the stream or the RLP stops.
func (r *rlp) BatchedReceiver(request *loggregator_v2.EgressBatchRequest, stream loggregator_v2.Egress_BatchedReceiverServer) error {
	reader, err := r.join(request.GetSelectors())
	if err != nil {
		return err
	}
	defer r.leave(reader)
	for {
		batch, err := reader.take(stream.Context())
		if err != nil {
			return err
		}
		if !request.GetUsePreferredTags() {
			deprecate(batch)
		}
		if err := stream.Send(&loggregator_v2.EnvelopeBatch{Batch: batch}); err != nil {
			return err
		}
	}
}

// Receiver streams envelopes one by one.
func (r *rlp) Receiver(request *loggregator_v2.EgressRequest, stream loggregator_v2.Egress_ReceiverServer) error {
	reader, err := r.join(request.GetSelectors())
	if err != nil {
		return err
	}
	defer r.leave(reader)
	for {
		batch, err := reader.take(stream.Context())
		if err != nil {
			return err
		}
		if !request.GetUsePreferredTags() {
			deprecate(batch)
		}
		for _, e := range batch {
			if err := stream.Send(e); err != nil {
				return err
			}
		}
	}
}

// reader is one stream: what it selects, and what waits for it.
type reader struct {
	selectors []*loggregator_v2.Selector
	ready     chan struct{} // holds one token while something may wait

	mu      sync.Mutex
	waiting []*loggregator_v2.Envelope
}

// push adds an envelope, or says that the buffer is full.
func (r *reader) push(e *loggregator_v2.Envelope) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) >= readerBuffer {
		return false
	}
	r.waiting = append(r.waiting, e)
	select {
	case r.ready <- struct{}{}:
	default:
	}
	return true
}

// take blocks until something waits, and returns at most a batch of it, which the caller owns. The envelopes are shared.
func (r *reader) take(ctx context.Context) ([]*loggregator_v2.Envelope, error) {
	for {
		r.mu.Lock()
		n := min(len(r.waiting), batchSize)
		batch := slices.Clone(r.waiting[:n])
		r.waiting = slices.Delete(r.waiting, 0, n)
		r.mu.Unlock()
		if n > 0 {
			return batch, nil
		}
		select {
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		case <-r.ready:
		}
	}
}

// selects says whether a selector lets an envelope through.
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

// consistsOf says whether a gauge holds exactly the metrics that its selector names, if it names any.
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
