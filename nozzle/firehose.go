package nozzle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"loggregator_exporter/nozzle/watch"
)

// FirehoseOptions configure the v1 firehose source.
type FirehoseOptions struct {
	Enabled bool             `mapstructure:"enabled"`
	URL     string           `mapstructure:"url"`
	TLS     ServerTLSOptions `mapstructure:"tls"`
}

const (
	nameFirehose = "firehose"
	firehoseKey  = "nozzle.firehose"
	firehoseWhat = "the traffic controller"

	maxFrame = 10 << 20 // gRPC's limit inside Loggregator bounds envelopes
)

var firehoseReasons = []string{
	watch.ReasonUnreachable, watch.ReasonServerCertificate, watch.ReasonServerName, watch.ReasonTLS,
	watch.ReasonCertificateFiles, watch.ReasonToken, watch.ReasonTokenScope, watch.ReasonUnauthorized,
	watch.ReasonWrongURL, watch.ReasonUnavailable, watch.ReasonTextFrame, watch.ReasonOversized,
	watch.ReasonMalformedStream, watch.ReasonSlow, watch.ReasonEnded, watch.ReasonLost,
}

// Firehose reads the envelopes of a whole foundation in the v1 form from the traffic controller: one dropsonde
// envelope in each binary message of a websocket, authorized by a token of UAA. Readers with the same shard id share
// the envelopes. There are no deterministic names and no selectors at the server: metrics outside the selectors are
// filtered here, and logs are ignored. The source is connected while a websocket is open.
//
// The websocket library is github.com/coder/websocket: it is maintained, dials by net/http (so that proxies,
// certificates and refusals are handled as for the other HTTPS sources), takes contexts, answers pings while it reads,
// bounds messages, and has no dependencies. gorilla/websocket has its own API for dialling and deadlines; noaa, which
// is built on it, retries and refreshes tokens itself without reporting a reason, and unmarshals every envelope.
type Firehose struct {
	streamBase
	peer   httpsPeer
	tokens *uaaTokens
}

// newFirehose fails if the certificates or the client's secret cannot be read. The options have been checked. The
// shard id is the subscription id.
func newFirehose(options FirehoseOptions, stream StreamOptions, env *Env) (*Firehose, error) {
	f := &Firehose{peer: httpsPeer{
		key: firehoseKey, what: firehoseWhat, tls: options.TLS, streams: true,
		url: strings.TrimRight(options.URL, "/") + "/firehose/" + url.PathEscape(stream.ShardID),
	}}
	var err error
	if f.tokens, err = env.uaaTokens(); err != nil {
		return nil, err
	}
	if _, err := f.peer.tlsConfig(); err != nil {
		return nil, err
	}
	f.streamBase = env.newStreamBase(nameFirehose, stream, firehoseReasons, "url", options.URL)
	f.keeper.Read = f.stream
	return f, nil
}

// Run implements Source. No behaviour of a traffic controller ends it, since the cause may be fixed there.
func (f *Firehose) Run(ctx context.Context) error {
	f.keeper.Run(ctx)
	return nil
}

