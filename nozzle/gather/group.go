package gather

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// patience is how many pauses in a row must bring nothing until a group waits for what comes next. Senders that send
	// ten times a second do not let it come to that.
	patience = 3
	// memberBytes is how much one connection may bring between two turns until pauses become shorter: half of the window
	// that a connection begins with, beyond which its sender would have to wait.
	memberBytes = 32 << 10
)

// kernel has the connections of a group. No call but wait and pause waits.
type kernel interface {
	// adopt returns a descriptor for a connection, of which the kernel tells from now on. The connection itself is not
	// used any more afterwards, and is closed by the caller.
	adopt(c net.Conn) (fd int, err error)
	// receive and send do what they can; the error is errEmpty if that is nothing.
	receive(fd int, b []byte) (int, error)
	send(fd int, b []byte) (int, error)
	release(fd int) error
	// ready appends what has happened since the last call.
	ready(events []event) []event
	// wait returns when something has happened since the last call of ready. pause returns after a time, and what happens
	// meanwhile ends no wait of any thread. Both fail after end.
	wait() error
	pause(d time.Duration) error
	end()
	close()
}

// event is that something came by a connection, that there is room to send again, or that the other side has ended it.
type event struct {
	fd   int
	ends bool
}

// Group reads many connections, each of which brings little, in common turns: what comes to any of them within a Pause
// is read after it, by all readers one after the other, so that however many connections there are, threads wake up 25
// times a second at most. What comes after a silence of all is read at once.
//
// A nil Group has no turns. Its connections are those that it is given.
type Group struct {
	kernel kernel
	hurry  atomic.Bool // a connection has brought more than memberBytes since the last turn
	events []event     // memory for ready; that of Run

	mu      sync.Mutex
	members map[int]*member // by descriptor; nil after the end
}

// NewGroup makes a group, which Run runs; nil where the system is not Linux, or has no descriptor left.
func NewGroup() *Group {
	if k := newKernel(); k != nil {
		return newGroup(k)
	}
	return nil
}

func newGroup(k kernel) *Group { return &Group{kernel: k, members: make(map[int]*member)} }

// Join returns a connection of the group in place of c, which is gone then; or c itself where that cannot be.
// One goroutine at a time reads or writes it, others may close it. A deadline for reading is one for writing, too.
func (g *Group) Join(c net.Conn) net.Conn {
	if g == nil {
		return c
	}
	g.mu.Lock()
	defer g.mu.Unlock() // held over adopt, so that what happens next finds the member
	if g.members == nil {
		return c
	}
	fd, err := g.kernel.adopt(c)
	if err != nil {
		return c
	}
	m := &member{group: g, fd: fd, local: c.LocalAddr(), remote: c.RemoteAddr(), happened: make(chan struct{}, 1)}
	g.members[fd] = m
	_ = c.Close()
	return m
}

// Run wakes the readers until ctx is done, and then closes the connections. It is called once.
func (g *Group) Run(ctx context.Context) {
	if g == nil {
		return
	}
	defer g.close()
	defer context.AfterFunc(ctx, g.kernel.end)()
	var came time.Time // when something came last
	pause, silent := Pause, patience
	for {
		waits := silent == patience // else it pauses
		var err error
		if waits {
			err = g.kernel.wait()
		} else {
			err = g.kernel.pause(pause)
		}
		if err != nil {
			return
		}
		now := time.Now()
		switch happened := g.wake(); {
		case !happened && !waits:
			silent++
		case happened && (!waits || now.Sub(came) < Pause):
			came, silent = now, 0
		case happened:
			came = now
		}
		if g.hurry.Swap(false) {
			pause = max(pause/2, leastPause)
		} else {
			pause = min(2*pause, Pause)
		}
	}
}

// wake wakes the readers of connections to which something has happened, and says whether there are any.
func (g *Group) wake() bool {
	g.events = g.kernel.ready(g.events[:0])
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.events {
		if m := g.members[e.fd]; m != nil { // else it was closed meanwhile; if there is another already it is woken in vain
			if e.ends {
				m.ends.Store(true)
			}
			m.wake()
		}
	}
	return len(g.events) > 0
}

func (g *Group) close() {
	g.mu.Lock()
	members := g.members
	g.members = nil
	g.kernel.close()
	g.mu.Unlock()
	for _, m := range members {
		_ = m.Close()
	}
}

// forget is called before a descriptor is closed, after which the next connection may have the same one.
func (g *Group) forget(fd int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.members, fd)
}
