package migrate

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
)

// series is one of a result: its labels, and its values by time.
type series struct {
	Metric map[string]string `json:"metric"`
	Values [][2]any          `json:"values"`
}

// server is a Prometheus with the time that it holds.
type server struct {
	address    string
	start, end time.Time // of the first and last scrape
	names      []string  // that were emitted, as firehose_exporter has them
}

// ask evaluates a query over all of the time.
func (s *server) ask(t *testing.T, query string) ([]series, error) {
	t.Helper()
	answer := peer.Get(t, "http://"+s.address+"/api/v1/query_range?"+url.Values{
		"query": {inProportion(query)}, "start": {s.start.Format(time.RFC3339Nano)}, "end": {s.end.Format(time.RFC3339Nano)},
		"step": {interval.String()},
	}.Encode())
	var result struct {
		Error string
		Data  struct{ Result []series }
	}
	if err := json.Unmarshal(answer.Body, &result); err != nil {
		return nil, fmt.Errorf("%w: %s", err, answer.Body)
	}
	if result.Error != "" {
		return nil, fmt.Errorf("%s: %s", query, result.Error)
	}
	return result.Data.Result, nil
}

// values returns the values of a label that series have.
func (s *server) values(t *testing.T, selector, label string) []string {
	t.Helper()
	answer := peer.Get(t, "http://"+s.address+"/api/v1/label/"+label+"/values?"+url.Values{"match[]": {selector}}.Encode())
	var result struct {
		Error string
		Data  []string
	}
	if err := json.Unmarshal(answer.Body, &result); err != nil || result.Error != "" {
		t.Errorf("%s: %v %s", selector, err, answer.Body)
	}
	return result.Data
}

// renamed are the labels that have other names in the new series. "" is for those that are gone.
var renamed = map[string]string{
	"deployment": "bosh_deployment", "exported_job": "bosh_job_name", "index": "bosh_job_id", "ip": "bosh_job_ip",
	"application_id": "app_id", "application_name": "app_name", "unit": "", "__name__": "",
}

// exactness says how far a result may be from the one that it is compared with.
type exactness struct {
	relative, absolute float64
	// common: only times at which both have a value count, and these are most.
	common bool
}

// exactnessOf is that of a query. Quantiles that are calculated from buckets are as exact as these are wide: each four
// times as the one before; of a range they have values where an instant has none. firehose_exporter's times are in
// seconds.
func exactnessOf(query string) exactness {
	e := exactness{relative: 1e-9}
	if strings.Contains(query, "quantile=") || strings.Contains(query, "(quantile)") {
		e.relative, e.common = 0.75, true
	}
	if ownTimestamp.MatchString(query) {
		e.absolute = 1
	}
	return e
}

// ownTimestamp matches the times of firehose_exporter.
var ownTimestamp = regexp.MustCompile(`firehose_last_\w+_timestamp`)

// compare says how the result of a query differs from that of the one that it came from: the same series up to the
// renaming of labels, with the same values at the same times. The new ones may have labels that the names held.
func compare(old, now []series, within exactness) string {
	if len(old) != len(now) {
		return fmt.Sprintf("%d series, were %d", len(now), len(old))
	}
	rest := slices.Clone(now)
	for _, was := range old {
		i := slices.IndexFunc(rest, func(s series) bool { return sameLabels(was.Metric, s.Metric) })
		if i < 0 {
			return fmt.Sprintf("none is %v: %v", was.Metric, rest[0].Metric)
		}
		if d := differ(was.Values, rest[i].Values, within); d != "" {
			return fmt.Sprintf("%v: %s", was.Metric, d)
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return ""
}

// sameLabels says whether the new labels hold all that the old ones held.
func sameLabels(old, now map[string]string) bool {
	for name, value := range old {
		to, other := renamed[name]
		if (name == "index" || name == "bosh_job_id") && now["worker"] == value {
			continue // of cloud controllers, whose workers say index for themselves
		}
		if now[name] != value && (!other || to != "" && now[to] != value) {
			return false
		}
	}
	if old["__name__"] != "" {
		return true // the series themselves, which may have any labels that the name held
	}
	for name := range now {
		if slices.Contains(slices.Collect(maps.Values(renamed)), name) && name != "" && !hadLabel(old, name) {
			return false
		}
	}
	return true
}

func hadLabel(old map[string]string, name string) bool {
	if _, ok := old[name]; ok {
		return true
	}
	for was, to := range renamed {
		if _, ok := old[was]; ok && to == name {
			return true
		}
	}
	return false
}

func differ(old, now [][2]any, within exactness) string {
	if within.common {
		old, now = common(old, now)
	}
	if len(old) != len(now) {
		return fmt.Sprintf("%d values, were %d", len(now), len(old))
	}
	for i := range old {
		a, errA := strconv.ParseFloat(old[i][1].(string), 64)
		b, errB := strconv.ParseFloat(now[i][1].(string), 64)
		allowed := within.absolute + within.relative*math.Max(math.Abs(a), math.Abs(b))
		same := a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= allowed
		if errA != nil || errB != nil || old[i][0] != now[i][0] || !same {
			return fmt.Sprintf("%v at %v, was %v at %v", now[i][1], now[i][0], old[i][1], old[i][0])
		}
	}
	return ""
}

// common returns the values at times that both have, if these are most.
func common(old, now [][2]any) (oldCommon, nowCommon [][2]any) {
	for _, a := range old {
		if i := slices.IndexFunc(now, func(b [2]any) bool { return a[0] == b[0] }); i >= 0 {
			oldCommon, nowCommon = append(oldCommon, a), append(nowCommon, now[i])
		}
	}
	if 10*len(oldCommon) < 8*len(old) {
		return old, now
	}
	return oldCommon, nowCommon
}

// valuesOfVariables stand in place of Grafana's variables in both queries.
var valuesOfVariables = strings.NewReplacer(
	"$environment", "production", "$bosh_deployment", "cf", "$bosh_job_ip", "10.0.0.*",
	"$bosh_job_name", "vm-of-.*", "$bosh_job_id", ".*", "$bosh_job", "vm-of-.*",
	"$application_name", "shop", "$application", ".*", "[[cf_component]]", "p-redis", "${component}", "rep",
	"$__rate_interval", "2m", "$__interval", "1m", "$__range", "5m", "$interval", "2m", "$top", "2",
	"[[exchange]]", "test_vhost",
)
