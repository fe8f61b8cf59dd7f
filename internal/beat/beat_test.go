package beat

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it begins at midnight
		for _, tc := range []struct{ after, step, want time.Duration }{
			{0, time.Minute, time.Minute},
			{time.Second, time.Minute, 59 * time.Second},
			{time.Second, 30 * time.Second, 28 * time.Second},
			{28 * time.Second, 30 * time.Second, 30 * time.Second},
			{29*time.Second + 999*time.Millisecond, time.Second, time.Millisecond},
		} {
			time.Sleep(tc.after)
			if got := Next(tc.step); got != tc.want {
				t.Errorf("%v after the step before, the next multiple of %v is in %v, want %v", tc.after, tc.step, got, tc.want)
			}
		}
	})
}
