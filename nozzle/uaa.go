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

// UAAOptions say where tokens come from, and for which client. Exactly one of ClientSecret and ClientSecretFile is
// set.
type UAAOptions struct {
	URL          string `mapstructure:"url"`
	ClientID     string `mapstructure:"client_id"`
	ClientSecret string `mapstructure:"client_secret"`
	// ClientSecretFile is read for every request, so that the secret can be changed under a running exporter. White
	// space at its end does not belong to the secret.
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
	// How long a refused token is kept if the one before was refused as well: a new one helps only if the client was
	// given the authority in the meantime.
	uaaKeepFirst = 30 * time.Second
	uaaKeepLimit = 10 * time.Minute
	// The life of a token if UAA does not tell it.
	uaaDefaultLife = time.Hour
)

// Outcomes of a request for a token, besides those of httpsPeer.
const (
	tokenOK            = "ok"
	tokenClientRefused = "client_refused"
	tokenSecretFile    = "secret_file"
)

var tokenOutcomes = []string{
	tokenOK, tokenClientRefused, tokenSecretFile, watch.ReasonCertificateFiles, watch.ReasonUnreachable,
	watch.ReasonServerCertificate, watch.ReasonServerName, watch.ReasonTLS, watch.ReasonWrongURL, watch.ReasonUnavailable,
}

// The scopes that open the foundation's streams: the first one both of them, the second one the RLP gateway.
var firehoseScopes = []string{"doppler.firehose", "logs.admin"} // constant

// uaaTokens gives tokens of UAA to all sources that need one. A token is fetched when a source opens a stream and
// none is in hand, or the one in hand has expired or was refused. UAA is never asked more often than every few
// seconds, and far less often while it fails or fresh tokens are refused.
type uaaTokens struct {
	options UAAOptions
	peer    httpsPeer
	log     *slog.Logger
	fetch   func(context.Context) (uaaToken, *watch.Failure) // request, but in tests

	requests *prometheus.CounterVec
	expiry   prometheus.Gauge

	spacing time.Duration
	asking  chan struct{} // holds an entry while a source asks UAA; it guards retry and next
	retry   watch.Backoff
	next    time.Time // when UAA may be asked again

	mu        sync.Mutex
	current   uaaToken
	renewed   chan struct{} // closed and replaced when a token arrives
	keep      watch.Backoff // of keepUntil
	keepUntil time.Time     // until then current is kept although servers refuse it
}

// uaaToken is an access token; the zero value is none.
type uaaToken struct {
	*oauth2.Token
	scopes  []string        // nil if UAA does not tell them
	renewed <-chan struct{} // closed when a later token arrives
}

// hasScope says whether the token may open the stream of the whole foundation, as far as is known.
func (t uaaToken) hasScope() bool {
	return t.scopes == nil ||
		slices.ContainsFunc(t.scopes, func(s string) bool { return slices.Contains(firehoseScopes, s) })
}

// newUAATokens fails if the files of the options cannot be read; the options have been checked. It asks for nothing
// before a source runs.
func newUAATokens(options UAAOptions, ledger *Ledger, log *slog.Logger) (*uaaTokens, error) {
	u := &uaaTokens{
		options: options,
		peer: httpsPeer{
			key: uaaKey, what: "UAA", url: strings.TrimRight(options.URL, "/") + "/oauth/token", tls: options.TLS,
		},
		log:     log.With("client_id", options.ClientID),
		spacing: uaaSpacing,
		retry:   watch.Backoff{First: uaaRetryFirst, Limit: uaaRetryLimit},
		keep:    watch.Backoff{First: uaaKeepFirst, Limit: uaaKeepLimit},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricPrefix + "uaa_token_requests_total", Help: "Requests for a token to UAA, by outcome.",
		}, []string{"outcome"}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: metricPrefix + "uaa_token_expiry_timestamp_seconds",
			Help: "Unix time at which the token in hand expires; 0 if there is none.",
		}),
		asking: make(chan struct{}, 1), renewed: make(chan struct{}),
	}
	u.fetch = u.request
	if _, err := u.peer.tlsConfig(); err != nil {
		return nil, err
	}
	if _, err := u.secret(); err != nil {
		return nil, err
	}
	for _, outcome := range tokenOutcomes {
		u.requests.WithLabelValues(outcome)
	}
	for _, c := range []prometheus.Collector{u.requests, u.expiry} {
		if err := ledger.registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register UAA's metrics: %w", err)
		}
	}
	return u, nil
}

// token returns the token in hand, or asks UAA for one as soon as that may be asked. While one source does so the
// others wait for the result. After a failure Failure.Retry is closed when another source gets a token.
func (u *uaaTokens) token(ctx context.Context) (uaaToken, *watch.Failure) {
	select {
	case u.asking <- struct{}{}:
		defer func() { <-u.asking }()
	case <-ctx.Done():
		return uaaToken{}, canceledToken(ctx)
	}
	u.mu.Lock()
	current, renewed := u.current, u.renewed
	u.mu.Unlock()
	if current.Valid() {
		return current, nil
	}
	if !watch.Wait(ctx, time.Until(u.next)) {
		return uaaToken{}, canceledToken(ctx)
	}
	token, failed := u.fetch(ctx)
	switch {
	case ctx.Err() != nil:
		return uaaToken{}, canceledToken(ctx)
	case failed != nil:
		pause := u.retry.Next()
		u.next = time.Now().Add(pause)
		u.requests.WithLabelValues(failed.Reason).Inc()
		u.log.Warn("no token from UAA", "reason", failed.Reason, "advice", failed.Advice, "error", failed.Err,
			"retry_in", pause.Round(time.Millisecond).String())
		return uaaToken{}, &watch.Failure{
			Reason: watch.ReasonToken, Advice: "UAA gives no token: " + failed.Advice, Err: failed.Err, Retry: renewed,
		}
	}
	u.retry.Reset()
	u.next = time.Now().Add(u.spacing)
	return u.use(token), nil
}

