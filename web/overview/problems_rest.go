package overview

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"loggregator_exporter/internal/check"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// sampleProblems say what it means that samples have an outcome.
var sampleProblems = map[metric.Outcome]Problem{
	metric.Conflict: {
		Kind: "conflicts", Severity: Warning, Link: "/names?state=conflict", Runbook: "loggregatorexporterconflicts",
		Sentence: "%s in the last %s came for the series, or the family, of another sender or name%s.",
		Remedy: "Give one of the two another name or label with a rule, or drop it; where a setting removes what tells " +
			"them apart, change that.",
	},
	metric.OverLimit: {
		Kind: "over_limit", Severity: Warning, Link: namesOf(metric.OverLimit), Runbook: "loggregatorexporteroverlimit",
		Sentence: "%s in the last %s had no room, since a limit on series is reached%s.",
		Remedy:   "Drop what nobody uses with a filter or a rule, talk to the owner, or raise the limit.",
	},
	metric.Invalid: {
		Kind: "invalid", Severity: Warning, Link: namesOf(metric.Invalid), Runbook: "loggregatorexporterinvalid",
		Sentence: "%s in the last %s could not become a metric%s.",
		Remedy:   "The sender has to change: the list says why, and who that is.",
	},
}

// settingDrop is what makes one series of several where too many labels are dropped.
const settingDrop = "metrics.labels.drop"

// shareOutdated is the share of outdated samples from which they are a problem.
const shareOutdated = 0.05

// samples finds outcomes that nobody wants.
func (f *finder) samples() {
	all, outdated := 0.0, 0.0
	for _, flow := range f.Ledger.Samples {
		by := f.grown(Column{"samples_total", flow.Outcome, ""}, float64(flow.Count))
		all += by
		if flow.Outcome == metric.Outdated.String() {
			outdated = by
		}
		for outcome, p := range sampleProblems {
			if outcome.String() == flow.Outcome && by > 0 {
				example := f.example(outcome)
				p.Sentence = fmt.Sprintf(p.Sentence, count(by, "sample"), f.lately, example)
				if strings.Contains(example, "removed by "+settingDrop) {
					p.Remedy = settingDrop + " makes one series of these senders. Keep a label that tells them apart, or filter out " +
						"what nobody needs."
				}
				f.add(p, "")
			}
		}
	}
	if outdated > shareOutdated*all {
		f.add(Problem{
			Kind: "outdated", Severity: Warning, Link: namesOf(metric.Outdated), Runbook: "loggregatorexporteroutdated",
			Sentence: fmt.Sprintf("Of the samples of the last %s %.0f %% are older than what is there.", f.lately,
				100*outdated/all),
			Remedy: "Clocks in the foundation are apart: synchronize them. Or envelopes come by two ways: enable one source.",
		}, "")
	}
}

// example names what was refused most.
func (f *finder) example(outcome metric.Outcome) string {
	var most store.Refusal
	for _, r := range f.monitor.options.Store.Refusals() {
		if r.Outcome == outcome && r.RawName != "" && r.Count > most.Count {
			most = r
		}
	}
	if most.RawName == "" {
		return ""
	}
	return fmt.Sprintf(", for example %s: %s", check.Shorten(most.RawName), most.Reason)
}

// nearLimit is the share of a limit from which it is worth a look.
const nearLimit = 0.9

// limits finds limits that are nearly reached; those that are reached refuse samples.
func (f *finder) limits() {
	if s := &f.Series; s.MaxSeries > 0 && s.Series < s.MaxSeries && float64(s.Series) >= nearLimit*float64(s.MaxSeries) {
		f.add(Problem{
			Kind: "near_limit", Severity: Warning, Link: "/cardinality#limits-title", Runbook: "loggregatorexporteroverlimit",
			Sentence: fmt.Sprintf("There are %s series, of %s that metrics.max_series allows.", Number(float64(s.Series)),
				Number(float64(s.MaxSeries))),
			Remedy: "Drop what nobody uses with a filter or a rule, or raise the limit: new series will be refused.",
		}, "max_series")
	}
}

