package nozzle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"loggregator_exporter/nozzle/watch"
)

// GatewayOptions configure the RLP gateway source.
type GatewayOptions struct {
	Enabled bool             `mapstructure:"enabled"`
	URL     string           `mapstructure:"url"`
	TLS     ServerTLSOptions `mapstructure:"tls"`
}

const (
	nameGateway = "gateway"
	gatewayKey  = "nozzle.gateway"
	gatewayWhat = "the RLP gateway"
)

var gatewayReasons = []string{
	watch.ReasonUnreachable, watch.ReasonServerCertificate, watch.ReasonServerName, watch.ReasonTLS,
	watch.ReasonCertificateFiles, watch.ReasonToken, watch.ReasonTokenScope, watch.ReasonUnauthorized,
	watch.ReasonWrongURL, watch.ReasonRefused, watch.ReasonUnavailable, watch.ReasonClosing, watch.ReasonMalformedStream,
	watch.ReasonOversized, watch.ReasonEnded, watch.ReasonLost,
}

// Gateway reads the envelopes of a whole foundation from the RLP gateway: server-sent events by HTTPS, authorized by
// a token of UAA. The source is connected while a stream is open.
type Gateway struct {
	streamBase
	peer   httpsPeer
	tokens *uaaTokens
}

// newGateway fails if the certificates or the client's secret cannot be read. The options have been checked.
func newGateway(options GatewayOptions, stream StreamOptions, env *Env) (*Gateway, error) {
	g := &Gateway{peer: httpsPeer{
		key: gatewayKey, what: gatewayWhat, url: strings.TrimRight(options.URL, "/") + "/v2/read?" + stream.query(),
		tls: options.TLS, streams: true,
	}}
	var err error
	if g.tokens, err = env.uaaTokens(); err != nil {
		return nil, err
	}
	if _, err := g.peer.tlsConfig(); err != nil {
		return nil, err
	}
	g.streamBase = env.newStreamBase(nameGateway, stream, gatewayReasons, "url", options.URL)
	g.keeper.Read = g.stream
	return g, nil
}

// query returns the parameters of a request to the gateway.
func (o StreamOptions) query() string {
	q := o.selection().Query()
	for _, p := range []struct{ key, value string }{
		{"shard_id", o.ShardID},
		{"deterministic_name", o.DeterministicName},
	} {
		if p.value != "" {
			q = append(q, p.key+"="+url.QueryEscape(p.value))
		}
	}
	return strings.Join(q, "&")
}

// Run implements Source. No behaviour of a gateway ends it, since the cause may be fixed there.
func (g *Gateway) Run(ctx context.Context) error {
	g.keeper.Run(ctx)
	return nil
}

