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

	"golang.org/x/oauth2"

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
	return uaaToken{
		Token: &oauth2.Token{AccessToken: fmt.Sprintf("token-%d", len(s.asked)), Expiry: time.Now().Add(s.life)},
	}, nil
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

func newScriptedUAA(t *testing.T, s *scriptedUAA) *uaaTokens {
	t.Helper()
	ledger, _ := newTestLedger(t)
	log, _ := newTestLog()
	u, err := newUAATokens(UAAOptions{URL: "https://uaa", ClientID: "a", ClientSecret: "b"}, ledger, log)
	if err != nil {
		t.Fatal(err)
	}
	s.began = time.Now()
	u.fetch = s.fetch
	return u
}

// A token is fetched when a source needs one, one request for all of them, and used until it expires.
func TestUAAReusesTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{life: 10 * time.Minute}
		u := newScriptedUAA(t, s)
		all := func(want string) {
			t.Helper()
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() {
					if token, failed := u.token(t.Context()); failed != nil || token.AccessToken != want {
						t.Error(token, failed)
					}
				})
			}
			group.Wait()
		}
		pass(time.Hour)
		all("token-1")
		pass(9 * time.Minute)
		all("token-1")
		pass(51 * time.Second) // of its last seconds it may not be sure
		all("token-2")
		wiretest.RequireEqual(t, "requests", s.requests(), []time.Duration{time.Hour, 69*time.Minute + 51*time.Second})
	})
}

// However often sources want a token, UAA is asked after pauses that grow up to five minutes.
func TestUAAIsNeverHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{fail: true}
		u := newScriptedUAA(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				for ctx.Err() == nil {
					_, failed := u.token(ctx)
					if failed == nil || failed.Reason != watch.ReasonToken ||
						ctx.Err() == nil && !strings.Contains(failed.Advice, "advice") {
						t.Error(failed)
					}
				}
			})
		}
		group.Wait()
		requests := s.requests()
		if n := len(requests); n < 10 || n > 40 {
			t.Errorf("%d requests an hour: %v", n, requests)
		}
		for i := 1; i < len(requests); i++ {
			if pause := requests[i] - requests[i-1]; pause < uaaRetryFirst/2 || pause > uaaRetryLimit {
				t.Errorf("request %d after %v", i, pause)
			}
		}
		s.setFail(false, 10*time.Minute)
		if token, failed := u.token(t.Context()); failed != nil {
			t.Error(token, failed)
		}
	})
}

// A source that waits goes on the moment there is a token: whether it waits to ask, for the source that asks, or for
// its own next attempt.
func TestUAAWakesWaitingSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{fail: true, life: time.Hour}
		u := newScriptedUAA(t, s)
		var wakes []<-chan struct{}
		for range 6 { // by now UAA is asked each few minutes at most
			_, failed := u.token(t.Context())
			wakes = append(wakes, failed.Retry)
		}
		s.setFail(false, time.Hour)
		got := make(chan time.Time, 3)
		for range cap(got) {
			go func() {
				if token, failed := u.token(t.Context()); failed != nil || token.AccessToken != "token-7" {
					t.Error(token, failed)
				}
				got <- time.Now()
			}()
		}
		for _, wake := range wakes {
			<-wake
		}
		arrived := time.Now()
		if all := s.requests(); len(all) != 7 || !s.began.Add(all[6]).Equal(arrived) {
			t.Errorf("woken %v after the start, requests at %v", arrived.Sub(s.began), all)
		}
		for range cap(got) {
			if at := <-got; !at.Equal(arrived) {
				t.Errorf("a source got its token %v after it had come", at.Sub(arrived))
			}
		}
	})
}

// A source that is stopped waits for no token, and nothing counts as a failure of UAA.
func TestUAACanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{fail: true}
		u := newScriptedUAA(t, s)
		_, _ = u.token(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				if _, failed := u.token(ctx); failed == nil || !errors.Is(failed.Err, context.DeadlineExceeded) {
					t.Error(failed)
				}
			})
		}
		group.Wait()
		if took := time.Since(began); took != time.Second || len(s.requests()) != 1 {
			t.Errorf("after %v, requests at %v", took, s.requests())
		}
	})
}

