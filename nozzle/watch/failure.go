package watch

import (
	"context"
	"math/rand/v2"
	"time"
)

// Reasons for which a stream has to be opened again; they are values of a label.
const (
	ReasonUnreachable       = "unreachable"        // no connection: refused, timed out, no such host
	ReasonServerCertificate = "server_certificate" // not signed by our CA, or out of date
	ReasonServerName        = "server_name"        // the certificate is for another name
	ReasonClientCertificate = "client_certificate" // the server refused our certificate
	ReasonTLS               = "tls"                // any other failure of the handshake
	ReasonCertificateFiles  = "certificate_files"  // our certificate files cannot be read
	ReasonRefused           = "refused"            // the server answered, but does not serve the request
	ReasonOversized         = "oversized"          // a message beyond the limit
	ReasonEnded             = "ended"              // the server ended the stream in order
	ReasonLost              = "lost"               // the connection broke
	ReasonToken             = "token"              // UAA gives no token
	ReasonTokenScope        = "token_scope"        // the token lacks the scope
	ReasonUnauthorized      = "unauthorized"       // the server refuses the token, and a fresh one as well
	ReasonWrongURL          = "wrong_url"          // something else answers there, or the platform has no such route
	ReasonUnavailable       = "unavailable"        // the server is there, but cannot serve
	ReasonClosing           = "closing_event"      // the RLP gateway ended the stream, as it does after 14 minutes
	ReasonMalformedStream   = "malformed_stream"   // the answer is not a stream of events
	ReasonTextFrame         = "text_frame"         // a websocket message that is not an envelope
	ReasonSlow              = "slow"               // the server ended the stream because we read too slowly

	// The keeper itself replaces a stream for these three, whatever the protocol.
	ReasonIdle    = "idle"    // the stream is open, but brought nothing for nozzle.idle_timeout
	ReasonFell    = "fell"    // a doppler's own metrics stopped, or came again after that
	ReasonStalled = "stalled" // the sink did not take a message in time
)

// Reasons are those for which a keeper replaces a stream.
var Reasons = []string{ReasonIdle, ReasonFell, ReasonStalled}

// Failure is why a stream ended: a reason that is counted, what an operator should look at, and the error itself.
type Failure struct {
	Reason, Advice string
	Err            error
	// Retry, if not nil, is closed when another attempt is worth while before the back-off is over.
	Retry <-chan struct{}
}

// Backoff spaces attempts to connect: each wait is up to twice as long as the one before, up to a limit. Half of it is
// random, so that many exporters do not return at once.
type Backoff struct {
	First, Limit time.Duration
	failures     int
}

// Next returns the time to wait before the next attempt.
func (b *Backoff) Next() time.Duration {
	d := b.Limit
	if shift := b.failures; shift < 32 && b.First<<shift < b.Limit {
		d = b.First << shift
	}
	b.failures++
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret depends on it
}

// Reset starts again with the first wait, after an attempt that succeeded.
func (b *Backoff) Reset() { b.failures = 0 }

// Wait sleeps, and reports whether the time passed before ctx was done.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
