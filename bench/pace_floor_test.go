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
	floorEnv    = "BENCH_FLOOR_CERTIFICATE" // set in the process that does nothing with what the RLP sends: its certificate's file
	floorWindow = 2 << 20
)

// readFrames reads the frames of a stream of the RLP with one goroutine and one processor, and does nothing with them.
func readFrames(file string) error {
	runtime.GOMAXPROCS(1)
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	config.NextProtos = []string{"h2"}
	raw, err := net.Dial("tcp", os.Getenv(addressEnv))
	if err != nil {
		return err
	}
	afterParent(func() { os.Exit(0) })
	conn := tls.Client(gather.New(raw, nil), config)
	defer func() { _ = conn.Close() }()
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
	err = errors.Join(
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

// BenchmarkPaceFloor shows what an envelope of the RLP costs at the least, at the pace of a foundation: its records are
// decrypted and its frames split.
func BenchmarkPaceFloor(b *testing.B) {
	for _, rate := range paced[0].rates {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			inTurns(b, "", func(b *testing.B, _ string) usage {
				b.Helper()
				setPace(b, min(paceSeries, rate*10), rate)
				certificate, _ := newCertificate(b)
				address, stop := startServerWith(b, serverEnv, certificate)
				defer stop()
				reader := exec.Command(os.Args[0])
				_, stopReader := start(b, reader, floorEnv+"="+certificate, addressEnv+"="+address)
				defer stopReader()
				time.Sleep(startTime)
				u := (&program{pid: reader.Process.Pid}).sleep(b, paceTime)
				u.envelopes = float64(rate) * u.seconds
				return u
			})
		})
	}
}