// stream connects, reads one websocket to its end and returns why it ended.
func (f *Firehose) stream(ctx context.Context, p *watch.Pulse) watch.Failure {
	s := newFirehoseStream(f.intake(p), p)
	peer := f.peer
	peer.upgraded, peer.drained = s.frames.over, s.frames.decode
	client, err := peer.client()
	if err != nil {
		return noCertificates(err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if failed := f.tokens.authorize(ctx, func(authorization string) (failed *watch.Failure, refused bool) {
		s.conn, failed, refused = f.open(ctx, client, authorization)
		return failed, refused
	}); failed != nil {
		return *failed
	}
	// Envelopes in flight are not used, so the websocket is closed without a closing handshake.
	defer func() { _ = s.conn.CloseNow() }()
	defer context.AfterFunc(ctx, func() { _ = s.conn.CloseNow() })()
	p.Opened()
	f.log.Info("connected to the firehose")
	return s.read(ctx)
}

// open connects. refused is true where the server does not accept the token.
func (f *Firehose) open(
	ctx context.Context, client *http.Client, authorization string,
) (conn *websocket.Conn, failed *watch.Failure, refused bool) {
	header := http.Header{"Authorization": {authorization}, "User-Agent": {userAgent}}
	options := &websocket.DialOptions{HTTPClient: client, HTTPHeader: header}
	conn, answer, err := websocket.Dial(ctx, f.peer.url, options) //nolint:bodyclose // Dial does
	if err == nil {
		conn.SetReadLimit(maxFrame)
		return conn, nil, false
	}
	switch {
	case answer == nil:
		e := f.peer.explain(err)
		failed = &e
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		return nil, &watch.Failure{
			Reason: watch.ReasonUnauthorized, Advice: "the traffic controller does not accept the token; " + scopeAdvice +
				", and uaa.url must be the UAA of that traffic controller",
			Err: fmt.Errorf("%s answered %s", f.peer.url, answer.Status),
		}, true
	case answer.StatusCode == http.StatusSwitchingProtocols:
		failed = &watch.Failure{
			Reason: watch.ReasonWrongURL,
			Advice: "what answers at nozzle.firehose.url does not speak the websocket protocol as it should", Err: err,
		}
	default:
		e := f.peer.explainStatus(answer)
		failed = &e
	}
	return nil, failed, false
}

// firehoseStream is an open websocket. Each message is a record of TLS: all that are at hand are read before the first
// of them is decoded, since to do the one and then the other for many costs less than both in turns.
type firehoseStream struct {
	frames wholeFrames
	conn   *websocket.Conn
	intake *Intake
	pulse  *watch.Pulse
}

func newFirehoseStream(intake *Intake, pulse *watch.Pulse) *firehoseStream {
	s := &firehoseStream{intake: intake, pulse: pulse}
	s.frames.take = func(messages [][]byte) { intake.V1Batch(messages, time.Now()) }
	s.frames.leave = pulse.Leave
	return s
}

// read takes messages until the websocket ends. It reads with a context that never ends: the end of ctx closes the
// connection instead.
func (s *firehoseStream) read(ctx context.Context) watch.Failure {
	defer s.frames.decode()
	forever := context.WithoutCancel(ctx)
	for !s.pulse.Leave() {
		kind, r, err := s.conn.Reader(forever)
		if err != nil {
			return s.explain(err)
		}
		if kind != websocket.MessageBinary {
			s.intake.Unreadable("a text message", time.Now())
			return watch.Failure{
				Reason: watch.ReasonTextFrame,
				Advice: "what answers at nozzle.firehose.url sends text, which no traffic controller does; is there something " +
					"between it and us?", Err: errors.New("a text message"),
			}
		}
		message, err := io.ReadAll(r)
		if err == nil && s.frames.within() {
			err = io.ErrUnexpectedEOF // v1.8.15 of the library takes an end here for that of the message
		}
		if err != nil {
			return s.explain(err)
		}
		s.intake.V1(message, time.Now())
	}
	return s.explain(errLeft)
}

func (s *firehoseStream) explain(err error) watch.Failure {
	status := websocket.CloseStatus(err)
	switch {
	case errors.Is(err, errLeft):
		return watch.Failure{Reason: watch.ReasonEnded, Advice: errLeft.Error()}
	case errors.Is(err, websocket.ErrMessageTooBig):
		s.intake.Unreadable("a message that is too long", time.Now())
		return watch.Failure{
			Reason: watch.ReasonOversized,
			Advice: fmt.Sprintf("a message is longer than the %d bytes that are accepted", maxFrame), Err: err,
		}
	case status == websocket.StatusPolicyViolation:
		return watch.Failure{
			Reason: watch.ReasonSlow,
			Advice: "the traffic controller says that we read too slowly: is the exporter short of CPU? more exporters with " +
				"the same nozzle.shard_id share the load", Err: err,
		}
	case status != -1:
		return watch.Failure{Reason: watch.ReasonEnded, Advice: "the traffic controller ended the stream", Err: err}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return watch.Failure{
			Reason: watch.ReasonLost,
			Advice: "the connection to the traffic controller was lost; it cuts readers that it cannot write to for 5 s: is " +
				"the exporter short of CPU?", Err: err,
		}
	default:
		return watch.Failure{Reason: watch.ReasonLost, Advice: "the connection to the traffic controller was lost", Err: err}
	}
}
