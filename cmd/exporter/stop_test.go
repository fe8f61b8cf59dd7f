package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
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

// TestSourcesEndFirst: siblings of the shard take over as soon as a stream is closed, so that nothing may delay it;
// scrapes in the meantime are served.
func TestSourcesEndFirst(t *testing.T) {
	s, err := assemble(testConfig(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	source := &lastScrape{t: t, url: make(chan string, 1)}
	s.sources = []nozzle.Source{source}
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

// TestSignals: SIGTERM and SIGINT are graceful stops of the process, with exit status 0.
func TestSignals(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			// TestMain has put the command there.
			cmd := exec.CommandContext(t.Context(), "exporter", "run", "--web.listen_address=127.0.0.1:0",
				"--nozzle.udp.listen_address=127.0.0.1:0")
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			log := bufio.NewReader(stderr)
			said, address := awaitAddress(t, log)
			if status, out, errs := command(t, "healthcheck", "--timeout=5m", "--web.listen_address="+address); status != 0 ||
				out != "OK\n" {
				t.Error(status, out, errs)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(log)
			if err = errors.Join(err, cmd.Wait()); err != nil {
				t.Errorf("%v:\n%s%s", err, said, rest)
			}
			if !strings.Contains(said, `msg="starting loggregator_exporter"`) ||
				!strings.Contains(string(rest), "msg=stopping") {
				t.Errorf("it said:\n%s%s", said, rest)
			}
		})
	}
}

var listening = regexp.MustCompile(`msg="Listening on" address=(127\.0\.0\.1:\d+)`)

// awaitAddress reads the log of an exporter until it says where it serves.
func awaitAddress(t *testing.T, log *bufio.Reader) (said, address string) {
	t.Helper()
	for {
		line, err := log.ReadString('\n')
		said += line
		if m := listening.FindStringSubmatch(line); m != nil {
			return said, m[1]
		}
		if err != nil {
			t.Fatalf("%v after:\n%s", err, said)
		}
	}
}
