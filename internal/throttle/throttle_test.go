package throttle

import (
	"testing"
	"time"
)

func TestReportsAreOnceAMinute(t *testing.T) {
	var c Throttle
	start := time.Unix(1000, 0)
	type report struct {
		count int
		due   bool
	}
	var got []report
	for _, after := range []time.Duration{0, time.Second, 59 * time.Second, time.Minute, 61 * time.Second, 3 * time.Minute} {
		count, due := c.Add(start.Add(after))
		got = append(got, report{count, due})
	}
	want := []report{{1, true}, {0, false}, {0, false}, {3, true}, {0, false}, {2, true}}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}
