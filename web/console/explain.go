package console

import (
	"html/template"
	"maps"
	"net/http"
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
	Next   template.URL
	Bench  template.URL // the workbench with a rule for the name
}

// Kinds are those that one can ask for.
func (explainPage) Kinds() []string {
	return []string{"gauge", "counter", "timer", "histogram", "summary"}
}

// Refused are the identities of the name that have no series; of those that are listed.
func (p explainPage) Refused() (refused []api.LiveSeries) {
	for i := range p.Live {
		if p.Live[i].Outcome != "" {
			refused = append(refused, p.Live[i])
		}
	}
	return refused
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
	p.Query.Origin, p.Query.Kind = values.Get("origin"), "gauge"
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
	p.Parts = partsOf(q.Name, e.Steps, colours)
	for _, name := range slices.Sorted(maps.Keys(e.Labels)) {
		p.Labels = append(p.Labels, explainedLabel{name, e.Labels[name], e.LabelSources[name], colours[name]})
	}
	if e.SeriesNext != "" {
		values.Del("tag")
		values.Set("tags", p.Tags)
		p.Next = with(values, "cursor", e.SeriesNext)
	}
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
