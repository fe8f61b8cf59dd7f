package nozzle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/nozzle/watch"
)

// UAAOptions say where tokens come from, and to whom they are given. Exactly one of ClientSecret and ClientSecretFile is set.
type UAAOptions struct {
	URL          string `mapstructure:"url"`
	ClientID     string `mapstructure:"client_id"`
	ClientSecret string `mapstructure:"client_secret"`
	// ClientSecretFile is read for every request, so that the secret can be changed under a running exporter. White space at its
	// end does not belong to the secret.
	ClientSecretFile string           `mapstructure:"client_secret_file"`
	TLS              ServerTLSOptions `mapstructure:"tls"`
}

const (
	uaaKey        = "uaa"
	maxSecretFile = 64 << 10

	uaaTimeout = 30 * time.Second
	// Requests for tokens are at least this far apart, whatever happens.
	uaaSpacing    = 5 * time.Second
	uaaRetryFirst = 5 * time.Second
	uaaRetryLimit = 5 * time.Minute
	// A token that a server refuses, although UAA has just made it, will hardly be better the next time: a client may have got new
	// authorities, though.
	uaaRefusedFirst = 30 * time.Second
	uaaRefusedLimit = 10 * time.Minute
	// The life of a token of which UAA does not tell it.
	uaaUnknownLife = time.Hour
)

// Outcomes of a request for a token, besides those of httpsPeer.
const (
	tokenOK            = "ok"
	tokenClientRefused = "client_refused"
	tokenSecretFile    = "secret_file"
)

// The scopes that open the foundation's streams: the first one both of them, the second one the RLP gateway.
var firehoseScopes = []string{"doppler.firehose", "logs.admin"} // constant

// UAA is the one source of tokens of all sources that need one. While one of them runs, tokens are fetched, one at a time, well before
// they expire; the sources take what is there. It never asks more often than every few seconds, and far less often when UAA fails or when fresh tokens are
// refused.
type UAA struct {
	options UAAOptions
	peer    httpsPeer
	log     *slog.Logger
	fetch   func(context.Context) (uaaToken, *watch.Failure)

	spacing  time.Duration
	retry    watch.Backoff
	refusals watch.Backoff

	requests *prometheus.CounterVec
	expiry   prometheus.Gauge

	ask chan struct{} // holds one entry while a token is wanted before its time

	mu      sync.Mutex
	users   int    // sources that run
	stop    func() // ends run, and waits for that
	current uaaToken
	failed  *watch.Failure // why the last request failed; nil after one that did not
	changed chan struct{}  // closed and replaced when current or failed changes
	refused time.Time      // before that, no refusal makes a token be fetched
}

// uaaToken is an access token; its zero value is none.
type uaaToken struct {
	value   string
	scopes  []string // nil where UAA does not tell them
	expires time.Time
}

// hasScope says whether the token may open the stream of the whole foundation, as far as is known.
func (t uaaToken) hasScope() bool {
	return t.scopes == nil || slices.ContainsFunc(t.scopes, func(s string) bool { return slices.Contains(firehoseScopes, s) })
}

// NewUAA checks the options, including the files. It asks for nothing before a source runs.
func NewUAA(options UAAOptions, ledger *Ledger, log *slog.Logger) (*UAA, error) {
	if err := validURL(uaaKey+".url", options.URL, "https", "https://uaa.sys.example.com"); err != nil {
		return nil, err
	}
	if options.ClientID == "" {
		return nil, errors.New("uaa.client_id: not set")
	}
	if (options.ClientSecret == "") == (options.ClientSecretFile == "") {
		return nil, errors.New("uaa.client_secret, uaa.client_secret_file: want exactly one of them")
	}
	u := &UAA{
		options: options,
		peer:    httpsPeer{key: uaaKey, what: "UAA", url: strings.TrimRight(options.URL, "/") + "/oauth/token", tls: options.TLS},
		log:     log.With("client_id", options.ClientID),
		spacing: uaaSpacing,
		retry:   watch.Backoff{First: uaaRetryFirst, Limit: uaaRetryLimit}, refusals: watch.Backoff{First: uaaRefusedFirst, Limit: uaaRefusedLimit},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricPrefix + "uaa_token_requests_total", Help: "Requests for a token to UAA, by what became of them.",
		}, []string{"outcome"}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: metricPrefix + "uaa_token_expiry_timestamp_seconds", Help: "Unix time at which the token in hand expires; 0 if there is none.",
		}),
		ask: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	u.fetch = u.request
	if _, err := u.peer.tlsConfig(); err != nil {
		return nil, err
	}
	if _, err := u.secret(); err != nil {
		return nil, err
	}
	for _, outcome := range []string{tokenOK, tokenClientRefused, tokenSecretFile, watch.ReasonCertificateFiles, watch.ReasonUnreachable, watch.ReasonServerCertificate, watch.ReasonServerName, watch.ReasonTLS, watch.ReasonWrongURL, watch.ReasonUnavailable} {
		u.requests.WithLabelValues(outcome)
	}
	for _, c := range []prometheus.Collector{u.requests, u.expiry} {
		if err := ledger.registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register UAA's metrics: %w", err)
		}
	}
	return u, nil
}

