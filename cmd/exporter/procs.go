package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"loggregator_exporter/internal/beat"
)

const (
	// One processor is enough while less than calmShare of it is used, until more than busyShare is: each goroutine that
	// wakes up makes the runtime wake a thread for each idle processor, to look for work that is not there, which costs
	// as much again as the work of most exporters. Figures stand in docs/performance.md.
	calmShare = 0.3
	busyShare = 0.5
	// How often to look. Taking more in than one processor can is left to flow control until then.
	busyCheck = 5 * time.Second
	idleCheck = time.Minute // while less than idleShare is used
	idleShare = 0.02
	// workShare is what some hundred envelopes a second take. A scrape may take more of the time between two looks, and
	// what is done at full minutes of that between the next two: it is lasting work once workLooks in a row see more.
	workShare = 0.002
	workLooks = 3
	restTime  = time.Second // in which the runtime ends what rest has begun
)

// processors says how many processors the process is to use.
type processors struct {
	used func() time.Duration // of the process, since its start
	one  func()               // use one
	all  func()               // use as many as the system gives
	rest func()               // give back what the start has used: once, when the process is calm for the first time
	wide func()               // put memory that is in use into larger pages, at each look at lasting work
}

// tuneProcessors lets the process use one processor while that is enough, until ctx is done, unless GOMAXPROCS says how
// many.
func tuneProcessors(ctx context.Context) {
	if os.Getenv("GOMAXPROCS") != "" || runtime.GOMAXPROCS(0) == 1 {
		return
	}
	p := processors{
		used: processorTime,
		one:  func() { runtime.GOMAXPROCS(1) },
		all:  runtime.SetDefaultGOMAXPROCS,
		rest: func() { debug.FreeOSMemory(); unmapProgram() },
		wide: widenHeap,
	}
	p.run(ctx)
}

func (p processors) run(ctx context.Context) {
	timer := time.NewTimer(busyCheck)
	defer timer.Stop()
	passed := func() bool {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		}
	}
	before, began := p.used(), time.Now()
	var one, rested bool
	worked := 0 // looks in a row that saw more than workShare
	for passed() {
		used, now := p.used(), time.Now()
		share := (used - before).Seconds() / now.Sub(began).Seconds()
		before, began = used, now
		switch {
		case !one && share < calmShare:
			p.one()
			one = true
		case one && share > busyShare:
			p.all()
			one = false
		}
		if one && !rested {
			p.rest()
			rested = true
			timer.Reset(restTime)
			if !passed() {
				return
			}
			before, began = p.used(), time.Now() // what start and rest took says nothing of the work
			worked = 0
			timer.Reset(busyCheck)
			continue
		}
		if share > workShare {
			worked++
		} else {
			worked = 0
		}
		if worked >= workLooks {
			p.wide()
		}
		if share >= idleShare || 0 < worked && worked < workLooks {
			timer.Reset(busyCheck)
		} else {
			timer.Reset(beat.Next(idleCheck))
		}
	}
}
