package console

import (
	"html/template"
	"net/http"
	"slices"
	"strings"

	"loggregator_exporter/web/api"
)

// cardinalityPage is the data of the page of what makes most series.
type cardinalityPage struct {
	*api.Cardinality

	Metric string // the one that is looked at, or ""
	Most   int    // series of the largest metric, for the scale of bars
}

func (c *Console) cardinality(r *http.Request, f *frame) error {
	q, err := api.ParseCardinalityQuery(r.URL.Query())
	if err != nil {
		return err
	}
	answer, err := c.options.Data.Cardinality(r.Context(), q)
	if err != nil {
		return err
	}
	f.API = "api/v1/cardinality" + question(r.URL.Query())
	f.Page = cardinalityPage{Cardinality: answer, Metric: q.Metric, Most: answer.Series}
	return nil
}

// configPage is the data of the page of settings.
type configPage struct {
	*api.Config

	Search string
	All    bool // also those that have their default
	Shown  []api.Setting
	Set    int          // how many settings have another value than the default
	Other  template.URL // the query for the other of the two lists
}

func (c *Console) config(r *http.Request, f *frame) error {
	config, err := c.options.Data.Config(r.Context())
	if err != nil {
		return err
	}
	f.API = "api/v1/config"
	values := r.URL.Query()
	p := configPage{Config: config, Search: values.Get("search"), All: values.Has("all")}
	words := strings.Fields(strings.ToLower(p.Search))
	for _, s := range config.Settings {
		isSet := s.From != "default"
		if isSet {
			p.Set++
		}
		has := func(word string) bool { return strings.Contains(strings.ToLower(s.Key+" "+s.Help), word) }
		if (isSet || p.All || len(words) > 0) && !slices.ContainsFunc(words, func(w string) bool { return !has(w) }) {
			p.Shown = append(p.Shown, s)
		}
	}
	f.Page = p
	return nil
}
