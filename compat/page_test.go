package compat_test

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/compat"
	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/store"
)

var update = flag.Bool("update", false, "write the expected pages anew")

// harness is a store of the dialect with its sink and page, behind the decoder that sources use.
type harness struct {
	t        testing.TB
	registry *prometheus.Registry
	store    *store.Store
	intake   *nozzle.Intake
	page     http.Handler
}

func newHarness(tb testing.TB, o compat.Options) *harness {
	tb.Helper()
	d, err := compat.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	h := &harness{t: tb, registry: prometheus.NewRegistry()}
	if h.store, err = store.New(
		store.Options{Resolver: d, Expiration: 10 * time.Minute, MaxSeries: 100_000},
	); err != nil {
		tb.Fatal(err)
	}
	received := compat.NewReceived(o.Namespace, o.Environment)
	h.registry.MustRegister(received)
	ledger, err := nozzle.NewLedger(prometheus.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	h.intake = nozzle.NewIntake(ledger.Source("rlp"), compat.NewSink(h.store.Writer(), received))
	h.page = exposition.NewHandler(h.store, h.registry, exposition.Options{})
	return h
}

// send takes envelopes in, a batch at a time.
func (h *harness) send(envelopes ...*loggregator_v2.Envelope) {
	h.t.Helper()
	wire, err := proto.Marshal(&loggregator_v2.EnvelopeBatch{Batch: envelopes})
	if err != nil {
		h.t.Fatal(err)
	}
	if n := h.intake.V2(wire, time.Now()); n != 0 {
		h.t.Fatalf("%d envelopes of %d are malformed", n, len(envelopes))
	}
}

// scrape returns the text page.
func (h *harness) scrape() string {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		h.t.Fatal(w.Code, err)
	}
	return string(body)
}

// TestPages: envelopes in, page out.
func TestPages(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testPage(t, name) })
		})
	}
}

func testPage(t *testing.T, name string) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil || len(archive.Files) != 2 {
		t.Fatal(err)
	}
	var batch loggregator_v2.EnvelopeBatch
	if err := protojson.Unmarshal(archive.Files[0].Data, &batch); err != nil {
		t.Fatal(err)
	}
	h := newHarness(
		t,
		compat.Options{
			Namespace:   "firehose",
			Environment: "test",
			NodeIndex:   "0",
			Add:         []metric.Label{{Name: "region", Value: "eu"}},
		},
	)
	h.send(batch.GetBatch()...)
	page := h.scrape()
	if !strings.Contains(name, "self") {
		page, _, _ = strings.Cut(page, "# HELP firehose_last_container_metric_received_timestamp")
	}
	if diff := cmp.Diff(string(archive.Files[1].Data), page); diff != "" && !*update {
		t.Error(diff)
	}
	if *update {
		archive.Files[1].Data = []byte(page)
		if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
