package console

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"loggregator_exporter/web/api"
)

// explainPage is the data of the page of one name.
type explainPage struct {
	*api.Explained // nil where no name is asked for

	Query  api.ExplainQuery
	Tags   string // those of the query, a line each
	Parts  []part
	Labels []explainedLabel
	Pager  pager
	Bench  template.URL // the workbench with a rule for the name

	values url.Values // those of the address, but the cursor
}

// Kinds are those that one can ask for.
func (explainPage) Kinds() []string {
	return []string{"gauge", "counter", "timer", "histogram", "summary"}
}

// Others are the metrics that the name becomes beside the first.
func (p explainPage) Others() []api.Becomes { return p.Metrics[min(1, len(p.Metrics)):] }

// Level is how urgent it is that the name is exposed, or not: ok, note, warn or bad.
func (p explainPage) Level() string { return p.LevelOf(p.Presence.State) }

// LevelOf is how urgent a state is.
func (explainPage) LevelOf(state string) string {
	switch state {
	case "exposed":
		return "ok"
	case "conflict", "over_limit", "invalid", "partly":
		return "bad"
	case "unseen", "quarantined", "no_metric", "no_series", "no_match":
		return "warn"
	default:
		return "note"
	}
}

// Known says whether a rule file has an entry for what the name measures.
func (p explainPage) Known() bool {
	return slices.ContainsFunc(p.Steps, func(s api.Step) bool { return s.Stage == "metadata" && s.Rule != nil })
}

// SentBy says whose envelopes the name is explained with, where nobody else was asked for.
func (p explainPage) SentBy() string {
	s := p.Sender
	if s == nil {
		return ""
	}
	return "as sent by " + senderWords(s)
}

// senderWords name a sender.
func senderWords(s *api.Sender) string {
	text := short(cmp.Or(s.Tags["origin"], s.SourceID, "a sender without origin"))
	if s.SourceID != "" && s.SourceID != s.Tags["origin"] && s.Tags["origin"] != "" {
		text += ", source id " + short(s.SourceID)
	}
	if s.InstanceID != "" {
		text += ", instance " + short(s.InstanceID)
	}
	return text
}

// StateChips keep the live series of one state.
func (p explainPage) StateChips() []stateChip {
	all := 0
	var chips []stateChip
	for _, state := range slices.Sorted(maps.Keys(p.States)) {
		all += p.States[state]
		chips = append(chips, stateChip{state, p.States[state], p.Query.State == state, with(p.values, "state", state)})
	}
	return append([]stateChip{{"all", all, p.Query.State == "", with(p.values, "state", "")}}, chips...)
}

// part is a piece of a name. Class is the colour of its label, base for a piece of the base name, "" for none.
type part struct {
	Text, Class, Label string
}

// explainedLabel is a label of the series, with the colour of the piece of the name that it comes from.
type explainedLabel struct {
	Name, Value, Source, Class string
}

func (c *Console) explain(r *http.Request, f *frame) error {
	values := r.URL.Query()
	p := explainPage{Tags: values.Get("tags")}
	values.Del("tags")
	for line := range strings.Lines(p.Tags) {
		if line = strings.TrimSpace(line); line != "" {
			values.Add("tag", line)
		}
	}
	p.Query.Origin = values.Get("origin")
	if values.Get("name") == "" {
		f.Page = p
		return nil
	}
	q, err := api.ParseExplainQuery(values)
	if err != nil {
		return err
	}
	p.Query = q
	f.Title, f.API = short(q.Name), "api/v1/explain"+question(values)
	e, err := c.options.Data.Explain(r.Context(), q)
	if err != nil {
		return err
	}
	p.Explained = e
	colours := map[string]string{}
	p.Parts = partsOf(cmp.Or(e.PartOf, q.Name), e.Steps, colours)
	for _, name := range slices.Sorted(maps.Keys(e.Labels)) {
		p.Labels = append(p.Labels, explainedLabel{name, e.Labels[name], e.LabelSources[name], colours[name]})
	}
	values.Del("tag")
	values.Del("cursor")
	if p.Tags != "" {
		values.Set("tags", p.Tags)
	}
	p.values = values
	p.Pager = newPager("explain", 0, 0, 0, e.SeriesPrevious, e.SeriesNext, func(cursor string) template.URL {
		return with(values, "cursor", cursor) + "#live"
	})
	p.Bench = query("view", viewWorkbench, "name", q.Name)
	f.Page = p
	return nil
}

// classes are the colours of pieces of a name.
var classes = []string{"a", "b", "c", "d", "e"}

// partsOf cuts a name into the pieces that rules captured, and gives each label a colour. Where the place of a piece
// is not certain it is left out.
func partsOf(name string, steps []api.Step, colours map[string]string) []part {
	type piece struct {
		from, to int
		label    string
		isTag    bool // it became a tag, not a piece of the base name
	}
	var pieces []piece
	for i := range steps {
		s := &steps[i]
		if s.Stage != "rule" || s.Rule == nil || !strings.HasSuffix(name, s.Text) {
			continue
		}
		offset := len(name) - len(s.Text)
		at := 0
		for _, label := range capturesInOrder(s) {
			found := strings.Index(s.Text[at:], s.Captures[label])
			if found < 0 || s.Rest != "" && at+found >= len(s.Text)-len(s.Rest) {
				break
			}
			from := at + found
			at = from + len(s.Captures[label])
			_, isTag := s.Tags[label]
			pieces = append(pieces, piece{offset + from, offset + at, label, isTag})
		}
	}
	var parts []part
	at := 0
	for _, p := range pieces {
		if p.from < at {
			continue
		}
		if p.from > at {
			parts = append(parts, part{Text: name[at:p.from]})
		}
		class := "base"
		if p.isTag {
			if colours[p.label] == "" {
				colours[p.label] = classes[len(colours)%len(classes)]
			}
			class = colours[p.label]
		}
		parts = append(parts, part{name[p.from:p.to], class, p.label})
		at = p.to
	}
	if at < len(name) {
		parts = append(parts, part{Text: name[at:]})
	}
	return parts
}

// capturesInOrder are the names of the captures that became tags, as they stand in the pattern.
func capturesInOrder(s *api.Step) []string {
	var names []string
	place := map[string]int{}
	for name, value := range s.Captures {
		at := -1
		for _, written := range []string{"{" + name + "}", "{" + name + ":", "{" + name + "...", "(?P<" + name + ">"} {
			if at = strings.Index(s.Rule.Pattern, written); at >= 0 {
				break
			}
		}
		if at >= 0 && value != "" {
			names, place[name] = append(names, name), at
		}
	}
	slices.SortFunc(names, func(a, b string) int { return place[a] - place[b] })
	return names
}