// names finds names without a rule.
func (f *finder) names() {
	if n := f.Series.UndescribedNames; n > 0 {
		f.add(Problem{
			Kind: "untagged_names", Severity: Notice, Link: "/names?undescribed=true",
			Sentence: count(float64(n), "name") + " came that no rule takes and no entry of metrics describes.",
			Remedy: "They are exposed as they came. Where a name has a dimension, write a rule; where its unit or help is " +
				"missing, write an entry of metrics.",
		}, "")
	}
}

// configuration finds a reload that failed.
func (f *finder) configuration() {
	if r := &f.Reload; r.Error != "" {
		f.add(Problem{
			Kind: "reload_failed", Severity: Warning, Since: r.LastAttempt, Link: "/config",
			Runbook:  "loggregatorexporterreloadfailed",
			Sentence: "The configuration could not be loaded, and the old one stays in force: " + firstLine(r.Error),
			Remedy:   "Correct it: exporter check says what is wrong, and where. It is loaded again when a rule file changes.",
		}, "")
	}
}

func firstLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " (and more)"
	}
	return line
}

const (
	certificateSoon = 30 * 24 * time.Hour
	certificateNow  = 3 * 24 * time.Hour
)

// certificates finds those that are near their end.
func (f *finder) certificates() {
	for _, s := range f.own.samples["certificate_expiry_timestamp_seconds"] {
		p := Problem{
			Kind: "certificate", Severity: Warning, Runbook: "loggregatorexportercertificateexpiressoon",
			Link:   "/config?" + url.Values{"search": {s.setting()}}.Encode(),
			Remedy: "Renew the file: it is read again for each connection, without a restart.",
		}
		end := time.Unix(int64(s.value), 0).UTC()
		left := end.Sub(f.Time)
		switch {
		case s.value == 0:
			p.Severity, p.Sentence = Critical, fmt.Sprintf("No certificate can be read from the file of %s.", s.setting())
		case left > certificateSoon:
			continue
		case left <= 0:
			p.Severity, p.Since = Critical, end
			p.Sentence = fmt.Sprintf("The certificates of %s are no longer valid since %s.", s.setting(),
				end.Format(time.DateTime))
		default:
			if left <= certificateNow {
				p.Severity = Critical
			}
			p.Sentence = fmt.Sprintf("The certificates of %s end at %s, in %s.", s.setting(), end.Format(time.DateTime),
				days(left))
		}
		if p.Severity == Critical {
			p.Runbook = "loggregatorexportercertificateexpires"
		}
		f.add(p, s.setting())
	}
}

// days spells how long it is, in hours where that matters.
func days(d time.Duration) string {
	if hours := math.Floor(d.Hours()); hours < 72 {
		return count(hours, "hour")
	}
	return count(math.Floor(d.Hours()/24), "day")
}

// unread says that nobody reads the metrics.
func (f *finder) unread() {
	last := f.monitor.scrapers.complete()
	if f.RemoteWrite != nil || f.Time.Sub(latest(last, f.Started)) <= f.monitor.options.Recent {
		return
	}
	since := "since " + clock(last)
	if last.IsZero() {
		since = "since the start at " + clock(f.Started)
	}
	f.add(Problem{
		Kind: "not_scraped", Severity: Notice, Since: latest(last, f.Started), Link: "/#scrapers",
		Sentence: "Nobody has scraped the metrics " + since + ", and remote write is off.",
		Remedy: "Look whether a scrape job names this exporter, and what Prometheus says of its target: docs/scraping.md " +
			"has a job.",
	}, "")
}

