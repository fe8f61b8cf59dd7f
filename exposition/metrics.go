package exposition

import (
	"log/slog"
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
			Help: "Scrapes by outcome: complete, aborted (the client went away or stalled), refused (too many at once), invalid (a selector that cannot be read).",
		}, []string{"outcome"}),
		gatherErrors: f.NewCounter(prometheus.CounterOpts{
			Name: "loggregator_exporter_scrape_gather_errors_total",
			Help: "Scrapes from which some of the exporter's own metrics are missing.",
		}),
		omitted: f.NewCounter(prometheus.CounterOpts{
			Name: "loggregator_exporter_scrape_families_omitted_total",
			Help: "Families left out of scrapes because their names, as the format writes them, belong to another family; named in the log.",
		}),
	}
	for _, outcome := range []string{outcomeComplete, outcomeAborted, outcomeRefused, outcomeInvalid} {
		m.scrapes.WithLabelValues(outcome)
	}
	return m
}

// maxLoggedOmissions bounds the memory of omissionLog, and the log.
const maxLoggedOmissions = 1000

// omissionLog reports every omission once, as the same ones recur with every scrape.
type omissionLog struct {
	logger *slog.Logger

	mu   sync.Mutex
	seen map[omission]struct{}
}

func (l *omissionLog) report(omissions []omission) {
	if len(omissions) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[omission]struct{}{}
	}
	for _, o := range omissions {
		if _, ok := l.seen[o]; ok || len(l.seen) >= maxLoggedOmissions {
			continue
		}
		l.seen[o] = struct{}{}
		l.logger.Warn("family left out of a scrape", "family", o.family, "reason", o.reason)
	}
}
