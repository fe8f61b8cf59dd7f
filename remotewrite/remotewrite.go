// Package remotewrite pushes the store's series and the exporter's own metrics to an endpoint for Prometheus' remote
// write, 1.0 or 2.0, for storage that does not scrape.
//
// In every round, rounds reads each series once, encodes requests and puts them into a bounded queue, from which the
// shards of sender take them. A slow or dead receiver never blocks the store: when the queue is full, the oldest
// requests are dropped and counted.
package remotewrite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// stopTimeout bounds how long Run sends queued requests and stale markers after its context is done. The process has
// to end within a longer time.
const stopTimeout = 3 * time.Second

// Pusher pushes a store's series to a receiver.
type Pusher struct {
	options Options
	http    *http.Client
	rounds  rounds
	sender  sender
	queue   *queue
	report  *reporter

	stopping chan struct{} // closed when the stop begins
}

// New makes a pusher of checked options. It reads the files that the options name, and starts nothing. Both source
// and own are read in every round; the pusher's metrics are registered with reg.
func New(
	o Options, source Source, own prometheus.Gatherer, reg prometheus.Registerer, log *slog.Logger,
) (*Pusher, error) {
	address, err := o.address()
	if err != nil {
		return nil, fmt.Errorf("remote_write.url_file: %w", err)
	}
	httpClient, err := o.client()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(reg, &o)
	if err != nil {
		return nil, err
	}
	receiver := newReceiverState(&o)
	p := &Pusher{
		options: o, http: httpClient, queue: newQueue(o.QueueMaxBytes, m),
		report: newReporter(log, address), stopping: make(chan struct{}),
	}
	p.rounds = rounds{
		options: &p.options, source: source, reader: &store.Reader{}, own: own,
		queue: p.queue, metrics: m, report: p.report, receiver: receiver,
		encoder: newEncoder(receiver.takesV2(), o.SendNativeHistograms, sortedLabels(o.ExternalLabels)),
		claimed: map[string]struct{}{}, metadata: newMessage(false),
	}
	p.sender = sender{
		client: &client{
			http: httpClient, options: &p.options, receiver: receiver,
			userAgent: "loggregator_exporter/" + cmp.Or(version.Version, "unknown"),
		},
		options: &p.options, queue: p.queue, metrics: m, report: p.report, receiver: receiver, stopping: p.stopping,
	}
	return p, nil
}

func sortedLabels(pairs []Pair) []metric.Label {
	labels := make([]metric.Label, 0, len(pairs))
	for _, p := range pairs {
		labels = append(labels, metric.Label{Name: p.Name, Value: p.Value})
	}
	slices.SortFunc(labels, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	return labels
}

var errStopped = errors.New("the exporter stopped before the receiver took everything")

// Run pushes at once and then every interval, until ctx is done. It then sends what is queued, ends all series with
// stale markers, and returns nil, within stopTimeout even if the receiver does not answer. It may be called once.
func (p *Pusher) Run(ctx context.Context) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var shards sync.WaitGroup
	for range p.options.Shards {
		shards.Go(func() { p.sender.run(sending) })
	}
	p.collect(ctx)

	close(p.stopping)
	deadline := time.AfterFunc(stopTimeout, cancel)
	defer deadline.Stop()
	p.rounds.endAll(sending)
	p.queue.close()
	shards.Wait()
	if dropped := p.queue.dropAll() + p.sender.abandoned; dropped > 0 {
		p.report.lost(reasonStopped, errStopped, dropped, nil)
	}
	p.http.CloseIdleConnections()
	return nil
}

// collect does rounds until ctx is done.
func (p *Pusher) collect(ctx context.Context) {
	tick := time.NewTicker(p.options.Interval)
	defer tick.Stop()
	for {
		p.rounds.collect(ctx, p.options.Interval)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}
