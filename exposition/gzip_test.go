package exposition

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"

	fastgzip "github.com/klauspost/compress/gzip"
	"github.com/prometheus/common/expfmt"
)

// compressed is what a compressor makes of data, given in pieces of so many bytes by turns, or at once.
func compressed(tb testing.TB, z *lineGzip, data []byte, pieces ...int) []byte {
	tb.Helper()
	var out bytes.Buffer
	z.Reset(&out)
	for i := 0; len(data) > 0; i++ {
		n := len(data)
		if len(pieces) > 0 {
			n = min(n, max(1, pieces[i%len(pieces)]))
		}
		piece := data[:n]
		if i%3 == 2 && n < chunkBytes { // as a page does
			piece = append(z.space(), piece...)
		}
		if written, err := z.Write(piece); err != nil || written != n {
			tb.Fatalf("wrote %d of %d bytes: %v", written, n, err)
		}
		data = data[n:]
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// mostBytes is the most that n bytes may become.
func mostBytes(n int) int { return n + 5*(n/(32<<10)) + 23 }

// readBack fails unless the page is small enough, and the standard library reads the data from it, and nothing more.
func readBack(tb testing.TB, page, data []byte) {
	tb.Helper()
	if len(page) > mostBytes(len(data)) {
		tb.Errorf("%d bytes became %d", len(data), len(page))
	}
	in := bytes.NewReader(page)
	r, err := gzip.NewReader(in)
	if err != nil {
		tb.Fatal(err)
	}
	r.Multistream(false)
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, data) {
		tb.Fatalf("read %d bytes of %d, the first wrong one at %d: %v", len(got), len(data), firstDifference(got, data), err)
	}
	if in.Len() > 0 {
		tb.Errorf("%d bytes behind the end", in.Len())
	}
}

func firstDifference(a, b []byte) int {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return i
}

func TestGzipReadBack(t *testing.T) {
	z := new(lineGzip)
	for name, data := range gzipInputs(t) {
		t.Run(name, func(t *testing.T) {
			for _, pieces := range [][]int{nil, {chunkBytes + 300}, {1, 5000, 77, 100_000}} {
				readBack(t, compressed(t, z, data, pieces...), data)
			}
		})
	}
	readBack(t, compressed(t, z, []byte("a{b=\"c\"} 1\na{b=\"d\"} 1\n"), 1), []byte("a{b=\"c\"} 1\na{b=\"d\"} 1\n"))
}

// TestGzipOtherReaders has a page read by Prometheus' reader, and by the program that everybody has.
func TestGzipOtherReaders(t *testing.T) {
	for name, data := range gzipInputs(t) {
		t.Run(name, func(t *testing.T) {
			page := compressed(t, new(lineGzip), data, chunkBytes)
			r, err := fastgzip.NewReader(bytes.NewReader(page))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("klauspost/compress read %d bytes of %d: %v", len(got), len(data), err)
			}
			program := exec.CommandContext(t.Context(), "gzip", "-dc")
			program.Stdin = bytes.NewReader(page)
			got, err = program.Output()
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("gzip read %d bytes of %d: %v", len(got), len(data), err)
			}
		})
	}
}

// TestGzipPageIsSmall compares with what was used before. Ids that nothing repeats, and lines in no order, are the worst for a search by lines.
func TestGzipPageIsSmall(t *testing.T) {
	const most = 1.15
	z := new(lineGzip)
	for name, data := range map[string][]byte{
		"all labels":  fullPage(5_000),
		"nine labels": []byte(write(t, expfmt.FmtText, foundation()[:10])),
		"histograms":  histogramPage(t),
		"unsorted":    shuffledLines(fullPage(5_000)),
	} {
		var out counting
		w, err := fastgzip.NewWriterLevel(&out, fastgzip.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(data)
		_ = w.Close()
		got := float64(len(compressed(t, z, data, chunkBytes)))
		t.Logf("%s: %.2f times", name, got/float64(out))
		if got > most*float64(out) {
			t.Errorf("%s: %d bytes became %.0f, those of klauspost/compress %d", name, len(data), got, out)
		}
	}
}

func TestGzipAllocatesNothing(t *testing.T) {
	data := fullPage(2_000)
	pool := encodings()[1].of(newOffer(expfmt.FmtText))
	z := pool.take(io.Discard)
	if _, ok := z.(*lineGzip); !ok {
		t.Fatalf("a page of text is compressed by a %T", z)
	}
	if n := testing.AllocsPerRun(10, func() {
		z.Reset(io.Discard)
		if _, err := z.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a page", n)
	}
}

// failing takes some bytes, then nothing, and counts how often it refused.
type failing struct{ left, refused int }

var errRefused = errors.New("refused")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		f.refused++
		return 0, errRefused
	}
	return len(p), nil
}

