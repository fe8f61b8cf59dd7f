package console

import (
	"html/template"
	"net/http"
	"slices"
	"strings"

	"loggregator_exporter/web/api"
)

// configPage is the data of the page of settings.
type configPage struct {
	*api.Config

	Search string
	Kept   string // the list that the address names, or ""
	Shown  []api.Setting
	Lists  []settingsChip
}

// settingsChip keeps some of the settings.
type settingsChip struct {
	Name    string
	Count   int
	Current bool
	Query   template.URL
	Key     string // its value in the address
}

func (c *Console) config(r *http.Request, f *frame) error {
	config, err := c.options.Data.Config(r.Context())
	if err != nil {
		return err
	}
	f.API = "api/v1/config"
	values := r.URL.Query()
	p := configPage{Config: config, Search: values.Get("search")}
	list := values.Get("list")
	p.Kept = list
	if list == "" {
		list = "set"
		if p.Search != "" {
			list = "all"
		}
	}
	p.Lists = []settingsChip{
		{Name: "set by you", Key: "set"}, {Name: "derived", Key: "derived"}, {Name: "all", Key: "all"},
	}
	words := strings.Fields(strings.ToLower(p.Search))
	for i := range config.Settings {
		s := &config.Settings[i]
		has := func(word string) bool { return strings.Contains(strings.ToLower(s.Key+" "+s.Help), word) }
		matches := !slices.ContainsFunc(words, func(w string) bool { return !has(w) })
		for at := range p.Lists {
			chip := &p.Lists[at]
			if !chip.holds(s) || !matches {
				continue
			}
			chip.Count++
			if chip.Key == list {
				p.Shown = append(p.Shown, *s)
			}
		}
	}
	for at := range p.Lists {
		chip := &p.Lists[at]
		chip.Current, chip.Query = chip.Key == list, query("search", p.Search, "list", chip.Key)
	}
	f.Page = p
	return nil
}

// holds says whether a setting belongs to the list: what was set by the user, what was made of other settings, of the
// platform or of the host, or any.
func (c *settingsChip) holds(s *api.Setting) bool {
	switch s.From {
	case "file", "environment", "flag":
		return c.Key != "derived"
	case "default":
		return c.Key == "all"
	default:
		return c.Key != "set"
	}
}
