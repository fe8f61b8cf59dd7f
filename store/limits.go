package store

import (
	"cmp"
	"fmt"

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

// senderTags are the envelope tags that name a sender, the more exact one first.
var senderTags = map[Owner][]string{
	OwnerApp:   {"app_id", "app_name"},
	OwnerSpace: {"space_id", "space_name"},
}

// LimitOptions bound parts of the store, so that one metric or one sender gone wrong leaves room for the others.
// What is there already is never evicted by what comes new.
type LimitOptions struct {
	PerMetric int   // series of one family; 0 for no limit
	PerOwner  int   // series of one owner; 0 for no limit
	Owner     Owner // who counts as one
}

func (l LimitOptions) validate() error {
	switch {
	case l.PerMetric < 0 || l.PerOwner < 0:
		return fmt.Errorf("store: limits %+v: must not be negative", l)
	case l.PerOwner > 0 && l.Owner != OwnerSourceID && senderTags[l.Owner] == nil:
		return fmt.Errorf("store: limits by owner %q: want %s, %s or %s", l.Owner, OwnerSourceID, OwnerApp, OwnerSpace)
	default:
		return nil
	}
}

type senderPos uint32

// sender is whose series LimitOptions.PerOwner limits: a source id, app or space.
type sender struct {
	name string
	refs int // tag sets
	live int // exposed series
}

// limits knows how many series there are and how many there may be.
type limits struct {
	LimitOptions

	maxSeries int
	live      int // entries in stateLive
	parts     int // entries in statePart and stateLoose
	others    int // entries in stateRefused, stateDropped and stateJoined

	senders arena[senderPos, sender]
	byName  map[string]senderPos
}

// full reports whether there is no room for another series, or none to remember why there is none.
func (l *limits) full() bool { return l.live >= l.maxSeries || l.others >= l.maxSeries }

// fullOfParts is full for another part of a composite that exists.
func (l *limits) fullOfParts() bool { return l.parts >= l.maxSeries || l.others >= l.maxSeries }

// crowded reports whether so many entries are remembered that are not live that they must make room: to remember
// them all would let a sender that is over its limit and makes up new names use up the room for everyone's new
// series.
func (l *limits) crowded() bool { return 2*l.others > l.maxSeries }

// hold returns the sender of a new tag set, or 0 if it has none or senders have no limit.
func (l *limits) hold(tagset string) senderPos {
	name := l.senderOf(tagset)
	if name == "" {
		return 0
	}
	pos := l.byName[name]
	if pos == 0 {
		pos = l.senders.add(sender{name: name})
		l.byName[name] = pos
	}
	l.senders.at(pos).refs++
	return pos
}

// release is the inverse of hold.
func (l *limits) release(pos senderPos) {
	if pos == 0 {
		return
	}
	o := l.senders.at(pos)
	if o.refs--; o.refs == 0 {
		delete(l.byName, o.name)
		l.senders.remove(pos)
	}
}

// senderOf returns whose an identity is, as the limits are configured.
func (l *limits) senderOf(tagset string) string {
	if l.PerOwner == 0 {
		return ""
	}
	return ownerOf(l.Owner, tagset)
}

// ownerOf returns whose an identity is.
func ownerOf(by Owner, tagset string) string {
	s := Sender{key: tagset}
	source := s.SourceID()
	if by == OwnerSourceID {
		if source == "" { // the identity of an HTTP request has none: it is the app's, or else the router's
			source = cmp.Or(s.Tag("app_id"), s.Tag("origin"))
		}
		return source
	}
	for _, tag := range senderTags[by] {
		if v := s.Tag(tag); v != "" {
			return v
		}
	}
	if by == OwnerApp && metric.IsGUID(source) {
		return source
	}
	return ""
}

func (l *limits) familyFull(f *family) bool { return l.PerMetric > 0 && f.live >= l.PerMetric }

func (l *limits) senderFull(pos senderPos) bool {
	return pos != 0 && l.PerOwner > 0 && l.senders.at(pos).live >= l.PerOwner
}

// refuses returns why a new series of a family and sender has no room, or "".
func (l *limits) refuses(f *family, pos senderPos) string {
	switch {
	case l.familyFull(f):
		return "metrics.max_series_per_metric is reached"
	case l.senderFull(pos):
		return fmt.Sprintf("metrics.max_series_per_owner is reached by %s %q", l.Owner, printable(l.senders.at(pos).name))
	default:
		return ""
	}
}

// countLive notes that a sender has one series more (1) or less (-1).
func (l *limits) countLive(pos senderPos, change int) {
	l.live += change
	if pos != 0 {
		l.senders.at(pos).live += change
	}
}

// set changes the limits, and counts by sender anew where that has changed.
func (l *limits) set(o LimitOptions, maxSeries int, entries *entries) {
	before := l.LimitOptions
	l.LimitOptions, l.maxSeries = o, maxSeries
	if before.Owner == o.Owner && (before.PerOwner == 0) == (o.PerOwner == 0) {
		return
	}
	l.senders, l.byName = arena[senderPos, sender]{}, map[string]senderPos{}
	for i := range entries.tagsets.all {
		if t := &entries.tagsets.all[i]; t.refs > 0 {
			t.sender = l.hold(t.key)
		}
	}
	for pos := entryPos(1); pos <= entries.last; pos++ {
		if e := entries.at(pos); e.state == stateLive {
			if sender := entries.tagsets.at(e.tagset).sender; sender != 0 {
				l.senders.at(sender).live++
			}
		}
	}
}
