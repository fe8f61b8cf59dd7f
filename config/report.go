package config

import (
	"encoding/json"
	"net/url"
	"strings"

	"loggregator_exporter/internal/outgoing"
)

// Origin says where the value of a setting comes from.
type Origin struct {
	// From is default, platform (what Cloud Foundry tells an app), file, environment or flag.
	From string
	// Place is file and line, variable or flag, or what a derived value was made of; empty for defaults.
	Place string
	// Overridden are the values of lower layers.
	Overridden []Overridden

	objects string // the value of a list of objects, in one line
}

// layerNames are how Origin calls the layers.
var layerNames = [...]string{
	fromDefault: "default", fromService: "platform", fromFile: "file", fromEnv: "environment", fromFlag: "flag",
}

// origins says of each setting where its value comes from.
func (l *loader) origins() map[string]Origin {
	all := make(map[string]Origin, len(l.settings))
	for _, s := range l.settings {
		g := l.given[s.Key]
		o := Origin{From: layerNames[g.from], Overridden: l.overridden(s)}
		if g.from != fromDefault {
			o.Place = strings.TrimSuffix(l.where(s.Key), ": "+s.Key)
		}
		if !s.Kind.inFlags() {
			o.objects = objects(s, g.value)
		}
		all[s.Key] = o
	}
	return all
}

// hidden stands for a secret that is set.
const hidden = "(hidden)"

// objects spells a list of objects in one line, as YAML takes it.
func objects(s *Setting, value any) string {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return ""
	}
	shown := make([]any, len(list))
	for i, item := range list {
		shown[i] = item
		fields, ok := item.(map[string]any)
		if s.Kind != KindSecretVals || !ok {
			continue
		}
		shownFields := map[string]any{}
		for key, v := range fields {
			if key == "value" {
				v = hidden
			}
			shownFields[key] = v
		}
		shown[i] = shownFields
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return hidden // it was read from YAML, so that it can be written
	}
	return string(text)
}

// Reported is a setting as it is in force, for people to read: secrets are masked.
type Reported struct {
	Setting
	Origin

	// Value and Fallback are spelled as in the file, in one line. Fallback is the default.
	Value, Fallback string
}

// Report returns all settings in the order of the documentation.
func (c *Config) Report() []Reported {
	settings := Settings()
	all := make([]Reported, len(settings))
	for i := range settings {
		s := &settings[i]
		r := Reported{Setting: *s, Origin: c.Origins[s.Key], Fallback: plain(s.Default)}
		if s.DefaultText != "" {
			r.Fallback = unmarked(s.DefaultText)
		}
		r.Value = c.spelled(s, &r.Origin)
		if r.From == "" || r.From == layerNames[fromDefault] {
			r.From = layerNames[fromDefault]
			if s.Kind.inFlags() && r.Value != plain(s.Default) {
				r.From = "derived"
				r.Place = c.derivedFrom(s, r.Value)
			}
		}
		all[i] = r
	}
	return all
}

// derivedFrom says what a value was made of that nobody has set and that is not the default.
func (c *Config) derivedFrom(s *Setting, value string) string {
	switch {
	case s.Key == "nozzle.deterministic_name":
		return c.Nozzle.Stream.NameFrom
	case c.Web.Demo && strings.HasSuffix(value, ":0"):
		return "exporter demo, any free port"
	case c.Web.Demo:
		return "exporter demo"
	case s.DefaultText != "":
		return unmarked(s.DefaultText)
	case s.Key == "web.listen_address":
		return "PORT"
	default:
		return vcapApplication
	}
}

// spelled spells the value in force.
func (c *Config) spelled(s *Setting, o *Origin) string {
	if !s.Kind.inFlags() {
		return o.objects
	}
	return masked(s, plain(c.value(s.Key)))
}

// masked hides secrets. Of addresses what may be secret is masked: users, passwords, queries.
func masked(s *Setting, text string) string {
	switch {
	case s.Kind == KindSecret && text != "":
		return hidden
	case strings.Contains(text, "://"):
		u, err := url.Parse(text)
		if err != nil {
			return hidden
		}
		if shown := outgoing.Address(u); shown != text {
			return shown + " " + hidden
		}
	}
	return text
}
