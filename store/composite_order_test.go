package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"

	"pgregory.net/rapid"
)

// Rules may tell emitters apart: what becomes of each is the same in every order all the same.
func TestOrderIsOfNoAccount(t *testing.T) {
	var stores []Settings
	for _, text := range []string{
		"{pattern: x_seconds, when: {tags: {a: '2'}}, name: other}", "{pattern: x_seconds, when: {tags: {a: '2'}}, drop: true}",
		"{pattern: x_seconds_sum, when: {tags: {a: '2'}}, drop: true}", "{pattern: x_seconds_count, when: {tags: {a: '2'}}, name: other}",
		"{pattern: x_seconds_bucket, when: {tags: {a: '1'}}, drop: true}", "{pattern: x_seconds, name: other}",
	} {
		o := testSettings(t)
		o.Tagger = rules(t, "rules: ["+text+"]")
		stores = append(stores, o)
	}
	rapid.Check(t, func(t *rapid.T) {
		o := stores[rapid.IntRange(0, len(stores)-1).Draw(t, "rules")]
		parts, order := rapid.Uint64().Draw(t, "parts"), rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "order")
		want, got := outcomeOf(o, parts, nil), outcomeOf(o, parts, order)
		if got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// outcomeOf says what is shown in the end of what came in an order, and what became of the last sample of each.
func outcomeOf(o Settings, parts uint64, order []byte) string {
	s, err := New(o.options())
	if err != nil {
		return err.Error()
	}
	w := s.Writer()
	var lines []string
	const rounds = 4
	for round := range uint64(rounds) {
		var envelopes []*metric.Envelope
		for _, e := range emittedBy(parts) {
			envelopes = append(envelopes, e.envelopes(round)...)
		}
		if order != nil {
			shuffle(envelopes, order)
		}
		for _, e := range envelopes {
			var tally metric.Tally
			if w.Write(e, &tally); round == rounds-1 {
				lines = append(lines, fmt.Sprint(nameOf(e), tally))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n" + dump(s)
}
