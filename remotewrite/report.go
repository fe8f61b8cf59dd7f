package remotewrite

import (
	"log/slog"
	"sync"
	"time"
)

// reportEvery limits the log: of every kind of trouble one line in so much time, with the number of those left out.
const reportEvery = time.Minute

// reporter logs what goes wrong.
type reporter struct {
	log *slog.Logger

	mu      sync.Mutex
	kinds   map[string]*trouble
	failing bool // the last that was logged of requests is that one failed
}

type trouble struct {
	next    time.Time
	omitted int // lines
	samples int // in these lines
}

func newReporter(log *slog.Logger, url string) *reporter {
	return &reporter{log: log.With("url", redacted(url)), kinds: map[string]*trouble{}}
}

// due says whether to log now. kind is one of few constants.
func (r *reporter) due(kind string, samples int) (before trouble, ok bool) {
	now := time.Now()
	t := r.kinds[kind]
	if t == nil {
		t = &trouble{}
		r.kinds[kind] = t
	}
	if now.Before(t.next) {
		t.omitted++
		t.samples += samples
		return trouble{}, false
	}
	before = *t
	*t = trouble{next: now.Add(reportEvery)}
	return before, true
}

// retrying reports a request that will be sent again.
func (r *reporter) retrying(reason string, err error, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t, ok := r.due("retry "+reason, 0); ok {
		r.failing = true
		r.log.Warn("remote write will send a request again", "reason", reason, "error", err, "wait", wait, "not_logged", t.omitted)
	}
}

// lost reports samples or metadata that will not arrive; which is the first of them, where known.
func (r *reporter) lost(reason string, err error, count int, which string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.due("lost "+reason, count)
	if !ok {
		return
	}
	args := []any{"reason", reason, "count", count + t.samples, "not_logged", t.omitted}
	if err != nil {
		args = append(args, "error", err)
	}
	if which != "" {
		args = append(args, "series", which)
	}
	r.log.Error("remote write has lost samples", args...)
}

// works reports that requests are taken again.
func (r *reporter) works() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing {
		r.failing = false
		r.log.Info("remote write works again")
	}
}

// missing reports what a round could not push.
func (r *reporter) missing(kind, name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t, ok := r.due(kind, 0); ok {
		r.log.Warn("remote write leaves metrics out", "reason", kind, "metric", name, "error", err, "not_logged", t.omitted)
	}
}
