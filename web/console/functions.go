package console

import (
	"html/template"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// functions are those of the templates.
func (p *parts) functions() template.FuncMap {
	return template.FuncMap{
		"asset": p.assets.link,
		"rel":   relative,
		"text":  visible,
		"lines": lines,
		"prose": p.manual.inline,
		"hints": p.manual.mentions,
		"short": func(s string) template.HTML { return breakable(short(s)) },
		"num":   func(v any) string { return count(number(v)) },
		"value": value,
		"rate":  func(v any) string { return rate(number(v)) },
		"bytes": func(v any) string { return size(number(v)) },
		"secs":  func(v any) string { return seconds(number(v)) },
		"share": func(part, whole any) string { return share(number(part), number(whole)) },
		"ago":   since,
		"utc":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"why":   reasonWord,
		"state": stateWord,
		"words": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"keys":  func(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) },
		"query": query,
		"part":  func(v, of any) float64 { return 100 * number(v) / max(1, number(of)) },
		"series": func(metric string, labels map[string]string) seriesView {
			return seriesView{Metric: metric, Labels: labels}
		},
	}
}

// maxUnbroken is how many characters a text may have between two places where a line may end.
const maxUnbroken = 32

// breakable is a text whose lines end behind the characters that part names, or else in the middle of a long word.
func breakable(s string) template.HTML {
	var b strings.Builder
	unbroken := 0
	for _, r := range s {
		if unbroken == maxUnbroken {
			b.WriteString("<wbr>")
			unbroken = 0
		}
		template.HTMLEscape(&b, []byte(string(r)))
		unbroken++
		switch {
		case r == ' ':
			unbroken = 0
		case strings.ContainsRune("_./:|-", r):
			b.WriteString("<wbr>")
			unbroken = 0
		}
	}
	return template.HTML(b.String()) //nolint:gosec // it is escaped
}

// relative makes a link of the API relative, since the console may be below a path of a proxy.
func relative(link string) string {
	if link == "/" {
		return "./"
	}
	return strings.TrimPrefix(link, "/")
}

// number reads a number of any type.
func number(v any) float64 {
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return float64(r.Int())
	case r.CanUint():
		return float64(r.Uint())
	case r.CanFloat():
		return r.Float()
	default:
		return 0
	}
}

// query makes the query of a link from pairs of key and value; empty values are left out.
func query(pairs ...string) template.URL {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	return template.URL("?" + values.Encode()) //nolint:gosec // everything is encoded
}

// question is the query of a link with the same values.
func question(values url.Values) string {
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// with is the query of a link with another value of one key; an empty one leaves it out.
func with(values url.Values, key, value string) template.URL {
	changed := maps.Clone(values)
	changed.Del(key)
	if value != "" {
		changed.Set(key, value)
	}
	return template.URL("?" + changed.Encode()) //nolint:gosec // everything is encoded
}

// seriesView is a metric with labels.
type seriesView struct {
	Metric string
	Labels map[string]string
}
