package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"loggregator_exporter/config"
)

// TestWiden: of memory that is mostly in use, and only of that, each part lies in one page.
func TestWiden(t *testing.T) {
	if !hasWidePages() {
		t.Skip("the system has no larger pages, or is told never to use them")
	}
	memory, err := unix.Mmap(-1, 0, 4*widePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	skip := -uintptr(unsafe.Pointer(&memory[0])) % widePage
	memory = memory[skip:][:3*widePage]
	for i := range widePage / 2 { // of the first part half, of the second one less, of the third one nothing
		memory[i], memory[widePage+i/3] = 1, 1
	}
	from := uintptr(unsafe.Pointer(&memory[0]))
	widen(from, from+3*widePage)
	resident := make([]byte, 3*widePage/os.Getpagesize())
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, from, 3*widePage, uintptr(unsafe.Pointer(&resident[0])))
	if errno != 0 {
		t.Fatal(errno)
	}
	var got [3]int
	for i, r := range resident {
		got[i*len(got)/len(resident)] += int(r & 1)
	}
	pages := len(resident) / len(got)
	if want := [3]int{pages, (pages/2 + 2) / 3, 0}; got != want {
		t.Errorf("of three parts of %d pages %v are resident, want %v", pages, got, want)
	}
	for i, b := range memory {
		want := byte(0)
		if i < widePage/2 || i >= widePage && i < widePage+(widePage/2+2)/3 {
			want = 1
		}
		if b != want {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
}

// TestHeap: what the program has made lies in it.
func TestHeap(t *testing.T) {
	at := uintptr(unsafe.Pointer(&make([]byte, 8<<20)[4<<20]))
	if from, end := heap(); at < from || at >= end || from%widePage != 0 || end%widePage != 0 {
		t.Errorf("%x is not between %x and %x", at, from, end)
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
