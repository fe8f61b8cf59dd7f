package scaleout

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
)

// prometheus is one that runs.
type prometheus struct {
	url string
}

// startPrometheus runs one that scrapes itself and targets, each under the instance label that is its number.
// Targets may come and go.
func startPrometheus(t *testing.T, every time.Duration, targets ...string) *prometheus {
	t.Helper()
	dir, address := t.TempDir(), peer.FreeAddress(t)
	config := fmt.Sprintf("global: {scrape_interval: %v, scrape_timeout: %v}\nscrape_configs:\n"+
		"  - {job_name: prometheus, static_configs: [{targets: [%q]}]}\n", every, every, address)
	if len(targets) > 0 {
		config += "  - job_name: exporters\n    static_configs:\n"
	}
	for number, target := range targets {
		config += fmt.Sprintf("      - {targets: [%q], labels: {instance: %q}}\n", target, strconv.Itoa(number))
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	peer.Start(t, listensAt, peer.Prometheus().File(t), "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--web.enable-remote-write-receiver")
	p := &prometheus{"http://" + address}
	peer.AwaitReady(t.Context(), t, p.url)
	return p
}

// series is one of an answer.
type series struct {
	Metric map[string]string
	Value  []any
	Values [][]any
}

// number reads the value of a pair of the API; at the time.
func number(t *testing.T, pair []any) (value float64, at time.Time) {
	t.Helper()
	if len(pair) != 2 {
		t.Fatalf("%v is no sample", pair)
	}
	value, err := strconv.ParseFloat(fmt.Sprint(pair[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	seconds, ok := pair[0].(float64)
	if !ok {
		t.Fatalf("%v is no time", pair[0])
	}
	return value, time.UnixMilli(int64(seconds * 1000))
}

// query evaluates an expression now.
func (p *prometheus) query(t *testing.T, expression string) []series {
	t.Helper()
	return p.ask(t, "query", url.Values{"query": {expression}})
}

// queryRange evaluates an expression at each second since.
func (p *prometheus) queryRange(t *testing.T, expression string, since time.Time) []series {
	t.Helper()
	return p.ask(t, "query_range", url.Values{
		"query": {expression}, "start": {strconv.FormatInt(since.Unix(), 10)}, "end": {strconv.FormatInt(time.Now().Unix(), 10)}, "step": {"1"},
	})
}

func (p *prometheus) ask(t *testing.T, path string, form url.Values) []series {
	t.Helper()
	body := peer.Get(t, p.url+"/api/v1/"+path+"?"+form.Encode()).Body
	var answer struct {
		Status string
		Data   struct{ Result []series }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%v: %s", err, body)
	}
	return answer.Data.Result
}

// queryAt evaluates an expression at a time.
func (p *prometheus) queryAt(t *testing.T, expression string, at time.Time) []series {
	t.Helper()
	return p.ask(t, "query", url.Values{"query": {expression}, "time": {strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)}})
}

// scrapes says how the exporters were scraped since: the longest time from one scrape of an exporter to the next,
// and the longest that one took.
func (p *prometheus) scrapes(t *testing.T, since time.Time) (pause, slowest time.Duration) {
	t.Helper()
	within := fmt.Sprintf("[%ds]", int((time.Since(since)+scrapeEvery)/time.Second)+1)
	for _, s := range p.query(t, `up{job="exporters"}`+within) {
		for i := 1; i < len(s.Values); i++ {
			_, before := number(t, s.Values[i-1])
			_, at := number(t, s.Values[i])
			pause = max(pause, at.Sub(before))
		}
	}
	for _, s := range p.query(t, `max_over_time(scrape_duration_seconds{job="exporters"}`+within+`)`) {
		seconds, _ := number(t, s.Value)
		slowest = max(slowest, time.Duration(seconds*float64(time.Second)))
	}
	return pause, slowest
}

// value is the one value of an expression; there is none where nothing answers it.
func (p *prometheus) value(t *testing.T, expression string) (value float64, ok bool) {
	t.Helper()
	answer := p.query(t, expression)
	if len(answer) != 1 {
		return 0, false
	}
	value, _ = number(t, answer[0].Value)
	return value, true
}

// by is the value of each series of an answer, by one label.
func (p *prometheus) by(t *testing.T, label, expression string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for _, s := range p.query(t, expression) {
		values[s.Metric[label]], _ = number(t, s.Value)
	}
	return values
}

// await asks until the one value of an expression is right, and returns it.
func (p *prometheus) await(ctx context.Context, t *testing.T, what, expression string, right func(float64) bool) (value float64) {
	t.Helper()
	peer.Until(ctx, t, what, func() string {
		var ok bool
		if value, ok = p.value(t, expression); ok && right(value) {
			return ""
		}
		return fmt.Sprintf("%s is %v (%v)", expression, value, ok)
	})
	return value
}

func equals(want float64) func(float64) bool { return func(v float64) bool { return v == want } }
