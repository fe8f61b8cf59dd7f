package main

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"

	"loggregator_exporter/config"
)

// TestLabelsOfRequests: the same request has the same labels, those that metrics.http.labels may list as well, whether a
// timer or a HttpStartStop tells of it; and firehose_exporter's series of it have the same values.
func TestLabelsOfRequests(t *testing.T) {
	f, cfg := coverageConfig(t)
	cfg.Metrics.Compatibility = "firehose_exporter"
	cfg.Metrics.HTTP.Labels = slices.Concat(config.Default().Metrics.HTTP.Labels,
		[]string{"host", "instance_id", "scheme", "status_code"})
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	sendV2(t, f, r.Listening["ingress"].String(), []*loggregator_v2.Envelope{{
		SourceId: coverageApp, InstanceId: "1", Message: timerOf("http", 10*time.Millisecond), Tags: map[string]string{
			"origin": "gorouter", "peer_type": "Server", "method": "PUT", "status_code": "404", "app_id": coverageApp,
			"instance_id": "1", "uri": "https://shop.example.com/basket?id=1", "request_id": "a",
		},
	}})
	now := time.Now().UnixNano()
	sendV1(t, r.Listening["udp"].String(), []*events.Envelope{{
		Origin: new("gorouter"), EventType: events.Envelope_HttpStartStop.Enum(), Timestamp: new(now),
		Tags: map[string]string{"app_id": coverageApp, "instance_id": "1"},
		HttpStartStop: &events.HttpStartStop{
			StartTimestamp: new(now - 1e6), StopTimestamp: new(now),
			RequestId: &events.UUID{Low: new(uint64(1)), High: new(uint64(2))}, PeerType: events.PeerType_Server.Enum(),
			Method: events.Method_PUT.Enum(), Uri: new("https://shop.example.com/"), RemoteAddress: new("r"), UserAgent: new("u"),
			ApplicationId: &events.UUID{Low: new(uint64(0x554c7e7ad0c2a3f1)), High: new(uint64(0x114b3a9d0b2f0f9f))}, // coverageApp
			StatusCode:    new(int32(404)), ContentLength: new(int64(-1)), InstanceIndex: new(int32(1)),
		},
	}})
	of := `app_id="` + coverageApp + `"`
	key := `cf_http_request_duration_seconds{` + of + `,component="gorouter",host="shop.example.com",instance_id="1",` +
		`method="PUT",scheme="https",status="4xx",status_code="404"}`
	old := `firehose_http_total{` + of + `,application_id="` + coverageApp + `",host="shop.example.com",instance_id="1",` +
		`method="PUT",node_index="0",origin="cf_app",scheme="https",source_id="` + coverageApp + `",status_code="404"}`
	awaitSamples(t, r, func(got map[string]float64) (wrong []string) {
		for _, key := range []string{key, old} {
			if got[key] != 2 {
				wrong = append(wrong, fmt.Sprintf("%s is %v, want 2", key, got[key]))
			}
		}
		return wrong
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}
