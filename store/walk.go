package store

import (
	"time"

	"loggregator_exporter/metric"
)

// EntryState says what became of an identity.
type EntryState uint8

// The states of an identity.
const (
	EntryWaiting EntryState = iota // a part of a histogram or summary whose other parts have not come yet
	EntryLive                      // it has a series
	EntryPart                      // it is part of a histogram or summary that has a series
	EntryJoined                    // it adds to the series of another timer
	EntryDropped                   // a rule drops it
	EntryRefused                   // it has no series; see Visited.Outcome
)

// String returns the state as the API writes it.
func (e EntryState) String() string {
	return [...]string{"waiting", "live", "part", "joined", "dropped", "refused"}[e]
}

// Visited is one identity at the moment at which a walk passes it.
type Visited struct {
	// NamePos, TagsPos and MetricPos are small numbers that stand for the name with its kind and unit, for source id,
	// instance id and tags, and for the metric. In a walk, two identities with the same number and the same text have the
	// same of it.
	NamePos, TagsPos, MetricPos uint32

	Name, Unit string
	Sender
	Kind metric.Kind
	// Second says that it is the second family of a timer of HTTP requests, the size of responses.
	Second bool
	// Composite says that it is a histogram or summary that is put together from parts, which are passed as well.
	Composite bool
	State     EntryState
	// Untagged says that no rule matches the name or, of a part, that of its histogram or summary.
	Untagged bool
	// Part is TypeHistogram or TypeSummary if it is a part of one, by whose name rules go, else TypeGauge; see Whole.
	Part metric.Type
	// Metric is the name of the family of its series, or of the series that it was refused for, as far as it is known.
	Metric string
	// Outcome is set where State is EntryRefused; Store.Reason then says why. Rival is the identity whose series it would
	// be, where that is why.
	Outcome metric.Outcome
	Rival   Rival
	// Arrived is the time of the last sample, Stamp what its sender's clock said of the value, in nanoseconds since the
	// epoch.
	Arrived, Stamp int64

	reason string // as far as it does not depend on Rival
}

// Sender is what an identity has beside its name: source id, instance id and tags.
type Sender struct {
	key  string // see appendIdentity
	kind nameKind
}

// NewSender returns a sender of a kind of envelopes, without an instance id. The tags are in the order of their names.
func NewSender(kind metric.Kind, sourceID string, tags ...metric.Label) Sender {
	key := appendField(appendField(nil, []byte(sourceID)), nil)
	for _, t := range tags {
		key = appendField(appendField(key, []byte(t.Name)), []byte(t.Value))
	}
	return Sender{string(key), nameKindOf(kind)}
}

// Identity returns the identity of a name of the sender.
func (s Sender) Identity(name, unit string) Identity {
	id := newIdentity(s.key, s.kind, name)
	id.Unit = unit
	return id
}

// Whole returns the identity of the histogram or summary, as the type says, that a name of the sender is a part of.
func (s Sender) Whole(name, unit string, as metric.Type) Identity {
	p := partNameOf(s.kind, []byte(name), []byte(unit), []byte(s.key))
	kind := nameCompositeHistogram
	switch {
	case as == metric.TypeGauge, p.role == roleNone:
		return s.Identity(name, unit)
	case as == metric.TypeSummary:
		kind = nameCompositeSummary
	}
	return newIdentity(string(compositeKey(nil, []byte(s.key), p.role.tag())), kind, string(p.base))
}

// Same reports whether source id, instance id and tags are those of another.
func (s Sender) Same(as Sender) bool { return s.key == as.key }

// SourceID returns the source id.
func (s Sender) SourceID() string {
	id, _ := cutField(s.key)
	return id
}

// InstanceID returns the instance id.
func (s Sender) InstanceID() string {
	_, rest := cutField(s.key)
	id, _ := cutField(rest)
	return id
}

// Tag returns the value of a tag, or "". It allocates nothing.
func (s Sender) Tag(name string) string {
	_, rest := cutField(s.key)
	for _, rest = cutField(rest); rest != ""; {
		var key, value string
		key, rest = cutField(rest)
		if value, rest = cutField(rest); key == name {
			return value
		}
	}
	return ""
}

// Owner returns whose the sender's series are; see LimitOptions.Owner.
func (s Sender) Owner(by Owner) string { return ownerOf(by, s.key) }

// cutField takes the first field off an identity; it is the inverse of appendField.
func cutField(key string) (field, rest string) {
	size, shift := 0, 0
	for i := range len(key) {
		size |= int(key[i]&0x7f) << shift
		if key[i] < 0x80 {
			return key[i+1 : i+1+size], key[i+1+size:]
		}
		shift += 7
	}
	return "", ""
}

