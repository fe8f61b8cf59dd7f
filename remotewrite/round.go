package remotewrite

import (
	"context"
	"errors"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// Source is what a round reads. *store.Store is one.
type Source interface {
	Families() []store.Family
}

// reader gives the samples of families, as *store.Reader does.
type reader interface {
	Reset(f *store.Family)
	Next() []store.Sample
}

const (
	// maxMessageBytes bounds a request before compression: receivers refuse one of some tens of megabytes.
	maxMessageBytes = 4 << 20
	// metadataEvery is how often types and help texts are sent in 1.0, as by Prometheus.
	metadataEvery = time.Minute
)

// rounds reads all series once per round and fills the queue. It is not for concurrent use; it reuses its memory.
type rounds struct {
	options  *Options
	source   Source
	reader   reader
	own      prometheus.Gatherer
	queue    *queue
	metrics  *metrics
	report   *reporter
	receiver *receiverState

	encoder      *encoder
	metadata     *message // 1.0; sent with protocol 1.0 only
	nextMetadata time.Time

	ownKnown, storeKnown tracker

	ctx       context.Context // of the current round: when it is done, a full queue drops its oldest batches
	number    uint64
	buckets   bool      // in the current round, a histogram that has buckets is not pushed in native form
	timestamp int64     // of the samples that are being encoded, milliseconds; it increases from round to round
	dropped   int       // samples that made room in the queue
	arrived   timeRange // of the exemplars to push
	finished  int64     // when the last complete round had read everything, milliseconds

	claimed             map[string]struct{} // names of families
	names               []string
	values              []float64
	encoded, compressed []byte
}

// collect does one round. When stopped is done it ends early; series that it did not read stay known. The queue is
// waited for no longer than maxWait.
func (r *rounds) collect(stopped context.Context, maxWait time.Duration) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(stopped, maxWait)
	defer cancel()
	r.begin(ctx)
	own, err := r.own.Gather()
	if err != nil {
		r.metrics.gatherErrors.Inc()
		r.report.omitted("gathering the exporter's own metrics failed", "", err)
	}
	families := r.source.Families()
	r.nameFamilies(own, families)

	r.ownKnown.begin()
	for _, mf := range own {
		r.addOwn(mf)
	}
	r.ownKnown.commit(r)

	r.storeKnown.begin()
	for i := range families {
		if stopped.Err() != nil {
			break
		}
		if r.names[i] != "" {
			r.addFamily(&families[i], r.names[i])
		}
	}
	if stopped.Err() == nil {
		r.storeKnown.commit(r)
		r.finished = time.Now().UnixMilli()
	} else {
		r.storeKnown.interrupt()
	}
	r.enqueue(r.encoder.message)
	r.sendMetadata(own, families)
	r.finish(start)
}

// endAll ends every series.
func (r *rounds) endAll(ctx context.Context) {
	start := time.Now()
	r.begin(ctx)
	r.ownKnown.endAll(r)
	r.storeKnown.endAll(r)
	r.enqueue(r.encoder.message)
	r.finish(start)
}

func (r *rounds) begin(ctx context.Context) {
	r.ctx = ctx
	r.number++
	r.dropped = 0
	r.arrived = r.arrived.next()
	r.advanceTimestamp()
	if v2 := r.receiver.takesV2(); v2 != r.encoder.message.v2 {
		r.encoder.message = newMessage(v2)
	}
	if !r.buckets && r.options.SendNativeHistograms && r.options.SendClassicHistograms &&
		r.receiver.victoriaMetrics.Load() {
		r.buckets = true
		r.report.bucketsOnly()
	}
}

// advanceTimestamp takes the current time, or the next millisecond if that is the timestamp already.
func (r *rounds) advanceTimestamp() {
	r.timestamp = max(time.Now().UnixMilli(), r.timestamp+1)
	r.metrics.highest.Set(seconds(r.timestamp))
}

