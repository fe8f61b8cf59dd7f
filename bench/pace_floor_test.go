package bench

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"loggregator_exporter/nozzle/gather"
)

const (
	floorEnv    = "BENCH_FLOOR_CERTIFICATE" // set in the process that does nothing with what a source sends: its certificate's file
	floorOfEnv  = "BENCH_FLOOR_SOURCE"      // set in the same: the source
	floorWindow = 2 << 20
)

// readFloor reads a stream with one goroutine and one processor, and does nothing with it.
func readFloor(file string) error {
	runtime.GOMAXPROCS(1)
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	raw, err := net.Dial("tcp", os.Getenv(addressEnv))
	if err != nil {
		return err
	}
	afterParent(func() { os.Exit(0) })
	source := os.Getenv(floorOfEnv)
	var drained func()
	switch source {
	case nameRLP:
		config.NextProtos = []string{"h2"}
	case nameFirehose:
		drained = func() {}
	}
	conn := tls.Client(gather.New(raw, drained), config)
	defer func() { _ = conn.Close() }()
	switch source {
	case nameRLP:
		return readFrames(conn)
	case nameFirehose:
		return readBytes(conn, "/firehose/floor")
	default:
		return readBytes(conn, "/v2/read")
	}
}

// readBytes reads what follows a request: the records of TLS are decrypted.
func readBytes(conn net.Conn, path string) error {
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nSec-WebSocket-Key: a\r\n\r\n", path, serverName)
	for b := make([]byte, wideRead); err == nil; {
		_, err = conn.Read(b)
	}
	return err
}

// readFrames reads the frames of a stream of the RLP.
func readFrames(conn net.Conn) error {
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return err
	}
	framer := http2.NewFramer(conn, bufio.NewReaderSize(conn, 32<<10))
	framer.SetReuseFrames()
	var header bytes.Buffer
	encoder := hpack.NewEncoder(&header)
	for _, f := range [][2]string{
		{":method", "POST"},
		{":scheme", "https"},
		{":path", streamTo},
		{":authority", serverName},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	err := errors.Join(
		framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: floorWindow}),
		framer.WriteWindowUpdate(0, floorWindow),
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: header.Bytes(), EndHeaders: true}),
		framer.WriteData(1, true, make([]byte, 5)), // an empty message
	)
	for taken := uint32(0); err == nil; {
		var frame http2.Frame
		if frame, err = framer.ReadFrame(); err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = framer.WritePing(true, frame.Data)
			}
		case *http2.DataFrame:
			if taken += frame.Length; taken > floorWindow/4 {
				err = errors.Join(framer.WriteWindowUpdate(0, taken), framer.WriteWindowUpdate(1, taken))
				taken = 0
			}
		}
	}
	return err
}

// BenchmarkPaceFloor shows what an envelope of the RLP, the gateway and the firehose costs at the least, at the pace of a
// foundation: records are decrypted, and those of the RLP split into frames.
func BenchmarkPaceFloor(b *testing.B) {
	for _, of := range paced[:3] {
		for _, rate := range of.rates {
			b.Run(fmt.Sprintf("source=%s/rate=%d", of.source, rate), func(b *testing.B) {
				inTurns(b, "", func(b *testing.B, _ string) usage {
					b.Helper()
					setPace(b, min(paceSeries, rate*10), rate)
					certificate, _ := newCertificate(b)
					address, stop := startServerWith(b, of.sender, certificate)
					defer stop()
					reader := exec.Command(os.Args[0])
					_, stopReader := start(b, reader, floorEnv+"="+certificate, floorOfEnv+"="+of.source, addressEnv+"="+address)
					defer stopReader()
					time.Sleep(startTime)
					u := (&program{pid: reader.Process.Pid}).sleep(b, paceTime)
					u.envelopes = float64(rate) * u.seconds
					return u
				})
			})
		}
	}
}
