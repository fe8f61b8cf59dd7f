package remotewrite

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// stopTimeout is how long the end takes at most: what waits is sent, then stale markers for all series. It is less than
// the time within which the process has to end.
const stopTimeout = 3 * time.Second

// maxHalvings bounds the requests spent in every interval on finding what a receiver refuses: one bad sample takes some eleven.
const maxHalvings = 100

// Pusher pushes what a store holds to a receiver.
type Pusher struct {
	options Options
	http    interface{ CloseIdleConnections() }
	rounds  rounds
	sender  sender
	queue   *queue
	report  *reporter

	stopping chan struct{}
}

// New makes a pusher of checked options. It reads the files that the options name, and starts nothing. Both source and own are read
// in every round; the pusher's metrics are registered with reg.
func New(o Options, source Source, own prometheus.Gatherer, reg prometheus.Registerer, log *slog.Logger) (*Pusher, error) {
	httpClient, err := o.client()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	m.shards.Set(float64(o.Shards))
	m.maxSamples.Set(float64(o.MaxSamplesPerSend))
	m.queueCapacity.Set(float64(o.QueueMaxBytes))

	external := make([]metric.Label, 0, len(o.ExternalLabels))
	for _, l := range o.ExternalLabels {
		external = append(external, metric.Label{Name: l.Name, Value: l.Value})
	}
	slices.SortFunc(external, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })

	v2 := o.Protocol == Protocol2
	p := &Pusher{
		options: o, http: httpClient, queue: newQueue(o.QueueMaxBytes, m),
		report: newReporter(log, o.URL), stopping: make(chan struct{}),
	}
	p.rounds = rounds{
		source: source, reader: &store.Reader{}, own: own, queue: p.queue, metrics: m, report: p.report,
		utf8: o.NameEscaping == AllowUTF8, maxSamples: o.MaxSamplesPerSend,
		natives: o.SendNativeHistograms, classic: o.SendClassicHistograms, exemplars: o.SendExemplars,
		encoder: newEncoder(v2, o.SendNativeHistograms, external), claimed: map[string]struct{}{},
	}
	if !v2 {
		p.rounds.metadata = newMessage(false)
	}
	p.sender = sender{
		client: &client{
			http: httpClient, url: o.URL, headers: o.Headers, v2: v2, timeout: o.Timeout,
			retryOnRateLimit: o.RetryOnRateLimit, userAgent: userAgent(),
		},
		queue: p.queue, metrics: m, report: p.report, minBackoff: o.MinBackoff, maxBackoff: o.MaxBackoff,
		stopping: p.stopping, halvings: &budget{most: maxHalvings, period: o.Interval},
	}
	return p, nil
}

// Run pushes at once and then every interval, until ctx is done. It then sends what waits, ends all series with stale markers, and
// returns nil, within a few seconds even when the receiver does not answer. It may be called once.
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
	if dropped := p.queue.abandon() + p.sender.abandoned; dropped > 0 {
		p.report.lost(reasonStopped, errStopped, dropped, "")
	}
	p.http.CloseIdleConnections()
	return nil
}

var errStopped = errors.New("the receiver did not take everything in the time there was at the end")

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
