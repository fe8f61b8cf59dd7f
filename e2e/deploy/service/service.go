// Package service runs commands as the platforms of deploy/ do, with an environment, a folder and a way to start of
// their own, and waits for what comes of it.
package service

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
)

// longestLine is more than any program says in one: where a line is longer nobody would read on.
const longestLine = 16 << 20

// Service is a command that runs.
type Service struct {
	// Found is what the first group of each pattern matched in the output.
	Found []string

	cmd  *exec.Cmd
	done chan error
	once sync.Once

	mu  sync.Mutex
	log []string
}

// Start starts a command, which the end of the test ends, and waits until each pattern matched a line of its output.
func Start(t *testing.T, cmd *exec.Cmd, patterns ...string) *Service {
	t.Helper()
	s := &Service{Found: make([]string, len(patterns)), cmd: cmd, done: make(chan error, 1)}
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go s.read(output, compile(patterns), ready)
	t.Cleanup(func() {
		s.Stop(t)
		if t.Failed() {
			t.Log(s.Log())
		}
	})
	<-ready
	if slices.Contains(s.Found, "") {
		t.Fatalf("%s ended before it said all of %q", cmd, patterns)
	}
	return s
}

func compile(patterns []string) []*regexp.Regexp {
	compiled := make([]*regexp.Regexp, len(patterns))
	for i, p := range patterns {
		compiled[i] = regexp.MustCompile(p)
	}
	return compiled
}

// read takes the output in, and closes ready as soon as everything was found or can no more be.
func (s *Service) read(output io.Reader, patterns []*regexp.Regexp, ready chan struct{}) {
	missing := len(patterns)
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		s.mu.Lock()
		s.log = append(s.log, lines.Text())
		s.mu.Unlock()
		for i, p := range patterns {
			if m := p.FindStringSubmatch(lines.Text()); m != nil && missing > 0 && s.Found[i] == "" {
				s.Found[i] = m[1]
				if missing--; missing == 0 {
					close(ready)
				}
			}
		}
	}
	s.done <- s.cmd.Wait()
	if missing > 0 {
		close(ready)
	}
}

// Log is what the command has said so far.
func (s *Service) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n")
}

// stopWithin bounds the end after SIGTERM. Platforms kill after five to thirty seconds, and the exporter takes some
// milliseconds: what takes longer than this waits for something that does not come, however busy the machine is.
const stopWithin = 30 * time.Second

// Stop sends SIGTERM, as platforms do, and expects the end with status 0.
func (s *Service) Stop(t *testing.T) {
	t.Helper()
	s.once.Do(func() {
		began := time.Now()
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		if err := <-s.done; err != nil {
			t.Errorf("%s: %v", s.cmd, err)
		}
		if took := time.Since(began); took > stopWithin {
			t.Errorf("%s took %v to stop", s.cmd, took)
		}
	})
}

// Until waits until ok says so.
func Until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	peer.Until(peer.Within(t, peer.Patience), t, what, func() string {
		if ok() {
			return ""
		}
		return "not yet"
	})
}

// Get returns status and body of a page. Without an answer the status is 0.
func Get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	answer, err := peer.Ask(t.Context(), http.MethodGet, url)
	if err != nil {
		return 0, err.Error()
	}
	return answer.Status, string(answer.Body)
}
