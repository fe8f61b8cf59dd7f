package store

import (
	"fmt"
	"slices"
	"testing"
)

// scanned returns what a scan passes, as walked does.
func scanned(s *Store) (lines []string) {
	s.Scan(func(c *Scan) bool {
		for i := range c.Marks {
			m := &c.Marks[i]
			n := &c.Names[m.Name]
			line := fmt.Sprintf("%s %s %s origin=%s", n.Kind(), n.Name, m.State, c.Senders[m.Sender].Tag("origin"))
			if m.Metric > 0 {
				line += " " + c.Metrics[m.Metric-1]
			}
			if m.Untagged {
				line += " untagged"
			}
			if n.Composite() {
				line += " composite"
			}
			if m.State == EntryRefused {
				line += fmt.Sprintf(" %s: %s", m.Outcome, s.Reason(&s.Visit(c.Marks[i : i+1])[0]))
			}
			lines = append(lines, line)
		}
		return true
	})
	return lines
}

func TestScanEndsEarly(t *testing.T) {
	s := testStore(t, func(o *Settings) { o.MaxSeries = 2 * scanChunk })
	for i := range 2 * scanChunk {
		write(s, gauge(fmt.Sprintf("a%d", i), 1))
	}
	passed := 0
	s.Scan(func(c *Scan) bool {
		passed += len(c.Marks)
		return false
	})
	if passed != scanChunk {
		t.Errorf("%d passed", passed)
	}
}

// TestScanOfChanges: what stands at a position changes while a scan goes on. It gets a number of its own, and what is as
// it was keeps its number.
func TestScanOfChanges(t *testing.T) {
	s := testStore(t)
	write(s, gauge("stays", 1, "origin", "rep"))
	write(s, gauge("goes", 1, "origin", "bbs"))
	c := newScanner(s)
	names := func() (list []string) {
		c.chunk(1)
		for i := range c.Marks {
			m := &c.Marks[i]
			list = append(list, fmt.Sprintf("%s %s %s", c.Names[m.Name].Name, c.Senders[m.Sender].Tag("origin"), c.Metrics[m.Metric-1]))
		}
		return list
	}
	if got := names(); !slices.Equal(got, []string{"stays rep cf_stays", "goes bbs cf_goes"}) {
		t.Errorf("%q", got)
	}
	went := c.Marks[1]
	s.mu.Lock()
	s.remove(went.of.pos)
	s.mu.Unlock()
	write(s, gauge("comes", 1, "origin", "uaa"))
	if got := names(); !slices.Equal(got, []string{"stays rep cf_stays", "comes uaa cf_comes"}) {
		t.Errorf("%q", got)
	}
	if len(c.Names) != 3 || len(c.Senders) != 3 || len(c.Metrics) != 3 {
		t.Errorf("%d names, %d senders, %d metrics", len(c.Names), len(c.Senders), len(c.Metrics))
	}
	if v := s.Visit([]Mark{went, c.Marks[1]}); len(v) != 1 || v[0].Name != "comes" {
		t.Errorf("%+v", v)
	}
}

// TestScanOf: only identities of some senders are passed, also where another sender takes the place of one of them
// meanwhile.
func TestScanOf(t *testing.T) {
	s := testStore(t)
	for _, origin := range []string{"rep", "bbs", "uaa"} {
		write(s, gauge("a", 1, "origin", origin))
		write(s, gauge("of_"+origin, 1, "origin", origin))
	}
	keep := func(sender Sender) bool { return sender.Tag("origin") == "bbs" || sender.Tag("origin") == "uaa" }
	c := newScanner(s)
	c.only, c.keep = s.sendersOf(keep), keep
	s.mu.Lock()
	for _, name := range []string{"a", "of_bbs"} {
		id := gauge(name, 1, "origin", "bbs")
		s.remove(s.entries.lookup(appendIdentity(nil, nil, nil, id.Tags, []uint32{0}), nameGauge, []byte(name)))
	}
	s.mu.Unlock()
	write(s, gauge("b", 1, "origin", "auctioneer"))
	var got []string
	c.run(func(c *Scan) bool {
		for i := range c.Marks {
			m := &c.Marks[i]
			got = append(got, c.Names[m.Name].Name+" "+c.Senders[m.Sender].Tag("origin"))
		}
		return true
	})
	if want := []string{"a uaa", "of_uaa uaa"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(c.Senders) != 2 {
		t.Errorf("%d senders were looked at: the new one has not taken the place of another", len(c.Senders))
	}
}
