package metric

import "testing"

func TestContentLength(t *testing.T) {
	for value, want := range map[string]float64{
		"0": 0, "7": 7, "0042": 42, "999999999999999999": 999999999999999999,
		"": -1, "-1": -1, "+1": -1, "1.5": -1, " 1": -1, "1e3": -1, "9999999999999999999": -1,
	} {
		if got := ContentLength([]byte(value)); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}
