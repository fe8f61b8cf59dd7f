package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/store"
)

func startPrometheusWith(t *testing.T, flags ...string) receiver {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := peer.Start(t, listensAt, peer.Prometheus().File(t), append([]string{
		"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0", "--web.enable-remote-write-receiver",
	}, flags...)...)
	peer.AwaitReady(peer.Within(t, peer.Patience), t, "http://"+p.Found)
	return receiver{"http://" + p.Found + "/api/v1/write", "http://" + p.Found + "/api/v1/query", 0}
}

// Real receivers store native histograms and exemplars where they can, and where they cannot all else arrives. A new
// life of the exporter is a reset.
func TestNativeHistogramsAtReceivers(t *testing.T) {
	exemplars := func(t *testing.T) receiver {
		t.Helper()
		return startPrometheusWith(t, "--enable-feature=exemplar-storage")
	}
	plain := func(t *testing.T) receiver { t.Helper(); return startPrometheusWith(t) }
	for _, tc := range []struct {
		name             string
		start            func(*testing.T) receiver
		protocol         string
		natives, tracing bool
		log              []string // what is logged
	}{
		{"Prometheus 1.0", exemplars, "1.0", true, true, nil},
		{"Prometheus 2.0", exemplars, "2.0", true, true, nil},
		{"Prometheus auto", exemplars, "auto", true, true, nil},
		{"Prometheus 1.0 without exemplars", plain, "1.0", true, false, nil},
		{"Prometheus 2.0 without exemplars", plain, "2.0", true, false, nil},
		{"VictoriaMetrics 1.0", startVictoriaMetrics, "1.0", false, false, []string{"pushing histograms as buckets only"}},
		{"VictoriaMetrics auto", startVictoriaMetrics, "auto", false, false, []string{"1.0 from now on", "histograms as buckets only"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := tc.start(t)
			ctx := peer.Within(t, 10*time.Minute)
			o := nativeOptions(r.write, tc.protocol)
			for _, requests := range []int{50, 20} {
				s := newRequests(t)
				for i := range requests {
					request(s, "GET", i*10, traceOf(i))
				}
				metrics, log := run(ctx, t, o, s, func() {
					await(ctx, t, fmt.Sprintf("%d classic requests", requests), func() string {
						return one(r.series(t, durations+`_count`))
					}, strconv.Itoa(requests))
					if !tc.natives {
						return
					}
					await(ctx, t, "native requests", func() string { return one(r.series(t, "histogram_count("+durations+")")) }, strconv.Itoa(requests))
					classic := one(r.series(t, "histogram_quantile(0.5, "+durations+"_bucket)"))
					if native := one(r.series(t, "histogram_quantile(0.5, "+durations+")")); requests == 50 && native[:3] != "0.2" {
						t.Errorf("the half took %s, by classic buckets %s", native, classic)
					}
					if sum := one(r.series(t, "histogram_sum("+durations+")")); sum != one(r.series(t, durations+"_sum")) {
						t.Error("sum", sum)
					}
					if tc.tracing {
						checkTraces(ctx, t, &r, s)
					}
				})
				n := sumOf(t, metrics, "loggregator_exporter_remote_write_samples_failed_total")
				if tc.protocol != "auto" || tc.natives { // else those that were encoded for 2.0 are left out
					n += sumOf(t, metrics, "loggregator_exporter_remote_write_histograms_failed_total")
				}
				if n != 0 || strings.Count(log, "\n") != len(tc.log) {
					t.Errorf("%v samples failed: %s", n, log)
				}
				for _, line := range tc.log {
					if !strings.Contains(log, line) {
						t.Errorf("%q is not logged: %s", line, log)
					}
				}
				await(peer.Within(t, peer.Lookback), t, "the end of all series", func() string { return strconv.Itoa(len(r.all(t, `{__name__=~"cf_.*"}`))) }, "0")
			}
			if tc.natives {
				if n := one(r.series(t, "resets("+durations+"[1h])")); n != "1" {
					t.Errorf("%s resets", n)
				}
			}
		})
	}
}

// await asks until the answer is right.
func await(ctx context.Context, t *testing.T, what string, ask func() string, want string) {
	t.Helper()
	peer.Until(ctx, t, what, func() string {
		if got := ask(); got != want {
			return got + ", want " + want
		}
		return ""
	})
}

// one is the value of the only series of an answer.
func one(series map[string]float64) string {
	for _, v := range series {
		if len(series) == 1 {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return fmt.Sprintf("%d series", len(series))
}

// all are the series of an answer, native histograms too.
func (r *receiver) all(t *testing.T, query string) (out []map[string]string) {
	t.Helper()
	r.ask(t, query, func(series map[string]string, _ promResult) { out = append(out, series) })
	return out
}

// checkTraces asks for the exemplars of a series of buckets and of the native ones: those of a bucket are one of its
// requests.
func checkTraces(ctx context.Context, t *testing.T, r *receiver, s *store.Store) {
	t.Helper()
	want := map[string][]string{}
	for series, p := range scraped(t, s) {
		for _, x := range p.exemplars {
			want[series] = append(want[series], x.Labels.Get("trace_id"))
		}
	}
	now := time.Now()
	at := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	await(ctx, t, "exemplars", func() string {
		query := url.Values{"query": {`{__name__=~"` + durations + `(_bucket)?"}`}, "start": {at(-time.Hour)}, "end": {at(time.Hour)}}
		var answer struct {
			Data []struct {
				SeriesLabels map[string]string
				Exemplars    []struct{ Labels map[string]string }
			}
		}
		if err := json.Unmarshal(peer.Get(t, r.query+"_exemplars?"+query.Encode()).Body, &answer); err != nil {
			t.Fatal(err)
		}
		missing := 0
		got := map[string]bool{}
		for _, series := range answer.Data {
			for _, x := range series.Exemplars {
				got[labels.FromMap(series.SeriesLabels).String()+x.Labels["trace_id"]] = true
			}
		}
		for series, traces := range want {
			for _, trace := range traces {
				if strings.Contains(series, durations+"_bucket") && !got[series+trace] {
					missing++
				}
			}
		}
		return strconv.Itoa(missing) + " missing"
	}, "0 missing")
}
