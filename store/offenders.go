package store

import (
	"cmp"
	"slices"
	"time"
)

// Offender is a family or an owner with many series.
type Offender struct {
	// Either Metric is set: a family of so many Series, whose Label has the most Values of its labels; or Owner.
	Metric string `json:"metric,omitempty"`
	Label  string `json:"label,omitempty"`
	Values int    `json:"values,omitempty"`
	Owner  string `json:"owner,omitempty"`
	Series int    `json:"series"`
}

const (
	maxOffenders = 10
	// maxSurveyed bounds how many series of a family are looked at: it is enough to see which label has too many
	// values, and costs some 20 ms of CPU.
	maxSurveyed = 20_000
	// surveyEvery is how often Run looks for offenders.
	surveyEvery = time.Minute
	// firstSurvey is when it does so first: components report every 15 s or more often, so that most series exist by
	// then.
	firstSurvey = 20 * time.Second
)

// Offenders are the families with the most series, with the label that has the most values, and the owners with the
// most.
type Offenders struct {
	Metrics []Offender `json:"metrics"`
	Owners  []Offender `json:"owners"`
}

// Offenders returns the ten largest families and owners as they were at most a minute ago, and none in the first 20
// seconds of Run. Values are counted in the first 20,000 series of a family.
func (s *Store) Offenders() Offenders {
	if o := s.offenders.Load(); o != nil {
		return *o
	}
	return Offenders{Metrics: []Offender{}, Owners: []Offender{}}
}

// findOffenders renews what Offenders returns.
func (s *Store) findOffenders() {
	out := Offenders{Metrics: []Offender{}, Owners: largestOwners(s)}
	var reader Reader
	for _, f := range largestFamilies(s) {
		out.Metrics = append(out.Metrics, surveyFamily(&reader, &f))
	}
	s.offenders.Store(&out)
}

func largestFamilies(s *Store) []Family {
	families := s.Families()
	slices.SortStableFunc(families, func(a, b Family) int { return cmp.Compare(len(b.members), len(a.members)) })
	return families[:min(len(families), maxOffenders)]
}

func largestOwners(s *Store) []Offender {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Offender{}
	for _, o := range s.limits.senders.all {
		if o.live > 0 {
			all = append(all, Offender{Owner: o.name, Series: o.live})
		}
	}
	slices.SortFunc(all, func(a, b Offender) int {
		return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(a.Owner, b.Owner))
	})
	return all[:min(len(all), maxOffenders)]
}

// surveyFamily finds the label with the most values of a family.
func surveyFamily(r *Reader, f *Family) Offender {
	out := Offender{Metric: f.Name, Series: len(f.members)}
	values := map[string]map[string]struct{}{}
	r.Reset(f)
	for looked := 0; looked < maxSurveyed; {
		samples := r.Next()
		if len(samples) == 0 {
			break
		}
		looked += len(samples)
		for _, sample := range samples {
			for name, value := range sample.Labels.All() {
				if values[name] == nil {
					values[name] = map[string]struct{}{}
				}
				values[name][value] = struct{}{}
			}
		}
	}
	for name, set := range values {
		if len(set) > out.Values || len(set) == out.Values && name < out.Label {
			out.Label, out.Values = name, len(set)
		}
	}
	return out
}
