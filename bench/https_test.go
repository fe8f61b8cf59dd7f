package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/coder/websocket"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle"
)

const (
	httpsEnv = "BENCH_HTTPS_CERTIFICATE" // set in the process that plays the gateway, the traffic controller and UAA
	wideRead = 64 << 10
)

// serveHTTPS plays the three in a process of its own: it sends the workload, prepared beforehand, in cycles without
// end.
func serveHTTPS(file string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	config.ClientAuth = tls.NoClientCert
	w, err := foundation.NewWorkload(seriesToSend(), 1, time.Now())
	if err != nil {
		return err
	}
	events, err := eventsOf(w)
	if err != nil {
		return err
	}
	frames, err := framesOf(w)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"a","token_type":"bearer","expires_in":3600}`)
	})
	mux.HandleFunc("/v2/read", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		p := newPacer(1)
		for {
			for _, e := range events {
				p.wait(p.burst)
				if _, err := w.Write(e); err != nil {
					return
				}
				if p.rate > 0 {
					_ = http.NewResponseController(w).Flush()
				}
			}
		}
	})
	mux.HandleFunc("/firehose/", func(w http.ResponseWriter, r *http.Request) { sendFrames(w, r, frames) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           mux,
		TLSConfig:         config,
		ReadHeaderTimeout: time.Minute,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	fmt.Println(listener.Addr())
	afterParent(func() { _ = server.Close() })
	return server.ServeTLS(listener, "", "")
}

// eventsOf is one cycle of a workload as the gateway sends it.
func eventsOf(w *foundation.Workload) ([][]byte, error) {
	batches, err := w.Batches()
	if err != nil {
		return nil, err
	}
	var events [][]byte
	for _, wire := range newPacer(1).batches(batches) {
		var batch loggregator_v2.EnvelopeBatch
		if err := proto.Unmarshal(wire, &batch); err != nil {
			return nil, err
		}
		text, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(&batch)
		if err != nil {
			return nil, err
		}
		event := bytes.NewBufferString("data: ")
		if err := json.Compact(event, text); err != nil {
			return nil, err
		}
		event.WriteString("\n\n")
		events = append(events, event.Bytes())
	}
	return events, nil
}

// framesOf is one cycle of a workload as the traffic controller sends it, in chunks of a hundred websocket messages,
// or, at a pace, each message by itself, as the traffic controller writes them.
func framesOf(w *foundation.Workload) ([][]byte, error) {
	datagrams, err := w.Datagrams()
	if err != nil {
		return nil, err
	}
	var chunks [][]byte
	chunk := batchSize
	if newPacer(1).rate > 0 {
		chunk = 1
	}
	for i, d := range datagrams {
		if i%chunk == 0 {
			chunks = append(chunks, nil)
		}
		c := &chunks[len(chunks)-1]
		*c = append(*c, 0x82) // a whole binary message
		if len(d) < 126 {
			*c = append(*c, byte(len(d)))
		} else {
			*c = binary.BigEndian.AppendUint16(append(*c, 126), uint16(len(d)))
		}
		*c = append(*c, d...)
	}
	return chunks, nil
}

func sendFrames(w http.ResponseWriter, r *http.Request, frames [][]byte) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(
		conn,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]),
	)
	p := newPacer(1)
	for err == nil {
		for i, c := range frames {
			if i%p.burst == 0 {
				p.wait(p.burst)
			}
			if _, err = conn.Write(c); err != nil {
				break
			}
		}
	}
}

// httpsPeer is that process, as a source sees it.
type httpsPeer struct {
	address string
	tls     nozzle.ServerTLSOptions
	client  *http.Client
}

func startHTTPS(b *testing.B) httpsPeer {
	b.Helper()
	address, config := startServer(b, httpsEnv)
	config.Certificates = nil
	return httpsPeer{
		// Its certificate names no address.
		address: address,
		tls:     nozzle.ServerTLSOptions{SkipVerify: true},
		client: &http.Client{
			Transport: &http.Transport{TLSClientConfig: config, ReadBufferSize: wideRead, DisableCompression: true},
		},
	}
}

// BenchmarkGateway reads the workload as server-sent events by HTTPS: the floor receives lines only, the second
// floor also walks their JSON, and the exporter takes everything into its store.
func BenchmarkGateway(b *testing.B) {
	p := startHTTPS(b)
	b.Run("floor=receive", func(b *testing.B) {
		answer, err := p.client.Get("https://" + p.address + "/v2/read")
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		lines := bufio.NewReaderSize(answer.Body, 1<<20)
		receiveOnly(b, batchSize, func() error {
			for {
				line, err := lines.ReadSlice('\n')
				if err != nil || len(line) > 1 {
					return err
				}
			}
		})
	})
	source := func(b *testing.B, newSink func() nozzle.Sink) nozzle.Source {
		b.Helper()
		return p.source(
			b,
			newSink,
			nozzle.Options{Gateway: nozzle.GatewayOptions{Enabled: true, URL: "https://" + p.address, TLS: p.tls}},
		)
	}
	walkAndStore(b, source)
}

// BenchmarkFirehose reads the workload as messages of a websocket: the floor receives only, the second floor also
// walks the bytes, and the exporter takes everything into its store.
func BenchmarkFirehose(b *testing.B) {
	p := startHTTPS(b)
	b.Run("floor=receive", func(b *testing.B) {
		conn, _, err := websocket.Dial(
			b.Context(),
			"wss://"+p.address+"/firehose/a",
			&websocket.DialOptions{HTTPClient: p.client},
		)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = conn.CloseNow() }()
		ctx := context.WithoutCancel(b.Context())
		buf := make([]byte, wideRead)
		receiveOnly(b, 1, func() error {
			_, r, err := conn.Reader(ctx)
			for err == nil {
				_, err = r.Read(buf)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		})
	})
	source := func(b *testing.B, newSink func() nozzle.Sink) nozzle.Source {
		b.Helper()
		return p.source(
			b,
			newSink,
			nozzle.Options{Firehose: nozzle.FirehoseOptions{Enabled: true, URL: "wss://" + p.address, TLS: p.tls}},
		)
	}
	walkAndStore(b, source)
}

func (p httpsPeer) source(b *testing.B, newSink func() nozzle.Sink, options nozzle.Options) nozzle.Source {
	b.Helper()
	options.Stream = nozzle.StreamOptions{ShardID: "a", Selectors: []string{"gauge", "counter"}}
	env := newEnv(b, newSink)
	env.UAA = nozzle.UAAOptions{URL: "https://" + p.address, ClientID: "a", ClientSecret: "b", TLS: p.tls}
	return newSource(b, options, env)
}

func walkAndStore(b *testing.B, source func(b *testing.B, newSink func() nozzle.Sink) nozzle.Source) {
	b.Helper()
	read := func(b *testing.B, to nozzle.Sink) {
		b.Helper()
		measure(b, to, func(newSink func() nozzle.Sink) nozzle.Source { return source(b, newSink) }, nil)
	}
	b.Run("floor=walk", func(b *testing.B) { read(b, nil) })
	b.Run("exporter", func(b *testing.B) {
		s := newStore(b, streamOf)
		read(b, s.Writer())
		if got := s.Stats().Series; got < streamOf {
			b.Fatalf("%d series, want %d: %s", got, streamOf, strings.TrimSpace(fmt.Sprint(s.Refusals())))
		}
	})
}