func canceledToken(ctx context.Context) *watch.Failure {
	return &watch.Failure{Reason: watch.ReasonToken, Advice: "no token from UAA", Err: context.Cause(ctx)}
}

// use makes a new token the one in hand, and wakes the sources that wait for it.
func (u *uaaTokens) use(token uaaToken) uaaToken {
	u.requests.WithLabelValues(tokenOK).Inc()
	u.expiry.Set(float64(token.Expiry.UnixMilli()) / 1e3)
	if token.hasScope() {
		u.log.Debug("got a token from UAA", "expires", token.Expiry)
	} else {
		u.log.Warn("the client's tokens open no stream", "advice", scopeAdvice, "scopes", strings.Join(token.scopes, " "))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	close(u.renewed)
	u.renewed = make(chan struct{})
	token.renewed = u.renewed
	u.current = token
	return token
}

// drop discards a token that a server refused, and reports whether another one may be had. If fresh tokens are
// refused one after the other, it discards them less and less often, at least once in ten minutes; meanwhile it
// keeps the token and returns false.
func (u *uaaTokens) drop(token uaaToken) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.current.Token != token.Token {
		return true
	}
	now := time.Now()
	if now.Before(u.keepUntil) {
		return false
	}
	u.keepUntil = now.Add(u.keep.Next())
	u.current = uaaToken{}
	u.expiry.Set(0)
	return true
}

// accepted notes that a server accepted the token, so that the next refusal drops it at once.
func (u *uaaTokens) accepted() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keep.Reset()
	u.keepUntil = time.Time{}
}

// authorize opens a connection with a token and, if the server refuses that, once more with a new one. The result
// refused of open says that the failure is a refusal of the token; then Failure.Retry is closed when a later token
// arrives.
func (u *uaaTokens) authorize(
	ctx context.Context, open func(authorization string) (failed *watch.Failure, refused bool),
) *watch.Failure {
	for again := false; ; again = true {
		token, failed := u.token(ctx)
		if failed != nil {
			return failed
		}
		// Loggregator's servers have this spelling in common.
		failed, refused := open("bearer " + token.AccessToken)
		switch {
		case failed == nil:
			u.accepted()
			return nil
		case !refused:
			return failed
		case !again && u.drop(token):
			continue
		case !token.hasScope():
			failed = &watch.Failure{
				Reason: watch.ReasonTokenScope, Advice: scopeAdvice,
				Err: fmt.Errorf("%w; the token's scopes: %.500s", failed.Err, strings.Join(token.scopes, " ")),
			}
		}
		failed.Retry = token.renewed
		return failed
	}
}

const scopeAdvice = "the client of uaa.client_id needs the authority doppler.firehose " +
	"(or, for the RLP gateway, logs.admin)"

// secret is the client's secret as it is now.
func (u *uaaTokens) secret() (string, error) {
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
func (u *uaaTokens) request(ctx context.Context) (uaaToken, *watch.Failure) {
	secret, err := u.secret()
	if err != nil {
		return uaaToken{}, &watch.Failure{
			Reason: tokenSecretFile,
			Advice: "cannot read the client's secret, waiting for it",
			Err:    err,
		}
	}
	client, err := u.peer.client()
	if err != nil {
		return uaaToken{}, &watch.Failure{
			Reason: watch.ReasonCertificateFiles,
			Advice: "cannot read the certificates, waiting for them",
			Err:    err,
		}
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, uaaTimeout)
	defer cancel()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	// In the body UAA takes id and secret as they are; in a header it may or may not unescape them.
	config := clientcredentials.Config{
		ClientID: u.options.ClientID, ClientSecret: secret, TokenURL: u.peer.url, AuthStyle: oauth2.AuthStyleInParams,
	}
	asked := time.Now()
	t, err := config.Token(ctx)
	if err != nil {
		return uaaToken{}, u.explain(err)
	}
	token := uaaToken{Token: t}
	if t.Expiry.IsZero() {
		t.Expiry = asked.Add(uaaDefaultLife)
	}
	if scope, ok := t.Extra("scope").(string); ok {
		token.scopes = append([]string{}, strings.Fields(scope)...)
	}
	return token, nil
}

// explain finds out why UAA gave no token. What UAA said besides an error's code and description is not passed on:
// it may be anything.
func (u *uaaTokens) explain(err error) *watch.Failure {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		if strings.HasPrefix(err.Error(), "oauth2: ") {
			return &watch.Failure{
				Reason: watch.ReasonWrongURL,
				Advice: "what answers at uaa.url gives no tokens; is it UAA?",
				Err:    err,
			}
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
		Advice: "UAA refuses the client; are uaa.client_id and its secret right, " +
			"and has the client the grant type client_credentials?",
		Err: fmt.Errorf("%s answered %s: %.100q: %.200q",
			u.peer.url, answer.Response.Status, answer.ErrorCode, answer.ErrorDescription),
	}
}
