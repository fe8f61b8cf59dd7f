package peer

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// longestLine is more than any program says in one: where a line is longer nobody would read on, and the program
// would wait for ever.
const longestLine = 16 << 20

// Process is a program that runs.
type Process struct {
	// Found is what said was looked for in its output.
	Found string

	cmd  *exec.Cmd
	done chan error
	once sync.Once

	mu  sync.Mutex
	log []string
}

// Start runs a program until the test ends, and waits until a line of its output matches said.
func Start(t *testing.T, said *regexp.Regexp, file string, args ...string) *Process {
	t.Helper()
	p := &Process{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), file, args...), done: make(chan error, 1)}
	p.cmd.Dir = t.TempDir()
	output, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = p.cmd.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(output)
		lines.Buffer(nil, longestLine)
		for lines.Scan() {
			p.mu.Lock()
			p.log = append(p.log, lines.Text())
			p.mu.Unlock()
			if m := said.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default:
				}
			}
		}
		close(found)
		p.done <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.Stop(t)
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, line := range p.log[max(0, len(p.log)-20):] {
				t.Log(filepath.Base(file), line)
			}
		}
	})
	for p.Found = range found {
		return p
	}
	t.Fatalf("%s ended before it said %s", file, said)
	return p
}

// Said says whether some text stood in its output so far.
func (p *Process) Said(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.log, func(line string) bool { return strings.Contains(line, text) })
}

// StopPushing ends an exporter that pushes, and returns a context for as long as what it pushed may stand after
// that: the exporter ends its series, unless the machine is too busy for the few seconds that it gives itself, which
// it says. They then go by themselves, after five minutes.
func (p *Process) StopPushing(t *testing.T) context.Context {
	t.Helper()
	p.Stop(t)
	if p.Said("remote write has lost samples") {
		t.Log("it had no time to end its series")
		return Within(t, 2*Patience)
	}
	return Within(t, Lookback)
}

// Kill ends the process as the kernel does that runs out of memory: it does nothing more.
func (p *Process) Kill(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		if err := p.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		var exit *exec.ExitError
		if err := <-p.done; !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Errorf("killed, it ended with %v", err)
		}
	})
}

// Stop ends the process as an operator would.
func (p *Process) Stop(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if err := <-p.done; err != nil {
			t.Error(err)
		}
	})
}
