package exposition

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const (
	outcomeComplete = "complete"
	outcomeAborted  = "aborted"
	outcomeRefused  = "refused"
	outcomeInvalid  = "invalid"
)

// metrics are the handler's own.
type metrics struct {
	scrapes      *prometheus.CounterVec
	gatherErrors prometheus.Counter
	omitted      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		scrapes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "loggregator_exporter_scrapes_total",
			Help: "Scrapes by outcome: complete, aborted (the client disconnected or stalled), refused (too many at once), " +
				"invalid (malformed selector).",
		}, []string{"outcome"}),
		gatherErrors: f.NewCounter(prometheus.CounterOpts{
			Name: "loggregator_exporter_scrape_gather_errors_total",
			Help: "Scrapes from which some of the exporter's own metrics are missing.",
		}),
		omitted: f.NewCounter(prometheus.CounterOpts{
			Name: "loggregator_exporter_scrape_families_omitted_total",
			Help: "Families left out of scrapes because, as the format writes their names, another family has the same name; " +
				"the log names them.",
		}),
	}
	for _, outcome := range []string{outcomeComplete, outcomeAborted, outcomeRefused, outcomeInvalid} {
		m.scrapes.WithLabelValues(outcome)
	}
	return m
}

// maxLoggedOmissions bounds the memory of omissionLog, and the log.
const maxLoggedOmissions = 1000

// omissionLog logs every omission once, since every scrape has the same ones.
type omissionLog struct {
	logger *slog.Logger

	mu     sync.Mutex
	logged map[omission]struct{}
}

func (l *omissionLog) report(omissions []omission) {
	if len(omissions) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.logged == nil {
		l.logged = map[omission]struct{}{}
	}
	for _, o := range omissions {
		if _, ok := l.logged[o]; ok || len(l.logged) >= maxLoggedOmissions {
			continue
		}
		l.logged[o] = struct{}{}
		l.logger.Warn("family left out of a scrape", "family", o.family, "reason", o.reason)
	}
}

// victoriaMetricsBytes is the default of -promscrape.maxScrapeSize and max_scrape_size: VictoriaMetrics and vmagent
// discard a page that is larger uncompressed, and end all series of the target.
const victoriaMetricsBytes = 16 << 20

// oversizedLog logs once that a page is larger than its reader accepts by default.
type oversizedLog struct {
	logger *slog.Logger
	once   sync.Once
}

// report takes the number of bytes of a page before compression, whether the reader took them all or not.
func (l *oversizedLog) report(r *http.Request, bytes int64) {
	if bytes <= victoriaMetricsBytes || !isVictoriaMetrics(r.UserAgent()) {
		return
	}
	l.once.Do(func() {
		l.logger.Warn("VictoriaMetrics discards a page of this size unless it is told otherwise",
			"remote", r.RemoteAddr, "user_agent", r.UserAgent(),
			"page_bytes", bytes, "default_limit_bytes", victoriaMetricsBytes,
			"advice", "set max_scrape_size in its scrape configuration, or its flag -promscrape.maxScrapeSize")
	})
}

// isVictoriaMetrics recognises the scraper of VictoriaMetrics and vmagent, vm_promscrape, and names that proxies give
// it.
func isVictoriaMetrics(userAgent string) bool {
	userAgent = strings.ToLower(userAgent)
	return strings.Contains(userAgent, "vm_promscrape") || strings.Contains(userAgent, "vmagent") ||
		strings.Contains(userAgent, "victoriametrics")
}