// use has tokens fetched until what it returns is called, whatever becomes of ctx: another source may need them longer.
func (u *UAA) use(ctx context.Context) (release func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.users++; u.users == 1 {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan struct{})
		go func() {
			defer close(done)
			u.run(ctx)
		}()
		u.stop = func() { cancel(); <-done }
	}
	return func() {
		u.mu.Lock()
		u.users--
		last, stop := u.users == 0, u.stop
		u.mu.Unlock()
		if last {
			stop()
		}
	}
}

// run fetches tokens until ctx is done: the first one at once, each further one when 80 % of the life of the one before is over.
func (u *UAA) run(ctx context.Context) {
	for ctx.Err() == nil {
		token, failed := u.fetch(ctx)
		if ctx.Err() != nil {
			break
		}
		if failed != nil {
			u.fail(failed)
			// Whoever wants a token waits: UAA is not to be asked more often for that.
			watch.Wait(ctx, u.failing(failed))
			continue
		}
		u.retry.Reset()
		u.renew(token)
		if !watch.Wait(ctx, u.spacing) {
			break
		}
		u.waitForNext(ctx, token)
	}
}

// waitForNext blocks until it is time for the next token.
func (u *UAA) waitForNext(ctx context.Context, token uaaToken) {
	timer := time.NewTimer(time.Until(token.expires) * 4 / 5)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-u.ask:
	}
}

// failing reports a failure and returns how long to wait.
func (u *UAA) failing(failed *watch.Failure) time.Duration {
	pause := u.retry.Next()
	u.log.Warn("no token from UAA", "reason", failed.Reason, "advice", failed.Advice, "error", failed.Err, "retry_in", pause.Round(time.Millisecond).String())
	return pause
}

func (u *UAA) fail(failed *watch.Failure) {
	u.requests.WithLabelValues(failed.Reason).Inc()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failed = failed
	u.announce()
}

func (u *UAA) renew(token uaaToken) {
	u.requests.WithLabelValues(tokenOK).Inc()
	u.expiry.Set(float64(token.expires.UnixMilli()) / 1e3)
	if token.hasScope() {
		u.log.Debug("got a token from UAA", "expires", token.expires)
	} else {
		u.log.Warn("the client's tokens open no stream", "advice", scopeAdvice, "scopes", strings.Join(token.scopes, " "))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.current, u.failed = token, nil
	select {
	case <-u.ask: // whoever asked has it now
	default:
	}
	u.announce()
}

// announce wakes those who wait for a token; mu is held.
func (u *UAA) announce() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// token returns a token that has not expired, waiting for the first one, or why there is none.
func (u *UAA) token(ctx context.Context) (uaaToken, *watch.Failure) {
	for {
		token, failed, changed := u.now()
		switch {
		case failed != nil:
			return uaaToken{}, &watch.Failure{Reason: watch.ReasonToken, Advice: "UAA gives no token: " + failed.Advice, Err: failed.Err}
		case changed == nil:
			return token, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return uaaToken{}, &watch.Failure{Reason: watch.ReasonToken, Advice: "no token from UAA", Err: ctx.Err()}
		}
	}
}

// now returns the token in hand, or why there is none, or, where one was asked for with this, what is closed when either is known.
func (u *UAA) now() (token uaaToken, failed *watch.Failure, changed <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.current.value != "" && time.Now().Before(u.current.expires):
		return u.current, nil, nil
	case u.failed != nil:
		return uaaToken{}, u.failed, nil
	}
	u.want()
	return uaaToken{}, nil, u.changed
}

// want asks run for a token before its time; mu is held, so that nobody asks for what has just come.
func (u *UAA) want() {
	select {
	case u.ask <- struct{}{}:
	default:
	}
}

