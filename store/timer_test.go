package store

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// Timers that differ in nothing that may be a label are one series, however they were sent: no request is lost.
func TestTimersThatComeTogether(t *testing.T) {
	const app = "f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11"
	from := func(source string, pairs ...string) *metric.Envelope {
		e := timer("http", time.Second, pairs...)
		e.SourceID, e.InstanceID = []byte(source), []byte("1")
		return e
	}
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		for _, e := range []*metric.Envelope{
			from("", "origin", "router__0", "status_code", "200", "content_length", "1"),
			from("", "origin", "router__1", "status_code", "204", "component", "uaa", "content_length", "1"),
			from("", "origin", "router_z1/0", "status_code", "299", "component", "api", "content_length", "1"),
			from("router__3", "status_code", "200", "content_length", "1", "method", ""),
			from("", "origin", "gorouter", "status_code", "abc"),
			from("gorouter"),
			from(app, "origin", "gorouter", "status_code", "200"),
			from("gorouter", "app_id", app, "status_code", "200"),
		} {
			if got := write(s, e); got != "stored" {
				t.Errorf("%s: %s", e.Tags, got)
			}
		}
		want := `histogram cf_http_request_duration_seconds{app_id="` + app + `",component="gorouter",status="2xx"} [0.1 1] [0 2 0] count=2 sum=2
histogram cf_http_request_duration_seconds{component="gorouter"} [0.1 1] [0 2 0] count=2 sum=2
histogram cf_http_request_duration_seconds{component="router",status="2xx"} [0.1 1] [0 4 0] count=4 sum=4
histogram cf_http_response_size_bytes{component="router",status="2xx"} [1000] [4 0] count=4 sum=4
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		// The last sender keeps the series alive; when all are silent everything is gone.
		<-time.After(6 * time.Minute)
		write(s, at(6*time.Minute, from("", "origin", "router__1", "status_code", "204", "component", "uaa")))
		<-time.After(6 * time.Minute)
		s.sweep(time.Now())
		if got := dump(s); !strings.Contains(got, `component="router",status="2xx"} [0.1 1] [0 5 0] count=5`) ||
			strings.Count(got, "\n") != 1 {
			t.Errorf("after half of them expired:\n%s", got)
		}
		s.sweep(time.Now().Add(time.Hour))
		if got := s.Stats(); got != (Stats{}) {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestTimerBounds(t *testing.T) {
	s := testStore(t)
	long := timer("http", time.Second)
	long.SourceID = make([]byte, 1<<20)
	endless := timer("http", time.Second)
	endless.Start, endless.Stop = math.MinInt64, math.MaxInt64
	for what, e := range map[string]*metric.Envelope{
		"source id":   long,
		"duration":    endless,
		"allowed tag": timer("http", time.Second, "method", strings.Repeat("x", 5000)),
	} {
		if got := write(s, e); got != "invalid" {
			t.Errorf("%s: %s", what, got)
		}
	}
	if got := write(s, timer("http", time.Second, "uri", strings.Repeat("x", 50_000))); got != "stored" {
		t.Errorf("a long tag that is no label: %s", got)
	}
}

func TestAllowedSourceOfTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.TimerLabels = []string{"source_id", "instance_id"} })
		for _, e := range []*metric.Envelope{
			timer("http", time.Second, "origin", "cc", "method", "GET"),
			timer("http", time.Second, "origin", "gorouter", "instance_id", "3"),
			timer("http", time.Second, "origin", "gorouter"), // of no app: the field is a 0 that no one sent
		} {
			e.SourceID, e.InstanceID = []byte("a"), []byte("7")
			write(s, e)
		}
		want := `histogram cf_http_request_duration_seconds{instance_id="3",source_id="a"} [0.1 1] [0 1 0] count=1 sum=1
histogram cf_http_request_duration_seconds{instance_id="7",source_id="a"} [0.1 1] [0 1 0] count=1 sum=1
histogram cf_http_request_duration_seconds{source_id="a"} [0.1 1] [0 1 0] count=1 sum=1
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// Scheme and host of requests are those of their URIs, and status codes are labels, where these are wanted.
func TestLabelsOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.TimerLabels = []string{"host", "scheme", "status", "status_code"} })
		for _, tags := range [][]string{
			{"uri", "https://shop.example.com/a?b", "status_code", "200"},
			{"uri", "https://shop.example.com/c", "status_code", "200", "host", "mine", "scheme", "mine"},
			{"uri", "http://[::1]:80/", "status_code", "503"},
			{"uri", "/relative", "status_code", "0"},
			{"uri", "", "status_code", "none"},
			{"status_code", "1000"},
		} {
			if got := write(s, timer("http", time.Second, append(tags, "origin", "gorouter")...)); got != "stored" {
				t.Errorf("%s: %s", tags, got)
			}
		}
		want := `histogram cf_http_request_duration_seconds{} [0.1 1] [0 2 0] count=2 sum=2
histogram cf_http_request_duration_seconds{host="[::1]:80",scheme="http",status="5xx",status_code="503"} [0.1 1] [0 1 0] count=1 sum=1
histogram cf_http_request_duration_seconds{host="shop.example.com",scheme="https",status="2xx",status_code="200"} [0.1 1] [0 2 0] count=2 sum=2
histogram cf_http_request_duration_seconds{status_code="0"} [0.1 1] [0 1 0] count=1 sum=1
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		e := timer("http", time.Second, "origin", "gorouter", "uri", "https://shop.example.com/c", "status_code", "200")
		w, tally := s.Writer(), metric.Tally{}
		if n := testing.AllocsPerRun(100, func() { w.Write(e, &tally) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
