package overview

import (
	"cmp"
	"net"
	"slices"
	"sync"
	"time"
)

// Scrape says how one scrape went.
type Scrape struct {
	Remote, UserAgent string
	// As in Scraper.
	Format, Compression, Outcome string
	Bytes, LimitBytes            int64
	Duration                     time.Duration
	// Omitted is the number of metrics that were left out, since another has their name as the format writes it.
	Omitted int
}

const (
	maxScrapers = 32
	// scraperMemory is how long a client is remembered.
	scraperMemory = time.Hour
	// maxAgentBytes bounds user agents.
	maxAgentBytes = 256
)

// scraperKey tells clients apart.
type scraperKey struct{ address, userAgent, format string }

// scrapers remembers who scraped lately.
type scrapers struct {
	mu  sync.Mutex
	all map[scraperKey]*Scraper
	// The longest and the largest complete scrape between two points of the history, and when the last one was. They
	// begin anew with the first scrape after a point.
	duration time.Duration
	bytes    int64
	last     time.Time
	begun    bool
	// Since the start.
	outcomes map[string]uint64
	omitted  uint64
}

// ObserveScrape notes a scrape. It is cheap.
func (m *Monitor) ObserveScrape(s Scrape) { m.scrapers.observe(&s, time.Now()) }

func (c *scrapers) observe(s *Scrape, now time.Time) {
	host, _, err := net.SplitHostPort(s.Remote)
	if err != nil {
		host = s.Remote
	}
	key := scraperKey{host, s.UserAgent[:min(len(s.UserAgent), maxAgentBytes)], s.Format}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outcomes == nil {
		c.outcomes = map[string]uint64{}
	}
	c.outcomes[s.Outcome]++
	c.omitted += uint64(s.Omitted)
	if s.Outcome == "complete" {
		if !c.begun {
			c.duration, c.bytes, c.begun = 0, 0, true
		}
		c.duration, c.bytes, c.last = max(c.duration, s.Duration), max(c.bytes, s.Bytes), now
	}
	of := c.all[key]
	if of == nil {
		c.makeRoom(now)
		of = &Scraper{Address: host, UserAgent: key.userAgent, Format: s.Format}
		if c.all == nil {
			c.all = map[scraperKey]*Scraper{}
		}
		c.all[key] = of
	}
	if !of.LastSeen.IsZero() {
		of.IntervalSeconds = now.Sub(of.LastSeen).Seconds()
	}
	of.Compression, of.Outcome, of.LastSeen, of.LimitBytes = s.Compression, s.Outcome, now.UTC(), s.LimitBytes
	of.Bytes, of.DurationSeconds = s.Bytes, s.Duration.Seconds()
	of.Scrapes++
}

// makeRoom forgets who has not scraped for long, and then whoever did not for longest; mu is held.
func (c *scrapers) makeRoom(now time.Time) {
	var oldest scraperKey
	for key, s := range c.all {
		if now.Sub(s.LastSeen) > scraperMemory {
			delete(c.all, key)
			continue
		}
		if first := c.all[oldest]; first == nil || s.LastSeen.Before(first.LastSeen) {
			oldest = key
		}
	}
	if len(c.all) >= maxScrapers {
		delete(c.all, oldest)
	}
}

// list returns those seen in the last hour, the latest first.
func (c *scrapers) list(now time.Time) []Scraper {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []Scraper{}
	for _, s := range c.all {
		if now.Sub(s.LastSeen) <= scraperMemory {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(x, y Scraper) int {
		return cmp.Or(y.LastSeen.Compare(x.LastSeen), cmp.Compare(x.Address, y.Address), cmp.Compare(x.Format, y.Format))
	})
	return list
}

// complete returns when the last scrape ended that got all; zero where none has.
func (c *scrapers) complete() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// keepPoint is how long the last scrape stands in the graphs where no other follows.
const keepPoint = 2 * time.Minute

// point passes the columns of the history, and begins the next point.
func (c *scrapers) point(now time.Time, yield func(c Column, value float64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.IsZero() || now.Sub(c.last) > keepPoint {
		return
	}
	c.begun = false
	yield(columnScrapeSeconds, c.duration.Seconds())
	yield(columnScrapeBytes, float64(c.bytes))
}

// counts passes the scrapes since the start by outcome, and the metrics that they left out.
func (c *scrapers) counts(yield func(c Column, value float64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for outcome, n := range c.outcomes {
		yield(Column{"scrapes_total", outcome, ""}, float64(n))
	}
	yield(Column{Metric: "scrape_families_omitted_total"}, float64(c.omitted))
}
