package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/promql"
	"loggregator_exporter/resolver"
)

// requestTags are those by which firehose_exporter tells requests apart, with the source id. What metrics.http.labels
// does not list of them can be listed.
var requestTags = []string{
	"app_name", "app_id", "space_name", "space_id", "organization_name", "organization_id", "process_id",
	"process_instance_id", "process_type", labelInstanceID, "method", "scheme", "host", labelSourceID, labelStatusCode,
}

const (
	labelStatus         = "status" // of the new series: the class of the status code
	labelBoshDeployment = "bosh_deployment"
)

// has says whether requests have a label in firehose_exporter. Durations have no status code; the deployment was there
// before version 7.
func (s *special) has(label string) bool {
	switch tag := tagOf(label); tag {
	case labelStatusCode:
		return s.codes
	case tagDeployment:
		return s.older
	default:
		return slices.Contains(requestTags, tag)
	}
}

// lacks says whether the series of a translation have never had a label that others of firehose_exporter have.
func (s *translation) lacks(label string) bool {
	if s.special == nil || s.identity == nil || s.special.has(label) || s.special.quantile && label == labelQuantile {
		return false
	}
	return label == labelQuantile || label == labelUnit || label == labelStatusCode || hasTwin(label)
}

// widen returns a resolver by which requests have all labels that they can have.
func widen(r *resolver.Resolver) *resolver.Resolver {
	o := r.Options()
	o.HTTP.Labels = slices.Concat(o.HTTP.Labels, requestTags, []string{labelBoshDeployment})
	return resolver.New(o)
}

// need returns what metrics.http.labels has to list for a label of requests beside what it lists; "" if nothing.
func (m *Migrator) need(label string, s *translation) string {
	if s.identity == nil || s.identity.Kind != metric.KindTimer {
		return ""
	}
	if _, ok := m.follow(m.wide, label, s); !ok {
		return ""
	}
	if _, ok := m.follow(m.new, label, s); ok && (label != labelStatusCode || m.new.Identification().StatusCodes) {
		return ""
	}
	if tag := tagOf(label); tag != tagDeployment {
		return tag
	}
	return labelBoshDeployment
}

// needLabel tells what the new query needs for a label.
func (r *rewriter) needLabel(label string, s *translation) {
	if label == labelInstanceID && s.special != nil && s.special.older {
		r.note("instance_id is the index of an app's instance, as in firehose_exporter since version 7; before, it " +
			"was its GUID")
	}
	r.result.need(r.m.need(label, s))
}

func (r *Result) need(label string) {
	if label != "" && !slices.Contains(r.Needs, label) {
		r.Needs = append(r.Needs, label)
		slices.Sort(r.Needs)
	}
}

// tellNeeds notes what the exporter has to be set to for the new query.
func (r *Result) tellNeeds() {
	if len(r.Needs) > 0 {
		r.Notes = append(r.Notes, "needs metrics.http.labels to list "+strings.Join(r.Needs, ", ")+" as well")
	}
}

// rewriteStatus makes a matcher on status codes one on their classes, if these say the same; else it stays, on a label
// with codes.
func (r *rewriter) rewriteStatus(s *translation, m *promql.Matcher, name string) {
	need := r.m.need(labelStatusCode, s)
	if need != "" && !r.q.HasVariable(m.ValueAt) {
		class := r.m.classLabel(s)
		if value, of, ok := classesOf(m.Type, m.Value); ok && class != "" {
			r.edit(m.Span, (&labels.Matcher{Type: of, Name: class, Value: value}).String())
			return
		}
	}
	r.result.need(need)
	r.edit(m.LabelAt, name)
}

// classLabel is the label of the new series that holds classes of status codes; "" if there is none.
func (m *Migrator) classLabel(s *translation) string {
	const class = "5xx"
	id := *s.identity
	id.Tags = append(slices.Clone(id.Tags), metric.Label{Name: labelStatusCode, Value: class})
	for _, l := range m.new.Explain(&id, nil).Labels {
		if l.Value == class {
			return l.Name
		}
	}
	return ""
}

