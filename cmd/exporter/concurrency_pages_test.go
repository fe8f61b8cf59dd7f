package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// page is a kind of scrape.
type page struct {
	accept, encoding, query string
	whole                   bool
}

var turmoilPages = [...]page{ // constant
	{"text/plain;version=0.0.4", "identity", "", true},
	{"application/openmetrics-text;version=1.0.0", "gzip", "", true},
	{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "zstd", "", true},
	{
		"text/plain;version=1.0.0;escaping=allow-utf-8", "gzip",
		url.Values{"match[]": {`{__name__=~"cf_established_.*",n!="0_0"}`}}.Encode(), false,
	},
}

// scrape reads a page, and finds series that it holds twice and established ones that it does not hold.
func (u *turmoil) scrape(p *page) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(u.ctx, http.MethodGet, u.url+"/metrics?"+p.query, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", p.accept)
	req.Header.Set("Accept-Encoding", p.encoding)
	res, err := u.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK || p.encoding != "identity" && res.Header.Get("Content-Encoding") != p.encoding {
		return nil, fmt.Errorf("status %s, %v", res.Status, res.Header)
	}
	body := io.Reader(res.Body)
	switch p.encoding {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(body); err == nil {
			defer z.Close()
			body = z
		}
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	read := readText
	if strings.HasPrefix(p.accept, "application/vnd") {
		read = readProtobuf
	}
	out, err := read(text)
	if err != nil {
		return nil, err
	}
	n := 0
	for series := range out {
		if strings.HasPrefix(series, "cf_established_level{") {
			n++
		}
	}
	want := turmoilWriters * perWriter
	if !p.whole {
		want-- // the selector's
	}
	if n != want {
		return nil, fmt.Errorf("%d of %d established series are there", n, want)
	}
	return out, nil
}

var errTwice = errors.New("twice")

// readText reads pages of text, whose label values hold no braces in this test.
func readText(text []byte) (map[string]float64, error) {
	out := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		end := strings.IndexByte(line, ' ')
		if brace := strings.Index(line, "} "); brace > 0 {
			end = brace + 1
		}
		word, _, _ := strings.Cut(strings.TrimSpace(line[end:]), " ")
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		if _, twice := out[line[:end]]; twice {
			return nil, fmt.Errorf("%w: %s", errTwice, line)
		}
		out[line[:end]] = v
	}
	return out, nil
}

// readProtobuf reads gauges, counters and the counts of histograms and summaries.
func readProtobuf(text []byte) (map[string]float64, error) {
	out := map[string]float64{}
	decoder := expfmt.NewDecoder(bytes.NewReader(text), expfmt.FmtProtoDelim)
	for {
		var f dto.MetricFamily
		if err := decoder.Decode(&f); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		for _, m := range f.GetMetric() {
			key := f.GetName() + "{"
			for i, l := range m.GetLabel() {
				if i > 0 {
					key += ","
				}
				key += fmt.Sprintf("%s=%q", l.GetName(), l.GetValue())
			}
			if _, twice := out[key+"}"]; twice {
				return nil, fmt.Errorf("%w: %s", errTwice, key)
			}
			out[key+"}"] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()) +
				float64(m.GetSummary().GetSampleCount())
		}
	}
}