func TestGzipKeepsTheErrorOfItsWriter(t *testing.T) {
	data := fullPage(5_000)
	z := new(lineGzip)
	for _, left := range []int{0, 1, 40_000, 80_000} {
		w := &failing{left: left}
		z.Reset(w)
		var err error
		for rest := data; len(rest) > 0 && err == nil; rest = rest[chunkBytes:] {
			if len(rest) < chunkBytes {
				break
			}
			_, err = z.Write(rest[:chunkBytes])
		}
		if !errors.Is(err, errRefused) {
			t.Errorf("after %d bytes: %v", left, err)
		}
		if n, err := z.Write(data); n != 0 || !errors.Is(err, errRefused) {
			t.Errorf("after the error %d bytes were taken: %v", n, err)
		}
		if err := z.Close(); !errors.Is(err, errRefused) {
			t.Errorf("close after the error: %v", err)
		}
		if w.refused != 1 {
			t.Errorf("the writer was asked %d times after it had refused", w.refused-1)
		}
		readBack(t, compressed(t, z, data), data) // a page that was given up does no harm
	}
	if _, err := z.Write(data); !errors.Is(err, errClosed) {
		t.Errorf("written after the end: %v", err)
	}
	w := &failing{left: 5}
	z.Reset(w)
	if err := z.Close(); !errors.Is(err, errRefused) {
		t.Errorf("close of a page that nobody takes: %v", err)
	}
}

// TestGzipPoolIsConcurrent has many pages of several formats answered at once.
func TestGzipPoolIsConcurrent(t *testing.T) {
	c := foundation()[:2]
	h := newHandler(c.families, c.reader, own(), Options{MaxScrapes: 16})
	for _, format := range []string{"text/plain", prometheus3, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
		_, want := scrape(t, h, http.MethodGet, "Accept", format)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 3 {
					resp, body := scrape(t, h, http.MethodGet, "Accept", format, "Accept-Encoding", "gzip")
					if resp.Header.Get("Content-Encoding") != "gzip" {
						t.Errorf("%s: %v", format, resp.Header)
					}
					r, err := gzip.NewReader(strings.NewReader(body))
					if err != nil {
						t.Error(err)
						return
					}
					if got, err := io.ReadAll(r); err != nil || string(got) != want {
						t.Errorf("%s: %d bytes of %d: %v", format, len(got), len(want), err)
					}
				}
			})
		}
		wg.Wait()
	}
}

// FuzzGzip compresses anything, in any pieces, and has it read back.
func FuzzGzip(f *testing.F) {
	for _, data := range gzipInputs(f) {
		f.Add(data[:min(len(data), 3_000)], uint16(0), uint16(700)) // large ones are mutated slowly
	}
	f.Add([]byte("# HELP a b\na{b=\"\",cc=\"x\"} 1\na{b=\"\",dd=\"x\"} 1 # {t=\"1\"} 2\na_b{b=\"1\"} 1\n{\"q\",b=\"\\\"\"} 1\n"), uint16(9), uint16(1))
	z := new(lineGzip)
	f.Fuzz(func(t *testing.T, data []byte, first, second uint16) {
		readBack(t, compressed(t, z, data, int(first), int(second)), data)
		// Far more than the window, of what is nearly the same.
		if 0 < len(data) && len(data) <= 1<<10 {
			data = bytes.Repeat(append(data, byte(first)), (100<<10)/len(data))
			for i := 0; i < len(data); i += int(second)%1000 + 17 {
				data[i]++
			}
			readBack(t, compressed(t, z, data, chunkBytes), data)
		}
	})
}
