package wire

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// otlpPoint is a decoded point without references to received memory.
type otlpPoint struct {
	Refused      string
	Plain        wiretest.Plain
	Unit         string
	Fractional   bool
	Began        int64
	Distribution *metric.Distribution
}

// pointOf copies a view. What a refused point holds is of no interest.
func pointOf(e *metric.Envelope, r Refusal) otlpPoint {
	if r != Taken {
		return otlpPoint{Refused: r.String()}
	}
	p := otlpPoint{Plain: wiretest.PlainOf(e), Unit: string(e.Unit), Fractional: e.Fractional, Began: e.Began}
	if e.Kind == metric.KindNone {
		p.Plain.Name, p.Unit = "", ""
	}
	if e.Kind == metric.KindHistogram || e.Kind == metric.KindSummary {
		d := *e.Distribution
		d.Bounds, d.Counts, d.Quantiles = slices.Clone(d.Bounds), slices.Clone(d.Counts), slices.Clone(d.Quantiles)
		d.Positive.Counts, d.Negative.Counts = slices.Clone(d.Positive.Counts), slices.Clone(d.Negative.Counts)
		exemplars := d.Exemplars
		d.Exemplars = nil
		for _, x := range exemplars {
			x.TraceID, x.SpanID = slices.Clone(x.TraceID), slices.Clone(x.SpanID)
			d.Exemplars = append(d.Exemplars, x)
		}
		p.Distribution = &d
	}
	return p
}

// oracleOTLP is what the stock types say of a request.
func oracleOTLP(request *metricsv1.MetricsData, keep func(string) bool) (points []otlpPoint) {
	for _, r := range request.GetResourceMetrics() {
		base := otlpBase{tags: map[string]string{}}
		base.resource(r.GetResource().GetAttributes(), keep)
		for _, s := range r.GetScopeMetrics() {
			scoped := base
			scoped.tags = maps.Clone(base.tags)
			if name := s.GetScope().GetName(); name != "" {
				scoped.tags["otel_scope_name"] = name
			}
			if version := s.GetScope().GetVersion(); version != "" {
				scoped.tags["otel_scope_version"] = version
			}
			for _, m := range s.GetMetrics() {
				points = append(points, scoped.metric(m)...)
			}
		}
	}
	return points
}

// otlpBase is what a resource and a scope say of their points.
type otlpBase struct {
	ids      map[string]string // by attribute, without the receiver's prefix
	tags     map[string]string
	service  string // where it is the source id unless the point has one
	instance string
}

func (o *otlpBase) resource(attributes []*commonv1.KeyValue, keep func(string) bool) {
	ids := map[string]string{}
	for _, a := range attributes {
		key, ofReceiver := strings.CutPrefix(a.GetKey(), "org.cloudfoundry.")
		value := oracleText(a.GetValue())
		switch {
		case slices.Contains([]string{
			"source_id", "instance_id", "cloudfoundry.app.id", "cloudfoundry.app.instance.id", "cloudfoundry.system.id",
			"cloudfoundry.system.instance.id", "service.name", "service.namespace", "service.instance.id",
		}, key):
			ids[key] = value
			if key == "cloudfoundry.app.id" && value != "" {
				o.tags["app_id"] = value
			}
		case conventionalTags[key] != nil:
			if value != "" {
				o.tags[string(conventionalTags[key])] = value
			}
		case value != "" && (ofReceiver || keep(key)):
			o.tags[key] = value
		}
	}
	o.ids = ids
	if ns := ids["service.namespace"]; ns != "" && ids["service.name"] != "" {
		ids["service.name"] = ns + "/" + ids["service.name"]
	}
	o.service, o.instance = ids["service.name"], ids["service.instance.id"]
	if o.first("source_id", "cloudfoundry.app.id", "cloudfoundry.system.id") != nil {
		o.move("service_name", &o.service)
	}
	if o.first("instance_id", "cloudfoundry.app.instance.id", "cloudfoundry.system.instance.id") != nil {
		o.move("service_instance_id", &o.instance)
	}
}

