package store

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// room is what a store has memory for.
func room(s *Store) map[string]int {
	labels := &s.families.labels
	return map[string]int{
		"entries": int(s.entries.last), "pairs": len(s.entries.pairs.slots), "tag sets": len(s.entries.tagsets.all),
		"tag set slots": len(s.entries.tagsetIndex.slots), "names": len(s.entries.names.all), "owners": len(s.families.series.slots),
		"label sets": len(labels.all), "label slots": len(labels.index.slots), "blocks": len(labels.texts.blocks),
		"text bytes": labels.texts.bytes, "conversions": len(s.conversions), "counters": len(s.counters.states.all),
		"totals": len(s.counters.totals.all), "families": len(s.families.all),
	}
}

// App instances get new ids once an hour, one after the other, each with a gauge and a counter. From the third hour on
// the store takes no more memory, whether it is scraped or not.
func TestHourlyInstancesDoNotGrow(t *testing.T) {
	for _, scraped := range []bool{false, true} {
		t.Run(fmt.Sprint("scraped=", scraped), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { churn(t, scraped) })
		})
	}
}

func churn(t *testing.T, scraped bool) {
	t.Helper()
	const instances, steps, hours = 600, 60, 8
	s := testStore(t)
	w := s.Writer()
	var tally metric.Tally
	most := map[string]int{}
	for minute := range hours * steps {
		for i := range instances {
			id := fmt.Sprintf("%08d-%06d", i, (minute+i%steps)/steps) // a sixtieth of them changes each minute
			for _, e := range []*metric.Envelope{
				gauge("cpu", 1, "instance", id), counter("requests", 0, uint64(minute+1), "instance", id),
			} {
				e.Arrived = time.Now().UnixNano()
				w.Write(e, &tally)
			}
		}
		if scraped {
			dump(s)
		}
		<-time.After(time.Minute)
		s.sweep(time.Now())
		if got, most := s.Stats().Series, 2*instances*(steps+11)/steps+2; got > most {
			t.Fatalf("minute %d: %d series, want at most %d", minute, got, most)
		}
		for what, n := range room(s) {
			if minute >= 2*steps && n > most[what] {
				t.Errorf("minute %d: %s grow from %d to %d", minute, what, most[what], n)
			}
			most[what] = max(most[what], n)
		}
	}
}
