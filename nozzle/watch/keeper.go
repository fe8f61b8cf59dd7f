package watch

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// leaveWithin is how long a stream that is to end may wait for its next message; Loggregator sends one each 100 ms.
	leaveWithin = 150 * time.Millisecond
	// overlapWithin is how long an old stream is kept beside a new one by which nothing comes.
	overlapWithin = 5 * time.Second
	// The pauses between attempts.
	retryFirst = 500 * time.Millisecond
	retryLimit = 30 * time.Second
	// A stream that lasted this long, or brought anything, counts as a success: the next attempt comes soon.
	goodStream = time.Minute
)

// account is where a keeper tells what becomes of its streams.
type account interface {
	// Connect notes an open stream; each call of it is followed by one of Disconnect.
	Connect()
	Disconnect()
	// Reconnecting counts a stream that has to be opened again.
	Reconnecting(reason string)
	// Ordinary says how long a silence is ordinary.
	Ordinary(quiet time.Duration)
}

// keeper keeps one stream open for as long as it runs. It opens a new one when the one before ended, after a pause that grows with
// each failure, and when its watchdog says that the one before is mute, wholly (idle) or in part (fell). A stream whose sink is
// stuck (stalled) is closed, so that its share goes to others.
//
// Where streams of one shard share what comes, a new stream is opened beside the mute one, which is closed, at the end of a
// message, once an envelope came by the new one: nothing comes twice, and what is lost is less than either order of closing
// and opening alone would lose.
type Keeper struct {
	Account account
	Log     *slog.Logger
	Idle    time.Duration // defaultIdleTimeout where 0
	Retry   Backoff       // from retryFirst to retryLimit where it is zero
	Share   bool
	// read opens a stream and reads it to its end, which is its own failure, or comes soon after ctx is done or pulse.leave is
	// true. It calls pulse.opened, and pulse.begin before each message; its intake has the pulse.
	Read func(ctx context.Context, p *Pulse) Failure
}

// keeping is a keeper that runs. It lives in one goroutine; readers tell it what happens by events.
type keeping struct {
	*Keeper
	events  chan event
	streams []*watched // the newest last; two while one replaces the other
	again   *time.Timer
	waiting bool // for again, to open a stream
	leaving *time.Timer
	fall    fall
	pauses  pauses
}

type event struct {
	stream *watched
	what   StreamEvent
	failed Failure
	noted  chan<- struct{} // closed when the event has had its effect; nil where nobody waits for that
}

// run keeps a stream open until ctx is done; it returns when the last one is closed.
func (k *Keeper) Run(ctx context.Context) {
	if k.Idle <= 0 {
		k.Idle = DefaultIdleTimeout
	}
	if k.Retry == (Backoff{}) {
		k.Retry = Backoff{First: retryFirst, Limit: retryLimit}
	}
	r := &keeping{Keeper: k, events: make(chan event), again: time.NewTimer(0), waiting: true, leaving: time.NewTimer(0)}
	watch := time.NewTicker(watchEvery)
	defer watch.Stop()
	defer r.again.Stop()
	defer r.leaving.Stop()
	k.Account.Ordinary(k.Idle)
	for {
		select {
		case <-ctx.Done():
			r.stop()
			return
		case e := <-r.events:
			r.on(ctx, e)
		case <-r.again.C:
			r.waiting = false
			r.open(ctx)
		case <-r.leaving.C:
			r.cut()
		case <-watch.C:
			r.look(ctx)
		}
	}
}

var errWatchdog = errors.New("closed by the watchdog")

// open starts a stream.
func (r *keeping) open(ctx context.Context) {
	// A stream may outlive ctx for a moment, to end well.
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	w := &watched{cancel: cancel, began: time.Now()}
	// A reader goes on, and says that it is connected, once it counts as such.
	w.Tell = func(what StreamEvent) {
		noted := make(chan struct{})
		r.events <- event{stream: w, what: what, noted: noted}
		<-noted
	}
	r.streams = append(r.streams, w)
	go func() {
		failed := r.Read(own, &w.Pulse)
		r.events <- event{stream: w, what: streamEnded, failed: failed}
	}()
}

// stop closes all streams and waits for their ends.
func (r *keeping) stop() {
	for _, w := range r.streams {
		w.meant = true
		w.left.Store(true)
	}
	r.leaving.Reset(leaveWithin)
	for len(r.streams) > 0 {
		select {
		case e := <-r.events:
			if e.what == streamEnded {
				r.remove(e.stream)
			}
			e.done()
		case <-r.leaving.C:
			r.cut()
		}
	}
}

