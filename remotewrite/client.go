package remotewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"loggregator_exporter/internal/outgoing"
)

// verdict is what an answer means for the request.
type verdict uint8

const (
	accepted  verdict = iota
	retryable         // the same request may be accepted later
	tooLarge          // parts of it may be accepted
	notV2             // the receiver does not take 2.0
	refused           // all of it, or the part that a confirmed answer leaves out, is refused for good
)

// answer is a receiver's answer to one request.
type answer struct {
	verdict    verdict
	status     int           // 0 without an answer
	reason     string        // kind of the failure, a constant
	err        error         // nil if accepted
	series     []string      // that the answer's text names
	retryAfter time.Duration // 0 if the answer does not say
	// written is what a receiver of 2.0 says it has stored. confirmed is false if it says nothing.
	written   counts
	confirmed bool
}

// Kinds of failures, for the log.
const (
	reasonUnreachable    = "unreachable"
	reasonUnreadableFile = "unreadable_file"
	reasonRateLimit      = "rate_limit"
	reasonServerError    = "server_error"
	reasonRefused        = "refused"
	reasonUnconfirmed    = "unconfirmed"
	reasonPartial        = "partial"
	reasonExemplars      = "exemplars"
)

// receiverState is what answers have shown of the receiver. Shards write it; rounds read it.
type receiverState struct {
	auto            bool         // whether 1.0 is used where 2.0 is not taken
	v1              atomic.Bool  // requests are in 1.0
	confirmedV2     atomic.Bool  // a request in 2.0 was confirmed
	victoriaMetrics atomic.Bool  // it is a program of VictoriaMetrics
	maxEntries      atomic.Int64 // time series in a request
	minEntries      int          // requests of fewer are not split
}

func newReceiverState(o *Options) *receiverState {
	r := &receiverState{auto: o.Protocol == ProtocolAuto, minEntries: max(1, o.MaxSamplesPerSend/64)}
	r.v1.Store(o.Protocol == Protocol1)
	r.maxEntries.Store(int64(o.MaxSamplesPerSend))
	return r
}

func (r *receiverState) takesV2() bool { return !r.v1.Load() }

// limitEntries makes later requests hold at most n time series.
func (r *receiverState) limitEntries(n int) {
	for old := r.maxEntries.Load(); int64(n) < old && !r.maxEntries.CompareAndSwap(old, int64(n)); {
		old = r.maxEntries.Load()
	}
}

// client sends requests to one receiver.
type client struct {
	http      *http.Client
	options   *Options
	receiver  *receiverState
	userAgent string
}

const (
	maxTextBytes    = 4 << 10   // that are read of an answer for the log
	maxLineBytes    = 512       // that are shown of it
	maxDiscardBytes = 64 << 10  // that are read of an answer so that its connection can be used again
	maxRetryAfter   = time.Hour // a receiver that asks for more is asked again after this
)

var errNoURL = errors.New("remote_write.url_file holds no URL")

// send sends a request once.
func (c *client) send(ctx context.Context, r *request) answer {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	address, err := c.options.address()
	if err != nil {
		return answer{verdict: retryable, reason: reasonUnreadableFile, err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(r.body))
	if err != nil {
		return answer{verdict: retryable, reason: reasonUnreadableFile, err: errNoURL} // the error may show a secret
	}
	if err := c.setHeaders(req, r.v2); err != nil {
		return answer{verdict: retryable, reason: reasonUnreadableFile, err: err}
	}
	res, err := c.http.Do(req)
	if err != nil {
		err = withoutURL(err)
		//nolint:errorlint // that of the token server, which is wrapped, may be temporary
		if _, ok := err.(*outgoing.RedirectError); ok {
			return answer{verdict: refused, reason: reasonRefused, err: err}
		}
		return answer{verdict: retryable, reason: reasonUnreachable, err: err}
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxTextBytes))
	_, _ = io.CopyN(io.Discard, res.Body, maxDiscardBytes)
	_ = res.Body.Close()
	return c.judge(res, string(text), r.v2)
}

