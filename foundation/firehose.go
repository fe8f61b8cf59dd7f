package foundation

import (
	"context"
	"net/http"
	"strings"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/conversion"
	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"
)

// serveFirehose answers as the traffic controller does: a websocket at /firehose/<subscription id>, with 401 for a
// token that it does not accept.
func (h *https) serveFirehose(w http.ResponseWriter, r *http.Request) {
	if !h.streams.begin() {
		return
	}
	defer h.streams.running.Done()
	subscription, ok := strings.CutPrefix(r.URL.Path, "/firehose/")
	if !ok || subscription == "" {
		http.Error(w, "Resource Not Found", http.StatusNotFound)
		return
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "bearer ")
	if !ok || !h.uaa.allows(token, "doppler.firehose") {
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "You are not authorized. Error: Invalid authorization", http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the client has its answer
	}
	// The real one ends a stream without a close frame.
	defer func() { _ = conn.CloseNow() }()
	// CloseRead reads the client's pongs, and ends ctx when the client goes.
	ctx, cancel := context.WithCancel(conn.CloseRead(r.Context()))
	defer cancel()
	h.streams.running.Go(func() { h.ping(ctx, cancel, conn) })
	gone := h.proxy.watch()
	h.streams.running.Go(func() {
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	})
	_ = h.rlp.BatchedReceiver(&loggregator_v2.EgressBatchRequest{
		ShardId: subscription, UsePreferredTags: true,
		Selectors: gatewaySelectors(map[string][]string{"log": nil, "counter": nil, "gauge": nil, "timer": nil}),
	}, &localStream{ctx: ctx, send: func(b *loggregator_v2.EnvelopeBatch) error { return h.sendV1(ctx, conn, b) }})
}

// ping sends pings, and cancels the stream of a client that does not answer.
func (h *https) ping(ctx context.Context, cancel context.CancelFunc, conn *websocket.Conn) {
	ticker := time.NewTicker(h.options.Ping)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			wait, stop := context.WithTimeout(ctx, h.options.Ping)
			err := conn.Ping(wait)
			stop()
			if err != nil {
				cancel()
				return
			}
		}
	}
}

// sendV1 writes a batch in the v1 form, one envelope a message. A client that takes nothing for some time is
// disconnected.
func (h *https) sendV1(ctx context.Context, conn *websocket.Conn, b *loggregator_v2.EnvelopeBatch) error {
	for _, e := range b.GetBatch() {
		// The conversion may change what it is given, and others read the same envelope.
		for _, v1 := range conversion.ToV1(proto.CloneOf(e)) {
			message, err := proto.Marshal(v1)
			if err != nil {
				continue // a request without an id has no v1 form; the real one loses it as well
			}
			write, stop := context.WithTimeout(ctx, h.options.SlowConsumer)
			h.messages.Add(1)
			err = conn.Write(write, websocket.MessageBinary, message)
			stop()
			if err != nil {
				return err
			}
		}
	}
	return nil
}
