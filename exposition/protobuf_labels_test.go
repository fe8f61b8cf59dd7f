package exposition

import (
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// plain is a sample whose labels have no escapes and are short.
func plain(ls metric.Labels) *store.Sample {
	return &store.Sample{Labels: ls, Pairs: strings.Count(string(ls), `"`) / 2}
}

// TestSizeOfPlainLabels checks that what the store says of plain labels spares the look at them, up to the longest of
// which it says so.
func TestSizeOfPlainLabels(t *testing.T) {
	for n := 1; n < store.PairBytes-1; n++ {
		ls := labels("a", strings.Repeat("v", store.PairBytes-1-n), "b", "é", strings.Repeat("n", store.PairBytes-n),
			strings.Repeat("v", n))
		if got, want := sizeLabels(ls, 3), sizeLabels(ls, 0); got != want {
			t.Errorf("%s: %d bytes, want %d", ls, got, want)
		}
		checkLabels(t, new(labelLayout), plain(ls))
	}
}

// checkLabels compares label pairs with the generated code's.
func checkLabels(t *testing.T, l *labelLayout, s *store.Sample) {
	t.Helper()
	var m dto.Metric
	for name, value := range s.Labels.All() {
		m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: &value})
	}
	want, err := proto.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.append(nil, s); string(got) != string(want) {
		t.Errorf("%s:\n%q, want\n%q", s.Labels, got, want)
	}
}

// TestLayoutOfTheLastLabels writes label sets one after the other whose quotes lie where the last set had others.
func TestLayoutOfTheLastLabels(t *testing.T) {
	var l labelLayout
	for _, s := range []*store.Sample{
		plain(labels("a", "12345678", "b", "x")),
		plain(labels("a", "1", "b", "56")),   // ends where the first value ended
		plain(labels("a", "1", "b", "=,56")), // the quote that opens b lies where the first value of the next set ends
		plain(labels("a", "123,", "b", "x")),
		plain(labels("abcdefghij", "x")),
		plain(labels("a", "1", "b", "2", "c", "3")),
		plain(labels("a", "1,b=", "c", "3")),
		{Labels: labels("a", "1\n2", "b", `"`)}, // with escapes
		plain(labels("a", "1", "b", "2", "c", "3")),
		{Labels: labels("a", strings.Repeat("x", 1000))},
		plain(""),
		plain(labels("a", "1")),
	} {
		checkLabels(t, &l, s)
	}
	many := make([]string, 0, 400)
	for i := range 100 {
		many = append(many, strings.Repeat("n", i+1), "v")
		checkLabels(t, &l, plain(labels(many...)))
	}
}

// FuzzLayout writes three label sets with one layout, so that each starts from the places of the one before.
func FuzzLayout(f *testing.F) {
	f.Add("a", "12345678", "b", "x", "1", "=,56")
	f.Add("component", "router", "index", "0", "doppler", "12")
	f.Fuzz(func(t *testing.T, name, value, name2, value2, value3, value4 string) {
		var l labelLayout
		for _, s := range [][]string{
			{name, value, name2, value2}, {name, value3, name2, value4}, {name2, value}, {name, value2, name2, value},
		} {
			for i := 0; i < len(s); i += 2 {
				s[i] = metric.LegalLabel("l" + s[i])
				s[i+1] = strings.ToValidUTF8(s[i+1], "?")
			}
			ls := labels(s...)
			sample := plain(ls)
			if strings.Contains(string(ls), `\`) || len(ls) > store.PairBytes {
				sample.Pairs = 0
			}
			checkLabels(t, &l, sample)
		}
	})
}
