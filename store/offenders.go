package store

import (
	"cmp"
	"slices"
	"strings"
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

// surveyed is an offender as a survey found it. The labels of a family are not looked at again while no series of it
// comes or goes, since that takes a thousand times as long as to find the family.
type surveyed struct {
	Offender

	family       familyPos
	gen, changes uint32 // those of the family
}

// findOffenders renews what Offenders returns. One goroutine calls it.
func (s *Store) findOffenders() {
	var reader Reader
	families := s.largestFamilies()
	for i := range families {
		f := &families[i]
		if before := slices.IndexFunc(s.surveyed, f.unchanged); before >= 0 {
			f.Label, f.Values = s.surveyed[before].Label, s.surveyed[before].Values
		} else {
			s.survey(&reader, f)
		}
	}
	s.surveyed = families
	s.offenders.Store(&Offenders{Metrics: families.offenders(), Owners: s.largestOwners().offenders()})
}

// unchanged reports whether an earlier survey found the same series.
func (x *surveyed) unchanged(before surveyed) bool {
	return x.family == before.family && x.gen == before.gen && x.changes == before.changes
}

// largest are the largest families or owners, at most maxOffenders; of equal ones the first by name.
type largest []surveyed

func (l largest) add(x surveyed) largest {
	if len(l) == maxOffenders && x.Series < l[maxOffenders-1].Series {
		return l
	}
	at, _ := slices.BinarySearchFunc(l, x, func(a, b surveyed) int {
		return cmp.Or(cmp.Compare(b.Series, a.Series), strings.Compare(a.Metric, b.Metric), strings.Compare(a.Owner, b.Owner))
	})
	if at == maxOffenders {
		return l
	}
	return slices.Insert(l[:min(len(l), maxOffenders-1)], at, x)
}

func (l largest) offenders() []Offender {
	all := make([]Offender, len(l))
	for i := range l {
		all[i] = l[i].Offender
	}
	return all
}

// largestFamilies holds the lock for one chunk of families at a time.
func (s *Store) largestFamilies() largest {
	var all largest
	for from, more := 0, true; more; from += readChunk {
		all, more = s.addLargest(all, from)
	}
	return all
}

func (s *Store) addLargest(to largest, from int) (all largest, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	families := s.families.all
	for i := from; i < min(from+readChunk, len(families)); i++ {
		f := &families[i]
		// One that was removed meanwhile and has come back elsewhere would be there twice.
		same := func(x surveyed) bool { return x.Metric == f.name }
		if f.live > 0 && !slices.ContainsFunc(to, same) {
			to = to.add(surveyed{Offender{Metric: f.name, Series: f.live}, familyPos(i), f.gen, f.changes})
		}
	}
	return to, from+readChunk < len(families)
}

func (s *Store) largestOwners() largest {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all largest
	for i := range s.limits.senders.all {
		if o := &s.limits.senders.all[i]; o.live > 0 {
			all = all.add(surveyed{Offender: Offender{Owner: o.name, Series: o.live}})
		}
	}
	return all
}

// survey finds the label with the most values of a family.
func (s *Store) survey(r *Reader, of *surveyed) {
	f, ok := s.familyOf(of)
	if !ok {
		return
	}
	values := map[string]map[string]struct{}{}
	r.Reset(&f)
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
		if len(set) > of.Values || len(set) == of.Values && name < of.Label {
			of.Label, of.Values = name, len(set)
		}
	}
	of.Label = strings.Clone(of.Label) // of the text of a series that may go
}

// familyOf returns a family as it is now; ok is false if it is gone.
func (s *Store) familyOf(of *surveyed) (f Family, ok bool) {
	s.view.mu.Lock()
	defer s.view.mu.Unlock()
	if f, ok = s.view.family(s, of.family); f.Name != of.Metric {
		return f, false
	}
	f.store, f.now = s, time.Now().UnixNano()
	return f, ok
}
