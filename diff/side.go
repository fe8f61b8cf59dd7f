package diff

import (
	"time"

	"loggregator_exporter/compat"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
)

// made is what one side makes of names: a store of the exporter's own names, one of firehose_exporter's, or both.
type made struct {
	resolver   Resolver // of the own names, or nil
	identifier *store.Identifier
	own        *store.Writer
	old        *compat.Sink

	envelope metric.Envelope // scratch memory, as are text and placed
	text     []byte
	placed   []store.Placement
	outcomes metric.Tally // which no one reads: placements say what became of a name
}

// place is what a series of a name is for: a name may have several. Those of both sides are compared place by place.
type place uint8

const (
	ofName  place = iota // the series of the name, or of the durations of requests
	ofSizes              // of the sizes of responses
	ofCount              // of the number of requests, which only firehose_exporter has
	ofOld                // is added for series under the names of firehose_exporter
	places  = 2 * ofOld
)

func (s *Side) make(names int) (*made, error) {
	m := &made{resolver: s.Answers}
	if s.Own != nil {
		m.resolver = resolver.New(*s.Own)
	}
	if m.resolver != nil {
		m.identifier = store.NewIdentifier(m.resolver)
		o := storeOptions(m.resolver, names)
		if s.Compat != nil {
			o.Reserved = []string{s.Compat.Namespace + "_"}
		}
		st, err := store.New(o)
		if err != nil {
			return nil, err
		}
		m.own = st.Writer()
	}
	if s.Compat != nil {
		r, err := compat.New(*s.Compat)
		if err != nil {
			return nil, err
		}
		st, err := store.New(storeOptions(r, names))
		if err != nil {
			return nil, err
		}
		m.old = compat.NewSink(st.Writer(), compat.NewReceived(s.Compat.Namespace, s.Compat.Environment))
	}
	return m, nil
}

// storeOptions have room for everything that names can become, so that no limit tells in a comparison.
func storeOptions(r store.Resolver, names int) store.Options {
	return store.Options{Resolver: r, Expiration: time.Hour, MaxSeries: 16*names + 1024}
}

// arrival is when all samples arrive: the stores look at differences only.
const arrival = int64(1e18)

// fill makes the envelope of a name.
func (m *made) fill(n *Name) {
	e := &m.envelope
	e.Reset()
	m.text = m.text[:0]
	e.Kind, e.SourceID, e.InstanceID = n.Kind, m.bytes(n.SourceID), m.bytes(n.InstanceID)
	e.Timestamp, e.Arrived = arrival, arrival
	for _, t := range n.Tags {
		e.AddTag(m.bytes(t.Name), m.bytes(t.Value))
	}
	if n.Origin != "" {
		e.AddTag(m.bytes("origin"), m.bytes(n.Origin))
	}
	switch n.Kind {
	case metric.KindGauge:
		e.Points = append(e.Points[:0], metric.Point{Name: m.bytes(n.Name), Unit: m.bytes(n.Unit), Value: 1})
		return
	case metric.KindHistogram, metric.KindSummary:
		e.Distribution = &metric.Distribution{}
	case metric.KindCounter:
		e.Total = 1
	case metric.KindTimer:
		e.Start, e.Stop = arrival-1, arrival
		if n.Name == "http" && e.Tag("content_length") == nil {
			e.AddTag(m.bytes("content_length"), m.bytes("1")) // so that there is a series of sizes
		}
	case metric.KindNone, metric.KindLog, metric.KindEvent:
	}
	e.Name = m.bytes(n.Name)
	if n.Kind != metric.KindTimer {
		e.Unit = m.bytes(n.Unit)
	}
}

// bytes returns a text in memory that the next fill reuses.
func (m *made) bytes(text string) []byte {
	start := len(m.text)
	m.text = append(m.text, text...)
	return m.text[start:]
}

// write gives a name to the stores.
func (m *made) write(n *Name) {
	m.fill(n)
	if m.own != nil {
		m.own.Write(&m.envelope, &m.outcomes)
	}
	if m.old != nil {
		m.old.Write(&m.envelope, &m.outcomes)
	}
}

// placements returns what became of a name, by place. Series that this side does not make are Filtered.
func (m *made) placements(n *Name) (all [places]store.Placement) {
	for i := range all {
		all[i].Outcome = metric.Filtered
	}
	m.fill(n)
	if m.own != nil {
		m.placed = m.own.Placements(m.placed[:0], &m.envelope)
		copy(all[ofName:ofCount], m.placed)
	}
	if m.old != nil {
		m.placed = m.old.Placements(m.placed[:0], &m.envelope)
		if len(m.placed) == 3 {
			m.placed[0], m.placed[1], m.placed[2] = m.placed[1], m.placed[2], m.placed[0]
		}
		copy(all[ofOld:], m.placed)
	}
	for i := range all {
		if all[i].Outcome == metric.Filtered {
			all[i].Reason = "no such names are made"
		}
	}
	return all
}

// identity returns the identity of what stands in a place of the own names.
func (m *made) identity(n *Name, at place) (*store.Identity, bool) {
	m.fill(n)
	ids, err := m.identifier.Identities(&m.envelope)
	if err != nil || len(ids) == 0 {
		return nil, false
	}
	id := ids[0]
	id.ResponseSize = at == ofSizes
	return &id, true
}
