package tagger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

func TestMappingFile(t *testing.T) {
	tg := load(t, true,
		"rules:\n- prefix: \"{component}__{index:int}\"\n",
		`defaults:
  observer_type: histogram
  ttl: 1m
  histogram_options: {buckets: [1, 2]}
mappings:
- &base
  match: a.*
  name: "${1}"
  scale: 0.001
  labels: {l: "$0/${1}", empty: "$2"}
- <<: *base
  match: b.*
  observer_type: summary
  ttl: 2m
  summary_options: {quantiles: [{quantile: 0.5, error: 0.1}], max_age: 30s, age_buckets: 3, buf_cap: 10}
- {match: c.*, name: "$2_", help: Text}
- {match: d.*, name: "${2}"}
`)
	for _, tc := range []struct {
		name string
		want tagger.Result
	}{
		{"a.x-y--z", tagger.Result{
			Base: "x_y_z", Tags: []metric.Label{{Name: "l", Value: "a.x-y--z/x-y--z"}}, Rule: "r2/a.*",
			Kind: metric.KindTimer, Final: true,
			Expiry: time.Minute, Buckets: []float64{1, 2}, Scale: 0.001,
		}},
		{"b.1", tagger.Result{
			Base: "_1", Tags: []metric.Label{{Name: "l", Value: "b.1/1"}}, Rule: "r2/b.*", Kind: metric.KindTimer,
			Final: true, Expiry: 2 * time.Minute,
			Scale: 0.001,
		}},
		// A mapping sees whole names only, and what it does not match goes on.
		{"router__0.a.b", tagger.Result{
			Base: "a.b", Tags: []metric.Label{{Name: "component", Value: "router"}, {Name: "index", Value: "0"}},
			Rule: "r1/{component}__{index:int}",
			Kind: metric.KindTimer,
		}},
		{"d.x", tagger.Result{
			Base: "d.x", Rule: "r2/d.*", Kind: metric.KindTimer, Final: true, Dropped: true,
			Invalid: `mapping "r2/d.*" gives an empty name (name: ${2})`, Expiry: time.Minute, Buckets: []float64{1, 2},
			Scale: 1,
		}},
	} {
		var r tagger.Result
		tg.Apply(&tagger.Subject{Name: tc.name, Kind: metric.KindTimer}, &r, nil)
		if diff := cmp.Diff(tc.want, r); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}
