package migrate

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/migrate/promql"
)

// renameReferences edits the labels that are named outside of selectors.
func (r *rewriter) renameReferences(all []*reference) error {
	names := map[*reference]string{} // "" for labels that are there no longer
	for _, ref := range all {
		name, err := r.nameOf(ref)
		if err != nil {
			return err
		}
		names[ref] = name
		for _, s := range ref.providers {
			if !ref.leavesOut() {
				r.needLabel(ref.label, s)
			}
		}
		if ref.at.Start == ref.at.End || ref.list != nil {
			continue
		}
		if name != ref.label {
			r.edit(ref.at, quote(name))
		}
	}
	done := map[*promql.List]bool{}
	for _, ref := range all {
		if ref.list == nil || done[ref.list] {
			continue
		}
		done[ref.list] = true
		r.renameList(ref.list, all, names)
	}
	return nil
}

// leavesOut says of a label that a list leaves it out.
func (r *reference) leavesOut() bool {
	return r.list != nil && (r.list.Keyword == "without" || r.list.Keyword == "ignoring")
}

// groupsByNothing says that a label groups series of which none has it.
func (r *reference) groupsByNothing() bool {
	hasIt := func(s *translation) bool { return !s.lacks(r.label) }
	return r.list != nil && r.list.Keyword == "by" && !r.fixed && !slices.ContainsFunc(r.providers, hasIt)
}

// nameOf is what a label is called after the change; "" if it is left out.
func (r *rewriter) nameOf(ref *reference) (string, error) {
	for _, s := range ref.providers {
		name, ok := r.newName(s, ref.label)
		switch {
		case !ok && (ref.leavesOut() || ref.groupsByNothing()):
			return "", nil
		case !ok:
			return "", noLabel(ref.label)
		case slices.Contains(s.bridged, ref.label):
			return ref.label, nil
		default:
			return name, nil
		}
	}
	return ref.label, nil
}

// renameList edits a list. firehose_exporter has some labels under two names: a label that is left out (without,
// ignoring) under one name only is still told apart by the other, so it stays in.
func (r *rewriter) renameList(list *promql.List, all []*reference, names map[*reference]string) {
	var olds, news []string
	same := true
	for _, ref := range all {
		if ref.list != list {
			continue
		}
		olds = append(olds, ref.label)
		same = same && names[ref] == ref.label
	}
	if same && !slices.ContainsFunc(olds, hasTwin) {
		return
	}
	for _, ref := range all {
		name := names[ref]
		if ref.list != list || name == "" || slices.Contains(news, name) {
			continue
		}
		twin := func(other string) bool { return other != ref.label && tagOf(other) == tagOf(ref.label) }
		bySender := slices.ContainsFunc(ref.providers, func(s *translation) bool { return s.recorded == nil })
		if ref.leavesOut() && bySender && hasTwin(ref.label) && !slices.ContainsFunc(olds, twin) {
			continue
		}
		news = append(news, name)
	}
	if slices.Equal(olds, news) {
		return
	}
	r.lists[list.Start] = news
	if len(news) != len(olds) {
		r.edit(list.Inside, strings.Join(news, ", "))
		return
	}
	for i, l := range list.Labels {
		r.edit(l.Span, news[i])
	}
}

// tagOf is the tag that a label repeats.
func tagOf(label string) string {
	if tag := tagsBehind[label]; tag != "" {
		return tag
	}
	if bare, ok := strings.CutPrefix(label, exportedPrefix); ok && slices.Contains(targetLabels, bare) {
		return bare
	}
	return label
}

// hasTwin says whether firehose_exporter has a label under another name, too.
func hasTwin(label string) bool {
	for name, tag := range tagsBehind {
		if name == label || tag == tagOf(label) && !slices.Contains(targetLabels, label) {
			return true
		}
	}
	return false
}

// tellLabels lists the labels of the result that have new names.
func (r *rewriter) tellLabels(all []*reference) {
	var labels []string
	for name, tag := range tagsBehind {
		labels = append(labels, name, tag)
	}
	for _, ref := range all {
		labels = append(labels, ref.label)
	}
	slices.Sort(labels)
	for _, label := range slices.Compact(labels) {
		ref := &reference{label: label}
		if r.provide(ref, r.q.Expr); ref.fixed || len(ref.providers) == 0 {
			continue
		}
		if name, err := r.nameOf(ref); err == nil && name != label {
			r.result.Labels = append(r.result.Labels, Rename{label, name})
		}
	}
}

// wrapping is text around a node.
type wrapping struct {
	at            promql.Span
	before, after string
}

// wrap puts text around a node; around what was put around it before.
func (r *rewriter) wrap(n parser.Node, before, after string) {
	r.wrappings = append(r.wrappings, wrapping{r.q.SpanOf(n), before, after})
}

// applyWrappings makes edits of all wrappings. Of those that begin or end at one place the ones of longer parts, and of
// the same part the later ones, are the outer ones.
func (r *rewriter) applyWrappings() {
	size := func(w wrapping) int { return w.at.End - w.at.Start }
	ordered := slices.Clone(r.wrappings)
	slices.SortStableFunc(ordered, func(a, b wrapping) int { return size(a) - size(b) })
	for _, w := range ordered {
		r.insert(w.at.End, w.after)
	}
	for _, w := range slices.Backward(ordered) {
		r.insert(w.at.Start, w.before)
	}
}
