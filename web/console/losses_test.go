package console

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/web/overview"
)

// TestLossesOfTheFlow: a branch that is lost looks as severe as its problem, and leads to its row of the table; where
// there are many components, the last branch leads to the first row that it stands for.
func TestLossesOfTheFlow(t *testing.T) {
	f := newFake(t)
	f.status.Losses = nil
	for i, severity := range []overview.Severity{"", overview.Critical, overview.Warning, ""} {
		f.status.Losses = append(f.status.Losses, overview.Loss{
			Origin: fmt.Sprint("c", i), Count: uint64(40 - 10*i), PerSecond: 1, Severity: severity,
		})
	}
	f.status.Ledger.Samples[2].Severity = overview.Warning
	l := newLedger(&f.status, true)
	var got []string
	for _, b := range slices.Concat(l.Upstream, l.Samples) {
		got = append(got, b.Name+" "+b.Kind+" "+b.Link)
	}
	want := []string{
		"c0 slight #loss-1", "c1 loss #loss-2", "other components warn #loss-3", "stored good ", "outdated slight ",
		"conflict warn names?state=conflict", "over limit slight cardinality", "dropped aside ", "duplicate aside ", "invalid aside ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	body := get(t, f, "/")
	for _, b := range l.Upstream {
		if !strings.Contains(body, `id="`+strings.TrimPrefix(b.Link, "#")+`"`) {
			t.Errorf("no place %s", b.Link)
		}
	}
}

// TestOtherVMs: what the table adds up leads to the VMs that it has left out, and from there to the counters of all.
func TestOtherVMs(t *testing.T) {
	f := newFake(t)
	l := overview.Loss{Origin: "loggregator.doppler", Direction: "egress", Count: 100, Others: 30}
	for i := range 7 {
		l.VMs = append(l.VMs, overview.LossVM{Job: fmt.Sprint("vm", i), Count: 10, LastSeen: now})
	}
	f.status.Losses = []overview.Loss{l}
	for _, tc := range []struct{ path, row, link string }{
		{"/", "vm4 10 just now others 50", `<a href="./?losses=all#loss-1">others</a>`},
		{
			"/?losses=all", "vm6 10 just now others : the counter of each VM 30",
			`<a href="explain?name=dropped&amp;origin=loggregator.doppler#live">the counter of each VM</a>`,
		},
	} {
		if text := read(t, f, tc.path); !strings.Contains(text, tc.row) {
			t.Errorf("%s: no %q in %s", tc.path, tc.row, text)
		}
		if body := get(t, f, tc.path); !strings.Contains(body, tc.link) {
			t.Errorf("%s: no %s", tc.path, tc.link)
		}
	}
	f.status.Losses[0].Origin, f.status.Losses[0].VMs = "DopplerServer", l.VMs[:1]
	if text := read(t, f, "/"); !strings.Contains(text, "vm0 10 just now others 30") {
		t.Errorf("a component with several counters: %s", text)
	}
}

// TestYoung: an exporter that has not run for an hour says since when it knows what it shows of the last hour.
func TestYoung(t *testing.T) {
	f := newFake(t)
	f.status.Scrapers = nil
	for up, want := range map[time.Duration][]string{
		time.Hour: {"Scraped by in the last hour Nobody has scraped /metrics in the last hour."},
		12 * time.Minute: {
			"The last hour since the start, 12 min ago Samples",
			"Scraped by since the start, 12 min ago Nobody has scraped /metrics since the start, 12 min ago.",
		},
	} {
		f.status.Started = f.status.Time.Add(-up)
		text := read(t, f, "/")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%v: no %q in %s", up, w, text)
			}
		}
	}
}