func (r *rounds) finish(start time.Time) {
	r.metrics.round.Set(time.Since(start).Seconds())
	if r.dropped > 0 {
		r.report.lost(reasonQueueFull, nil, r.dropped, nil)
	}
	r.ctx = nil
}

var (
	errNameTaken = errors.New("its name, escaped, belongs to another metric")
	errType      = errors.New("metrics of its type are not pushed")
)

// nameFamilies decides on the names of the store's families; "" leaves one out because another has its name. The
// exporter's own families come first, then those whose names need no escaping, so that an escaped name never takes
// the place of a legal one.
func (r *rounds) nameFamilies(own []*dto.MetricFamily, families []store.Family) {
	clear(r.claimed)
	r.names = r.names[:0]
	for _, mf := range own {
		r.claimed[mf.GetName()] = struct{}{}
	}
	for i := range families {
		name, isPushed := families[i].Name, families[i].Type <= metric.TypeSummary
		switch {
		case !isPushed:
			r.omit(name, errType)
			name = ""
		case r.escape(name) == name && !r.claim(name):
			r.omit(name, errNameTaken)
			name = ""
		}
		r.names = append(r.names, name)
	}
	for i, name := range r.names {
		if escaped := r.escape(name); escaped != name {
			if r.names[i] = escaped; !r.claim(escaped) {
				r.omit(name, errNameTaken)
				r.names[i] = ""
			}
		}
	}
}

func (r *rounds) escape(name string) string {
	if r.options.NameEscaping == AllowUTF8 && model.UTF8Validation.IsValidMetricName(name) ||
		model.LegacyValidation.IsValidMetricName(name) {
		return name
	}
	return model.EscapeName(name, model.UnderscoreEscaping)
}

// claim says whether a name is free, and takes it.
func (r *rounds) claim(name string) bool {
	_, taken := r.claimed[name]
	r.claimed[name] = struct{}{}
	return !taken && name != ""
}

func (r *rounds) omit(name string, err error) {
	r.metrics.omitted.Inc()
	r.report.omitted("family", name, err)
}

// addOwn adds a family of the exporter's own metrics.
func (r *rounds) addOwn(mf *dto.MetricFamily) {
	f := familyOf(mf)
	points := pointsOf(mf, f.typ)
	r.ownKnown.openFamily(f.name, &f, r)
	r.encoder.begin(&f)
	for i := range points {
		p := &points[i]
		r.ownKnown.add(p.labels, &p.shape, r)
		r.addPoint(&f, p)
	}
	r.ownKnown.closeFamily(r)
}

// addFamily adds a family of the store.
func (r *rounds) addFamily(sf *store.Family, name string) {
	f := family{name: name, typ: sf.Type, help: sf.Help, unit: sf.Unit}
	r.storeKnown.openFamily(sf.Name, &f, r)
	r.encoder.begin(&f)
	r.reader.Reset(sf)
	for samples := r.reader.Next(); len(samples) > 0; samples = r.reader.Next() {
		for i := range samples {
			p, ok := r.point(&samples[i], f.typ)
			if !ok {
				continue
			}
			before := r.storeKnown.add(p.labels, &p.shape, r)
			// Histograms that were pushed before are of an earlier process or of a series that expired; they may have counted
			// less.
			p.restarted = p.native && !before.native && p.start > r.finished
			r.addPoint(&f, &p)
		}
	}
	r.storeKnown.closeFamily(r)
}

// point converts a sample of the store. Its values are valid until the next call. It returns false for a sample that
// does not fit its family's type.
func (r *rounds) point(s *store.Sample, t metric.Type) (point, bool) {
	p := point{labels: s.Labels, value: s.Value, start: s.Start / int64(time.Millisecond)}
	switch t { //nolint:exhaustive // other types have a value only
	case metric.TypeHistogram:
		h := s.Histogram
		if h == nil || len(h.Counts) != len(h.Bounds)+1 {
			return p, false
		}
		r.setHistogram(&p, h)
	case metric.TypeSummary:
		q := s.Summary
		if q == nil || len(q.Values) != len(q.Quantiles) {
			return p, false
		}
		p.shape = shape{classic: true, bounds: q.Quantiles}
		p.values, p.count, p.sum = q.Values, float64(q.Count), q.Sum
		p.uncounted, p.unsummed = q.Uncounted, q.Unsummed
	}
	return p, true
}

