package api

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/time/rate"
)

// budget bounds what answers of one sort cost, so that clients that ask without a pause take no time from envelopes and
// scrapes.
type budget struct {
	// share is the time of a processor that answers may use in each second, in the long run; saved is how much of it may
	// be saved up.
	share, saved time.Duration
	// atOnce answers are computed at a time, and waiting requests wait for their turn, for up to patience.
	atOnce, waiting int
	patience        time.Duration
	// timeout bounds one answer.
	timeout time.Duration
}

// The budgets. Both together leave the larger part of one core to envelopes and scrapes.
var (
	// usual answers take some milliseconds.
	usual = budget{
		share: 50 * time.Millisecond, saved: time.Second,
		atOnce: 2, waiting: 64, patience: time.Second, timeout: 5 * time.Second,
	}
	// heavy answers, those of Try and Learn, take seconds where there are many names.
	heavy = budget{
		share: 50 * time.Millisecond, saved: 10 * time.Second,
		atOnce: 1, waiting: 4, patience: 10 * time.Second, timeout: 30 * time.Second,
	}
)

// gate admits requests within a budget. Its tokens are microseconds.
type gate struct {
	budget

	used    func() time.Duration // see used
	tokens  *rate.Limiter
	running chan struct{}
	queue   chan struct{}
}

func newGate(b budget) *gate {
	return &gate{
		budget: b, used: used, tokens: rate.NewLimiter(rate.Limit(b.share.Microseconds()), int(b.saved.Microseconds())),
		running: make(chan struct{}, b.atOnce), queue: make(chan struct{}, b.waiting),
	}
}

// admit waits until an answer may be computed. The same goroutine computes it, with the context, and calls release
// before it is written to the client. A request that is refused was made to wait first: a client that asks again at
// once must cost no more than one that is answered.
func (g *gate) admit(ctx context.Context) (answering context.Context, release func(), err error) {
	select {
	case g.queue <- struct{}{}:
		defer func() { <-g.queue }()
	default:
		return nil, nil, &Error{
			Type: ErrorUnavailable, Text: fmt.Sprintf("%d requests wait already: try again later", g.waiting),
		}
	}
	patience := time.NewTimer(g.patience)
	defer patience.Stop()
	refused := &Error{
		Type: ErrorUnavailable,
		Text: "answers have used all of the processor's time that they may use: try again later, and ask less often",
	}
	// Answers are charged once they are computed, so that one may have taken more than there was.
	turn := g.tokens.Reserve()
	delay := time.NewTimer(turn.Delay())
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-patience.C:
		turn.Cancel()
		return nil, nil, refused
	case <-ctx.Done():
		turn.Cancel()
		return nil, nil, canceled(ctx)
	}
	select {
	case g.running <- struct{}{}:
	case <-patience.C:
		return nil, nil, refused
	case <-ctx.Done():
		return nil, nil, canceled(ctx)
	}
	runtime.LockOSThread() // so that what the answer uses is known
	began := g.used()
	answering, cancel := context.WithTimeout(ctx, g.timeout)
	charged := &charge{used: g.used}
	return context.WithValue(answering, chargeKey{}, charged), func() {
		cancel()
		took := g.used() - began - charged.free
		runtime.UnlockOSThread()
		g.tokens.ReserveN(time.Now(), int(min(took, g.saved).Microseconds()))
		<-g.running
	}, nil
}

// chargeKey is the key of a charge.
type chargeKey struct{}

// charge is what an answer has used that it is not charged for.
type charge struct {
	used func() time.Duration
	free time.Duration
}

// shared makes, or waits for, what many answers have in common: lists of names, rules and sizes. The answer that
// happens to need it first is not charged for it, since how often it is made is bounded already.
func shared[T any](ctx context.Context, produce func(context.Context) (T, error)) (T, error) {
	charged, ok := ctx.Value(chargeKey{}).(*charge)
	if !ok {
		return produce(ctx)
	}
	began := charged.used()
	defer func() { charged.free += charged.used() - began }()
	return produce(ctx)
}

// canceled is the error of an answer whose context is done.
func canceled(ctx context.Context) *Error {
	return &Error{Type: ErrorTimeout, Text: "the answer was given up: " + context.Cause(ctx).Error()}
}

// Admit waits until a page or another answer may be computed: only so many at a time, and within a share of the
// processor's time. The same goroutine computes the answer, with the context, and calls release when it is done, before
// it writes to the client. The error is an *Error with ErrorUnavailable, whose answer has the header Retry-After.
func (a *API) Admit(ctx context.Context) (answering context.Context, release func(), err error) {
	return a.usual.admit(ctx)
}

// AdmitHeavy is Admit for Try and Learn.
func (a *API) AdmitHeavy(ctx context.Context) (answering context.Context, release func(), err error) {
	return a.heavy.admit(ctx)
}
