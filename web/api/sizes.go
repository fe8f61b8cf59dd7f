package api

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
)

const (
	// maxLabelSets bounds the label sets that labels are counted in, and maxLabelValues the values that are told apart.
	maxLabelSets   = 100_000
	maxLabelValues = 200_000
	// maxCountedOwners bounds the owners whose names are counted.
	maxCountedOwners = 100
	// maxOwners and maxKeptValues bound the owners, and the values of labels, that are kept: some 120 and 100 bytes each.
	maxOwners     = 100_000
	maxKeptValues = 20_000
)

// sizes is what a survey counted. It never changes.
type sizes struct {
	taken time.Time

	series, families, lines int

	metrics      []store.FamilySize // all, those with most series first
	labels       labelCount
	owners       []OwnerSize // those with most series first
	largestOwner live.Owner
}

// familySizes returns all metrics, those with most series first.
func familySizes(s *store.Store) []store.FamilySize {
	all := s.FamilySizes()
	slices.SortFunc(all, func(x, y store.FamilySize) int {
		return cmp.Or(cmp.Compare(y.Series, x.Series), strings.Compare(x.Name, y.Name))
	})
	return all
}

// survey counts.
func (a *API) survey() *sizes {
	names, _ := a.index.Get(context.Background()) // which is never done
	s := &sizes{taken: time.Now(), metrics: familySizes(a.options.Store)}
	s.families = len(s.metrics)
	for _, m := range s.metrics {
		s.series += m.Series
		s.lines += m.Lines
	}
	s.labels.begin()
	stride := 1 + s.series/maxLabelSets // there are no more sets than series
	a.options.Store.LabelSets(stride, func(chunk []store.LabelSet) bool {
		s.labels.add(chunk, stride)
		return true
	})
	s.labels.finish(stride)
	s.owners = a.ownerSizes(names)
	if len(names.Owners) > 0 {
		s.largestOwner = names.Owners[0]
	}
	return s
}

// labelCount counts labels and their values.
type labelCount struct {
	sets   int
	labels map[string]*labelNameCount
	values int // that are told apart

	share  float64
	sorted []LabelSize
	top    []LabelValueSize
}

type labelNameCount struct {
	series int
	values map[string]int
	more   bool // not all values are told apart
}

func (c *labelCount) begin() { c.labels = map[string]*labelNameCount{} }

// add counts label sets, each of which stands for so many.
func (c *labelCount) add(chunk []store.LabelSet, each int) {
	for i := range chunk {
		c.sets++
		n := chunk[i].Series * each
		for name, value := range chunk[i].Labels.All() {
			of := c.labels[name]
			if of == nil {
				of = &labelNameCount{values: map[string]int{}}
				c.labels[name] = of
			}
			of.series += n
			if _, known := of.values[value]; known || c.values < maxLabelValues {
				if !known {
					c.values++
				}
				of.values[value] += n
			} else {
				of.more = true
			}
		}
	}
}

// finish sorts, and drops what is not shown; each is as for add.
func (c *labelCount) finish(each int) {
	c.share = 1 / float64(each)
	for _, name := range slices.Sorted(maps.Keys(c.labels)) {
		of := c.labels[name]
		c.sorted = append(c.sorted, LabelSize{Label: strings.Clone(name), Series: of.series, Values: len(of.values)})
		for value, series := range of.values {
			c.top = append(c.top, LabelValueSize{name, value, series})
		}
	}
	c.labels = nil
	slices.SortFunc(c.sorted, func(x, y LabelSize) int {
		return cmp.Or(cmp.Compare(y.Values, x.Values), cmp.Compare(y.Series, x.Series), strings.Compare(x.Label, y.Label))
	})
	slices.SortFunc(c.top, func(x, y LabelValueSize) int {
		return cmp.Or(cmp.Compare(y.Series, x.Series), strings.Compare(x.Label, y.Label), strings.Compare(x.Value, y.Value))
	})
	c.top = slices.Clone(c.top[:min(len(c.top), maxKeptValues)])
	for i := range c.top { // so that the survey keeps no label text alive
		c.top[i].Label, c.top[i].Value = strings.Clone(c.top[i].Label), strings.Clone(c.top[i].Value)
	}
}

