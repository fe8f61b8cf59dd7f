package store

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"loggregator_exporter/metric"
)

// Owner says whose series a limit counts together.
type Owner string

// The owners that LimitOptions may count by: what the envelope says of the sender, the app or the space.
const (
	OwnerSourceID Owner = "source_id"
	OwnerApp      Owner = "app"
	OwnerSpace    Owner = "space"
)

// ownerTags are the envelope tags that name an owner, the more exact one first.
var ownerTags = map[Owner][]string{
	OwnerApp:   {"app_id", "app_name"},
	OwnerSpace: {"space_id", "space_name"},
}

// LimitOptions bound parts of the store, so that one metric or one sender gone wrong leaves room for the others. What is there already
// is never evicted by what comes new.
type LimitOptions struct {
	PerMetric int   // series of one family; 0 for no limit
	PerOwner  int   // series of one owner; 0 for no limit
	Owner     Owner // who counts as one
}

func (l LimitOptions) validate() error {
	switch {
	case l.PerMetric < 0 || l.PerOwner < 0:
		return fmt.Errorf("store: limits %+v: must not be negative", l)
	case l.PerOwner > 0 && l.Owner != OwnerSourceID && ownerTags[l.Owner] == nil:
		return fmt.Errorf("store: limits by owner %q: want %s, %s or %s", l.Owner, OwnerSourceID, OwnerApp, OwnerSpace)
	default:
		return nil
	}
}

// owners counts live series by owner. Position 0 stands for nobody, and is never full.
type owners struct {
	all  []ownerCount
	free []uint32
	by   map[string]uint32
}

type ownerCount struct {
	name string
	refs int // tag sets of the owner
	live int // exposed series
}

func newOwners() owners { return owners{all: make([]ownerCount, 1), by: map[string]uint32{}} }

// intern returns the position of an owner, who then has one more tag set.
func (o *owners) intern(name string) uint32 {
	if name == "" {
		return 0
	}
	pos, ok := o.by[name]
	if !ok {
		if n := len(o.free); n > 0 {
			pos, o.free = o.free[n-1], o.free[:n-1]
		} else {
			pos = uint32(len(o.all))
			o.all = append(o.all, ownerCount{})
		}
		o.all[pos].name = name
		o.by[name] = pos
	}
	o.all[pos].refs++
	return pos
}

func (o *owners) release(pos uint32) {
	if pos == 0 {
		return
	}
	c := &o.all[pos]
	if c.refs--; c.refs == 0 {
		delete(o.by, c.name)
		*c = ownerCount{}
		o.free = append(o.free, pos)
	}
}

// ownerOf says whose an identity is, as the limits are configured.
func (s *Store) ownerOf(key string) string {
	if s.limits.PerOwner == 0 {
		return ""
	}
	source, _, tags := parseIdentity(key)
	if s.limits.Owner == OwnerSourceID {
		if source == "" {
			// Of an app's timer the source id has become the app's id.
			source = lookup(tags, "app_id")
		}
		return source
	}
	for _, tag := range ownerTags[s.limits.Owner] {
		if v := lookup(tags, tag); v != "" {
			return v
		}
	}
	if s.limits.Owner == OwnerApp && metric.IsGUID(source) {
		return source
	}
	return ""
}

func (s *Store) familyFull(f *family) bool {
	return s.limits.PerMetric > 0 && f.live >= s.limits.PerMetric
}

func (s *Store) ownerFull(tagset uint32) bool {
	o := &s.ids.owners.all[s.ids.tagsets[tagset].owner]
	return s.limits.PerOwner > 0 && o.name != "" && o.live >= s.limits.PerOwner
}

// full says why a new series of a family and tag set has no room, or "".
func (s *Store) full(f *family, tagset uint32) string {
	switch {
	case s.familyFull(f):
		return "metrics.max_series_per_metric is reached"
	case s.ownerFull(tagset):
		return fmt.Sprintf("metrics.max_series_per_owner is reached by %s %q", s.limits.Owner,
			printable(s.ids.owners.all[s.ids.tagsets[tagset].owner].name))
	default:
		return ""
	}
}

// reown counts anew by another owner.
func (s *Store) reown() {
	s.ids.owners = newOwners()
	for i := range s.ids.tagsets {
		if t := &s.ids.tagsets[i]; t.refs > 0 {
			t.owner = s.ids.owners.intern(s.ownerOf(t.key))
		}
	}
	for pos := range s.slab.next {
		if e := s.slab.at(pos); e.state == stateLive {
			s.ids.owners.all[s.ids.tagsets[e.tagset].owner].live++
		}
	}
}

// refuseFull notes an entry that had no room. It is tried again once there may be some.
func (s *Store) refuseFull(e *series, id *Identity, r *Resolved, family uint32, reason string) {
	e.setOwner(ref{family, s.families.all[family].gen})
	e.flags |= flagFull
	s.refuse(e, metric.OverLimit, id, r, reason)
}

// Offender is a part of the store that many series come from.
type Offender struct {
	// Metric and Label say which label of which family has how many Values, of Series of the family's; Owner how many Series
	// one owner has.
	Metric string `json:"metric,omitempty"`
	Label  string `json:"label,omitempty"`
	Values int    `json:"values,omitempty"`
	Owner  string `json:"owner,omitempty"`
	Series int    `json:"series"`
}

const (
	maxOffenders = 10
	// maxSurveyed bounds how many series of a family are looked at: it is enough to see which label runs away, and costs some
	// 20 ms of CPU.
	maxSurveyed = 20_000
	// surveyEvery is how often Run looks for offenders.
	surveyEvery = time.Minute
	// firstSurvey is when it does so first: Cloud Foundry's components report every 15 s and less, so that by then most series are there.
	firstSurvey = 20 * time.Second
)

// Offenders are the families with the most series, with the label that has the most values, and the owners with the most.
type Offenders struct {
	Metrics []Offender `json:"metrics"`
	Owners  []Offender `json:"owners"`
}

// Offenders returns the ten largest families and owners as they were at the last look, at most a minute ago; there are none in the first 20 seconds of Run. Values are counted in the first
// 20,000 series of a family.
func (s *Store) Offenders() Offenders {
	if o := s.offenders.Load(); o != nil {
		return *o
	}
	return Offenders{Metrics: []Offender{}, Owners: []Offender{}}
}

// findOffenders looks for them.
func (s *Store) findOffenders() {
	out := Offenders{Metrics: []Offender{}, Owners: s.largestOwners()}
	var reader Reader
	for _, f := range s.largestFamilies() {
		out.Metrics = append(out.Metrics, surveyFamily(&reader, &f))
	}
	s.offenders.Store(&out)
}

func (s *Store) largestFamilies() []Family {
	families := s.Families()
	slices.SortStableFunc(families, func(a, b Family) int { return cmp.Compare(len(b.members), len(a.members)) })
	return families[:min(len(families), maxOffenders)]
}

func (s *Store) largestOwners() []Offender {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Offender{}
	for _, o := range s.ids.owners.all[1:] {
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

func lookup(labels []metric.Label, name string) string {
	for _, l := range labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}
