package tagger

import (
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// Quarantine is Result.Rule of names in which no rule matched, but the quarantine found something.
const Quarantine = "quarantine"

// maxQuarantined bounds the ids that are taken out of one name, and so the time it takes to find free labels for them.
const maxQuarantined = 8

// quarantine takes what looks like a GUID, an IP address, an index or a zone out of the base name and makes tags
// of it. GUIDs and addresses may be a part of a segment if punctuation separates them; an index or a zone is a
// whole segment, since `1m`, `v1` and `nfsv3` are words.
func quarantine(dst *Result, tr *Trace) {
	base := dst.Base
	if !strings.ContainsAny(base, digits) {
		return
	}
	var ids []idPart
	for i := 0; i < len(base) && len(ids) < maxQuarantined; {
		if i > 0 && isAlphanumeric(base[i-1]) {
			i++
			continue
		}
		label, n := idAt(base, i)
		if n == 0 {
			i++
			continue
		}
		ids = append(ids, idPart{label, i, i + n})
		i += n
	}
	if len(ids) == 0 {
		return
	}
	rest := without(base, ids)
	if rest == "" {
		return
	}
	before := len(dst.Tags)
	for _, c := range ids {
		dst.Tags = append(dst.Tags, metric.Label{Name: freeLabel(dst.Tags, c.label), Value: base[c.start:c.end]})
	}
	dst.Base = rest
	if dst.Rule == "" {
		dst.Rule = Quarantine
	}
	if tr != nil {
		tr.Steps = append(tr.Steps, Step{Stage: StageQuarantine, Text: base, Rule: Quarantine, Base: rest})
		tr.addTags(dst.Tags[before:])
	}
}

// idPart is a part of a name, and the label that its value gets.
type idPart struct {
	label      string
	start, end int
}

// idAt returns the label and the length of the id that starts at i, 0 for none.
func idAt(s string, i int) (label string, n int) {
	ends := func(n int) bool { return i+n == len(s) || !isAlphanumeric(s[i+n]) }
	if _, n := guidLengths(s[i:]); n > 0 && ends(n) {
		return "guid", n
	}
	if _, n := ipLengths(s[i:]); n > 0 && ends(n) {
		return "ip", n
	}
	segment := s[i:]
	if end := strings.IndexAny(segment, "./"); end >= 0 {
		segment = segment[:end]
	}
	if segment == "" || i > 0 && s[i-1] != '.' && s[i-1] != '/' {
		return "", 0
	}
	if _, n := zoneLengths(segment); n == len(segment) {
		return labelZone, n
	}
	if strings.Trim(segment, digits) != "" || isFraction(s[:i]) {
		return "", 0
	}
	return labelIndex, len(segment)
}

// isFraction says whether a number after this text belongs to a quantile or version: p99.9, quantile.0.95, v1.2.3.
func isFraction(before string) bool {
	for before != "" {
		before = before[:len(before)-1] // the separator
		start := strings.LastIndexAny(before, "./") + 1
		segment := strings.ToLower(before[start:])
		switch segment {
		case "quantile", "quantiles", "percentile", "percentiles", "pct":
			return true
		}
		number := strings.TrimLeft(segment, "pv")
		if number == "" || strings.Trim(number, digits) != "" {
			return false
		}
		if len(segment) == len(number)+1 {
			return true
		}
		before = before[:start]
	}
	return false
}

// without returns s without the ids and, for each, without the separator before it or, at the start, after it.
func without(s string, ids []idPart) string {
	var b strings.Builder
	at := 0
	for _, c := range ids {
		before := s[at:c.start]
		if n := len(before); n > 0 && isSeparator(before[n-1]) {
			before = before[:n-1]
		}
		b.WriteString(before)
		at = c.end
		if b.Len() == 0 && at < len(s) && isSeparator(s[at]) {
			at++
		}
	}
	b.WriteString(s[at:])
	return b.String()
}

func isSeparator(c byte) bool { return strings.IndexByte("./_-:=@#, ", c) >= 0 }

// freeLabel returns the label or, if there is a tag of that name, the label with the first free number from 2.
func freeLabel(tags []metric.Label, label string) string {
	name := label
	for n := 2; metric.LabelValue(tags, name) != ""; n++ {
		name = label + "_" + strconv.Itoa(n)
	}
	return name
}
