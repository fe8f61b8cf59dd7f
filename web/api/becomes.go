package api

import (
	"fmt"

	"loggregator_exporter/store"
	"loggregator_exporter/web/overview"
)

// maxBecomes bounds the metrics of a name that are told apart.
const maxBecomes = 16

// Becomes is a metric that a name becomes, as one of its senders sends it.
type Becomes struct {
	Metric string `json:"metric"`
	// Type is gauge, counter, histogram or summary, Unit the base unit that the metric's name ends in.
	Type string `json:"type"`
	Unit string `json:"unit"`
	Help string `json:"help"`
	// Labels are those of the series of that sender.
	Labels map[string]string `json:"labels"`
	// Conversion says what is done to values, or is empty.
	Conversion string `json:"conversion,omitempty"`
	// Series is how many series of the metric the name has now.
	Series int `json:"series"`
}

// addMetrics adds what a name becomes of other senders than the one that it is explained with.
func (x *Explained) addMetrics(r store.Resolver, s *senders) {
	for i := range s.metrics {
		of := &s.metrics[i]
		if len(x.Metrics) > 0 && x.Metrics[0].Metric == of.first.Metric {
			x.Metrics[0].Series = of.series
			continue
		}
		id := of.first.Whole(of.first.Name, of.first.Unit, of.first.Part)
		if resolved := r.Resolve(&id); !resolved.Dropped && resolved.Invalid == "" {
			b := becomesOf(&resolved)
			b.Series = of.series
			x.Metrics = append(x.Metrics, b)
		}
	}
}

func becomesOf(r *store.Resolved) Becomes {
	return Becomes{
		Metric: r.Metric, Type: r.Type.String(), Unit: r.Unit, Help: r.Help, Labels: labelMap(r.Labels),
		Conversion: conversionOf(r),
	}
}

// conversionOf says what is done to values, or is empty.
func conversionOf(r *store.Resolved) string {
	switch {
	case r.Div != 0 && r.Div != 1:
		return fmt.Sprintf("values are divided by %v, to %s", r.Div, r.Unit)
	case r.Mul != 0 && r.Mul != 1:
		return fmt.Sprintf("values are multiplied by %v, to %s", r.Mul, r.Unit)
	default:
		return ""
	}
}

// sentAs is a metric of a name: one of the identities that lead to it, and how many have a series of it of their own.
type sentAs struct {
	first  store.Visited
	series int
}

// senderKey is what tells senders of a name apart: all that an envelope says of where it comes from.
type senderKey struct{ source, instance, origin, deployment, job, index, ip string }

// maxSenders bounds the senders of a name that are counted.
const maxSenders = 10_000

func senderOf(s store.Sender) senderKey {
	return senderKey{
		s.SourceID(), s.InstanceID(), s.Tag("origin"), s.Tag("deployment"), s.Tag("job"), s.Tag("index"), s.Tag("ip"),
	}
}

// addSeries counts an identity that has a series: its sender, and its metric.
func (s *senders) addSeries(v *store.Visited) {
	s.series++
	if v.Second {
		s.requests = true
	} else {
		s.sets++
	}
	if len(s.from) < maxSenders {
		s.from[senderOf(v.Sender)] = true
	}
	at := 0
	for at < len(s.metrics) && s.metrics[at].first.Metric != v.Metric {
		at++
	}
	if at == len(s.metrics) {
		if at == maxBecomes {
			return
		}
		s.metrics = append(s.metrics, sentAs{first: *v})
	}
	if v.State == store.EntryLive {
		s.metrics[at].series++
	}
}

// words say how many senders have series, with how many sets of tags, where these are more.
func (s *senders) words() string {
	text := "one sender"
	switch n := len(s.from); {
	case s.requests && s.sets > 1:
		text = overview.Number(float64(s.sets)) + " sets of tags"
	case n == maxSenders:
		text = "more than " + overview.Number(maxSenders) + " senders"
	case n > 1:
		text = overview.Number(float64(n)) + " senders"
	}
	if s.sets > len(s.from) && !s.requests {
		text += ", with " + overview.Number(float64(s.sets)) + " sets of tags"
	}
	if n := len(s.metrics); n > 1 {
		text += fmt.Sprintf(", in %d metrics", n)
	}
	return text
}
