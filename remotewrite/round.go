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
	// maxBatchBytes bounds a request before compression: receivers refuse what is larger than some tens of megabytes.
	maxBatchBytes = 4 << 20
	// metadataEvery is how often 1.0 sends types and help texts, as Prometheus does.
	metadataEvery = time.Minute
)

// rounds reads everything once per round and fills the queue. It is not for concurrent use; its memory is reused.
type rounds struct {
	source  Source
	reader  reader
	own     prometheus.Gatherer
	queue   *queue
	metrics *metrics
	report  *reporter

	utf8                        bool
	natives, classic, exemplars bool // what of histograms is pushed
	maxSamples                  int
	encoder                     *encoder
	metadata                    *message // 1.0 only, else nil
	nextMeta                    time.Time

	ownKnown, storeKnown tracker

	ctx       context.Context // of the round: its end ends the patience with a full queue
	number    uint64
	timestamp int64 // of the samples that are being encoded; strictly increasing from round to round
	dropped   int   // samples that made room in the queue
	fresh     window
	finished  int64 // when the last complete round had read everything, milliseconds

	claimed       map[string]struct{}
	names         []string
	values        []float64
	plain, packed []byte
}

// collect does one round. When stopped is done it ends early; series that it did not come to stay known.
func (r *rounds) collect(stopped context.Context, patience time.Duration) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(stopped, patience)
	defer cancel()
	r.begin(ctx)
	own, err := r.own.Gather()
	if err != nil {
		r.metrics.gatherErrors.Inc()
		r.report.missing("gathering the exporter's own metrics failed", "", err)
	}
	families := r.source.Families()
	r.plan(own, families)

	r.ownKnown.begin()
	for _, mf := range own {
		r.ownFamily(mf)
	}
	r.ownKnown.commit(r)

	r.storeKnown.begin()
	for i := range families {
		if stopped.Err() != nil {
			break
		}
		if r.names[i] != "" {
			r.storeFamily(&families[i], r.names[i])
		}
	}
	if stopped.Err() == nil {
		r.storeKnown.commit(r)
		r.finished = time.Now().UnixMilli()
	} else {
		r.storeKnown.interrupt()
	}
	r.flush()
	r.sendMetadata(own, families)
	r.finish(start)
}

// endAll ends every series, for a stop.
func (r *rounds) endAll(ctx context.Context) {
	start := time.Now()
	r.begin(ctx)
	r.ownKnown.endAll(r)
	r.storeKnown.endAll(r)
	r.flush()
	r.finish(start)
}

func (r *rounds) begin(ctx context.Context) {
	r.ctx = ctx
	r.number++
	r.dropped = 0
	r.fresh = r.fresh.next()
	r.stamp()
}

// stamp takes the clock's time, or the next millisecond where that has not moved on.
func (r *rounds) stamp() {
	r.timestamp = max(time.Now().UnixMilli(), r.timestamp+1)
	r.metrics.highest.Set(seconds(r.timestamp))
}

func (r *rounds) finish(start time.Time) {
	r.metrics.round.Set(time.Since(start).Seconds())
	if r.dropped > 0 {
		r.report.lost(reasonQueueFull, nil, r.dropped, "")
	}
	r.ctx = nil
}

// plan decides on the names of the store's families, "" for one that is left out because another one has its name. The exporter's
// own come first, then names that need no escaping: who has a legal name never suffers from one who has not.
func (r *rounds) plan(own []*dto.MetricFamily, families []store.Family) {
	clear(r.claimed)
	r.names = r.names[:0]
	for _, mf := range own {
		r.claimed[mf.GetName()] = struct{}{}
	}
	for i := range families {
		raw := families[i].Name
		name := ""
		switch {
		case !writes(families[i].Type):
			r.omit(raw, errType)
		case r.escape(raw) == raw:
			name = r.claim(raw, raw)
		}
		r.names = append(r.names, name)
	}
	for i := range families {
		raw := families[i].Name
		if name := r.escape(raw); name != raw && writes(families[i].Type) {
			r.names[i] = r.claim(raw, name)
		}
	}
}

func (r *rounds) escape(name string) string {
	switch {
	case r.utf8 && model.UTF8Validation.IsValidMetricName(name), model.LegacyValidation.IsValidMetricName(name):
		return name
	default:
		return model.EscapeName(name, model.UnderscoreEscaping)
	}
}

var (
	errNameTaken = errors.New("its name, escaped, belongs to another metric")
	errType      = errors.New("what the store gives of its type does not suffice to push it")
)

func (r *rounds) claim(raw, name string) string {
	if _, taken := r.claimed[name]; taken || name == "" {
		r.omit(raw, errNameTaken)
		return ""
	}
	r.claimed[name] = struct{}{}
	return name
}

func (r *rounds) omit(name string, err error) {
	r.metrics.omitted.Inc()
	r.report.missing("family", name, err)
}

// writes says whether the store gives all that it takes to push a family of the type.
func writes(t metric.Type) bool {
	return t <= metric.TypeSummary
}

