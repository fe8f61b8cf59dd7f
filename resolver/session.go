package resolver

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

const (
	// maxNames bounds the names that a session remembers, each of which takes some 400 bytes.
	maxNames = 1 << 16
	// maxNameBytes bounds the texts of all of them: a name has up to 1 KiB, and tags that rules read up to 32 KiB.
	maxNameBytes = 32 << 20
)

// session implements store.Session. What rules and naming make of a name they make once, for all senders; the labels
// that a sender gives its series are rendered once, for all names that come one after the other. The labels of a series
// are the two lists merged. Where one may have a say in the other, the series is resolved as Explain does it.
type session struct {
	resolver *Resolver
	tagsRead map[metric.Kind][]string // tags that rules for metrics of a kind read
	sourceID bool                     // rules read source ids

	names    map[string]*named // by what the rules look at
	families map[string]*store.Resolved
	bytes    int // of the texts of names
	key      []byte
	sender   sender
	labels   pairs // scratch memory, as is text
	text     []byte
}

// named is what names become for which the rules look at the same.
type named struct {
	*store.Resolved // which names of a family share

	simple bool  // no rule or setting changes the labels of the sender
	router bool  // the origin is the gorouter's
	labels pairs // that name and origin give
}

// bytes is how long the texts are of a name with such a key. Those of a family count for each of its names.
func (n *named) bytes(key int) int {
	return key + len(n.labels.text) + len(n.Metric) + len(n.Help) + len(n.Invalid)
}

// sender are the labels that an envelope gives its series, whatever their names are.
type sender struct {
	of     []byte // Identity.Sender
	router bool
	simple bool // the labels are the same for all kinds
	labels pairs
	buffer []metric.Label
}

// Session lets a store resolve many identities.
func (r *Resolver) Session() store.Session {
	s := &session{
		resolver: r, tagsRead: map[metric.Kind][]string{}, sourceID: r.options.Tagger.ReadsSourceID(),
		names: map[string]*named{}, families: map[string]*store.Resolved{},
	}
	for k := metric.KindNone; k <= metric.KindSummary; k++ {
		s.tagsRead[k] = r.options.Tagger.TagsRead(k)
	}
	return s
}

// Resolve implements store.Session.
func (s *session) Resolve(id *store.Identity) store.Resolved {
	n := s.named(id)
	if n.Dropped || n.Invalid != "" {
		return *n.Resolved
	}
	if n.simple && s.sender.set(s.resolver, id, n.router) {
		if text, ok := merge(s.text[:0], &s.sender.labels, &n.labels); ok {
			out := *n.Resolved
			s.text, out.Text = text, text
			return out
		}
	}
	return s.resolver.Resolve(id)
}

// named returns what the name of an identity becomes.
func (s *session) named(id *store.Identity) *named {
	subject := subjectOf(id)
	if s.sourceID {
		subject.SourceID = id.SourceID
	}
	key := append(s.key[:0], byte(id.Kind), byte(id.Composite), 0)
	if id.ResponseSize {
		key[2] = 1
	}
	key = appendText(appendText(appendText(appendText(key, id.Name), id.Unit), subject.Origin), subject.SourceID)
	for _, tag := range s.tagsRead[id.Kind] {
		key = appendText(key, metric.LabelValue(id.Tags, tag))
	}
	s.key = key
	if n := s.names[string(key)]; n != nil {
		return n
	}
	n := s.resolveName(id, subject)
	size := n.bytes(len(key))
	if len(s.names) == maxNames || s.bytes+size > maxNameBytes {
		clear(s.names)
		clear(s.families)
		s.bytes = 0
	}
	s.names[string(key)] = n
	s.bytes += size
	return n
}