// walkChunk is how many entries are copied under one hold of the lock: some 80 µs.
const walkChunk = 1024

// Walk calls visit with all identities, a chunk at a time, until it returns false. The lock is held while a chunk is
// copied, not while visit runs. Identities that come or go meanwhile are passed or not. The chunk is valid until visit
// returns; its texts do not change.
func (s *Store) Walk(visit func(chunk []Visited) bool) {
	chunk := make([]Visited, 0, walkChunk)
	for from := entryPos(1); ; from += walkChunk {
		var more bool
		chunk, more = s.walkChunk(chunk[:0], from)
		if len(chunk) > 0 && !visit(chunk) || !more {
			return
		}
	}
}

// walkChunk appends the identities of a chunk to dst, and reports whether there are more entries.
func (s *Store) walkChunk(dst []Visited, from entryPos) (chunk []Visited, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := min(from+walkChunk, s.entries.last+1)
	for pos := from; pos < to; pos++ {
		e := s.entries.at(pos)
		if e.state == stateFree {
			continue
		}
		dst = append(dst, Visited{})
		s.visit(&dst[len(dst)-1], e)
	}
	return dst, to <= s.entries.last
}

// visit fills in what an entry is. The caller holds the lock.
func (s *registry) visit(v *Visited, e *entry) {
	n := s.entries.names.at(e.name)
	v.NamePos, v.TagsPos = uint32(e.name), uint32(e.tagset)
	v.Name, v.Unit, v.Kind, v.Composite = n.text, n.unit, n.kind.kind(), n.kind.composite() != metric.TypeGauge
	v.Second = n.kind == nameHTTPSize
	v.Sender = Sender{s.entries.tagsets.at(e.tagset).key, n.kind}
	v.Arrived, v.Stamp, v.Untagged = e.arrived, e.stamp, e.flags&flagUntagged != 0
	at := s.deciding(e)
	v.State, v.Part = e.becomes(at), s.partOf(e, at)
	switch v.State {
	case EntryLive, EntryPart, EntryJoined:
		v.MetricPos, v.Metric = uint32(at.family), s.families.at(at.family).name
	case EntryRefused:
		s.visitRefused(v, at)
	case EntryWaiting, EntryDropped:
	}
}

// deciding returns the entry that decides what becomes of one: its composite, the timer that it has joined, or itself.
func (s *registry) deciding(e *entry) *entry {
	if e.state == stateJoined || e.state == statePart {
		if other := e.dependsOn(); s.entries.alive(other) {
			return s.entries.at(other.pos)
		}
	}
	return e
}

// partOf returns the type of what an entry is a part of, given the one that decides; TypeGauge if it is no part.
func (s *registry) partOf(e, by *entry) metric.Type {
	if e.state != statePart || by == e {
		return metric.TypeGauge
	}
	return s.entries.kindOf(by).composite()
}

// becomes returns the state of an entry, given the one that decides.
func (e *entry) becomes(by *entry) EntryState {
	switch by.state {
	case stateLive:
		return [...]EntryState{stateLive: EntryLive, stateJoined: EntryJoined, statePart: EntryPart}[e.state]
	case stateDropped:
		return EntryDropped
	case stateRefused:
		return EntryRefused
	default:
		return EntryWaiting
	}
}

// ownerOf returns the entry whose series a refused one would have; nil if that is not why, or if it has gone.
func (s *registry) ownerOf(e *entry) *entry {
	if other := e.dependsOn(); e.flags&refusalFlags == 0 && s.entries.alive(other) {
		if owner := s.entries.at(other.pos); owner.state == stateLive {
			return owner
		}
	}
	return nil
}

// visitRefused fills in why a refused entry has no series. What the list of names has no room for is found out from the
// entry.
func (s *registry) visitRefused(v *Visited, e *entry) {
	r := &s.refusals.all[e.refusal()]
	v.Outcome, v.Metric, v.reason = r.Outcome, r.Metric, r.Reason
	if !e.refusal().isNamed() {
		v.reason = s.reasonOf(e)
	}
	if owner := s.ownerOf(e); owner != nil {
		v.MetricPos, v.Metric, v.Rival = uint32(owner.family), s.families.at(owner.family).name, s.rival(owner)
	}
}

// FamilySize is a family and the number of its series. Lines is how many lines these are on a page, each of which is a
// series to Prometheus: a histogram or summary has several. Where senders count, their series are taken to have as
// many buckets or quantiles as the one that had most.
type FamilySize struct {
	Name          string
	Type          metric.Type
	Series, Lines int
}