// stream connects, reads one stream to its end and returns why it ended. Each stream has its own connection: it reads
// the certificate again, and gets the envelopes of a doppler that the old stream has lost.
func (g *Gateway) stream(ctx context.Context, p *watch.Pulse) watch.Failure {
	client, err := g.peer.client()
	if err != nil {
		return noCertificates(err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var answer *http.Response
	if failed := g.tokens.authorize(ctx, func(authorization string) (failed *watch.Failure, refused bool) {
		answer, failed, refused = g.open(ctx, client, authorization) //nolint:bodyclose // it is, below
		return failed, refused
	}); failed != nil {
		return *failed
	}
	defer func() { _ = answer.Body.Close() }()
	p.Opened()
	g.log.Info("connected to the RLP gateway")
	events := &gatewayStream{
		events: eventReader{from: answer.Body, limit: maxEvent}, intake: g.intake(p), pulse: p,
		log: g.log,
	}
	return events.read()
}

// open requests a stream. refused is true where the gateway does not accept the token, which it answers with 404.
func (g *Gateway) open(
	ctx context.Context, client *http.Client, authorization string,
) (answer *http.Response, failed *watch.Failure, refused bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.peer.url, http.NoBody)
	if err != nil {
		return nil, &watch.Failure{Reason: watch.ReasonWrongURL, Advice: "nozzle.gateway.url makes no request", Err: err},
			false
	}
	request.Header.Set("Authorization", authorization)
	request.Header.Set("Accept", eventStream)
	request.Header.Set("User-Agent", userAgent)
	answer, err = client.Do(request)
	if err != nil {
		f := g.peer.explain(err)
		return nil, &f, false
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if answer.StatusCode == http.StatusOK && media == eventStream {
		return answer, nil, false
	}
	_ = answer.Body.Close()
	switch status := answer.StatusCode; {
	case status == http.StatusOK:
		failed = &watch.Failure{
			Reason: watch.ReasonWrongURL,
			Advice: "what answers at nozzle.gateway.url is no RLP gateway: the answer is no stream of events",
			Err:    fmt.Errorf("content of type %.100q", media),
		}
	case (status == http.StatusNotFound || status == http.StatusUnauthorized || status == http.StatusForbidden) &&
		answer.Header.Get(routerErrorHeader) == "":
		return nil, &watch.Failure{
			Reason: watch.ReasonUnauthorized,
			Advice: "the RLP gateway does not accept the token (it answers 404 then); " + scopeAdvice +
				", and uaa.url must be the UAA of that gateway; or is nozzle.gateway.url another server's?",
			Err: fmt.Errorf("%s answered %s", g.peer.url, answer.Status),
		}, true
	case status == http.StatusBadRequest:
		failed = &watch.Failure{
			Reason: watch.ReasonRefused,
			Advice: "the RLP gateway does not understand the request; is nozzle.gateway.url right?",
			Err:    fmt.Errorf("%s answered %s", g.peer.url, answer.Status),
		}
	default:
		f := g.peer.explainStatus(answer)
		failed = &f
	}
	return nil, failed, false
}

const (
	eventStream    = "text/event-stream"
	eventHeartbeat = "heartbeat" // after 15 s without data, whatever the state of the dopplers
	eventClosing   = "closing"
)

// gatewayStream is an open stream of the gateway.
type gatewayStream struct {
	events eventReader
	intake *Intake
	pulse  *watch.Pulse
	log    *slog.Logger
}

// read takes events until the stream ends.
func (s *gatewayStream) read() watch.Failure {
	for !s.pulse.Leave() {
		name, data, err := s.events.next()
		if err != nil {
			return s.explain(err)
		}
		switch string(name) {
		case "", "message":
			s.intake.JSON(data, time.Now())
		case eventClosing:
			return watch.Failure{
				Reason: watch.ReasonClosing, Advice: "the RLP gateway ends each stream after some time",
				Err: fmt.Errorf("event closing: %.100q", data),
			}
		case eventHeartbeat:
		default:
			s.log.Debug("unknown event", "event", string(name[:min(len(name), 100)]))
		}
	}
	return watch.Failure{Reason: watch.ReasonEnded, Advice: "no more of this stream was wanted"}
}

func (s *gatewayStream) explain(err error) watch.Failure {
	switch {
	case errors.Is(err, errOversizedEvent):
		s.intake.Unreadable(err.Error(), time.Now())
		return watch.Failure{Reason: watch.ReasonOversized, Advice: "an event is longer than what is accepted", Err: err}
	case errors.Is(err, errNoEventField):
		s.intake.Unreadable(err.Error(), time.Now())
		return watch.Failure{
			Reason: watch.ReasonMalformedStream,
			Advice: "what comes is no stream of events; is there something between the RLP gateway and us that changes it?",
			Err:    err,
		}
	case errors.Is(err, io.EOF):
		return watch.Failure{
			Reason: watch.ReasonEnded,
			Advice: "the RLP gateway, or a load balancer before it, ended the stream", Err: err,
		}
	default:
		return watch.Failure{Reason: watch.ReasonLost, Advice: "the connection to the RLP gateway was lost", Err: err}
	}
}
