// Package gather reads connections in few turns. At the pace of a foundation a message costs less than waking up for
// it: the kernel wakes a thread, the runtime another, and each finds its caches cold. A connection of this package lets
// what comes within a few hundredths of a second wait in the kernel, and takes it all at once.
//
// What waits is bounded: by Pause, and by turnBytes, beyond which the pauses become shorter. While a connection brings
// more than its reader takes there is no pause, so that flow control is as it is without.
//
// The many connections of a Group, each of which brings little, are read in common turns.
package gather

import (
	"bufio"
	"errors"
	"net"
	"time"
)

const (
	// Pause is how long what has come may wait to be read. A deadline for reading may take effect as much later.
	Pause = 40 * time.Millisecond
	// oftenEnough is how many waits in a row must be shorter than Pause until there are pauses: what comes in bursts
	// further apart is read at once.
	oftenEnough = 4
	// settling is how long after its beginning a connection is read at once: each message of a handshake is awaited by
	// the other side.
	settling = time.Second

	// turnBytes is about how much may come until it is read: a quarter of the windows of HTTP/2, beyond which a sender
	// would have to wait. A pause shorter than leastPause would cost as much as it saves.
	turnBytes  = 256 << 10
	leastPause = 2 * time.Millisecond
	// lingering is about as long as a sender needs for a burst of some tens of messages.
	lingering = 200 * time.Microsecond
	// quietBytes is how much may come during a pause until the kernel wakes a thread, which is to happen seldom.
	quietBytes = 2 * turnBytes

	bufferBytes = 64 << 10
)

// errEmpty says that nothing has come.
var errEmpty = errors.New("nothing has come")

// socket is a connection as the kernel has it. One goroutine reads it.
type socket interface {
	// take reads what has come; the error is errEmpty if nothing has.
	take(b []byte) (int, error)
	// await reads what has come, and waits for something if nothing has.
	await(b []byte) (int, error)
	// send writes all of b.
	send(b []byte) (int, error)
	// pause waits. What comes meanwhile ends no wait of any thread. It returns early when the socket is closed.
	pause(d time.Duration)
	// close ends a pause. The connection itself is closed by other means.
	close()
}

// reading says how a socket is read.
type reading uint8

const (
	atOnce   reading = iota // there are no pauses
	inTurns                 // there are
	oneByOne                // there are, and a burst whose messages are written one by one gets some time to come
)

// New returns a connection that reads c much at a time, and in turns where c is a TCP connection and the system Linux.
// drained, unless nil, is called by a Read for which nothing is at hand: it may wait. It is for connections of which
// many messages are taken together, though each is written by itself: after a wait they get some time to come.
func New(c net.Conn, drained func()) net.Conn {
	how := inTurns
	if drained != nil {
		how = oneByOne
	}
	if s := newSocket(c, how); s != nil {
		c = newTurns(c, s)
	}
	return &buffered{Conn: c, reader: bufio.NewReaderSize(c, bufferBytes), drained: drained}
}

// buffered reads ahead: TLS asks for a few bytes at a time.
type buffered struct {
	net.Conn
	reader  *bufio.Reader
	drained func()
}

// Read implements net.Conn.
func (c *buffered) Read(b []byte) (int, error) {
	if c.drained != nil && c.reader.Buffered() == 0 {
		c.drained()
	}
	return c.reader.Read(b)
}

// turns is a connection that is read in turns. Its reader asks for the same number of bytes each time.
type turns struct {
	prompt
	rhythm
	turn  time.Time // before what was taken came: when the last pause or the wait before began
	taken int       // bytes since turn
	more  bool      // the last read filled its memory: there may be more
}

func newTurns(c net.Conn, s socket) *turns {
	now := time.Now()
	return &turns{prompt: prompt{Conn: c, socket: s}, rhythm: rhythm{began: now}, turn: now}
}

// Read implements net.Conn.
func (c *turns) Read(b []byte) (n int, err error) {
	if c.often == oftenEnough {
		if !c.more {
			c.rest()
		}
		if n, err = c.take(b); errors.Is(err, errEmpty) {
			c.often = 0
		}
	}
	if c.often < oftenEnough {
		n, err = c.wait(b)
	}
	c.taken += n
	c.more = n == len(b)
	return n, err
}

// rest pauses before the next turn, for no longer than turnBytes take to come.
func (c *turns) rest() {
	now := time.Now()
	d := Pause
	if c.taken > 0 {
		d = min(d, now.Sub(c.turn)*turnBytes/time.Duration(c.taken))
	}
	c.turn, c.taken = now, 0
	if d >= leastPause {
		c.pause(d)
	}
}

// wait reads what comes next, and notes how often something does.
func (c *turns) wait(b []byte) (int, error) {
	n, err := c.await(b)
	if before := c.woke; !c.more && c.wakes(time.Now()) {
		c.turn, c.taken = before, 0
	}
	return n, err
}

// rhythm finds out how often something comes. What comes within leastPause is one burst, which a sender may write, and
// a reader meet, a message at a time.
type rhythm struct {
	began time.Time
	woke  time.Time // when the wait for the last burst ended
	often int       // how many waits in a row for a burst were short, up to oftenEnough
}

// wakes notes that a wait ended, and says whether it was one for a new burst.
func (r *rhythm) wakes(now time.Time) bool {
	waited := now.Sub(r.woke)
	switch {
	case waited < leastPause:
		return false
	case waited >= Pause || now.Sub(r.began) < settling:
		r.often = 0
	default:
		r.often++
	}
	r.woke = now
	return true
}
