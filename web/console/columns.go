package console

import "html/template"

// heading is that of a column: what the table can be sorted by there, or "", and whether what is most comes first then.
type heading struct {
	key, name, class string
	most             bool
}

// column is a heading by which one can sort.
type column struct {
	Name, Class, Sorted string // Sorted is ascending, descending or ""
	Of                  string // the path of the page
	Query               template.URL
}

// columns are the headings of a table that is sorted by one of them; a click on that one turns the order.
func columns(
	of string, headings []heading, sorted string, descending bool, query func(key string, descending bool) template.URL,
) []column {
	out := make([]column, len(headings))
	for i, h := range headings {
		out[i] = column{Name: h.name, Class: h.class, Of: of}
		if h.key == "" {
			continue
		}
		turned := h.most
		if h.key == sorted {
			out[i].Sorted, turned = "ascending", !descending
			if descending {
				out[i].Sorted = "descending"
			}
		}
		out[i].Query = query(h.key, turned)
	}
	return out
}

// order is how an address says the order.
func order(descending bool) string {
	if descending {
		return "desc"
	}
	return ""
}