func (o *otlpBase) move(tag string, value *string) {
	if *value != "" {
		o.tags[tag] = *value
	}
	*value = ""
}

// first returns the first of some attributes that is there, or nil.
func (o *otlpBase) first(names ...string) *string {
	for _, name := range names {
		if v, ok := o.ids[name]; ok {
			return &v
		}
	}
	return nil
}

// point returns a taken point with its ids and tags.
func (o *otlpBase) point(attributes []*commonv1.KeyValue, at, began uint64) otlpPoint {
	p := otlpPoint{Plain: wiretest.Plain{
		Timestamp: int64(at), Tags: maps.Clone(o.tags), Points: map[string]wiretest.PlainPoint{},
	}, Began: int64(began)}
	var source, instance *string
	for _, a := range attributes {
		value := oracleText(a.GetValue())
		switch key := strings.TrimPrefix(a.GetKey(), "org.cloudfoundry."); {
		case a.GetKey() == "org.cloudfoundry.":
			p.Plain.Tags[a.GetKey()] = value
		case key == "source_id":
			source = &value
		case key == "instance_id":
			instance = &value
		default:
			p.Plain.Tags[key] = value
		}
	}
	id := func(own *string, service, tag string, names ...string) string {
		if own != nil {
			if service != "" {
				p.Plain.Tags[tag] = service
			}
			return *own
		}
		if v := o.first(names...); v != nil {
			return *v
		}
		return service
	}
	p.Plain.SourceID = id(
		source,
		o.service,
		"service_name",
		"source_id",
		"cloudfoundry.app.id",
		"cloudfoundry.system.id",
	)
	p.Plain.InstanceID = id(instance, o.instance, "service_instance_id", "instance_id", "cloudfoundry.app.instance.id",
		"cloudfoundry.system.instance.id")
	return p
}

func (o *otlpBase) metric(m *metricsv1.Metric) (points []otlpPoint) {
	refuse := func(r Refusal) otlpPoint { return otlpPoint{Refused: r.String()} }
	for _, n := range m.GetGauge().GetDataPoints() {
		points = append(points, o.number(m, n, nil))
	}
	for _, n := range m.GetSum().GetDataPoints() {
		points = append(points, o.number(m, n, m.GetSum()))
	}
	for _, h := range m.GetHistogram().GetDataPoints() {
		p := o.point(h.GetAttributes(), h.GetTimeUnixNano(), h.GetStartTimeUnixNano())
		if h.GetFlags()&1 == 0 {
			p.Plain.Kind, p.Plain.Name, p.Unit = metric.KindHistogram, m.GetName(), m.GetUnit()
			p.Distribution = &metric.Distribution{
				Count: h.GetCount(), Sum: h.GetSum(), HasSum: h.Sum != nil, Bounds: h.GetExplicitBounds(),
				Counts: h.GetBucketCounts(), Exemplars: oracleExemplars(h.GetExemplars()),
			}
			if r := oracleHistogram(h, m.GetHistogram().GetAggregationTemporality(), p.Distribution); r != Taken {
				p = refuse(r)
			}
		}
		points = append(points, p)
	}
	for _, h := range m.GetExponentialHistogram().GetDataPoints() {
		p := o.point(h.GetAttributes(), h.GetTimeUnixNano(), h.GetStartTimeUnixNano())
		if h.GetFlags()&1 == 0 {
			p.Plain.Kind, p.Plain.Name, p.Unit = metric.KindHistogram, m.GetName(), m.GetUnit()
			p.Distribution = &metric.Distribution{
				Count: h.GetCount(), Sum: h.GetSum(), HasSum: h.Sum != nil, HasNative: true, Schema: min(h.GetScale(), 8),
				ZeroThreshold: h.GetZeroThreshold(), ZeroCount: h.GetZeroCount(),
				Positive: oracleBuckets(h.GetPositive(), h.GetScale()), Negative: oracleBuckets(h.GetNegative(), h.GetScale()),
				Exemplars: oracleExemplars(h.GetExemplars()),
			}
			if p.Distribution.ZeroThreshold == 0 {
				p.Distribution.ZeroThreshold = 1e-128
			}
			temporality := m.GetExponentialHistogram().GetAggregationTemporality()
			if r := oracleExponential(h, temporality, p.Distribution); r != Taken {
				p = refuse(r)
			}
		}
		points = append(points, p)
	}
	for _, s := range m.GetSummary().GetDataPoints() {
		points = append(points, o.summary(m, s))
	}
	return points
}

