package overview

import (
	"testing"
	"time"
)

// TestBetween: a source that waits for senders may be without one for a while, others may not.
func TestBetween(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		source Source
		want   bool
	}{
		{Source{Name: "syslog", LastEnvelope: now.Add(-muteAfter + 1)}, true},
		{Source{Name: "syslog", LastEnvelope: now.Add(-muteAfter)}, false},
		{Source{Name: "syslog", LastEnvelope: now, Up: true, Connections: 1}, false},
		{Source{Name: "syslog"}, false},
		{Source{Name: "rlp", LastEnvelope: now}, false},
	} {
		if got := tc.source.Between(now); (got != "") != tc.want {
			t.Errorf("%+v: %q", tc.source, got)
		}
	}
}
