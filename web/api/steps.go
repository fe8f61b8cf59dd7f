package api

import (
	"fmt"
	"strings"

	"loggregator_exporter/resolver"
	"loggregator_exporter/tagger"
)

// maxTried is how many rules that did not match are listed of a step.
const maxTried = 20

// The last step of what needs no rule, whose metadata are fixed as well.
const (
	stageBuiltIn    = "built_in"
	builtInSentence = "HTTP requests need no rule: they become histograms of their time and of the size of their " +
		"responses, with the labels of metrics.http.labels."
)

// untaken says in the words of the glossary what it means of a name that no rule takes.
func untaken(r *resolver.Resolution) string {
	switch {
	case !r.Untagged:
		return "" // a rule took some of it, or the quarantine will
	case r.Described:
		return ": it is untagged, but described by an entry of metrics"
	default:
		return ": it is untagged, and undescribed, since no entry of metrics describes it either"
	}
}

// stepOf returns a step of a trace, in words and in parts; untaken follows where no rule takes the name.
func stepOf(s *tagger.Step, texts *ruleTexts, untaken string) Step {
	out := Step{
		Stage: string(s.Stage), Sentence: sentence(s, untaken), Text: s.Text, Captures: labelMap(s.Captures),
		Tags: labelMap(s.Tags),
		Kept: labelMap(s.Kept), Rest: s.Rest, Base: s.Base, Metadata: s.Metadata, TriedMore: s.Omitted,
	}
	if s.Rule != "" {
		ref := texts.ref(s.Rule, s.Pattern, s.Place)
		out.Rule = &ref
	}
	for i, t := range s.Tried {
		if i == maxTried {
			out.TriedMore += len(s.Tried) - i
			break
		}
		out.Tried = append(out.Tried, Attempt{texts.ref(t.Rule, t.Pattern, t.Place), t.Reason})
	}
	return out
}

// sentence says what a step did.
func sentence(s *tagger.Step, untaken string) string {
	var b strings.Builder
	switch s.Stage {
	case tagger.StageOrigin:
		if s.Rule == "" {
			fmt.Fprintf(&b, "The origin %q is the component as a whole", s.Text)
		} else {
			fmt.Fprintf(&b, "The origin %q is taken apart by rule %s", s.Text, s.Rule)
		}
	case tagger.StageRule:
		switch {
		case s.Rule == "":
			fmt.Fprintf(&b, "No rule takes %q%s", s.Text, untaken)
		case s.Dropped:
			fmt.Fprintf(&b, "Rule %s matches %q and drops it: it has no series", s.Rule, s.Text)
		default:
			fmt.Fprintf(&b, "Rule %s matches %q", s.Rule, s.Text)
		}
	case tagger.StageFromOrigin:
		b.WriteString("Component, zone and index of the origin become tags of the name")
	case tagger.StageQuarantine:
		fmt.Fprintf(&b, "The quarantine takes ids and numbers out of %q, which no rule names", s.Text)
	case tagger.StageMetadata:
		fmt.Fprintf(&b, "An entry of metrics describes the base name %q: %s", s.Text, strings.Join(s.Metadata, ", "))
	}
	if len(s.Tags) > 0 {
		b.WriteString("; it sets ")
		for i, t := range s.Tags {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%s to %q", t.Name, t.Value)
		}
	}
	switch {
	case s.Rest != "":
		fmt.Fprintf(&b, ". The rest, %q, is matched against the rules again", s.Rest)
	case s.Base != "" && s.Base != s.Text:
		fmt.Fprintf(&b, ". The base name is %q", s.Base)
	}
	b.WriteString(".")
	return b.String()
}
