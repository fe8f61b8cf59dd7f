package gather

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestPrompt: what is more than the socket holds is written as the other side reads it.
func TestPrompt(t *testing.T) {
	ours, theirs := pair(t)
	c := NewPrompt(ours)
	defer func() { _ = c.Close() }()
	text := bytes.Repeat([]byte("0123456789"), 1<<20)
	written := make(chan error, 1)
	go func() {
		n, err := c.Write(text)
		if n != len(text) {
			t.Errorf("%d bytes written", n)
		}
		written <- errors.Join(err, ours.CloseWrite())
	}()
	got, err := io.ReadAll(theirs)
	if err := errors.Join(err, <-written); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, text) {
		t.Errorf("%d bytes came, or others", len(got))
	}
	write(t, theirs, "a")
	b := make([]byte, 10)
	if n, err := c.Read(b); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestPromptEnds: deadlines, the end of the other side, and closing end what waits.
func TestPromptEnds(t *testing.T) {
	ours, theirs := pair(t)
	c := NewPrompt(ours)
	if err := c.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read past the deadline: %v", err)
	}
	if _, err := c.Write([]byte("a")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("written past the deadline: %v", err)
	}
	if err := errors.Join(c.SetDeadline(time.Time{}), theirs.SetLinger(0), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after the end: %v", err)
	}
	if _, err := c.Write([]byte("a")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("written after the end: %v", err)
	}
	other, _ := pair(t)
	p := NewPrompt(other)
	ended := make(chan error)
	go func() {
		_, err := p.Write(make([]byte, 64<<20)) // nobody reads
		ended <- err
	}()
	go func() {
		_, err := p.Read(make([]byte, 1))
		ended <- err
	}()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
}

func TestPromptAllocatesNothing(t *testing.T) {
	ours, theirs := pair(t)
	c := NewPrompt(ours)
	defer func() { _ = c.Close() }()
	b, text := make([]byte, 10), []byte("abc")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := c.Write(text); err != nil {
			t.Error(err)
		}
		if _, err := theirs.Read(b); err != nil {
			t.Error(err)
		}
		if _, err := theirs.Write(text); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(b); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