func (o *otlpBase) summary(m *metricsv1.Metric, s *metricsv1.SummaryDataPoint) otlpPoint {
	p := o.point(s.GetAttributes(), s.GetTimeUnixNano(), s.GetStartTimeUnixNano())
	if s.GetFlags()&1 != 0 {
		return p
	}
	p.Plain.Kind, p.Plain.Name, p.Unit = metric.KindSummary, m.GetName(), m.GetUnit()
	p.Distribution = &metric.Distribution{Count: s.GetCount(), Sum: s.GetSum(), HasSum: true}
	for _, q := range s.GetQuantileValues() {
		if !(q.GetQuantile() >= 0 && q.GetQuantile() <= 1) {
			return otlpPoint{Refused: Quantile.String()}
		}
		if len(p.Distribution.Quantiles) < maxQuantiles {
			p.Distribution.Quantiles = append(
				p.Distribution.Quantiles,
				metric.Quantile{Share: q.GetQuantile(), Value: q.GetValue()},
			)
		}
	}
	return p
}

func (o *otlpBase) number(m *metricsv1.Metric, n *metricsv1.NumberDataPoint, sum *metricsv1.Sum) otlpPoint {
	p := o.point(n.GetAttributes(), n.GetTimeUnixNano(), n.GetStartTimeUnixNano())
	refuse := func(r Refusal) otlpPoint { return otlpPoint{Refused: r.String()} }
	delta := sum.GetAggregationTemporality() == metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	cumulative := sum.GetAggregationTemporality() == metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	value := n.GetAsDouble()
	_, whole := n.GetValue().(*metricsv1.NumberDataPoint_AsInt)
	if whole {
		value = float64(n.GetAsInt())
	}
	switch {
	case n.GetFlags()&1 != 0:
		return p
	case n.GetValue() == nil:
		return refuse(NoValue)
	case sum != nil && !delta && !cumulative:
		return refuse(Temporality)
	case sum.GetIsMonotonic() && (value < 0 || math.IsNaN(value) || math.IsInf(value, 0)):
		return refuse(CounterValue)
	case sum.GetIsMonotonic():
		bits := uint64(n.GetAsInt())
		if p.Fractional = !whole; !whole {
			bits = math.Float64bits(math.Abs(value))
		}
		p.Plain.Kind, p.Plain.Name, p.Unit = metric.KindCounter, m.GetName(), m.GetUnit()
		if delta {
			p.Plain.Delta = bits
		} else {
			p.Plain.Total = bits
		}
		return p
	case delta:
		return refuse(DeltaOfGauge)
	}
	p.Plain.Kind = metric.KindGauge
	p.Plain.Points[m.GetName()] = wiretest.PlainPoint{Unit: m.GetUnit(), Bits: math.Float64bits(value)}
	return p
}

func oracleTemporality(t metricsv1.AggregationTemporality, d *metric.Distribution) Refusal {
	d.IsDelta = t == metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	if !d.IsDelta && t != metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
		return Temporality
	}
	return Taken
}

