package nozzle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/watch"
)

// scriptedUAA gives what a script says, and notes when it was asked.
type scriptedUAA struct {
	mu    sync.Mutex
	began time.Time
	asked []time.Duration
	life  time.Duration
	fail  bool
}

func (s *scriptedUAA) fetch(context.Context) (uaaToken, *watch.Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, time.Since(s.began))
	if s.fail {
		return uaaToken{}, &watch.Failure{Reason: watch.ReasonUnavailable, Advice: "advice", Err: errors.New("down")}
	}
	return uaaToken{value: fmt.Sprintf("token-%d", len(s.asked)), expires: time.Now().Add(s.life)}, nil
}

// requests are the times of all requests so far.
func (s *scriptedUAA) requests() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Duration{}, s.asked...)
}

// setFail changes what becomes of requests.
func (s *scriptedUAA) setFail(fail bool, life time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.life = fail, life
}

func newScriptedUAA(t *testing.T, s *scriptedUAA) *UAA {
	t.Helper()
	ledger, _ := newTestLedger(t)
	log, _ := newTestLog()
	u, err := NewUAA(UAAOptions{URL: "https://uaa", ClientID: "a", ClientSecret: "b"}, ledger, log)
	if err != nil {
		t.Fatal(err)
	}
	s.began = time.Now()
	u.fetch = s.fetch
	return u
}

func TestUAAFetchesAheadOfExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{life: 10 * time.Minute}
		u := newScriptedUAA(t, s)
		// Many sources, one request at a time.
		releases := []func(){u.use(t.Context()), u.use(t.Context())}
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if token, failed := u.token(t.Context()); failed != nil || token.value != "token-1" {
					t.Error(token, failed)
				}
			})
		}
		group.Wait()
		synctest.Wait()
		pass(20 * time.Minute)
		synctest.Wait()
		// 80 % of what is left when the spacing is over.
		step := 5*time.Second + (10*time.Minute-5*time.Second)*4/5
		wiretest.RequireEqual(t, "requests", s.requests(), []time.Duration{0, step, 2 * step})
		for _, release := range releases {
			release()
		}
		pass(time.Hour)
		if len(s.requests()) != 3 {
			t.Errorf("asked %v without a source", s.requests())
		}
	})
}

func TestUAAIsNeverHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{fail: true}
		u := newScriptedUAA(t, s)
		defer u.use(t.Context())()
		for range 3600 { // a source that wants a token each second
			if _, failed := u.token(t.Context()); failed == nil || failed.Reason != watch.ReasonToken || !strings.Contains(failed.Advice, "advice") {
				t.Fatal(failed)
			}
			pass(time.Second)
		}
		if n := len(s.requests()); n < 10 || n > 40 {
			t.Errorf("%d requests an hour: %v", n, s.requests())
		}
		s.setFail(false, 10*time.Minute)
		pass(uaaRetryLimit)
		if token, failed := u.token(t.Context()); failed != nil {
			t.Error(token, failed)
		}
	})
}

// A token that is in hand serves for as long as it is good, whatever happens to UAA.
func TestUAAOutageWithATokenInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{life: time.Hour}
		u := newScriptedUAA(t, s)
		defer u.use(t.Context())()
		first, _ := u.token(t.Context())
		s.setFail(true, time.Hour)
		pass(time.Hour - time.Second)
		if token, failed := u.token(t.Context()); failed != nil || token.value != first.value {
			t.Error(token, failed)
		}
		pass(2 * time.Second)
		if _, failed := u.token(t.Context()); failed == nil {
			t.Error("an expired token is given out")
		}
	})
}

func TestUAARefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{life: time.Hour}
		u := newScriptedUAA(t, s)
		defer u.use(t.Context())()
		opened := 0
		open := func(want string) func(string) (*watch.Failure, bool) {
			return func(authorization string) (*watch.Failure, bool) {
				opened++
				if want == authorization {
					return nil, false
				}
				return &watch.Failure{Reason: watch.ReasonUnauthorized, Advice: "", Err: errors.New("404")}, true
			}
		}
		if failed := u.authorize(t.Context(), open("bearer token-1")); failed != nil || opened != 1 {
			t.Fatal(failed, opened)
		}
		// A refusal is one more try with one more token.
		if failed := u.authorize(t.Context(), open("bearer token-2")); failed != nil || opened != 3 || len(s.requests()) != 2 {
			t.Fatal(failed, opened, s.requests())
		}
		// Nothing helps: for an hour with a try each second.
		before := len(s.requests())
		for range 3600 {
			if failed := u.authorize(t.Context(), open("")); failed == nil || failed.Reason != watch.ReasonUnauthorized {
				t.Fatal(failed)
			}
			pass(time.Second)
		}
		if n := len(s.requests()) - before; n < 5 || n > 20 {
			t.Errorf("%d tokens in an hour of refusals: %v", n, s.requests())
		}
		// Another source was told of the refusal already.
		if !u.refuse(uaaToken{value: "token-1"}) {
			t.Error("a token that is no more in hand")
		}
	})
}

