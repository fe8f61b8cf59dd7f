// Package watch keeps a stream open: it opens a new one when the one before ended, and notices when one that looks
// open brings nothing, or lacks the data of a doppler. It knows no protocol.
package watch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

const (
	// leaveTimeout is how long a stream that is to end may wait for its next message; Loggregator sends one each 100 ms.
	leaveTimeout = 150 * time.Millisecond
	// overlapTimeout is how long an old stream is kept beside a new one that brings nothing.
	overlapTimeout = 5 * time.Second
	// The pauses between attempts.
	retryFirst = 500 * time.Millisecond
	retryLimit = 30 * time.Second
	// A stream that lasted this long, or brought anything, counts as a success: the next attempt comes soon.
	goodStream = time.Minute
)

// Account records what becomes of a keeper's streams.
type Account interface {
	// Connect notes an open stream; each call of it is followed by one of Disconnect.
	Connect()
	Disconnect()
	// Reconnecting counts a stream that has to be opened again.
	Reconnecting(reason string)
	// Failed notes why there is no stream.
	Failed(f Failure)
	// AllowPause sets how long a connected source may be silent and still be up.
	AllowPause(d time.Duration)
}

// Keeper keeps one stream open for as long as Run lasts. It opens a new one when the one before ended, after a pause
// that grows with each failure, and when the open one brings nothing (ReasonIdle) or may lack the data of a doppler
// (ReasonFell). A stream whose sink is stuck (ReasonStalled) is closed, so that its share goes to others.
//
// Readers with a shard id share the envelopes. There, a new stream is opened beside the one that it replaces, which is
// closed, at the end of a message, once an envelope came by the new one: no envelope comes twice, and fewer are lost
// than if the old one were closed first.
type Keeper struct {
	Account Account
	Log     *slog.Logger
	Idle    time.Duration // DefaultIdleTimeout if 0
	Retry   Backoff       // from retryFirst to retryLimit if zero
	Share   bool          // the stream has a shard id
	// Read opens a stream and reads it until it ends, which it explains, or until soon after ctx is done or p.Leave is
	// true. It calls p.Opened once; its intake calls the other methods of p.
	Read func(ctx context.Context, p *Pulse) Failure
}

// run is one call of Keeper.Run. It lives in that call's goroutine; the goroutines of readers send it events.
type run struct {
	*Keeper
	events   chan event
	due      chan struct{} // a check is; readers say so
	checked  time.Time     // when the last check was
	streams  []*stream     // the newest last; two while one replaces the other
	retry    *time.Timer
	retryNow <-chan struct{} // ends the wait for retry early; nil if nothing does
	waiting  bool            // for retry, to open a stream
	leave    *time.Timer
	dopplers *dopplers
	pauses   pauses
}

type event struct {
	stream  *stream
	kind    streamEvent
	failure Failure
	noted   chan<- struct{} // closed when the event is handled; nil if no reader waits for that
}

// Run keeps a stream open until ctx is done; it returns when the last one is closed.
func (k *Keeper) Run(ctx context.Context) {
	if k.Idle <= 0 {
		k.Idle = DefaultIdleTimeout
	}
	if k.Retry == (Backoff{}) {
		k.Retry = Backoff{First: retryFirst, Limit: retryLimit}
	}
	r := &run{
		Keeper: k, events: make(chan event), due: make(chan struct{}, 1), checked: time.Now(), dopplers: newDopplers(),
		retry: time.NewTimer(0), waiting: true, leave: time.NewTimer(0),
	}
	timer := time.NewTimer(checkInterval)
	defer timer.Stop()
	defer r.retry.Stop()
	defer r.leave.Stop()
	k.Account.AllowPause(k.Idle)
	for {
		select {
		case <-ctx.Done():
			r.stop()
			return
		case e := <-r.events:
			r.handle(ctx, e)
		case <-r.retry.C:
			r.attempt(ctx)
		case <-r.retryNow:
			r.attempt(ctx)
		case <-r.leave.C:
			r.cut()
		case <-timer.C:
			r.check(ctx, false)
			timer.Reset(checkInterval)
		case <-r.due:
			r.check(ctx, true)
			timer.Reset(firstAlone)
		}
	}
}

var errReplaced = errors.New("closed by the keeper")

// attempt opens a stream after the pause that a failure brought.
func (r *run) attempt(ctx context.Context) {
	if !r.waiting {
		return
	}
	r.retry.Stop()
	r.waiting, r.retryNow = false, nil
	r.open(ctx)
}

// open starts a stream.
func (r *run) open(ctx context.Context) {
	// A stream may outlive ctx for a moment, so that it can end between two messages.
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	s := &stream{cancel: cancel, began: time.Now()}
	s.dopplers, s.due, s.asked = r.dopplers, r.due, s.began.UnixNano()
	// A reader goes on only when its event is handled, so that what it logs agrees with the account.
	s.tell = func(kind streamEvent) {
		noted := make(chan struct{})
		r.events <- event{stream: s, kind: kind, noted: noted}
		<-noted
	}
	r.streams = append(r.streams, s)
	go func() {
		failure := r.Read(own, &s.Pulse)
		r.events <- event{stream: s, kind: streamEnded, failure: failure}
	}()
}

