package api

import (
	"context"
	"strings"
	"sync"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/learn"
	"loggregator_exporter/web/live"
)

// maxLearned bounds the names that are learned from, each with one of its senders.
const maxLearned = 100_000

// proposals keeps the last answer of Learn, which takes some time to find.
type proposals struct {
	mu   sync.Mutex
	last *Proposals
	of   *tagger.Tagger
}

// proposalsAge is how long proposals are good for.
const proposalsAge = time.Minute

func (p *proposals) forgetOld() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && time.Since(p.last.Time) >= proposalsAge {
		p.last, p.of = nil, nil
	}
}

// Learn proposes rules for the live names that no rule takes, as they were at most a minute ago.
func (a *API) Learn(ctx context.Context) (*Proposals, error) {
	s, err := a.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	e, err := a.explainer()
	if err != nil {
		return nil, err
	}
	a.proposals.mu.Lock()
	defer a.proposals.mu.Unlock()
	if p := a.proposals.last; p != nil && a.proposals.of == e.Tagger() && time.Since(p.Time) < proposalsAge {
		return p, nil
	}
	out, err := a.propose(ctx, s)
	if err != nil {
		return nil, err
	}
	a.proposals.last, a.proposals.of = out, e.Tagger()
	return out, nil
}

// cutOrigin takes the origin off the tags of a sender.
func cutOrigin(tags []metric.Label) (origin string, others []metric.Label) {
	for _, t := range tags {
		if t.Name == "origin" {
			origin = t.Value
		} else {
			others = append(others, t)
		}
	}
	return origin, others
}

func (a *API) propose(ctx context.Context, s *live.Snapshot) (*Proposals, error) {
	options := learn.Options{Rules: a.options.Rules()}
	known := options.Rules
	known.Catalogue = catalogue.Files()
	all, _, err := tagger.New(known)
	if err != nil {
		return nil, err
	}
	options.Vocabulary = all.Vocabulary()
	learner, err := learn.New(options)
	if err != nil {
		return nil, err
	}
	x, err := a.ruleIndex(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &Proposals{Time: time.Now().UTC(), Untagged: x.untagged, Undescribed: x.undescribed, Quarantine: x.quarantine}
	for i := range s.Names {
		n := &s.Names[i]
		if n.Kind == metric.KindNone || out.Names == maxLearned {
			continue
		}
		if i%256 == 0 && ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		id := n.Ruled()
		origin, tags := cutOrigin(id.Tags)
		learner.Add(&learn.Name{Origin: origin, Name: id.Name, Unit: id.Unit, Kind: id.Kind, Tags: tags})
		out.Names++
	}
	if out.Proposal, err = learner.Propose(); err != nil {
		return nil, err
	}
	var text, trusting strings.Builder
	if err := out.Proposal.WriteRules(&text); err != nil {
		return nil, err
	}
	out.File = text.String()
	if trusted := out.Proposal.Trusting(); trusted != nil {
		if err := trusted.WriteRules(&trusting); err != nil {
			return nil, err
		}
		out.DoubtfulFile = trusting.String()
	}
	return out, ctx.Err()
}
