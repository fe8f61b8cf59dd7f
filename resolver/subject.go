package resolver

import (
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// Question is what the store would look for, of a metric that rules look at.
func Question(s *tagger.Subject) *store.Question {
	return &store.Question{
		Kind: s.Kind, Origin: s.Origin, Name: s.Name, Unit: s.Unit, SourceID: s.SourceID, Tags: s.Tags,
	}
}

// Series is a tagger.Resolver. Of a metric that would be refused, the series' name is why, which no test expects.
func (r *Resolver) Series(s *tagger.Subject, _ *tagger.Result) tagger.Resolved {
	id, err := Question(s).Identity(r)
	if err != nil {
		return tagger.Resolved{Metric: err.Error()}
	}
	of := r.Resolve(id)
	return tagger.Resolved{Metric: of.Metric, Labels: of.Labels}
}