// stop closes all streams and waits for their ends.
func (r *run) stop() {
	for _, s := range r.streams {
		r.close(s)
	}
	for len(r.streams) > 0 {
		select {
		case e := <-r.events:
			if e.kind == streamEnded {
				r.remove(e.stream)
			}
			e.done()
		case <-r.leave.C:
			r.cut()
		}
	}
}

// close asks a stream to end.
func (r *run) close(s *stream) {
	s.closing = true
	s.leave.Store(true)
	r.leave.Reset(leaveTimeout)
}

// cut ends those streams that were asked to end, and did not.
func (r *run) cut() {
	for _, s := range r.streams {
		if s.closing {
			s.cancel(errReplaced)
		}
	}
}

func (r *run) handle(ctx context.Context, e event) {
	s := e.stream
	switch e.kind {
	case streamOpened:
		if !s.closing {
			s.connected = true
			r.Account.Connect()
		}
	case streamDelivered:
		r.closeOlder(s)
	case streamEnded:
		r.ended(ctx, s, e.failure)
	}
	e.done()
}

func (e event) done() {
	if e.noted != nil {
		close(e.noted)
	}
}

// closeOlder closes the streams that a new one replaces.
func (r *run) closeOlder(newer *stream) {
	for _, s := range r.streams {
		if s == newer {
			return
		}
		r.close(s)
	}
}

func (r *run) newest() *stream { return r.streams[len(r.streams)-1] }

func (r *run) remove(s *stream) {
	s.cancel(nil)
	r.disconnect(s)
	r.streams = slices.DeleteFunc(r.streams, func(other *stream) bool { return other == s })
}

func (r *run) disconnect(s *stream) {
	if s.connected {
		s.connected = false
		r.Account.Disconnect()
	}
}

// ended goes on after a stream ended: with the one that replaces it, with a new one at once if the keeper closed it,
// else with a new one after a pause.
func (r *run) ended(ctx context.Context, s *stream, failure Failure) {
	newest := s == r.newest()
	r.remove(s)
	if s.closing {
		if newest && !r.waiting {
			r.open(ctx)
		}
		return
	}
	if s.envelopes.Load() > 0 || time.Since(s.began) >= goodStream {
		r.Retry.Reset()
	}
	if s.reason != "" {
		failure = Failure{
			Reason: s.reason, Err: errReplaced,
			Advice: "received envelopes were not taken in time; the stream was closed, so that its share goes to other readers",
		}
	}
	r.Account.Reconnecting(failure.Reason)
	if !newest {
		return // the stream that replaces it is being opened
	}
	if failure.Reason == ReasonClosing && time.Since(s.began) >= goodStream {
		// The gateway always ends streams after this time: nothing is wrong, and there is nothing to wait for.
		r.Log.Info("opening a new stream", "reason", failure.Reason, "advice", failure.Advice)
		r.open(ctx)
		return
	}
	pause := r.Retry.Next()
	r.Account.Failed(failure)
	r.Log.Warn("no stream", "reason", failure.Reason, "advice", failure.Advice, "error", failure.Err,
		"retry_in", pause.Round(time.Millisecond).String())
	r.retry.Reset(pause)
	r.waiting, r.retryNow = true, failure.Retry
}

// check looks at the streams and at the dopplers. asked says that a reader asked for it.
func (r *run) check(ctx context.Context, asked bool) {
	connected, now := false, time.Now()
	// A process that was stopped has not seen how long a stream was silent.
	intervals := min(checks(now.Sub(r.checked).Round(checkInterval)), checks(firstAlone))
	r.checked = now
	for i, s := range r.streams {
		came, pause := s.check(intervals, asked)
		connected = connected || s.connected
		if came && i == len(r.streams)-1 {
			r.pauses.note(pause)
		}
		if s.stuck >= checks(stallTimeout) && s.reason == "" {
			s.reason = ReasonStalled
			r.disconnect(s)
			s.cancel(errReplaced)
		}
	}
	r.Account.AllowPause(r.pauses.limit(r.Idle))
	missing, back := false, false
	if connected {
		missing, back = r.dopplers.check(intervals)
	}
	if len(r.streams) == 0 || r.waiting {
		return
	}
	s := r.newest()
	age := time.Since(s.began)
	switch {
	case s.reason != "" || s.closing:
	case len(r.streams) > 1:
		if s.connected && s.silent >= checks(overlapTimeout) {
			r.closeOlder(s)
		}
	case s.silent >= max(1, checks(r.Idle)-2): // a check is late by up to a second, and opening takes a moment
		r.replace(ctx, s, ReasonIdle,
			"no envelope came; a doppler may have been restarted, which leaves the stream open but silent")
	case missing && age >= dopplerSilence:
		r.replace(ctx, s, ReasonFell, "a doppler's own metrics stopped; an open stream may lack its data when it is back, "+
			"so that new streams are opened until then")
	case back && age >= dopplerRetried:
		r.replace(ctx, s, ReasonFell, "a doppler is back; the open stream may lack its data")
	}
}

// replace opens a new stream in place of one.
func (r *run) replace(ctx context.Context, old *stream, reason, advice string) {
	r.Account.Reconnecting(reason)
	r.Account.Failed(Failure{Reason: reason, Advice: advice})
	r.Log.Warn("opening a new stream", "reason", reason, "advice", advice)
	if r.Share {
		r.open(ctx)
		return
	}
	r.close(old)
}
