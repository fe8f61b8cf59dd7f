package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"unsafe"

	"loggregator_exporter/config"
)

// TestWidenHeap: what is in use of the heap lies in larger pages, if the system has them, and says what it said.
func TestWidenHeap(t *testing.T) {
	wide := func() (kib int) {
		smaps, err := os.ReadFile("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(smaps)) {
			if n := 0; strings.HasPrefix(line, "AnonHugePages:") {
				_, _ = fmt.Sscanf(line, "AnonHugePages: %d kB", &n)
				kib += n
			}
		}
		return kib
	}
	debug.FreeOSMemory() // so that the heap stays as small as it is
	texts := make([][]byte, 8)
	for i := range texts {
		texts[i] = bytes.Repeat([]byte{byte(i + 1)}, 1<<20)
	}
	from, end := heap()
	if at := uintptr(unsafe.Pointer(&texts[0][0])); at < from || at >= end {
		t.Fatalf("a text is at %x, the heap from %x to %x", at, from, end)
	}
	widenHeap()
	enabled, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	has := err == nil && !bytes.Contains(enabled, []byte("[never]"))
	if n := wide(); has && end-from <= widestHeap && n < 4<<10 {
		t.Errorf("%d KiB are in larger pages", n)
	}
	for i, text := range texts {
		if !bytes.Equal(text, bytes.Repeat([]byte{byte(i + 1)}, 1<<20)) {
			t.Errorf("text %d is another one", i)
		}
	}
}

// TestUnmapProgram: code that was given back runs all the same.
func TestUnmapProgram(t *testing.T) {
	shared := func() (pages int) {
		text, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		var size, resident int
		if _, err := fmt.Fscan(bytes.NewReader(text), &size, &resident, &pages); err != nil {
			t.Fatal(err)
		}
		return pages
	}
	if _, err := newTagger(&config.Default().Tagger); err != nil { // reads much of the program
		t.Fatal(err)
	}
	before := shared()
	unmapProgram()
	if after := shared(); after > before/2 {
		t.Errorf("%d pages of files are resident, of %d", after, before)
	}
	if _, err := newTagger(&config.Default().Tagger); err != nil {
		t.Fatal(err)
	}
}
