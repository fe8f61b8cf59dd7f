package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/overview"
)

// Prefix is the path below which Handler answers.
const Prefix = "/api/v1/"

// RulesType is the content type of rule files. No form of a browser can send it.
const RulesType = "application/yaml"

// route is one endpoint.
type route struct {
	method, path string
	parameters   []string // for the documentation
	heavy        bool
	data         any // the zero value of what it answers with, for the documentation
	answer       func(ctx context.Context, a *API, r *http.Request) (any, error)
}

// get makes the answer of an endpoint from what reads its parameters and what answers them.
func get[Query, Answer any](
	parse func(url.Values) (Query, error), answer func(*API, context.Context, Query) (*Answer, error),
) func(context.Context, *API, *http.Request) (any, error) {
	return func(ctx context.Context, a *API, r *http.Request) (any, error) {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, badData("the query of the address cannot be read: " + err.Error())
		}
		q, err := parse(values)
		if err != nil {
			return nil, err
		}
		return answer(a, ctx, q)
	}
}

// plain is get for an endpoint without parameters.
func plain[Answer any](
	answer func(*API, context.Context) (*Answer, error),
) func(context.Context, *API, *http.Request) (any, error) {
	return get(func(values url.Values) (struct{}, error) { return struct{}{}, parseNothing(values) },
		func(a *API, ctx context.Context, _ struct{}) (*Answer, error) { return answer(a, ctx) })
}

// routes lists all endpoints, in the order of the documentation.
func routes() []route {
	return []route{
		{method: http.MethodGet, path: "status", data: overview.Status{}, answer: plain((*API).Status)},
		{method: http.MethodGet, path: "history", data: overview.History{}, answer: plain((*API).History)},
		{
			method: http.MethodGet, path: "names", data: NamesPage{}, answer: get(ParseNamesQuery, (*API).Names),
			parameters: []string{"search", "state", "metric", "rule", "owner", "reason", "sort", "order", "limit", "cursor"},
		},
		{
			method: http.MethodGet, path: "explain", data: Explained{}, answer: get(ParseExplainQuery, (*API).Explain),
			parameters: []string{
				"name", "origin", "kind", "unit", "source_id", "instance_id", "tag", "series", "state", "cursor",
			},
		},
		{
			method: http.MethodGet, path: "rules", data: RulesPage{}, answer: get(ParseRulesQuery, (*API).Rules),
			parameters: []string{"file", "unused", "search", "sort", "order", "limit", "cursor"},
		},
		{
			method: http.MethodGet, path: "rules/file", data: RuleText{}, answer: get(ParseRuleFile, (*API).RuleText),
			parameters: []string{"file"},
		},
		{
			method: http.MethodPost, path: "try", data: TryReport{}, answer: try, heavy: true,
			parameters: []string{"replaces", "name", "limit"},
		},
		{method: http.MethodGet, path: "learn", data: Proposals{}, answer: plain((*API).Learn), heavy: true},
		{
			method: http.MethodGet, path: "cardinality", data: Cardinality{},
			answer:     get(ParseCardinalityQuery, (*API).Cardinality),
			parameters: []string{"metric", "label", "value", "search", "owners", "list", "sort", "order", "limit", "cursor"},
		},
		{method: http.MethodGet, path: "config", data: Config{}, answer: plain((*API).Config)},
	}
}

// try reads the rule file to try from the body.
func try(ctx context.Context, a *API, r *http.Request) (any, error) {
	return get(ParseTryQuery, func(a *API, ctx context.Context, q TryQuery) (*TryReport, error) {
		var err error
		if q.Text, err = ReadRules(r); err != nil {
			return nil, err
		}
		return a.Try(ctx, q)
	})(ctx, a, r)
}

// ReadRules reads the rule file that is the body of a request. The content type must be RulesType: no form, and no page
// of another host, can send that.
func ReadRules(r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != RulesType {
		return nil, &Error{
			Type: ErrorBadData, status: http.StatusUnsupportedMediaType,
			Text: "the content type is " + quote(r.Header.Get("Content-Type")) + ": send the rule file with the header " +
				"Content-Type: " + RulesType,
		}
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, tagger.MaxFileBytes))
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &Error{
			Type: ErrorBadData, status: http.StatusRequestEntityTooLarge,
			Text: fmt.Sprintf("the rule file is longer than %d bytes", large.Limit),
		}
	}
	if err != nil {
		return nil, badData("the rule file was not received as a whole: " + err.Error())
	}
	return text, nil
}

// answer is the form of all answers, Prometheus' own.
type answer struct {
	Status    string    `json:"status"` // success or error
	Data      any       `json:"data,omitempty"`
	ErrorType ErrorType `json:"errorType,omitempty"`
	Error     string    `json:"error,omitempty"`
}

// cardinalityAnswer has the two lists that the endpoint answered before it had the form of the others, in their old
// form, beside the new one.
type cardinalityAnswer struct {
	answer
	store.Offenders
}

// Handler serves all endpoints below Prefix.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	methods := map[string]string{}
	for _, r := range routes() {
		methods[Prefix+r.path] = r.method
		mux.Handle(r.method+" "+Prefix+r.path, a.endpoint(&r))
	}
	mux.HandleFunc(Prefix, func(w http.ResponseWriter, r *http.Request) {
		method := methods[r.URL.Path]
		if method == "" {
			WriteError(w, &Error{Type: ErrorNotFound, Text: "there is no endpoint " + quote(r.URL.Path)})
			return
		}
		w.Header().Set("Allow", method)
		WriteError(w, &Error{
			Type: ErrorBadData, status: http.StatusMethodNotAllowed, Text: "ask by " + method + ", not by " + quote(r.Method),
		})
	})
	return mux
}

// endpoint answers one route. The answer is written when its budget is released: clients may read as slowly as the
// server lets them.
func (a *API) endpoint(route *route) http.Handler {
	admit := a.Admit
	if route.heavy {
		admit = a.AdmitHeavy
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, release, err := admit(r.Context())
		if err != nil {
			WriteError(w, err)
			return
		}
		var body bytes.Buffer
		err = func() error {
			defer release()
			data, err := route.answer(ctx, a, r)
			if err != nil {
				return err
			}
			return a.encode(&body, data)
		}()
		if err != nil {
			WriteError(w, err)
			return
		}
		setHeader(w)
		_, _ = w.Write(body.Bytes())
	})
}

func (a *API) encode(w io.Writer, data any) error {
	encoder := json.NewEncoder(w)
	if _, ok := data.(*Cardinality); ok {
		return encoder.Encode(cardinalityAnswer{answer{Status: "success", Data: data}, a.options.Store.Offenders()})
	}
	return encoder.Encode(answer{Status: "success", Data: data})
}

// WriteError answers with an error in Prometheus' form.
func WriteError(w http.ResponseWriter, err error) {
	known, ok := errors.AsType[*Error](err)
	if !ok {
		known = &Error{Type: ErrorInternal, Text: err.Error()}
	}
	if known.Type == ErrorUnavailable || known.Type == ErrorTimeout {
		w.Header().Set("Retry-After", "1")
	}
	setHeader(w)
	w.WriteHeader(known.Status())
	_ = json.NewEncoder(w).Encode(answer{
		Status: "error", ErrorType: known.Type, Error: strings.ToValidUTF8(known.Text, "�"),
	})
}

// setHeader sets what all answers have. They are JSON with <, > and & escaped, and nothing may take them for a page.
func setHeader(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}