func (c *client) setHeaders(req *http.Request, v2 bool) error {
	for i := range c.options.Headers {
		p := &c.options.Headers[i]
		value, err := p.secret()
		if err != nil {
			return err
		}
		req.Header.Set(p.Name, value)
		if strings.EqualFold(p.Name, "Host") {
			req.Host = value
		}
	}
	contentType, version := "application/x-protobuf", "0.1.0"
	if v2 {
		contentType, version = "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Prometheus-Remote-Write-Version", version)
	return nil
}

// withoutURL takes the URL, which may hold a password or token, out of an error.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// writtenHeaders are those by which receivers of 2.0 say what they have stored. A missing one means 0 if another one
// is there.
var writtenHeaders = [...]string{ // constant
	contentSamples:    "X-Prometheus-Remote-Write-Samples-Written",
	contentHistograms: "X-Prometheus-Remote-Write-Histograms-Written",
	contentExemplars:  "X-Prometheus-Remote-Write-Exemplars-Written",
}

// victoriaHeader is in every answer of the programs of VictoriaMetrics.
const victoriaHeader = "X-Server-Hostname"

func (c *client) judge(res *http.Response, text string, v2 bool) answer {
	a := answer{status: res.StatusCode}
	for content, name := range writtenHeaders {
		if n, err := strconv.Atoi(res.Header.Get(name)); err == nil && n >= 0 && v2 {
			a.written[content], a.confirmed = n, true
		}
	}
	switch {
	case a.confirmed:
		c.receiver.confirmedV2.Store(true)
	case a.status/100 == 2 && res.Header.Get(victoriaHeader) != "":
		c.receiver.victoriaMetrics.Store(true)
	}
	if a.status/100 != 2 {
		a.err, a.series = fmt.Errorf("status %d: %s", a.status, firstLine(text)), seriesIn(text)
		c.judgeFailure(&a, res, v2)
	} else if v2 && !a.confirmed {
		a.verdict, a.reason = notV2, reasonUnconfirmed
		a.err = fmt.Errorf("status %d without a header that says how many samples were written, as 2.0 demands", a.status)
	}
	return a
}

func (c *client) judgeFailure(a *answer, res *http.Response, v2 bool) {
	a.verdict, a.reason = refused, reasonRefused
	switch {
	case a.status == http.StatusTooManyRequests && c.options.RetryOnRateLimit:
		a.verdict, a.reason = retryable, reasonRateLimit
		a.retryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	case a.status/100 == 5:
		a.verdict, a.reason = retryable, reasonServerError
		a.retryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	case a.status == http.StatusRequestEntityTooLarge:
		a.verdict = tooLarge
	case a.status == http.StatusUnsupportedMediaType && v2:
		a.verdict = notV2
	case a.status == http.StatusBadRequest && v2 && c.receiver.auto && !c.receiver.confirmedV2.Load():
		// Old receivers answer like that to messages that they cannot read. If the cause was a sample instead, 1.0 does no
		// harm.
		a.verdict = notV2
	}
}

// firstLine shortens an answer's text for the log.
func firstLine(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxLineBytes)], "\uFFFD")
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return text
}

// seriesText matches a series as Prometheus ({__name__="a", b="c"}) and Mimir (a{b="c"}) write it.
var seriesText = regexp.MustCompile(`(?:[a-zA-Z_:][\w:]*)?\{[^{}"]*(?:"(?:[^"\\]|\\.)*"[^{}"]*)+\}`)

// seriesIn returns the first series that an answer's text names.
func seriesIn(text string) []string {
	named := seriesText.FindAllString(strings.ToValidUTF8(text, "\uFFFD"), maxNamedSeries)
	return slices.DeleteFunc(named, func(s string) bool { return !strings.Contains(s, `="`) || len(s) > maxLineBytes })
}

// retryAfter reads the header's two forms, seconds and a date.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