func (f *family) size() FamilySize { return FamilySize{f.name, f.typ, f.live, f.lines()} }

func (f *family) lines() int {
	const sumAndCount = 2
	var points int // buckets or quantiles of each series
	switch {
	case f.typ != metric.TypeHistogram && f.typ != metric.TypeSummary:
		return f.live
	case f.makeup == ofParts:
		return f.points + sumAndCount*f.live
	case f.makeup == ofDistributions:
		points = len(f.shared)
	case f.typ == metric.TypeHistogram:
		points = len(f.bounds)
	default:
		points = len(ObservedQuantiles)
	}
	if f.typ == metric.TypeHistogram {
		points++ // +Inf
	}
	return (points + sumAndCount) * f.live
}

// FamilySizes returns all families in no order. The lock is held for one chunk of them at a time.
func (s *Store) FamilySizes() []FamilySize {
	var all []FamilySize
	for from := 0; ; from += readChunk {
		var more bool
		if all, more = s.familySizes(all, from); !more {
			return all
		}
	}
}

func (s *Store) familySizes(dst []FamilySize, from int) (all []FamilySize, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	families := s.families.all
	for i := from; i < min(from+readChunk, len(families)); i++ {
		if f := &families[i]; f.live > 0 {
			dst = append(dst, f.size())
		}
	}
	return dst, from+readChunk < len(families)
}

// LabelSet is a set of labels that some series have in common.
type LabelSet struct {
	Labels metric.Labels
	Series int
}

// LabelSets calls visit with the label sets of all series, a chunk at a time, until it returns false. Of every stride
// sets one is passed. It returns how many there are. The chunk is valid until visit returns.
func (s *Store) LabelSets(stride int, visit func(chunk []LabelSet) bool) int {
	var chunk []LabelSet
	for from := 0; ; {
		var all int
		chunk, from, all = s.labelSets(chunk[:0], from, stride)
		if len(chunk) > 0 && !visit(chunk) || from >= all {
			return all
		}
	}
}

func (s *Store) labelSets(dst []LabelSet, from, stride int) (chunk []LabelSet, next, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sets := s.families.labels.all
	for looked := 0; from < len(sets) && looked < walkChunk; looked++ {
		if set := &sets[from]; set.refs > 0 {
			dst = append(dst, LabelSet{s.families.labels.text(labelsPos(from)), int(set.refs)})
		}
		from += stride
	}
	return dst, from, len(sets)
}

// LimitState is how full the store is.
type LimitState struct {
	LimitOptions

	Expiration time.Duration // a series ends after this time without a sample

	MaxSeries int
	Series    int // live ones
	Refused   int // entries that are remembered as refused, dropped or joined
	// LargestOwner is the owner with most series where owners have a limit.
	LargestOwner       string
	LargestOwnerSeries int
}

// LimitState returns the limits in force and how far they are used.
func (s *Store) LimitState() LimitState {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.limits
	state := LimitState{
		LimitOptions: l.LimitOptions, Expiration: s.expiry.periods[0], MaxSeries: l.maxSeries,
		Series: l.live, Refused: l.others,
	}
	for i := range l.senders.all {
		if o := &l.senders.all[i]; o.live > state.LargestOwnerSeries {
			state.LargestOwner, state.LargestOwnerSeries = o.name, o.live
		}
	}
	return state
}

// FamilyLabelSets calls visit with the labels of the series of a family, a chunk at a time, until it returns false. Of
// every stride series one is passed. ok is false if there is no such family.
func (s *Store) FamilyLabelSets(name string, stride int, visit func(chunk []LabelSet) bool) (size FamilySize, ok bool) {
	s.mu.Lock()
	pos := s.families.named(name)
	if pos == 0 {
		s.mu.Unlock()
		return FamilySize{}, false
	}
	f := s.families.at(pos)
	size = f.size()
	list := s.families.members(pos)
	s.mu.Unlock()
	var chunk []LabelSet
	for from := 0; from < len(list); {
		chunk, from = s.labelsOf(chunk[:0], list, from, stride)
		if len(chunk) > 0 && !visit(chunk) {
			break
		}
	}
	return size, true
}

func (s *Store) labelsOf(dst []LabelSet, list []ref, from, stride int) (chunk []LabelSet, next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for looked := 0; from < len(list) && looked < walkChunk; looked++ {
		if m := list[from]; s.entries.alive(m) {
			dst = append(dst, LabelSet{s.families.labels.text(s.entries.at(m.pos).labels), 1})
		}
		from += stride
	}
	return dst, from
}