// Tokens of no life are no reason for a request each moment.
func TestUAAShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{life: time.Millisecond}
		u := newScriptedUAA(t, s)
		defer u.use(t.Context())()
		pass(time.Minute)
		if n := len(s.requests()); n > 13 {
			t.Errorf("%d requests a minute", n)
		}
	})
}

// TestUAARequest: what is asked, and that a secret in a file is read each time, while one that cannot be read is waited for.
func TestUAARequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first+%/ secret \n")
	forms := make(chan string, 100)
	answer := `{"access_token":"abc","token_type":"bearer"}`
	status := 200
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, basic := r.BasicAuth()
		forms <- fmt.Sprint(r.Method, " ", r.URL, " ", basic, " ", r.PostFormValue("grant_type"), " ", r.PostFormValue("client_id"), " ", r.PostFormValue("client_secret"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	ledger, _ := newTestLedger(t)
	l := newRecordingLog()
	u, err := NewUAA(UAAOptions{URL: server.URL + "/", ClientID: "me", ClientSecretFile: file, TLS: ServerTLSOptions{SkipVerify: true}}, ledger, l.log)
	if err != nil {
		t.Fatal(err)
	}
	token, failed := u.request(t.Context())
	if failed != nil || token.value != "abc" || !token.hasScope() || time.Until(token.expires) < 59*time.Minute {
		t.Fatalf("%v %v", token, failed)
	}
	if got, want := receive(t, forms), "POST /oauth/token false client_credentials me first+%/ secret"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	write("second")
	answer = `{"access_token":"abc","token_type":"bearer","expires_in":"600","scope":"uaa.none"}`
	if token, failed = u.request(t.Context()); failed != nil || token.hasScope() || time.Until(token.expires) > 10*time.Minute {
		t.Errorf("%v %v", token, failed)
	}
	if got := receive(t, forms); !strings.HasSuffix(got, " second") {
		t.Errorf("the secret was not read again: %s", got)
	}
	for _, c := range []struct {
		status         int
		answer         string
		reason, advice string
	}{
		{401, `{"error":"unauthorized","error_description":"Bad credentials"}`, tokenClientRefused, "uaa.client_id"},
		{400, `nonsense`, tokenClientRefused, "uaa.client_id"},
		{200, `<html>`, watch.ReasonWrongURL, "uaa.url"},
		{200, `{}`, watch.ReasonWrongURL, "uaa.url"},
		{404, `{}`, watch.ReasonWrongURL, "uaa.url"},
		{503, `{}`, watch.ReasonUnavailable, "cannot serve"},
	} {
		status, answer = c.status, c.answer
		_, failed := u.request(t.Context())
		if failed == nil || failed.Reason != c.reason || !strings.Contains(failed.Advice, c.advice) || strings.Contains(failed.Err.Error(), "second") {
			t.Errorf("%d %s: %+v", c.status, c.answer, failed)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, failed := u.request(t.Context()); failed == nil || failed.Reason != tokenSecretFile || !strings.Contains(failed.Err.Error(), file) {
		t.Errorf("%+v", failed)
	}
}

func TestUAAOptionErrors(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]UAAOptions{
		`uaa.url "": want https://host, for example https://uaa.sys.example.com`:           {},
		`uaa.url "http://uaa": want https://host, for example https://uaa.sys.example.com`: {URL: "http://uaa"},
		`uaa.client_id: not set`: {URL: "https://uaa"},
		`uaa.client_secret, uaa.client_secret_file: want exactly one of them`:      {URL: "https://uaa", ClientID: "a"},
		`uaa.client_secret_file: ` + empty + ` is empty`:                           {URL: "https://uaa", ClientID: "a", ClientSecretFile: empty},
		`uaa.client_secret_file: open ` + dir + `/none: no such file or directory`: {URL: "https://uaa", ClientID: "a", ClientSecretFile: dir + "/none"},
		`uaa.tls.ca_file: ` + empty + ` holds no PEM certificate`:                  {URL: "https://uaa", ClientID: "a", ClientSecret: "b", TLS: ServerTLSOptions{CAFile: empty}},
	} {
		ledger, _ := newTestLedger(t)
		log, _ := newTestLog()
		if _, err := NewUAA(o, ledger, log); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
