package remotewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// verdict is what became of a request.
type verdict uint8

const (
	accepted  verdict = iota
	retryable         // it may be accepted when sent again
	malformed         // 400: something in it is refused for good
	rejected          // all of it is refused for good
)

// answer is a receiver's.
type answer struct {
	verdict verdict
	reason  string        // constant for the kind of failure, for the log's rate limit
	err     error         // what to show, where not accepted
	wait    time.Duration // Retry-After, 0 without
	// written is what a receiver of 2.0 says it has stored, if it says so.
	written   tally
	confirmed bool
}

const (
	reasonUnreachable = "unreachable"
	reasonRateLimit   = "rate_limit"
	reasonServerError = "server_error"
	reasonRefused     = "refused"
	reasonUnconfirmed = "unconfirmed"
	reasonPartial     = "partial"
	reasonExemplars   = "exemplars"
)

// client sends requests to one receiver.
type client struct {
	http             *http.Client
	url              string
	headers          []Pair
	v2               bool
	timeout          time.Duration
	retryOnRateLimit bool
	userAgent        string
}

const (
	maxMessageBytes = 512       // of an answer that are shown
	maxAnswerBytes  = 64 << 10  // of an answer that are read so that the connection can be used again
	maxRetryAfter   = time.Hour // a receiver that asks for more is asked again then
)

// send sends one compressed request, once.
func (c *client) send(ctx context.Context, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return answer{verdict: rejected, reason: reasonRefused, err: withoutURL(err)}
	}
	c.setHeaders(req.Header)
	for _, h := range c.headers {
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{verdict: retryable, reason: reasonUnreachable, err: withoutURL(err)}
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxMessageBytes))
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswerBytes)
	_ = res.Body.Close()
	return c.judge(res, string(text))
}

func (c *client) setHeaders(h http.Header) {
	for _, p := range c.headers {
		h.Set(p.Name, p.Value)
	}
	h.Set("Content-Encoding", "snappy")
	h.Set("User-Agent", c.userAgent)
	if c.v2 {
		h.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
		h.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
		return
	}
	h.Set("Content-Type", "application/x-protobuf")
	h.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
}

// withoutURL takes the URL, which may hold a password or token, out of an error.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// written are the headers by which receivers of 2.0 say what they have stored. One that is missing means 0 where another is there.
var written = [...]string{ // constant
	contentSamples:    "X-Prometheus-Remote-Write-Samples-Written",
	contentHistograms: "X-Prometheus-Remote-Write-Histograms-Written",
	contentExemplars:  "X-Prometheus-Remote-Write-Exemplars-Written",
}

func (c *client) judge(res *http.Response, text string) answer {
	var a answer
	for content, name := range written {
		if n, err := strconv.Atoi(res.Header.Get(name)); err == nil && n >= 0 && c.v2 {
			a.written[content], a.confirmed = n, true
		}
	}
	status := res.StatusCode
	if status/100 == 2 {
		if c.v2 && !a.confirmed {
			a.verdict, a.reason = rejected, reasonUnconfirmed
			a.err = fmt.Errorf("status %d, but the answer does not say how many samples were written, as 2.0 demands: "+
				"the receiver hardly speaks it, set remote_write.protocol to \"1.0\"", status)
		}
		return a
	}
	a.err = fmt.Errorf("status %d: %s", status, excerpt(text))
	switch {
	case status == http.StatusTooManyRequests && c.retryOnRateLimit:
		a.verdict, a.reason = retryable, reasonRateLimit
		a.wait = retryAfter(res.Header.Get("Retry-After"), time.Now())
	case status/100 == 5:
		a.verdict, a.reason = retryable, reasonServerError
		a.wait = retryAfter(res.Header.Get("Retry-After"), time.Now())
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge:
		a.verdict, a.reason = malformed, reasonRefused
	case status/100 == 3:
		a.verdict, a.reason = rejected, reasonRefused
		a.err = fmt.Errorf("status %d: the receiver redirects to %s, where the request would not arrive as it is: set remote_write.url to the address "+
			"that takes requests", status, redacted(res.Header.Get("Location")))
	case status == http.StatusUnsupportedMediaType && c.v2:
		a.verdict, a.reason = rejected, reasonRefused
		a.err = fmt.Errorf("%w: the receiver does not take 2.0, set remote_write.protocol to \"1.0\"", a.err)
	default:
		a.verdict, a.reason = rejected, reasonRefused
	}
	return a
}

// excerpt is what to show of an answer's text.
func excerpt(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(strings.ToValidUTF8(text[:min(len(text), maxMessageBytes)], "\uFFFD")), "\n")
	return text
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
