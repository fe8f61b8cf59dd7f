package console

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"loggregator_exporter/e2e/peer"
)

var update = flag.Bool("update", false, "write the pictures of the documentation")

// pictures are those of docs/images: a page, the part of it that is shown, and what must be there first.
var pictures = []struct {
	name, path, ready string
	height            int64
}{
	{"overview", "/?ledger=total", `document.querySelectorAll("#demo-names tbody tr").length === 20`, 1560},
	{"explain", "/explain?name=router__1.memoryStats.numBytesAllocated&origin=gorouter", `document.querySelector(".becomes")`, 900},
	{"workbench", "/rules?view=workbench", `document.querySelector("#result")?.innerText.includes("names change")`, 860},
	{"cardinality", "/cardinality", `document.querySelector("#found tbody")`, 1120},
	{"names", "/names?search=memorystats", `document.querySelector("#found tbody")`, 800},
}

// rule is what the workbench shows in its picture.
const rule = `version: 1
rules:
  # Memory statistics under a name of their own, whatever the component.
  - id: mine/go-memory
    pattern: "{component}.memoryStats.{stat}"
    name: "go_{stat}"
`

// TestPictures makes the pictures of the documentation with -update, and else says which are missing. They depend on
// the fonts of the machine, so that they are not compared: look at them.
func TestPictures(t *testing.T) {
	dir := filepath.Join(peer.Root(t), "docs", "images")
	var b *tab
	if *update {
		b = open(t, demo(t), "/")
	}
	for _, p := range pictures {
		for _, scheme := range []string{"light", "dark"} {
			file := filepath.Join(dir, p.name+"-"+scheme+".png")
			if *update {
				b.do(t, chromedp.EmulateViewport(1280, p.height))
				b.colours(t, scheme)
				b.show(t, p.path)
				if p.name == "workbench" {
					b.fill(t, "text", rule)
					b.fill(t, "own", "shop.memoryStats.numFrees")
				}
				b.await(t, p.ready)
				if err := os.WriteFile(file, small(t, run(t, b, chromedp.CaptureScreenshot())), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() < 10_000 || info.Size() > 250_000 {
				t.Errorf("%s has %d bytes", file, info.Size())
			}
		}
	}
}

// small writes a picture with the 256 colours that it has most of, which takes a third of the bytes.
func small(t *testing.T, full []byte) []byte {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(full))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[color.Color]int{}
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[picture.At(x, y)]++
		}
	}
	reduced := image.NewPaletted(bounds, mostUsed(counts, 256))
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			reduced.Set(x, y, picture.At(x, y))
		}
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, reduced); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mostUsed are the n colours that a picture has most of.
func mostUsed(counts map[color.Color]int, n int) color.Palette {
	var palette color.Palette
	for c := range counts {
		palette = append(palette, c)
	}
	slices.SortFunc(palette, func(a, b color.Color) int { return counts[b] - counts[a] })
	return palette[:min(n, len(palette))]
}
