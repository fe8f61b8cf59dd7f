package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"loggregator_exporter/tagger"
)

func ask(t *testing.T, a *API, method, target, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	return w
}

// TestHandler asks each endpoint for what it has, and for what it refuses.
func TestHandler(t *testing.T) {
	f := newFixture(t)
	f.fill()
	long := strings.Repeat("a", maxParameterBytes+1)
	for _, tc := range []struct {
		method, target, contentType, body string
		status                            int
		want                              string // a part of the answer
	}{
		{"GET", "/api/v1/status", "", "", 200, `{"status":"success","data":{"time":`},
		{"HEAD", "/api/v1/status", "", "", 200, ""},
		{"GET", "/api/v1/history", "", "", 200, `"step_seconds":60`},
		{"GET", "/api/v1/names?search=mail", "", "", 200, `"total":1`},
		{"GET", "/api/v1/explain?name=queue.mail.depth", "", "", 200, `"rule":"user/queue"`},
		{"GET", "/api/v1/rules?file=user.yaml&unused=true", "", "", 200, `"id":"user/unused"`},
		{"GET", "/api/v1/rules/file?file=user.yaml", "", "", 200, `"text":"version: 1\n`},
		{"GET", "/api/v1/learn", "", "", 200, `"proposal":{`},
		{"GET", "/api/v1/cardinality?limit=1", "", "", 200, `"metrics":[{"metric":"cf_num_bytes_allocated"`},
		{"GET", "/api/v1/config", "", "", 200, `"go_version":"go`},
		{"POST", "/api/v1/try", "application/yaml; charset=utf-8", "rules: 5", 200, `"errors":[{"file":"tried.yaml"`},

		{"GET", "/api/v1/", "", "", 404, `{"status":"error","errorType":"not_found","error":"there is no endpoint`},
		{"GET", "/api/v1/nothing", "", "", 404, `"errorType":"not_found"`},
		{"POST", "/api/v1/names", "", "", 405, `"errorType":"bad_data","error":"ask by GET, not by \"POST\""`},
		{"GET", "/api/v1/try", "", "", 405, `ask by POST`},
		{"GET", "/api/v1/status?x=1", "", "", 400, `\"x\": this path has no parameters`},
		{"GET", "/api/v1/names?limit=0", "", "", 400, `limit: \"0\" is not a number from 1 to 1000`},
		{"GET", "/api/v1/names?limit=1&limit=2", "", "", 400, `limit: it is there 2 times`},
		{"GET", "/api/v1/names?state=good", "", "", 400, `state: \"good\" is not one of conflict, dropped, filtered, refused, tagged,`},
		{"GET", "/api/v1/names?sarch=a", "", "", 400, `did you mean search?`},
		{"GET", "/api/v1/names?search=" + long, "", "", 400, `search: it has 32769 bytes`},
		{"GET", "/api/v1/names?cursor=e30", "", "", 400, `cursor: it belongs to another query`},
		{"GET", "/api/v1/names?a;b", "", "", 400, `the query of the address cannot be read`},
		{"GET", "/api/v1/explain", "", "", 400, `name: it is missing`},
		{"GET", "/api/v1/explain?name=a&tag=b", "", "", 400, `tag: \"b\" is not NAME=VALUE`},
		{"GET", "/api/v1/rules/file?file=/etc/passwd", "", "", 404, `no rule file in force is called \"/etc/passwd\"`},
		{"GET", "/api/v1/cardinality?metric=none", "", "", 404, `no metric is exposed that is called \"none\"`},
		{"POST", "/api/v1/try", "", "a=b", 415, `Content-Type: application/yaml`},
		{"POST", "/api/v1/try", "application/x-www-form-urlencoded", "a=b", 415, `"errorType":"bad_data"`},
		{"POST", "/api/v1/try", "text/plain", "a=b", 415, `"errorType":"bad_data"`},
		{
			"POST", "/api/v1/try", RulesType, strings.Repeat(" ", tagger.MaxFileBytes+1), 413,
			`the rule file is longer than 8388608 bytes`,
		},
		{"POST", "/api/v1/try?replaces=other.yaml", RulesType, "version: 1", 404, `replaces: \"other.yaml\" is no rule file in force: see files of`},
	} {
		name := tc.method + " " + tc.target
		w := ask(t, f.API, tc.method, tc.target, tc.contentType, tc.body)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%.100s: %d %.300s, want %d %s", name, w.Code, w.Body, tc.status, tc.want)
		}
		if tc.method != http.MethodHead && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%.100s: not JSON: %.300s", name, w.Body)
		}
		for header, want := range map[string]string{
			"Content-Type": "application/json; charset=utf-8", "X-Content-Type-Options": "nosniff",
			"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%.100s: %s: %q", name, header, got)
			}
		}
	}
}

// TestCardinalityKeepsItsFields: clients of before find both lists where they were.
func TestCardinalityKeepsItsFields(t *testing.T) {
	f := newFixture(t)
	f.fill()
	var got struct {
		Status          string
		Metrics, Owners *[]struct {
			Metric, Label, Owner string
			Values, Series       int
		}
	}
	w := ask(t, f.API, "GET", "/api/v1/cardinality", "", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "success" || got.Metrics == nil || got.Owners == nil {
		t.Errorf("%s", w.Body)
	}
}

// TestHostileNames: what apps send is JSON text without markup in answers.
func TestHostileNames(t *testing.T) {
	f := newFixture(t)
	const hostile = "</script><script>alert(1)</script>\x00\xff\u2028{{.}}"
	f.gauge(hostile, hostile, hostile, hostile)
	for _, target := range []string{
		"/api/v1/names", "/api/v1/explain?name=%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E%00%FF%E2%80%A8%7B%7B.%7D%7D",
		"/api/v1/cardinality", "/api/v1/learn",
	} {
		w := ask(t, f.API, "GET", target, "", "")
		if body := w.Body.String(); w.Code != 200 || !json.Valid(w.Body.Bytes()) || strings.ContainsAny(body, "<>\x00") {
			t.Errorf("%s: %d %s", target, w.Code, body)
		}
	}
	var page struct{ Data Explained }
	w := ask(t, f.API, "GET", "/api/v1/explain?name=%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E%00%FF%E2%80%A8%7B%7B.%7D%7D",
		"", "")
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || len(page.Data.Live) != 1 {
		t.Errorf("%v: %s", err, w.Body)
	}
}