// refuse tells that a server did not accept a token, and says whether another one is on its way. Where fresh tokens keep being refused, it
// says so less and less often, up to once in ten minutes.
func (u *UAA) refuse(token uaaToken) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.current.value != token.value {
		return true
	}
	now := time.Now()
	if now.Before(u.refused) {
		return false
	}
	u.refused = now.Add(u.refusals.Next())
	u.current = uaaToken{}
	u.expiry.Set(0)
	u.want()
	return true
}

// accepted tells that a server took the token: the next refusal is about the token again.
func (u *UAA) accepted() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refusals.Reset()
	u.refused = time.Time{}
}

// authorize opens a connection with a token; where the server refuses that, once more with a new one. open says whether it was the token that
// was refused.
func (u *UAA) authorize(ctx context.Context, open func(authorization string) (failed *watch.Failure, refused bool)) *watch.Failure {
	for again := false; ; again = true {
		token, failed := u.token(ctx)
		if failed != nil {
			return failed
		}
		// Nothing but this spelling is understood by all of Loggregator.
		failed, refused := open("bearer " + token.value)
		switch {
		case failed == nil:
			u.accepted()
			return nil
		case !refused:
			return failed
		case !again && u.refuse(token):
			continue
		case !token.hasScope():
			return &watch.Failure{Reason: watch.ReasonTokenScope, Advice: scopeAdvice, Err: fmt.Errorf("%w; the token's scopes: %.500s", failed.Err, strings.Join(token.scopes, " "))}
		default:
			return failed
		}
	}
}

const scopeAdvice = "the client of uaa.client_id needs the authority doppler.firehose (or, for the RLP gateway, logs.admin)"

// secret is the client's secret as it is now.
func (u *UAA) secret() (string, error) {
	if u.options.ClientSecretFile == "" {
		return u.options.ClientSecret, nil
	}
	b, err := boundedfile.Read(u.options.ClientSecretFile, maxSecretFile)
	switch b = bytes.TrimRight(b, " \t\r\n"); {
	case err != nil:
		return "", fmt.Errorf("uaa.client_secret_file: %w", err)
	case len(b) == 0:
		return "", fmt.Errorf("uaa.client_secret_file: %s is empty", u.options.ClientSecretFile)
	}
	return string(b), nil
}

// request asks UAA for a token.
func (u *UAA) request(ctx context.Context) (uaaToken, *watch.Failure) {
	secret, err := u.secret()
	if err != nil {
		return uaaToken{}, &watch.Failure{Reason: tokenSecretFile, Advice: "cannot read the client's secret, waiting for it", Err: err}
	}
	client, err := u.peer.client()
	if err != nil {
		return uaaToken{}, &watch.Failure{Reason: watch.ReasonCertificateFiles, Advice: "cannot read the certificates, waiting for them", Err: err}
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, uaaTimeout)
	defer cancel()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	// In the body UAA takes both as they are; in the header it reads them in one of two ways.
	config := clientcredentials.Config{ClientID: u.options.ClientID, ClientSecret: secret, TokenURL: u.peer.url, AuthStyle: oauth2.AuthStyleInParams}
	asked := time.Now()
	t, err := config.Token(ctx)
	if err != nil {
		return uaaToken{}, u.explain(err)
	}
	token := uaaToken{value: t.AccessToken, expires: t.Expiry}
	if t.Expiry.IsZero() {
		token.expires = asked.Add(uaaUnknownLife)
	}
	if scope, ok := t.Extra("scope").(string); ok {
		token.scopes = append([]string{}, strings.Fields(scope)...)
	}
	return token, nil
}

// explain finds out why UAA gave no token. What UAA said besides an error's code and description is not passed on: it may be anything.
func (u *UAA) explain(err error) *watch.Failure {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		if strings.HasPrefix(err.Error(), "oauth2: ") {
			return &watch.Failure{Reason: watch.ReasonWrongURL, Advice: "what answers at uaa.url gives no tokens; is it UAA?", Err: err}
		}
		failed := u.peer.explain(err)
		return &failed
	}
	status := answer.Response.StatusCode
	if status != 400 && status != 401 && status != 403 {
		failed := u.peer.explainStatus(answer.Response)
		return &failed
	}
	return &watch.Failure{
		Reason: tokenClientRefused,
		Advice: "UAA refuses the client; are uaa.client_id and its secret right, and has the client the grant type client_credentials?",
		Err:    fmt.Errorf("%s answered %s: %.100q: %.200q", u.peer.url, answer.Response.Status, answer.ErrorCode, answer.ErrorDescription),
	}
}