// setHistogram makes p a native histogram, a classic one or both.
func (r *rounds) setHistogram(p *point, h *store.Histogram) {
	p.sum, p.unsummed = h.Sum, h.Unsummed
	if r.options.SendExemplars {
		p.exemplars, p.arrived = h.Exemplars, r.arrived
	}
	hasBuckets := len(h.Bounds) > 0
	p.native = r.options.SendNativeHistograms && h.Native != nil && (!r.buckets || !hasBuckets)
	// The bucket +Inf alone says nothing that a native histogram does not say.
	p.classic = !p.native || r.options.SendClassicHistograms && hasBuckets
	if p.native {
		p.histogram = h.Native
	}
	if !p.classic {
		return
	}
	total := uint64(0)
	r.values = r.values[:0]
	for _, n := range h.Counts {
		total += n
		r.values = append(r.values, float64(total))
	}
	p.bounds, p.values, p.count = h.Bounds, r.values[:len(h.Bounds)], float64(total)
}

// addPoint encodes a point. After a stale marker, the encoder may have another family.
func (r *rounds) addPoint(f *family, p *point) {
	r.reserve(f, f.series(&p.shape))
	r.encoder.add(p, r.timestamp)
}

// endPoint implements staleMarker.
func (r *rounds) endPoint(f *family, labels metric.Labels, was shape) {
	if r.buckets {
		was.native = false // VictoriaMetrics would store the count 0
	}
	r.addPoint(f, &point{labels: labels, shape: was, ended: true})
	r.metrics.stale.Add(float64(f.series(&was)))
}

// reserve makes f the encoder's family, and first queues what is encoded if n more time series do not fit. A point
// is never split, so that all buckets of a histogram are in one request.
func (r *rounds) reserve(f *family, n int) {
	m := r.encoder.message
	if m.count > 0 && (m.count+n > int(r.receiver.maxEntries.Load()) || m.size() > maxMessageBytes) {
		r.enqueue(m)
	}
	if r.encoder.family != f {
		r.encoder.begin(f)
	}
}

// enqueue puts a message into the queue. If that had to wait for room, the samples that follow get another timestamp.
func (r *rounds) enqueue(m *message) {
	if m.count == 0 {
		return
	}
	r.encoded = m.appendTo(r.encoded[:0])
	r.compressed = s2.EncodeSnappy(r.compressed[:cap(r.compressed)], r.encoded)
	b := &batch{round: r.number, request: request{
		body: append(r.queue.buffer(), r.compressed...), v2: m.v2, entries: m.count, counts: m.counts,
		timestamp: r.timestamp,
	}}
	m.reset()
	waited, dropped := r.queue.push(r.ctx, b)
	r.dropped += dropped
	if waited {
		r.advanceTimestamp()
	}
}

// sendMetadata sends types and help texts, which series of 1.0 do not have.
func (r *rounds) sendMetadata(own []*dto.MetricFamily, families []store.Family) {
	now := time.Now()
	if r.metadata == nil || r.encoder.message.v2 || now.Before(r.nextMetadata) {
		return
	}
	r.nextMetadata = now.Add(metadataEvery)
	add := func(f family) {
		if r.metadata.count >= int(r.receiver.maxEntries.Load()) || r.metadata.size() > maxMessageBytes {
			r.enqueue(r.metadata)
		}
		r.metadata.addFamily(&f)
	}
	for _, mf := range own {
		add(familyOf(mf))
	}
	for i := range families {
		if f := &families[i]; r.names[i] != "" {
			add(family{name: r.names[i], typ: f.Type, help: f.Help, unit: f.Unit})
		}
	}
	r.enqueue(r.metadata)
}