// rewriteLacking is for a matcher on a label that firehose_exporter does not give to requests.
func (r *rewriter) rewriteLacking(s *translation, m *promql.Matcher) (keep bool, err error) {
	isVariable := r.q.HasVariable(m.ValueAt)
	if tagOf(m.Label) == tagDeployment && m.Type != labels.MatchNotEqual && m.Type != labels.MatchNotRegexp {
		if name, ok := r.m.followTag(r.m.wide, tagDeployment, m.Label, s); ok {
			r.result.need(r.m.needDeployment(s))
			r.edit(m.LabelAt, name)
			r.note("firehose_exporter documents the label %s of requests, but since version 7 it does not give it: "+
				"where the matcher asks for a deployment, the old query finds nothing", m.Label)
			return true, nil
		}
	}
	matcher, err := labels.NewMatcher(m.Type, m.Label, m.Value)
	if err != nil || isVariable || !matcher.Matches("") {
		return false, fmt.Errorf("the old series have no label %s either: the query finds nothing", m.Label)
	}
	return false, nil // it holds for all of them
}

func (m *Migrator) needDeployment(s *translation) string {
	if _, ok := m.followTag(m.new, tagDeployment, labelBoshDeployment, s); ok {
		return ""
	}
	return labelBoshDeployment
}

var errRange = errors.New("the new series are others than the old ones: only rate, irate and increase of them " +
	"stay what they were")

// sumRequests makes the series of requests those of firehose_exporter, unless they are summed up at once: it takes the
// labels away that the old ones had not.
func (r *rewriter) sumRequests(s *translation) error {
	if r.areSummed(s) {
		return nil
	}
	n, err := r.vectorOf(s)
	if err != nil {
		return err
	}
	if call, ok := n.(*parser.Call); ok && !isRate(call) {
		return errRange
	}
	if excess := r.excessLabels(s); excess != "" {
		r.wrap(n, "sum without ("+excess+") (", ")")
	}
	return nil
}

func isRate(call *parser.Call) bool {
	return call.Func.Name == "rate" || call.Func.Name == "irate" || call.Func.Name == "increase"
}

// excessLabels are the labels that the new series can have and the old ones had not, also such as other queries may
// need. All labels of the old ones are needed.
func (r *rewriter) excessLabels(s *translation) string {
	var kept []string
	for _, label := range append([]string{labelBoshDeployment}, requestTags...) {
		if !s.special.has(label) {
			continue
		}
		r.result.need(r.m.need(label, s))
		if name, ok := r.m.newLabel(label, s); ok {
			kept = append(kept, name)
		}
	}
	var excess []string
	o := r.m.wide.Options()
	for _, label := range o.HTTP.Labels {
		for _, renamed := range o.Labels.Rename {
			if renamed.From == label {
				label = renamed.To
			}
		}
		if !slices.Contains(kept, label) && !slices.Contains(o.Labels.Drop, label) && !slices.Contains(excess, label) {
			excess = append(excess, label)
		}
	}
	return strings.Join(excess, ", ")
}

// areSummed says whether a query sums series up before it does anything else with them.
func (r *rewriter) areSummed(s *translation) bool {
	for n, p := parser.Node(s.selector.Node), r.parents[s.selector.Node]; p != nil; n, p = p, r.parents[p] {
		switch p := p.(type) {
		case *parser.MatrixSelector, *parser.ParenExpr:
		case *parser.Call:
			if !isRate(p) {
				return false
			}
		case *parser.BinaryExpr:
			other := p.LHS
			if other == n {
				other = p.RHS
			}
			if _, ok := numberOf(other); !ok || p.Op != parser.MUL && (p.Op != parser.DIV || other == p.LHS) {
				return false
			}
		case *parser.AggregateExpr:
			return p.Op == parser.SUM && !p.Without
		default:
			return false
		}
	}
	return false
}