// A token that is in hand serves for as long as it is good, whatever happens to UAA.
func TestUAAOutageWithATokenInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{life: time.Hour}
		u := newScriptedUAA(t, s)
		first, _ := u.token(t.Context())
		s.setFail(true, time.Hour)
		pass(time.Hour - 11*time.Second)
		if token, failed := u.token(t.Context()); failed != nil || token.AccessToken != first.AccessToken {
			t.Error(token, failed)
		}
		pass(12 * time.Second)
		if _, failed := u.token(t.Context()); failed == nil {
			t.Error("an expired token is given out")
		}
	})
}

func TestUAARefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{life: time.Hour}
		u := newScriptedUAA(t, s)
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
		failed := u.authorize(t.Context(), open("bearer token-2"))
		if failed != nil || opened != 3 || len(s.requests()) != 2 {
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
		if !u.drop(uaaToken{Token: &oauth2.Token{AccessToken: "token-1"}}) {
			t.Error("a token that is not in hand")
		}
	})
}

// A source whose token was refused, and kept since the one before was refused as well, goes on the moment another
// source gets a new one.
func TestUAAWakesRefusedSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{life: time.Hour}
		u := newScriptedUAA(t, s)
		refuse := func(string) (*watch.Failure, bool) {
			return &watch.Failure{Reason: watch.ReasonUnauthorized, Err: errors.New("401")}, true
		}
		fresh, kept := u.authorize(t.Context(), refuse), u.authorize(t.Context(), refuse)
		if n := len(s.requests()); n != 2 {
			t.Fatalf("%d requests, want one and another after the first refusal", n)
		}
		for _, failed := range []*watch.Failure{fresh, kept} {
			select {
			case <-failed.Retry:
				t.Fatal("a source is woken before there is a new token")
			default:
			}
		}
		pass(uaaKeepFirst)
		accept := func(authorization string) (*watch.Failure, bool) {
			if authorization == "bearer token-3" {
				return nil, false
			}
			return refuse(authorization)
		}
		if failed := u.authorize(t.Context(), accept); failed != nil {
			t.Fatal(failed)
		}
		<-fresh.Retry
		<-kept.Retry
	})
}

// A token that expires at once is used once, and is no reason for a request each moment.
func TestUAAShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedUAA{life: time.Millisecond}
		u := newScriptedUAA(t, s)
		for i := range 13 {
			if token, failed := u.token(t.Context()); failed != nil || token.AccessToken != fmt.Sprintf("token-%d", i+1) {
				t.Error(token, failed)
			}
		}
		if took := time.Since(s.began); took != 12*uaaSpacing {
			t.Errorf("13 requests in %v", took)
		}
	})
}

// TestUAARequest: what is asked, and that a secret in a file is read each time, while one that cannot be read is
// waited for.
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
	u, err := newUAATokens(
		UAAOptions{URL: server.URL + "/", ClientID: "me", ClientSecretFile: file, TLS: ServerTLSOptions{SkipVerify: true}},
		ledger,
		l.log,
	)
	if err != nil {
		t.Fatal(err)
	}
	token, failed := u.request(t.Context())
	if failed != nil || token.AccessToken != "abc" || !token.hasScope() || time.Until(token.Expiry) < 59*time.Minute {
		t.Fatalf("%v %v", token, failed)
	}
	if got, want := receive(t, forms), "POST /oauth/token false client_credentials me first+%/ secret"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	write("second")
	answer = `{"access_token":"abc","token_type":"bearer","expires_in":"600","scope":"uaa.none"}`
	if token, failed = u.request(t.Context()); failed != nil || token.hasScope() ||
		time.Until(token.Expiry) > 10*time.Minute {
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
		if failed == nil || failed.Reason != c.reason || !strings.Contains(failed.Advice, c.advice) ||
			strings.Contains(failed.Err.Error(), "second") {
			t.Errorf("%d %s: %+v", c.status, c.answer, failed)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, failed := u.request(t.Context()); failed == nil || failed.Reason != tokenSecretFile ||
		!strings.Contains(failed.Err.Error(), file) {
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
		`uaa.client_secret_file: ` + empty + ` is empty`:                           {URL: "https://uaa", ClientID: "a", ClientSecretFile: empty},
		`uaa.client_secret_file: open ` + dir + `/none: no such file or directory`: {URL: "https://uaa", ClientID: "a", ClientSecretFile: dir + "/none"},
		`uaa.tls.ca_file: ` + empty + ` holds no PEM certificate`:                  {URL: "https://uaa", ClientID: "a", ClientSecret: "b", TLS: ServerTLSOptions{CAFile: empty}},
	} {
		ledger, _ := newTestLedger(t)
		log, _ := newTestLog()
		if _, err := newUAATokens(o, ledger, log); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
