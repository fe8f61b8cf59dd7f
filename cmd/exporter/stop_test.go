package main

import (
	"context"
	"log/slog"
	"testing"

	"loggregator_exporter/nozzle"
)

// lastScrape is a source that scrapes the exporter when it is told to end.
type lastScrape struct {
	t    *testing.T
	url  chan string
	seen int
}

func (*lastScrape) Name() string { return "last_scrape" }

func (s *lastScrape) Run(ctx context.Context) error {
	<-ctx.Done()
	s.seen, _ = fetch(s.t, <-s.url+"/-/healthy")
	return nil
}

// TestSourcesEndFirst: siblings of the shard take over as soon as a stream is closed, so that nothing may delay it; whoever scrapes
// meanwhile is served.
func TestSourcesEndFirst(t *testing.T) {
	s, err := assemble(testConfig(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	source := &lastScrape{t: t, url: make(chan string, 1)}
	s.sources = []nozzle.Source{source}
	s.udp = nil
	addr, err := s.server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	source.url <- "http://" + addr.String()
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.run(ctx, addr, hooks{started: func(running) { cancel() }}); err != nil {
		t.Fatal(err)
	}
	if source.seen != 200 {
		t.Errorf("a scrape while sources end: %d", source.seen)
	}
}
