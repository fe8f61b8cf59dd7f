package api

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"loggregator_exporter/web/live"
)

// sizeList is one of the lists of Cardinality.
type sizeList[T any] struct {
	name string
	// text appends what a row is searched in.
	text func(dst []byte, row *T) []byte
	// keys are what the rows can be sorted by, ascending.
	keys map[string]func(x, y *T) int
}

// The lists.
var (
	metricList = sizeList[MetricSize]{"metrics", metricText, metricKeys}
	grownList  = sizeList[MetricSize]{"grown", metricText, metricKeys}
	ownerList  = sizeList[OwnerSize]{"owners", ownerText, ownerKeys}
	labelList  = sizeList[LabelSize]{
		"labels", func(dst []byte, l *LabelSize) []byte { return append(dst, l.Label...) }, labelKeys,
	}
	valueList   = sizeList[LabelValueSize]{"label_values", valueText, valueKeys}
	refusedList = sizeList[RefusedName]{"refused", refusedText, refusedKeys}
)

var metricKeys = map[string]func(x, y *MetricSize) int{
	"name":   func(x, y *MetricSize) int { return strings.Compare(x.Metric, y.Metric) },
	"series": func(x, y *MetricSize) int { return cmp.Compare(x.Series, y.Series) },
	"lines":  func(x, y *MetricSize) int { return cmp.Compare(x.Lines, y.Lines) },
	"grown":  func(x, y *MetricSize) int { return cmp.Compare(x.Grown, y.Grown) },
}

var ownerKeys = map[string]func(x, y *OwnerSize) int{
	"name": func(x, y *OwnerSize) int {
		return cmp.Or(strings.Compare(cmp.Or(x.App, x.Owner), cmp.Or(y.App, y.Owner)), strings.Compare(x.Owner, y.Owner))
	},
	"series": func(x, y *OwnerSize) int { return cmp.Compare(x.Series, y.Series) },
}

var labelKeys = map[string]func(x, y *LabelSize) int{
	"name":   func(x, y *LabelSize) int { return strings.Compare(x.Label, y.Label) },
	"series": func(x, y *LabelSize) int { return cmp.Compare(x.Series, y.Series) },
	"values": func(x, y *LabelSize) int { return cmp.Compare(x.Values, y.Values) },
}

var valueKeys = map[string]func(x, y *LabelValueSize) int{
	"name": func(x, y *LabelValueSize) int {
		return cmp.Or(strings.Compare(x.Label, y.Label), strings.Compare(x.Value, y.Value))
	},
	"series": func(x, y *LabelValueSize) int { return cmp.Compare(x.Series, y.Series) },
}

var refusedKeys = map[string]func(x, y *RefusedName) int{
	"name":    func(x, y *RefusedName) int { return strings.Compare(x.Name, y.Name) },
	"samples": func(x, y *RefusedName) int { return cmp.Compare(x.Samples, y.Samples) },
}

func metricText(dst []byte, m *MetricSize) []byte { return append(dst, m.Metric...) }

func ownerText(dst []byte, o *OwnerSize) []byte {
	for _, text := range []string{o.Owner, o.App, o.Space, o.Organization} {
		dst = append(append(dst, text...), ' ')
	}
	return dst
}

func valueText(dst []byte, v *LabelValueSize) []byte {
	return append(append(append(dst, v.Label...), '='), v.Value...)
}

func refusedText(dst []byte, r *RefusedName) []byte {
	return append(append(append(dst, r.Name...), ' '), r.Metric...)
}

// sizeLists are the names of all lists, and what each can be sorted by.
func sizeLists() map[string][]string {
	return map[string][]string{
		metricList.name: slices.Collect(maps.Keys(metricKeys)), grownList.name: slices.Collect(maps.Keys(metricKeys)),
		ownerList.name: slices.Collect(maps.Keys(ownerKeys)), labelList.name: slices.Collect(maps.Keys(labelKeys)),
		valueList.name: slices.Collect(maps.Keys(valueKeys)), refusedList.name: slices.Collect(maps.Keys(refusedKeys)),
	}
}

// show returns the rows of a query, and says in out how many there are: the first ones, or the page of the list that is
// asked for. The rows are sorted by what the list is known for; they are not changed.
func (l *sizeList[T]) show(rows []T, q *CardinalityQuery, out *Cardinality) ([]T, error) {
	if q.List != "" && q.List != l.name {
		return []T{}, nil
	}
	rows = l.search(rows, q.Search)
	out.Totals[l.name] = len(rows)
	limit := cmp.Or(q.Limit, defaultSizes)
	if q.List == "" {
		return first(rows, limit), nil
	}
	order := l.order(rows, q)
	of := checksum(q.Metric, q.Label, q.Value, q.Search, q.Owners, q.List, q.Sort,
		map[bool]string{true: "desc"}[q.Descending])
	at, err := decodeCursor(q.Cursor, of)
	if err != nil {
		return nil, err
	}
	shown := pageAt(at, of, len(rows), limit)
	out.From, out.Next, out.Previous = shown.from, shown.next, shown.previous
	page := make([]T, 0, shown.to-shown.from)
	for i := shown.from; i < shown.to; i++ {
		at := i
		if order != nil {
			at = int(order[i])
		}
		page = append(page, rows[at])
	}
	return page, nil
}

// order returns the positions of rows in the order of a query; nil where that is their own.
func (l *sizeList[T]) order(rows []T, q *CardinalityQuery) []int32 {
	by := l.keys[q.Sort]
	if by == nil {
		return nil
	}
	order := make([]int32, len(rows))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int {
		first, second := &rows[x], &rows[y]
		if q.Descending {
			first, second = second, first
		}
		return cmp.Or(by(first, second), cmp.Compare(x, y))
	})
	return order
}

// search returns the rows that contain each word of a text, whatever the case.
func (l *sizeList[T]) search(rows []T, text string) []T {
	words := bytes.Fields(bytes.ToLower([]byte(text)))
	if len(words) == 0 {
		return rows
	}
	var found []T
	var raw, lower []byte
	for i := range rows {
		raw = l.text(raw[:0], &rows[i])
		lower = live.AppendLower(lower[:0], raw)
		if !slices.ContainsFunc(words, func(word []byte) bool { return !bytes.Contains(lower, word) }) {
			found = append(found, rows[i])
		}
	}
	return found
}
