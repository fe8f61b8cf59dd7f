package foundation

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/encoding/protojson"
)

// What the RLP gateway writes: snake_case, zero values written out.
var gatewayJSON = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true} // constant

// serveGateway answers as the RLP gateway does: GET /v2/read, with 404 for a token that it does not accept, 400 for
// a request without a type, 503 without an RLP.
func (h *https) serveGateway(w http.ResponseWriter, r *http.Request) {
	if !h.streams.begin() {
		return
	}
	defer h.streams.running.Done()
	// Without "bearer" the token is taken as it is; any other word before it makes it a bad one.
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "bearer ")
	if r.Method != http.MethodGet || r.URL.Path != "/v2/read" || !h.uaa.allows(token, "doppler.firehose", "logs.admin") {
		gatewayError(w, http.StatusNotFound, "not_found", "resource not found")
		return
	}
	selectors := gatewaySelectors(r.URL.Query())
	if len(selectors) == 0 {
		gatewayError(w, http.StatusBadRequest, "empty_query", "query cannot be empty")
		return
	}
	gone := h.proxy.watch()
	select {
	case <-gone:
		gatewayError(w, http.StatusServiceUnavailable, "streaming_unavailable", "streaming is temporarily unavailable")
		return
	default:
	}
	h.stream(w, r, gone, &loggregator_v2.EgressBatchRequest{
		ShardId: r.URL.Query().
			Get("shard_id"),
		DeterministicName: r.URL.Query().Get("deterministic_name"),
		Selectors:         selectors,
		UsePreferredTags:  true,
	})
}

func gatewayError(w http.ResponseWriter, status int, name, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":%q,"message":%q}`, name, message)
}

func gatewaySelectors(query url.Values) []*loggregator_v2.Selector {
	var selectors []*loggregator_v2.Selector
	for _, s := range []struct {
		kind string
		of   *loggregator_v2.Selector
	}{
		{"log", &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Log{Log: &loggregator_v2.LogSelector{}}}},
		{"counter", counterSelector("")},
		{"gauge", &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Gauge{Gauge: &loggregator_v2.GaugeSelector{}}}},
		{"timer", &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Timer{Timer: &loggregator_v2.TimerSelector{}}}},
		{"event", &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Event{Event: &loggregator_v2.EventSelector{}}}},
	} {
		if query.Has(s.kind) {
			selectors = append(selectors, s.of)
		}
	}
	if name := query.Get("counter.name"); name != "" && !query.Has("counter") {
		selectors = append(selectors, counterSelector(name))
	}
	return selectors
}

// counterSelector selects the counters of a name; "" is all.
func counterSelector(name string) *loggregator_v2.Selector {
	counter := &loggregator_v2.CounterSelector{Name: name}
	return &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Counter{Counter: counter}}
}

// stream writes events until the client goes, the RLP goes, or the stream's time is over.
func (h *https) stream(
	w http.ResponseWriter, r *http.Request, gone <-chan struct{}, request *loggregator_v2.EgressBatchRequest,
) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	batches := make(chan *loggregator_v2.EnvelopeBatch)
	ended := make(chan struct{})
	h.streams.running.Go(func() {
		defer close(ended)
		_ = h.rlp.BatchedReceiver(request, &localStream{ctx: ctx, send: func(b *loggregator_v2.EnvelopeBatch) error {
			select {
			case batches <- b:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
	})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	out := http.NewResponseController(w)
	write := func(event, data string) error {
		if event != "" {
			event = "event: " + event + "\n"
		}
		if _, err := fmt.Fprintf(w, "%sdata: %s\n\n", event, data); err != nil {
			return err
		}
		return out.Flush()
	}
	w.WriteHeader(http.StatusOK)
	err := out.Flush()
	silence, life := time.NewTimer(h.options.Heartbeat), time.NewTimer(h.options.StreamLife)
	defer silence.Stop()
	defer life.Stop()
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-gone:
			return
		case <-life.C:
			_ = write("closing", "closing due to stream timeout")
			return
		case <-silence.C:
			err = write("heartbeat", strconv.FormatInt(time.Now().Unix(), 10))
			silence.Reset(h.options.Heartbeat)
		case b := <-batches:
			var data []byte
			if data, err = gatewayJSON.Marshal(b); err == nil {
				err = write("", string(data))
			}
			silence.Reset(h.options.Heartbeat)
		}
	}
}
