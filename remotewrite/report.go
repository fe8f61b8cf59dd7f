package remotewrite

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"loggregator_exporter/internal/outgoing"
	"loggregator_exporter/internal/throttle"
)

// maxNamedSeries is how many refused series a line of the log names.
const maxNamedSeries = 5

// reporter logs failures, of each kind one line a minute.
type reporter struct {
	log *slog.Logger

	mu      sync.Mutex
	kinds   map[string]*failures // by a key of few values
	failing bool                 // a retry was logged, and no success since
}

// failures are those of one kind since the last line.
type failures struct {
	throttle throttle.Throttle
	samples  int      // that were lost
	series   []string // that the receiver named
}

// newReporter makes a reporter for a receiver's URL, which may hold secrets.
func newReporter(log *slog.Logger, address string) *reporter {
	shown := "(not a URL)"
	if u, err := url.Parse(address); err == nil {
		shown = outgoing.Address(u)
	}
	return &reporter{log: log.With("url", shown), kinds: map[string]*failures{}}
}

// due counts a failure. If no line of its kind was written for a minute, ok is true and args describe all failures of
// the kind since the last line. The caller holds mu.
func (r *reporter) due(kind string, samples int, series []string) (args []any, ok bool) {
	f := r.kinds[kind]
	if f == nil {
		f = &failures{}
		r.kinds[kind] = f
	}
	f.samples += samples
	for _, s := range series {
		if len(f.series) < maxNamedSeries && !slices.Contains(f.series, s) {
			f.series = append(f.series, s)
		}
	}
	lines, ok := f.throttle.Add(time.Now())
	if !ok {
		return nil, false
	}
	args = []any{"not_logged", lines - 1}
	if f.samples > 0 {
		args = append(args, "count", f.samples)
	}
	if len(f.series) > 0 {
		args = append(args, "series", strings.Join(f.series, " "))
	}
	f.samples, f.series = 0, nil
	return args, true
}

// retrying reports a request that will be sent again.
func (r *reporter) retrying(reason string, err error, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if args, ok := r.due("retry "+reason, 0, nil); ok {
		r.failing = true
		r.log.Warn("remote write will send a request again", append(args, "reason", reason, "error", err, "wait", wait)...)
	}
}

// lost reports samples or metadata that will not arrive. The error may be nil; series are those that the receiver
// named.
func (r *reporter) lost(reason string, err error, count int, series []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	args, ok := r.due("lost "+reason, count, series)
	if !ok {
		return
	}
	if err != nil {
		args = append(args, "error", err)
	}
	r.log.Error("remote write has lost samples", append(args, "reason", reason)...)
}

// omitted reports metrics that a round leaves out.
func (r *reporter) omitted(reason, name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if args, ok := r.due("omitted "+reason, 0, nil); ok {
		r.log.Warn("remote write leaves metrics out", append(args, "reason", reason, "metric", name, "error", err)...)
	}
}

// recovered reports that requests are accepted after retries.
func (r *reporter) recovered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing {
		r.failing = false
		r.log.Info("remote write works again")
	}
}

// usesV1 reports, once, that the receiver takes only 1.0.
func (r *reporter) usesV1(err error) {
	r.log.Info("the receiver does not take remote write 2.0: sending 1.0 from now on", "answer", err)
}

// bucketsOnly reports, once, that native histograms are not pushed in addition to classic ones.
func (r *reporter) bucketsOnly() {
	r.log.Warn("the receiver is VictoriaMetrics, which would store sum and count of a histogram twice: "+
		"pushing histograms as buckets only",
		"advice", "to push them in native form only, set remote_write.send_classic_histograms to false")
}