func oracleHistogram(
	h *metricsv1.HistogramDataPoint,
	t metricsv1.AggregationTemporality,
	d *metric.Distribution,
) Refusal {
	if r := oracleTemporality(t, d); r != Taken {
		return r
	}
	bounds, counts := h.GetExplicitBounds(), h.GetBucketCounts()
	switch {
	case len(bounds) == 0 && len(counts) == 0:
		return Taken
	case len(counts) > maxBounds+1 || len(bounds) > maxBounds:
		return TooManyBuckets
	case len(counts) != len(bounds)+1:
		return Buckets
	}
	for i, b := range bounds {
		if math.IsNaN(b) || math.IsInf(b, 0) || i > 0 && !(b > bounds[i-1]) {
			return Buckets
		}
	}
	return Taken
}

func oracleExponential(
	h *metricsv1.ExponentialHistogramDataPoint,
	t metricsv1.AggregationTemporality,
	d *metric.Distribution,
) Refusal {
	if r := oracleTemporality(t, d); r != Taken {
		return r
	}
	positive, negative := h.GetPositive().GetBucketCounts(), h.GetNegative().GetBucketCounts()
	switch {
	case h.GetScale() < -4:
		return Scale
	case len(positive) > maxBuckets || len(negative) > maxBuckets:
		return TooManyBuckets
	case !(h.GetZeroThreshold() >= 0) || math.IsInf(h.GetZeroThreshold(), 1):
		return Buckets
	}
	return Taken
}

// oracleBuckets puts each count where the formula says: a bucket i of scale s is part of bucket i/2 of scale s-1.
func oracleBuckets(b *metricsv1.ExponentialHistogramDataPoint_Buckets, scale int32) metric.NativeBuckets {
	if len(b.GetBucketCounts()) == 0 {
		return metric.NativeBuckets{}
	}
	at := map[int64]uint64{}
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for i, n := range b.GetBucketCounts() {
		index := int64(b.GetOffset()) + int64(i)
		for s := scale; s > 8 && index != 0 && index != -1; s-- {
			index = int64(math.Floor(float64(index) / 2))
		}
		at[index] += n
		low, high = min(low, index), max(high, index)
	}
	out := metric.NativeBuckets{First: int32(min(low+1, math.MaxInt32-(high-low)))}
	for i := low; i <= high; i++ {
		out.Counts = append(out.Counts, at[i])
	}
	return out
}

func oracleExemplars(all []*metricsv1.Exemplar) (kept []metric.Exemplar) {
	for _, x := range all {
		if len(x.GetTraceId()) != 16 || len(kept) == maxExemplars {
			continue
		}
		e := metric.Exemplar{TraceID: x.GetTraceId(), Value: x.GetAsDouble(), Timestamp: int64(x.GetTimeUnixNano())}
		if _, whole := x.GetValue().(*metricsv1.Exemplar_AsInt); whole {
			e.Value = float64(x.GetAsInt())
		}
		if len(x.GetSpanId()) == 8 {
			e.SpanID = x.GetSpanId()
		}
		kept = append(kept, e)
	}
	return kept
}

func oracleText(attribute *commonv1.AnyValue) string {
	switch v := attribute.GetValue().(type) {
	case *commonv1.AnyValue_StringValue:
		return v.StringValue
	case *commonv1.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *commonv1.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *commonv1.AnyValue_DoubleValue:
		switch {
		case math.IsNaN(v.DoubleValue):
			return "NaN"
		case math.IsInf(v.DoubleValue, 0):
			return strings.TrimPrefix(strconv.FormatFloat(v.DoubleValue, 'g', -1, 64), "+") + "inity"
		}
		text, _ := json.Marshal(v.DoubleValue)
		f, _ := strconv.ParseFloat(string(text), 64)
		return string(appendDouble(nil, f))
	case *commonv1.AnyValue_BytesValue:
		return base64.StdEncoding.EncodeToString(v.BytesValue)
	case *commonv1.AnyValue_ArrayValue, *commonv1.AnyValue_KvlistValue:
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(jsonValue(attribute))
		return strings.TrimSuffix(b.String(), "\n")
	}
	return ""
}