// scrapes finds readers that do not get all.
func (f *finder) scrapes() {
	for i := range f.Scrapers {
		s := &f.Scrapers[i]
		if s.LimitBytes == 0 || s.Bytes <= s.LimitBytes {
			continue
		}
		f.add(Problem{
			Kind: "scrape_too_large", Severity: Critical, Link: "/#scrapers",
			Sentence: fmt.Sprintf("%s at %s is given more than it takes: the page has %s bytes, and it discards more than %s "+
				"unless told otherwise.", cmp.Or(s.UserAgent, "A scraper"), s.Address, Number(float64(s.Bytes)),
				Number(float64(s.LimitBytes))),
			Remedy: "Set max_scrape_size in its scrape configuration, or its flag -promscrape.maxScrapeSize.",
		}, s.Address)
	}
	f.grownCounts("scrapes_total", func(outcome string, by float64) {
		p := Problem{Kind: "scrapes", Severity: Warning, Link: "/#scrapers"}
		switch outcome {
		case "aborted":
			p.Sentence, p.Remedy = "ended before all was sent", "Raise scrape_timeout of the scraper, or expose less."
			p.Runbook = "loggregatorexporterscrapesaborted"
		case "refused":
			p.Sentence, p.Remedy = "found no place, since too many ran at once", "Scrape from fewer servers."
			p.Runbook = "loggregatorexporterscrapesrefused"
		case "invalid":
			p.Sentence, p.Remedy = "had a selector that cannot be read", "Correct match[] or name[]."
		default:
			return
		}
		p.Sentence = fmt.Sprintf("%s in the last %s %s.", count(by, "scrape"), f.lately, p.Sentence)
		f.add(p, outcome)
	})
	f.grownCounts("scrape_families_omitted_total", func(_ string, by float64) {
		f.add(Problem{
			Kind: "scrapes", Severity: Warning, Link: "/#scrapers", Runbook: "loggregatorexporterscrapesincomplete",
			Sentence: fmt.Sprintf("%s in the last %s a metric was left out of a scrape, since another has its name as "+
				"the format writes it.", count(by, "time"), f.lately),
			Remedy: "Rename one of the two with a rule: the log names them.",
		}, "omitted")
	})
}

// pushes finds what remote write does not deliver.
func (f *finder) pushes() {
	if f.RemoteWrite == nil {
		return
	}
	lost := func(name, what, remedy, runbook string) {
		total := 0.0
		f.grownCounts(name, func(_ string, by float64) { total += by })
		if total > 0 {
			f.add(Problem{
				Kind: "remote_write", Severity: Critical, Link: "/#remote-write", Runbook: runbook,
				Sentence: fmt.Sprintf("%s in the last %s %s.", count(total, "sample"), f.lately, what), Remedy: remedy,
			}, strings.TrimSuffix(strings.TrimPrefix(name, "remote_write_samples_"), "_total"))
		}
	}
	lost("remote_write_samples_failed_total", "got lost: the receiver of remote write refused them for good",
		"The log has the receiver's answer.", "loggregatorexporterremotewritefailing")
	lost("remote_write_samples_dropped_total", "got lost: the receiver of remote write is down or too slow, and the "+
		"queue is full",
		"Look at the receiver, or raise remote_write.queue_max_bytes or remote_write.shards.",
		"loggregatorexporterremotewritedropping")
	written := f.RemoteWrite.SamplesTaken + f.RemoteWrite.SamplesFailed
	if lag := f.RemoteWrite.LagSeconds; lag > clockBehind.Seconds() && written > 0 {
		f.add(Problem{
			Kind: "remote_write", Severity: Warning, Link: "/#remote-write", Runbook: "loggregatorexporterremotewritebehind",
			Sentence: fmt.Sprintf("What remote write pushes is late: the receiver is %s behind.",
				time.Duration(lag*float64(time.Second)).Round(time.Second)),
			Remedy: "Look at the receiver, or raise remote_write.shards.",
		}, "behind")
	}
}

// tokens finds a token that has expired.
func (f *finder) tokens() {
	end, on := f.own.value("uaa_token_expiry_timestamp_seconds")
	if !on || end == 0 && f.Time.Sub(f.Started) < f.atMost(startGrace) || end > float64(f.Time.Unix()) {
		return
	}
	link := "/#sources"
	for i := range f.Sources {
		if name := f.Sources[i].Name; name == "gateway" || name == "firehose" {
			link = "/#source-" + name
		}
	}
	f.add(Problem{
		Kind: "token", Severity: Critical, Link: link, Runbook: "loggregatorexportertokenexpired",
		Sentence: "There is no valid token of UAA: streams of the gateway and the firehose cannot begin.",
		Remedy:   "Check uaa.url, the client and its authorities: the log has UAA's answer.",
	}, "")
}
