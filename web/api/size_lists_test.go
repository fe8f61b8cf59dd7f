package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// ownersByApp counts the series of each app together.
func ownersByApp(o *store.Options) { o.Limits = store.LimitOptions{Owner: store.OwnerApp} }

// apps fills a store with 25 apps of a few series each.
func (f *fixture) apps() {
	for i := range 25 {
		for series := range 1 + i%3 {
			f.gauge("", fmt.Sprintf("queue.q%d.depth", series), "app_id", fmt.Sprintf("app-%02d", i), "app_name",
				fmt.Sprintf("Shop%02d", i), "space_name", "prod", "organization_name", "retail", "source_id", fmt.Sprint(i))
		}
	}
}

// listed are the names of the rows of the list that a query asks for.
func listed(t *testing.T, f *fixture, query string) (names []string, c *Cardinality) {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseCardinalityQuery(values)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = f.Cardinality(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	for _, m := range append(c.Metrics, c.Grown...) {
		names = append(names, fmt.Sprint(m.Metric, " ", m.Series))
	}
	for _, o := range c.Owners {
		names = append(names, fmt.Sprint(o.App, " ", o.Series))
	}
	for _, l := range c.Labels {
		names = append(names, fmt.Sprint(l.Label, " ", l.Values))
	}
	for _, v := range c.LabelValues {
		names = append(names, fmt.Sprint(v.Label, "=", v.Value, " ", v.Series))
	}
	for _, r := range c.Refused {
		names = append(names, fmt.Sprint(r.Name, " ", r.Samples))
	}
	return names, c
}

func TestSizeLists(t *testing.T) {
	f := newFixture(t, ownersByApp)
	f.apps()
	for _, tc := range []struct{ query, want string }{
		{"list=owners&limit=3", "Shop02 3, Shop05 3, Shop08 3"},
		{"list=owners&search=shop07+RETAIL", "Shop07 2"},
		{"list=owners&search=app-07", "Shop07 2"},
		{"list=owners&search=shop07+food", ""},
		{"list=owners&sort=name&order=desc&limit=2", "Shop24 1, Shop23 3"},
		{"list=owners&sort=series&limit=2", "Shop00 1, Shop03 1"},
		{"list=metrics", "cf_queue_depth 49"},
		{"list=labels&sort=name&limit=2", "app_id 25, app_name 25"},
		{"list=labels&search=queue", "queue 3"},
		{"list=label_values&search=app_name%3Dshop07", "app_name=Shop07 2"},
		{"list=label_values&metric=cf_queue_depth&search=queue", "cf_queue_depth 49, queue=q0 25, queue=q1 16, queue=q2 8"},
		{"list=refused", ""},
		{
			"label=queue&value=q1&limit=2",
			"cf_queue_depth 16, app_id 16, app_name 16, organization_name=retail 16, queue=q1 16",
		},
		{"label=queue&value=q1&list=label_values&search=app_id%3Dapp-01", "app_id=app-01 1"},
		{"label=queue&value=q1&search=other", ""},
		{"label=queue&value=q9", ""},
		{"label=app_id", ""}, // without such a label
		{"search=shop07", "Shop07 2, app_name=Shop07 2"},
	} {
		if names, _ := listed(t, f, tc.query); strings.Join(names, ", ") != tc.want {
			t.Errorf("%s: %s, want %s", tc.query, strings.Join(names, ", "), tc.want)
		}
	}
	_, c := listed(t, f, "search=shop07")
	if got := fmt.Sprint(c.Totals); got != "map[grown:0 label_values:1 labels:0 metrics:0 owners:1 refused:0]" {
		t.Error(got)
	}
}

// TestLines counts what histograms make on a page beside their series.
func TestLines(t *testing.T) {
	f := newFixture(t)
	f.gauge("rep", "queue.mail.depth")
	f.gauge("rep", "queue.chat.depth")
	f.send(&metric.Envelope{
		Kind: metric.KindHistogram, Timestamp: time.Now().UnixNano(), Arrived: time.Now().UnixNano(),
		Name: []byte("wait"), Distribution: &metric.Distribution{Bounds: []float64{1}, Counts: []uint64{1, 1}, Count: 2},
	}, "rep")
	names, c := listed(t, f, "list=metrics&sort=lines&order=desc")
	if got, want := fmt.Sprint(names, c.Series, c.Lines), "[cf_wait 1 cf_queue_depth 2] 3 6"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for query, want := range map[string]int{
		"metric=cf_wait": 4, "label=queue&value=mail": 1, "label=component&value=rep": 6,
	} {
		if _, c := listed(t, f, query); c.Lines != want {
			t.Errorf("%s: %d lines, want %d", query, c.Lines, want)
		}
	}
}

// TestSizePages reads a list page by page, forwards and backwards.
func TestSizePages(t *testing.T) {
	f := newFixture(t, ownersByApp)
	f.apps()
	whole, _ := listed(t, f, "list=owners&sort=name&limit=1000")
	var pages, back []string
	last := ""
	for cursor := "&"; cursor != ""; {
		names, c := listed(t, f, "list=owners&sort=name&limit=10&cursor="+strings.Trim(cursor, "&"))
		pages, back, last, cursor = append(pages, names...), names, c.Previous, c.Next
	}
	for cursor := last; cursor != ""; {
		names, c := listed(t, f, "list=owners&sort=name&limit=10&cursor="+cursor)
		back, cursor = append(names, back...), c.Previous
	}
	if len(whole) != 25 || !slices.Equal(whole, pages) || !slices.Equal(whole, back) {
		t.Errorf("%q, by pages %q, backwards %q", whole, pages, back)
	}
}

// TestSizeRefusals: a list must be named to be sorted, and only by what it has.
func TestSizeRefusals(t *testing.T) {
	for query, want := range map[string]string{
		"sort=name":             "list: it is missing: say which list",
		"cursor=x":              "list: it is missing: say which list",
		"list=apps":             `list: "apps" is not one of grown, label_values, labels, metrics, owners, refused`,
		"list=owners&sort=grow": `sort: "grow" is not one of name, series`,
		"metric=m&label=l":      "label: it cannot be asked for together with a metric",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCardinalityQuery(values); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
}

// TestNoMetric offers the metrics that resemble one that does not exist.
func TestNoMetric(t *testing.T) {
	f := newFixture(t)
	f.fill()
	_, err := f.Cardinality(t.Context(), CardinalityQuery{Metric: "cf_queue_deptt"})
	if want := `no metric is exposed that is called "cf_queue_deptt": did you mean cf_queue_depth?`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
