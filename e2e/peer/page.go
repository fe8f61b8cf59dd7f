package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// Answer is what a server said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Get returns a page, which must be there. Headers are pairs of a name and a value.
func Get(t *testing.T, url string, headers ...string) Answer {
	t.Helper()
	answer, err := Ask(t.Context(), http.MethodGet, url, headers...)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", url, answer.Status, answer.Body)
	}
	return answer
}

// Ask sends a request without a body, and returns whatever the answer is; the error says that there was none.
// Headers are pairs of a name and a value. Neither the end of ctx nor that of an earlier server at the address
// disturbs it: it has a connection of its own, and as much time as a busy machine may need. What waits for a
// condition so says, in the end, what is wrong with the last answer, and not that asking was interrupted.
func Ask(ctx context.Context, method, url string, headers ...string) (Answer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %w", url, err)
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return Answer{}, fmt.Errorf("%s: %w", url, err)
	}
	return Answer{response.StatusCode, response.Header, body}, nil
}

// Until asks for something again and again, until nothing is wrong: what is, wrong returns as a text. It is asked
// every quarter of a second, until ctx is done.
func Until(ctx context.Context, t *testing.T, what string, wrong func() string) {
	t.Helper()
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for {
		complaint := wrong()
		if complaint == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %s", what, complaint)
		case <-tick.C:
		}
	}
}

// AwaitReady waits until a Prometheus has read its log, which it does after it listens.
func AwaitReady(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	Until(ctx, t, "a Prometheus that is ready", func() string {
		answer, err := Ask(ctx, http.MethodGet, url+"/-/ready")
		if err != nil {
			return err.Error()
		}
		if answer.Status != http.StatusOK {
			return string(answer.Body)
		}
		return ""
	})
}
