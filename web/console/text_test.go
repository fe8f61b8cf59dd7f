package console

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestTexts(t *testing.T) {
	for _, tc := range [][2]string{
		{visible("router__0.memoryStats"), "router__0.memoryStats"},
		{visible("Größe µs 日本"), "Größe µs 日本"},
		{visible("a\x00b\x1b[31m\r\n"), `a\x00b\x1b[31m\r\n`},
		{visible("\u202egnp.exe\u200b\u2028\ufeff"), `\u202egnp.exe\u200b\u2028\ufeff`},
		{visible("\xff\xfea"), `\xff\xfea`},
		{visible("\ufffd"), "\ufffd"},
		{short(strings.Repeat("é", 201)), strings.Repeat("é", 200) + "…"},
		{short(strings.Repeat("é", 200)), strings.Repeat("é", 200)},
		{string(breakable("cf_a<b.c-d/e:f|g h")), "cf_<wbr>a&lt;b.<wbr>c-<wbr>d/<wbr>e:<wbr>f|<wbr>g h"},
		{string(breakable(strings.Repeat("é", 33) + " " + strings.Repeat("b", 32))), strings.Repeat("é", 32) + "<wbr>é " + strings.Repeat("b", 32)},
		{lines("a:\r\n\tb\x00\n"), "a:\n    b\\x00\n"},
		{value("48211968"), "48,211,968"},
		{value("0.125"), "0.125"},
		{value("1234.5"), "1234.5"},
		{value("1e+21"), "1e+21"},
		{value("NaN"), "NaN"},
		{value(""), ""},
		{count(0), "0"},
		{count(999), "999"},
		{count(1000), "1,000"},
		{count(1234567.6), "1,234,568"},
		{count(-1234), "-1,234"},
		{count(-0.2), "0"},
		{count(math.NaN()), "NaN"},
		{count(math.Inf(1)), "+Inf"},
		{rate(0), "0/s"},
		{rate(0.02), "1/min"},
		{rate(1.25), "1.2/s"},
		{rate(12345), "12,345/s"},
		{share(1, 3), "33 %"},
		{share(1, 30), "3.3 %"},
		{share(1, 3000), "< 0.1 %"},
		{share(2999, 3000), "> 99.9 %"},
		{share(3, 3), "100 %"},
		{share(0, 3), "0.0 %"},
		{share(1, 0), ""},
		{size(0), "0 B"},
		{size(1023), "1023 B"},
		{size(1536), "1.5 KiB"},
		{size(210 << 20), "210 MiB"},
		{size(1 << 60), "1048576 TiB"},
		{span(0), "0 s"},
		{span(900), "0 µs"},
		{span(1500 * time.Microsecond), "1 ms"},
		{span(2 * time.Second), "2 s"},
		{span(2300 * time.Millisecond), "2.3 s"},
		{span(59 * time.Second), "59 s"},
		{span(time.Minute), "1 min"},
		{span(61 * time.Second), "1 min 1 s"},
		{span(76 * time.Hour), "3 d 4 h"},
		{span(-time.Hour), "-1 h"},
		{span(math.MinInt64), "-106751 d 23 h"},
		{seconds(0.182), "182 ms"},
		{seconds(math.NaN()), "unknown"},
		{seconds(1e300), count(1e300) + " s"},
		{since(now, time.Time{}), "never"},
		{since(time.Time{}, now), "in 106751 d 23 h"},
		{since(now, now.Add(-500*time.Millisecond)), "just now"},
		{since(now, now.Add(500*time.Millisecond)), "just now"},
		{since(now, now.Add(-59*time.Second)), "59 s ago"},
		{since(now, now.Add(-5*time.Minute-time.Second)), "5 min ago"},
		{since(now, now.Add(-90*time.Minute)), "1 h 30 min ago"},
		{since(now, now.Add(time.Minute)), "in 1 min"},
		{plural(1, "thing", "things"), "1 thing"},
		{plural(1000, "thing", "things"), "1,000 things"},
	} {
		if tc[0] != tc[1] {
			t.Errorf("%q, want %q", tc[0], tc[1])
		}
	}
}

// What a text shows can be read: it holds no character that is not seen or moves others, and no invalid byte.
func FuzzVisible(f *testing.F) {
	for _, s := range []string{"a.b", "\x00\xff\u202e", "\U000e0001", `\x00`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		shown := visible(s)
		if !utf8.ValidString(shown) || strings.IndexFunc(shown, hidden) >= 0 {
			t.Errorf("%q is shown as %q", s, shown)
		}
		if again := visible(shown); again != shown {
			t.Errorf("%q is shown as %q", shown, again)
		}
		if n := utf8.RuneCountInString(short(s)); n > 10*maxShown+1 {
			t.Errorf("%d characters", n)
		}
	})
}

// No duration ends the process.
func FuzzSpan(f *testing.F) {
	f.Add(int64(math.MinInt64))
	f.Add(int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, d int64) {
		if span(time.Duration(d)) == "" || seconds(math.Float64frombits(uint64(d))) == "" {
			t.Error("nothing is shown")
		}
	})
}
