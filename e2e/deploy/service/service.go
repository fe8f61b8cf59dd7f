// Package service runs commands as the platforms of deploy/ do, with an environment, a folder and a way to start of their own, and waits
// for what comes of it.
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
)

// patience bounds every wait: far more than anything takes on a busy machine.
const patience = 2 * time.Minute

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
	for lines := bufio.NewScanner(output); lines.Scan(); {
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

// Stop sends SIGTERM, as platforms do, and expects the end with status 0 within five seconds, after which most of them kill.
func (s *Service) Stop(t *testing.T) {
	t.Helper()
	s.once.Do(func() {
		began := time.Now()
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		if err := <-s.done; err != nil {
			t.Errorf("%s: %v", s.cmd, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v to stop", s.cmd, took)
		}
	})
}

// Until waits until ok says so.
func Until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// Get returns status and body of a page. Without an answer the status is 0.
func Get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}