// appendText appends a text so that no other texts make the same bytes.
func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// resolveName makes what named returns. It keeps nothing of the memory of the identity.
func (s *session) resolveName(id *store.Identity, subject tagger.Subject) *named {
	subject.Name, subject.Unit = strings.Clone(subject.Name), strings.Clone(subject.Unit)
	subject.Origin, subject.SourceID = strings.Clone(subject.Origin), strings.Clone(subject.SourceID)
	for _, tag := range s.tagsRead[id.Kind] {
		if value := metric.LabelValue(id.Tags, tag); value != "" {
			subject.Tags = append(subject.Tags, metric.Label{Name: tag, Value: strings.Clone(value)})
		}
	}
	own := *id
	own.Name, own.Unit = subject.Name, subject.Unit
	var r Resolution
	s.resolver.resolveName(&own, &subject, &r, nil)
	n := &named{Resolved: s.share(&r.Resolved)}
	if r.Rules.Dropped {
		return n
	}
	b := labelBuilder{rules: &r.Rules}
	b.labelName()
	b.labelComponent("")
	drop := s.resolver.options.Labels.Drop
	n.simple = !isHTTP(id) && len(r.Rules.RenameLabels)+len(r.Rules.DropLabels) == 0 && len(b.overrides) == 0 &&
		len(s.resolver.options.Labels.Rename) == 0 &&
		!slices.ContainsFunc(b.labels, func(l metric.Label) bool { return slices.Contains(drop, l.Name) })
	n.router = metric.IsRouter(r.Rules.OriginTag("component"))
	s.labels.set(b.labels)
	n.labels = pairs{slices.Clone(s.labels.text), slices.Clone(s.labels.all)}
	return n
}

// share returns what another name of the family became, if that is the same, so that it is kept once.
func (s *session) share(r *store.Resolved) *store.Resolved {
	known := s.families[r.Metric]
	if known == nil || !reflect.DeepEqual(known, r) {
		known = new(store.Resolved)
		*known = *r
		s.families[r.Metric] = known
	}
	return known
}

// set renders the labels of a sender, unless they are there already, and reports whether they are the same for all
// kinds of metrics.
func (s *sender) set(r *Resolver, id *store.Identity, router bool) bool {
	if id.Sender != "" && string(s.of) == id.Sender && s.router == router {
		return s.simple
	}
	s.of, s.router = append(s.of[:0], id.Sender...), router
	b := labelBuilder{labels: s.buffer[:0]}
	r.labelConstants(&b)
	r.labelSender(id, &b, router)
	s.simple = len(b.overrides) == 0 && metric.LabelValue(id.Tags, tagUnit) == ""
	b.drop(r.options.Labels.Drop, settingDrop)
	s.labels.set(b.labels)
	s.buffer = b.labels
	return s.simple
}

// pairs are rendered labels in the order of their names, each with a comma behind it.
type pairs struct {
	text []byte
	all  []pair
}

// pair says where a label is in the text.
type pair struct{ start, name, end int32 }

// set sorts and renders labels.
func (p *pairs) set(labels []metric.Label) {
	slices.SortFunc(labels, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	p.text, p.all = p.text[:0], p.all[:0]
	for _, l := range labels {
		at := pair{start: int32(len(p.text))}
		at.name = at.start + int32(len(l.Name))
		p.text = append(metric.AppendLabel(p.text, l), ',')
		at.end = int32(len(p.text))
		p.all = append(p.all, at)
	}
}

func (p *pairs) name(i int) []byte { return p.text[p.all[i].start:p.all[i].name] }

// merge appends two lists of labels as metric.RenderLabels would. ok is false if they have a name in common. The first
// one may be long.
func merge(dst []byte, long, short *pairs) (text []byte, ok bool) {
	i, from := 0, int32(0)
	for k := range short.all {
		order := 1
		for i < len(long.all) {
			if order = bytes.Compare(short.name(k), long.name(i)); order <= 0 {
				break
			}
			i++
		}
		if order == 0 {
			return dst, false
		}
		to := int32(len(long.text))
		if i < len(long.all) {
			to = long.all[i].start
		}
		dst = append(dst, long.text[from:to]...)
		dst = append(dst, short.text[short.all[k].start:short.all[k].end]...)
		from = to
	}
	dst = append(dst, long.text[from:]...)
	if len(dst) > 0 {
		dst = dst[:len(dst)-1]
	}
	return dst, true
}