// ownerSizes describes the owners with most series, and counts the names of the first ones.
func (a *API) ownerSizes(s *live.Snapshot) []OwnerSize {
	var owners []OwnerSize
	by := a.ownersBy()
	at := map[string]int{}
	for i, o := range s.Owners[:min(len(s.Owners), maxOwners)] {
		owners = append(owners, OwnerSize{
			Owner: o.Name, Label: ownerLabel(by, o.Sender), App: o.Sender.Tag("app_name"), Space: o.Sender.Tag("space_name"),
			Organization: o.Sender.Tag("organization_name"), Series: o.Series,
		})
		if i < maxCountedOwners {
			at[o.Name] = i
		}
	}
	for i, names := range a.ownedNames(at) {
		owners[i].Names = names
	}
	return owners
}

// ownerLabel is the label whose value is the owner that a sender belongs to.
func ownerLabel(by store.Owner, sender store.Sender) string {
	switch {
	case by == store.OwnerSpace:
		return "space_id"
	case sender.Tag("app_id") != "":
		return "app_id"
	case sender.SourceID() != "":
		return "source_id"
	default:
		return "origin"
	}
}

// ownedNames counts the names of some owners, which have numbers.
func (a *API) ownedNames(numbers map[string]int) []int {
	by := a.ownersBy()
	var senders []int // the owner of each, -1 for none of them
	counts, has := make([]int, len(numbers)), make([][]bool, len(numbers))
	a.options.Store.Scan(func(chunk *store.Scan) bool {
		for _, sender := range chunk.Senders[len(senders):] {
			owner, ok := numbers[sender.Owner(by)]
			if !ok {
				owner = -1
			}
			senders = append(senders, owner)
		}
		for i := range chunk.Marks {
			m := &chunk.Marks[i]
			owner := senders[m.Sender]
			if owner < 0 {
				continue
			}
			if more := len(chunk.Names) - len(has[owner]); more > 0 {
				has[owner] = append(has[owner], make([]bool, more)...)
			}
			if name := &chunk.Names[m.Name]; !has[owner][m.Name] && !name.Composite() && !name.Second() {
				has[owner][m.Name] = true
				counts[owner]++
			}
		}
		return true
	})
	return counts
}

// ownersBy is what owners are told apart by.
func (a *API) ownersBy() store.Owner {
	return cmp.Or(a.options.Store.LimitState().Owner, store.OwnerSourceID)
}

const (
	// leastGrowth is when sizes are noted first, at the earliest: components report every 15 s or more often, so that
	// most series exist by then.
	leastGrowth  = 20 * time.Second
	growthStep   = 5 * time.Minute
	growthPoints = 13 // an hour
	// growthMetrics bounds the metrics whose sizes are remembered.
	growthMetrics = 1000
)

// growth remembers the sizes of the largest metrics in the last hour: at most 13,000 numbers.
type growth struct {
	mu     sync.Mutex
	points []growthPoint
}

type growthPoint struct {
	at    time.Time
	sizes map[string]int
	// most is what metrics that are not remembered had at most.
	most int
}

// note adds a point. The metrics are sorted by size.
func (g *growth) note(now time.Time, metrics []store.FamilySize) {
	p := growthPoint{at: now, sizes: map[string]int{}}
	for i, m := range metrics {
		if i == growthMetrics {
			p.most = m.Series
			break
		}
		p.sizes[m.Name] = m.Series
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.points) == growthPoints {
		g.points = slices.Delete(g.points, 0, 1)
	}
	g.points = append(g.points, p)
}

// first returns the earliest point, ok is false if there is none. A point never changes.
func (g *growth) first() (p growthPoint, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.points) == 0 {
		return growthPoint{}, false
	}
	return g.points[0], true
}

// since returns how many series a metric got since the point, at least; 0 where there is none.
func (p *growthPoint) since(m *store.FamilySize) int {
	if p.sizes == nil {
		return 0
	}
	before, ok := p.sizes[m.Name]
	if !ok {
		before = min(p.most, m.Series)
	}
	return m.Series - before
}
