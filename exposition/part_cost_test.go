package exposition

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/store"
)

// A few kilobytes of a query must not ask for seconds and hundreds of megabytes before the first series is looked at.
func TestHeavySelections(t *testing.T) {
	const refusal = "the expressions would take more than 20000 instructions: repeat less often, as x{1000} does, " +
		"and use fewer classes such as \\pL"
	plain := `{a=~"` + strings.Repeat("some-deployment-name|", 388) + `"}`
	for name, tc := range map[string]struct {
		selectors []string
		want      string // the end of the error
	}{
		"repetitions":        {[]string{`{a=~"` + strings.Repeat("x{1000}", 1000) + `"}`}, "at character 5: " + refusal},
		"nested repetitions": {[]string{`{a=~"` + strings.Repeat("(x{31}){31}", 30) + `"}`}, "at character 5: " + refusal},
		"open repetitions":   {[]string{`{a=~"` + strings.Repeat("(ab){500,}", 30) + `"}`}, "at character 5: " + refusal},
		"classes":            {[]string{`{a=~"` + strings.Repeat(`\\pL`, 1000) + `"}`}, "at character 5: " + refusal},
		"names": {
			[]string{`{__name__!~"` + strings.Repeat("x{1000}", 30) + `"}`},
			"at character 12: " + refusal,
		},
		"several selectors": {[]string{
			`{a=~"` + strings.Repeat("x{999}", 6) + `"}`,
			`{a=~"` + strings.Repeat("x{999}", 6) + `"}`,
		}, "match[]: " + refusal},
		"much text that means": {[]string{plain}, ""},
	} {
		_, err := parsePart(&url.URL{RawQuery: url.Values{"match[]": tc.selectors}.Encode()})
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if err == nil || !strings.HasSuffix(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// slowly gives a family without end, a chunk every three seconds.
type slowly struct{ Reader }

func (s slowly) Next() []store.Sample {
	<-time.After(3 * time.Second)
	return s.Reader.Next()
}

// What chooses nothing is never written, so that no write notices when the time for a page is over.
func TestPageTimeoutWithoutAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(small.families, func() Reader { return slowly{newEndless()} }, own(),
			Options{PageTimeout: 9500 * time.Millisecond}) // no two things happen at one moment
		start := time.Now()
		defer func() {
			if got := recover(); got != any(http.ErrAbortHandler) || time.Since(start) != 12*time.Second {
				t.Errorf("ended with %v after %v", got, time.Since(start))
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet,
			"/metrics?match[]="+url.QueryEscape(`{x="absent"}`), http.NoBody))
	})
}
