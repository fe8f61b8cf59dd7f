package live

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/internal/leaks"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }

// plain makes the series x of the name x; names that begin with drop are dropped, those with same are one series.
type plain struct{}

func (plain) Identification() store.Identification { return store.Identification{Composites: true} }

func (plain) Resolve(id *store.Identity) store.Resolved {
	r := store.Resolved{
		Metric: id.Name, Type: metric.TypeGauge, Mul: 1, Div: 1, Dropped: strings.HasPrefix(id.Name, "drop"),
		Untagged: strings.HasPrefix(id.Name, "untagged"), Labels: append([]metric.Label(nil), id.Tags...),
	}
	if strings.HasPrefix(id.Name, "same") {
		r.Metric = "same"
	}
	if id.Composite != metric.TypeGauge {
		r.Type = id.Composite
	} else if id.Kind == metric.KindCounter {
		r.Type = metric.TypeCounter
	}
	return r
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.New(store.Options{Resolver: plain{}, Expiration: time.Hour, MaxSeries: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func send(s *store.Store, kind metric.Kind, name string, tags ...string) {
	e := metric.Envelope{Kind: kind, Arrived: time.Now().UnixNano(), Name: []byte(name), Total: 1}
	if kind == metric.KindGauge {
		e.Points = []metric.Point{{Name: []byte(name), Value: 1, Unit: []byte("u")}}
	}
	for i := 0; i+1 < len(tags); i += 2 {
		e.AddTag([]byte(tags[i]), []byte(tags[i+1]))
	}
	var tally metric.Tally
	s.Writer().Write(&e, &tally)
}

func lines(s *Snapshot) (out []string) {
	texts := func(positions []uint32) string {
		var all []string
		for _, p := range positions {
			all = append(all, s.Texts[p])
		}
		return strings.Join(all, ",")
	}
	for i := range s.Names {
		n := &s.Names[i]
		out = append(out, fmt.Sprintf("%s %s %s [%s] [%s] %d %d %d %d", n.Name, n.Kind, n.Unit, texts(n.Origins),
			texts(n.Metrics), n.Series, n.Untagged, n.Conflicts, n.Dropped))
	}
	return out
}

func TestSnapshot(t *testing.T) {
	s := newStore(t)
	for _, origin := range []string{"b", "a", "c"} {
		send(s, metric.KindGauge, "x", "origin", origin)
	}
	send(s, metric.KindCounter, "untagged", "origin", "a")
	send(s, metric.KindGauge, "drop", "origin", "a")
	send(s, metric.KindGauge, "same.1", "origin", "a")
	send(s, metric.KindGauge, "same.2", "origin", "a")
	send(s, metric.KindCounter, "h_count", "origin", "a")
	send(s, metric.KindCounter, "h_bucket", "origin", "a", "le", "1")
	send(s, metric.KindGauge, "", "origin", "a")
	snapshot, err := NewIndex(s, nil).Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"drop gauge u [a] [drop] 0 0 0 1", "h_bucket counter  [a] [h] 1 0 0 0", "h_count counter  [a] [h] 1 0 0 0",
		"same.1 gauge u [a] [same] 1 0 0 0", "same.2 gauge u [a] [same] 0 0 1 0",
		"untagged counter  [a] [untagged] 1 1 0 0", "x gauge u [a,b,c] [x] 3 0 0 0",
	}
	if got := lines(snapshot); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var owners []string
	for _, o := range snapshot.Owners {
		owners = append(owners, fmt.Sprint(o.Name, " ", o.Series))
	}
	if want := []string{"a 4", "b 1", "c 1"}; !slices.Equal(owners, want) || snapshot.Series != 6 {
		t.Errorf("%q, %d series", owners, snapshot.Series)
	}
	if id := snapshot.Names[6].Identity(); id.Name != "x" || id.Unit != "u" || metric.LabelValue(id.Tags, "origin") != "b" {
		t.Errorf("%+v", id)
	}
}

// TestSetsAreBounded: of a name with many origins some are kept.
func TestSetsAreBounded(t *testing.T) {
	s := newStore(t)
	for i := range 2 * maxSet {
		send(s, metric.KindGauge, "x", "origin", fmt.Sprint(i))
	}
	snapshot, err := NewIndex(s, nil).Get(t.Context())
	if err != nil || len(snapshot.Names[0].Origins) != maxSet || snapshot.Names[0].Series != 2*maxSet {
		t.Errorf("%+v, %v", snapshot.Names[0], err)
	}
}

// TestOrder: names are in the order of their bytes, however many of these are the same, then of kinds and units.
func TestOrder(t *testing.T) {
	s := newStore(t)
	long := strings.Repeat("a", 20)
	for _, name := range []string{long + "b", "b", long, "a", "a\x00", "a\x00b", "", long + "a", "aaaaaaaab", "aaaaaaaa"} {
		send(s, metric.KindCounter, name, "origin", "x")
		send(s, metric.KindGauge, name, "origin", "x")
	}
	snapshot, err := NewIndex(s, nil).Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(snapshot.Names, func(x, y Name) int { return Compare(&x, &y) }) || len(snapshot.Names) != 18 {
		t.Errorf("%d names: %q", len(snapshot.Names), lines(snapshot))
	}
}

// TestRequests: durations and sizes of requests are one name with one state.
func TestRequests(t *testing.T) {
	s := newStore(t)
	e := metric.Envelope{
		Kind: metric.KindTimer, Arrived: time.Now().UnixNano(), Name: []byte("http"), Start: 1, Stop: 2,
	}
	for _, tag := range [][2]string{{"content_length", "5"}, {"origin", "gorouter"}, {"status_code", "200"}} {
		e.AddTag([]byte(tag[0]), []byte(tag[1]))
	}
	var tally metric.Tally
	s.Writer().Write(&e, &tally)
	snapshot, err := NewIndex(s, nil).Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(snapshot); len(got) != 1 || !strings.HasPrefix(got[0], "http timer  [] [http] 1 0 1 ") {
		t.Errorf("%q", got)
	}
}

func TestRepresentatives(t *testing.T) {
	s := newStore(t)
	for i := range 10 {
		for _, name := range []string{"x", "y"} {
			send(s, metric.KindGauge, name, "origin", fmt.Sprintf("router__%d", i))
		}
	}
	send(s, metric.KindGauge, "x", "origin", "rep")
	list, complete, err := Representatives(t.Context(), s, 100)
	if err != nil || !complete {
		t.Fatal(complete, err)
	}
	var got []string
	for i := range list {
		r := &list[i]
		got = append(got, fmt.Sprintf("%s %s %d", r.Name, OriginOf(r.Sender), r.Identities))
	}
	if want := []string{
		"x router__0 3", "x router__1 3", "x router__2 4", "y router__0 3", "y router__1 3", "y router__2 4", "x rep 1",
	}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if list, complete, err := Representatives(t.Context(), s, 4); err != nil || complete || len(list) != 6 {
		t.Errorf("%d of 4, %v, %v", len(list), complete, err)
	}
}