func (r *rounds) ownFamily(mf *dto.MetricFamily) {
	f, points := ownFamily(mf)
	r.ownKnown.open(f.name, &f, r)
	r.encoder.begin(&f)
	for i := range points {
		p := &points[i]
		r.ownKnown.see(p.labels, &p.shape, r)
		r.add(&f, p)
	}
	r.ownKnown.shut(r)
}

func (r *rounds) storeFamily(sf *store.Family, name string) {
	f := family{name: name, typ: sf.Type, help: sf.Help, unit: sf.Unit}
	r.storeKnown.open(sf.Name, &f, r)
	r.encoder.begin(&f)
	r.reader.Reset(sf)
	for samples := r.reader.Next(); len(samples) > 0; samples = r.reader.Next() {
		for i := range samples {
			p, ok := r.point(&samples[i], f.typ)
			if !ok {
				continue
			}
			before := r.storeKnown.see(p.labels, &p.shape, r)
			// Everything before is another histogram's, of an earlier process or an expired series, and may have counted less.
			p.restarted = p.native && !before.native && p.start > r.finished
			r.add(&f, &p)
		}
	}
	r.storeKnown.shut(r)
}

// point converts a sample of the store. Its values are good until the next call.
func (r *rounds) point(s *store.Sample, t metric.Type) (point, bool) {
	p := point{labels: s.Labels, value: s.Value, start: s.Start / int64(time.Millisecond)}
	switch t {
	case metric.TypeHistogram:
	case metric.TypeSummary:
		q := s.Summary
		if q == nil || len(q.Values) != len(q.Quantiles) {
			return p, false
		}
		p.shape = shape{classic: true, bounds: q.Quantiles}
		p.values, p.count, p.sum = q.Values, float64(q.Count), q.Sum
		p.uncounted, p.unsummed = q.Uncounted, q.Unsummed
		return p, true
	default:
		return p, true
	}
	h := s.Histogram
	if h == nil || len(h.Counts) != len(h.Bounds)+1 {
		return p, false
	}
	r.histogram(&p, h)
	return p, true
}

// histogram makes a histogram of p, native, classic or both.
func (r *rounds) histogram(p *point, h *store.Histogram) {
	p.sum, p.unsummed = h.Sum, h.Unsummed
	if r.exemplars {
		p.exemplars, p.fresh = h.Exemplars, r.fresh
	}
	if p.native = r.natives && h.Native != nil; p.native {
		p.histogram = h.Native
	}
	// One without bounds says nothing that the native one does not say.
	if p.classic = !p.native || r.classic && len(h.Bounds) > 0; !p.classic {
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

// add encodes a living point. The encoder's family may be another one after a stale marker.
func (r *rounds) add(f *family, p *point) {
	r.room(f, spread(f.typ, &p.shape))
	r.encoder.add(p, r.timestamp)
}

// gone implements ender.
func (r *rounds) gone(f *family, labels metric.Labels, was shape) {
	n := spread(f.typ, &was)
	r.room(f, n)
	r.encoder.end(labels, &was, r.timestamp)
	r.metrics.stale.Add(float64(n))
}

// less implements ender.
func (r *rounds) less(f *family, labels metric.Labels, bounds []float64) {
	r.room(f, len(bounds))
	r.encoder.endSome(labels, bounds, r.timestamp)
	r.metrics.stale.Add(float64(len(bounds)))
}

// room makes f the encoder's family, and sends what is encoded when n more samples do not fit. A point is never split, so that
// a histogram has all its buckets in one request.
func (r *rounds) room(f *family, n int) {
	m := r.encoder.message
	if m.count > 0 && (m.count+n > r.maxSamples || m.size() > maxBatchBytes) {
		r.flush()
	}
	if r.encoder.family != f {
		r.encoder.begin(f)
	}
}

func (r *rounds) flush() { r.send(r.encoder.message) }

// send puts a message into the queue. Where that had to wait for room, what is read from now on gets a timestamp of its own.
func (r *rounds) send(m *message) {
	if m.count == 0 {
		return
	}
	r.plain = m.appendTo(r.plain[:0])
	r.packed = s2.EncodeSnappy(r.packed[:cap(r.packed)], r.plain)
	b := &batch{request: request{append(r.queue.buffer(), r.packed...), m.count, m.counts, r.timestamp}, round: r.number}
	m.reset()
	waited, dropped := r.queue.push(r.ctx, b)
	r.dropped += dropped
	if waited {
		r.stamp()
	}
}

// sendMetadata sends what 1.0 cannot say with the series.
func (r *rounds) sendMetadata(own []*dto.MetricFamily, families []store.Family) {
	now := time.Now()
	if r.metadata == nil || now.Before(r.nextMeta) {
		return
	}
	r.nextMeta = now.Add(metadataEvery)
	add := func(f family) {
		if r.metadata.count >= r.maxSamples || r.metadata.size() > maxBatchBytes {
			r.send(r.metadata)
		}
		r.metadata.addFamily(&f)
	}
	for _, mf := range own {
		add(family{name: mf.GetName(), typ: metric.TypeOf(mf.GetType()), help: mf.GetHelp(), unit: mf.GetUnit()})
	}
	for i := range families {
		if f := &families[i]; r.names[i] != "" {
			add(family{name: r.names[i], typ: f.Type, help: f.Help, unit: f.Unit})
		}
	}
	r.send(r.metadata)
}
