package store

import "loggregator_exporter/metric"

// Question is a metric that someone asks about, without a value: what its component says of it.
type Question struct {
	Kind                 metric.Kind
	Origin, Name, Unit   string
	SourceID, InstanceID string
	Tags                 []metric.Label // beside origin
}

// Identity is what a store with this resolver would look for. It fails if it would count a sample as invalid.
func (q *Question) Identity(r Resolver) (*Identity, error) {
	e := &metric.Envelope{
		Kind: q.Kind, Name: []byte(q.Name), SourceID: []byte(q.SourceID), InstanceID: []byte(q.InstanceID),
	}
	for _, t := range q.Tags {
		e.AddTag([]byte(t.Name), []byte(t.Value))
	}
	if q.Origin != "" {
		e.AddTag([]byte("origin"), []byte(q.Origin))
	}
	if q.Kind == metric.KindGauge {
		e.Points = []metric.Point{{Name: []byte(q.Name), Unit: []byte(q.Unit)}}
	}
	ids, err := Identities(r, e)
	if err != nil {
		return nil, err
	}
	ids[0].Unit = q.Unit // counters and timers come without, but rules may look at it
	return &ids[0], nil
}
