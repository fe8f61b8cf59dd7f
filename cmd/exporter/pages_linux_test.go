package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"loggregator_exporter/config"
)

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
