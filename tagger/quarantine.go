package tagger

import (
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// quarantineRule is the rule of results that only the quarantine has changed.
const quarantineRule = "quarantine"

// maxQuarantined bounds how many pieces are taken out of one name: more is not a name, and every label that is
// free takes longer to find.
const maxQuarantined = 8

// quarantine takes what looks like a GUID, an IP address, an index or a zone out of the base name. GUIDs and
// addresses may be a part of a segment, set off by punctuation; an index or a zone is a whole segment, since `1m`,
// `v1` and `nfsv3` are words.
func quarantine(dst *Result, tr *Trace) {
	base := dst.Base
	if !strings.ContainsAny(base, "0123456789") {
		return
	}
	var cut []idPiece
	for i := 0; i < len(base) && len(cut) < maxQuarantined; {
		if i > 0 && isAlphanumeric(base[i-1]) {
			i++
			continue
		}
		label, n := idAt(base, i)
		if n == 0 {
			i++
			continue
		}
		cut = append(cut, idPiece{label, i, i + n})
		i += n
	}
	if len(cut) == 0 {
		return
	}
	rest := without(base, cut)
	if rest == "" {
		return
	}
	before := len(dst.Tags)
	for _, c := range cut {
		dst.Tags = append(dst.Tags, metric.Label{Name: freeLabel(dst.Tags, c.label), Value: base[c.start:c.end]})
	}
	dst.Base = rest
	if dst.Rule == "" {
		dst.Rule = quarantineRule
	}
	if tr != nil {
		tags := slices.Clone(dst.Tags[before:])
		tr.Steps = append(tr.Steps, Step{Stage: StageQuarantine, Text: base, Rule: quarantineRule, Base: rest, Tags: tags})
	}
}

type idPiece struct {
	label      string
	start, end int
}

// idAt tells what kind of id starts at i, where a word may start, and how long it is.
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
	for k := range len(segment) {
		if !isDigit(segment[k]) {
			return "", 0
		}
	}
	if isFraction(s[:i]) {
		return "", 0
	}
	return labelIndex, len(segment)
}

// isFraction tells whether a number behind this text goes on with a quantile or a version: p99.9, quantile.0.95,
// v1.2.3.
func isFraction(before string) bool {
	for before != "" {
		before = before[:len(before)-1] // the separator
		start := strings.LastIndexAny(before, "./") + 1
		segment := strings.ToLower(before[start:])
		switch segment {
		case "quantile", "quantiles", "percentile", "percentiles", "pct":
			return true
		}
		digits := strings.TrimLeft(segment, "pv")
		if digits == "" || strings.Trim(digits, "0123456789") != "" {
			return false
		}
		if len(segment) == len(digits)+1 {
			return true
		}
		before = before[:start]
	}
	return false
}

// without returns s without the pieces and, for each, without the separator before it or, at the start, the one
// behind.
func without(s string, cut []idPiece) string {
	var b strings.Builder
	at := 0
	for _, c := range cut {
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

// freeLabel is the label itself or, where it is taken, the label with the first number from 2 that is not.
func freeLabel(tags []metric.Label, label string) string {
	name := label
	for n := 2; valueOf(tags, name) != ""; n++ {
		name = label + "_" + strconv.Itoa(n)
	}
	return name
}