// cut ends those streams at once that were to end by themselves.
func (r *keeping) cut() {
	for _, w := range r.streams {
		if w.meant {
			w.cancel(errWatchdog)
		}
	}
}

func (r *keeping) on(ctx context.Context, e event) {
	w := e.stream
	switch e.what {
	case streamOpened:
		if !w.meant {
			w.connected = true
			r.Account.Connect()
		}
	case streamHeard:
		r.retire(w)
	case streamEnded:
		r.ended(ctx, w, e.failed)
	}
	e.done()
}

func (e event) done() {
	if e.noted != nil {
		close(e.noted)
	}
}

// retire ends the streams that a new one replaces.
func (r *keeping) retire(by *watched) {
	for _, w := range r.streams {
		if w == by {
			return
		}
		w.meant = true
		w.left.Store(true)
		r.leaving.Reset(leaveWithin)
	}
}

func (r *keeping) remove(w *watched) {
	w.cancel(nil)
	r.disconnect(w)
	for i, other := range r.streams {
		if other == w {
			r.streams = append(r.streams[:i], r.streams[i+1:]...)
			return
		}
	}
}

func (r *keeping) disconnect(w *watched) {
	if w.connected {
		w.connected = false
		r.Account.Disconnect()
	}
}

// ended goes on after a stream ended: with the one that replaces it, with a new one at once where the watchdog closed it, else
// with a new one after a pause.
func (r *keeping) ended(ctx context.Context, w *watched, failed Failure) {
	newest := w == r.streams[len(r.streams)-1]
	r.remove(w)
	if w.meant {
		if newest && !r.waiting {
			r.open(ctx)
		}
		return
	}
	if w.envelopes.Load() > 0 || time.Since(w.began) >= goodStream {
		r.Retry.Reset()
	}
	if w.reason != "" {
		failed = Failure{Reason: w.reason, Advice: "what received envelopes did not return; the stream was closed for others to take its share", Err: errWatchdog}
	}
	r.Account.Reconnecting(failed.Reason)
	if !newest {
		return // the one that replaces it is being opened
	}
	if failed.Reason == ReasonClosing && time.Since(w.began) >= goodStream {
		// It does so after its time, always: nothing is wrong, and there is nothing to wait for.
		r.Log.Info("opening a new stream", "reason", failed.Reason, "advice", failed.Advice)
		r.open(ctx)
		return
	}
	pause := r.Retry.Next()
	r.Log.Warn("no stream", "reason", failed.Reason, "advice", failed.Advice, "error", failed.Err, "retry_in", pause.Round(time.Millisecond).String())
	r.again.Reset(pause)
	r.waiting = true
}

// look is what the watchdog does each second.
func (r *keeping) look(ctx context.Context) {
	var steady uint64
	var names nameCounts
	connected := false
	for i, w := range r.streams {
		n, came, pause := w.look()
		steady += n
		w.names.take(&names)
		connected = connected || w.connected
		if came && i == len(r.streams)-1 {
			r.pauses.note(pause)
		}
		if w.stuck >= looks(stallTimeout) && w.reason == "" {
			w.reason = reasonStalled
			r.disconnect(w)
			w.cancel(errWatchdog)
		}
	}
	r.Account.Ordinary(r.pauses.limit(r.Idle))
	fell := false
	if connected {
		fell = r.fall.look(steady, &names)
	} else {
		r.fall.skip()
	}
	if len(r.streams) == 0 {
		return
	}
	newest := r.streams[len(r.streams)-1]
	switch {
	case r.waiting || newest.reason != "" || newest.meant:
	case len(r.streams) > 1:
		if newest.connected && newest.silent >= looks(overlapWithin) {
			r.retire(newest)
		}
	// A look is late by up to watchEvery, and the new stream takes a moment.
	case newest.silent >= max(1, looks(r.Idle)-2):
		r.replace(ctx, newest, Failure{Reason: ReasonIdle, Advice: "no envelope came; a doppler may have been restarted, which leaves the stream open and mute"})
	case fell:
		r.replace(ctx, newest, Failure{Reason: ReasonFell, Advice: "fewer gauges and counters come than before; one of several dopplers may have been restarted, or another exporter came"})
	}
}

// replace opens a new stream in place of one that is mute.
func (r *keeping) replace(ctx context.Context, old *watched, why Failure) {
	r.Account.Reconnecting(why.Reason)
	r.Log.Warn("opening a new stream", "reason", why.Reason, "advice", why.Advice)
	if r.Share {
		r.open(ctx)
		return
	}
	old.meant = true
	old.left.Store(true)
	r.leaving.Reset(leaveWithin)
}
