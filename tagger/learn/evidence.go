package learn

import "fmt"

// decision says whether segments at one place are values of a dimension.
type decision uint8

const (
	no        decision = iota
	suspected          // there is evidence, but fewer than minValues values
	doubtful           // there is evidence, but not enough
	yes
)

// enough is how many points of evidence make a rule, one less a doubtful one.
const enough = 3

// verdict is a decision with what spoke for and against it.
type verdict struct {
	decision decision
	points   int
	evidence []string
	against  []string
	product  bool // the same names stand behind several values
}

func (v *verdict) yes(points int, format string, args ...any) {
	v.points += points
	v.evidence = append(v.evidence, fmt.Sprintf(format, args...))
}

func (v *verdict) no(format string, args ...any) {
	v.against = append(v.against, fmt.Sprintf(format, args...))
}

// decide makes a decision of the points. enoughValues says whether as many values were seen as it takes.
func (v *verdict) decide(enoughValues bool) {
	switch {
	case v.points < enough-1:
		v.decision = no
	case !enoughValues:
		v.decision = suspected
	case v.points < enough || len(v.against) > 0:
		v.decision = doubtful
	default:
		v.decision = yes
	}
}

// valueCounts says what kind of values stand at one place.
type valueCounts struct {
	all, ids, typed, measures, known, numbered, elsewhere int
	oneType                                               bool // all are ids of one type
}

func countValues(values []*segment) valueCounts {
	c := valueCounts{all: len(values), oneType: true}
	for _, g := range values {
		if g.typ != "" {
			c.ids++
		}
		if g.typ == "guid" || g.typ == "ip" {
			c.typed++
		}
		if g.typ == "" || g.typ != values[0].typ {
			c.oneType = false
		}
		if (g.measure || g.statistic) && g.typ == "" && !g.known {
			c.measures++
		}
		if g.known {
			c.known++
		}
		if g.numbered && !g.measure {
			c.numbered++
		}
		if g.places > 1 {
			c.elsewhere++
		}
	}
	return c
}

// comeBack says whether half of the values stand behind several words. Behind a dimension they always do.
func (c *valueCounts) comeBack(p pattern) bool {
	return c.elsewhere*2 >= c.all && c.elsewhere >= 2 && (len(p.tokens) == 0 || p.directly() != nil)
}

// judgeValues adds what the values themselves say. before is the segment in front of them, nil at the start of a name.
func (w *walk) judgeValues(v *verdict, c valueCounts, before *segment) {
	if before != nil && before.statistic && c.ids == c.all {
		return // quantile.95, p.99
	}
	switch {
	case c.ids*2 >= c.all:
		v.yes(3, "%d of %d values are ids by themselves", c.ids, c.all)
	case c.ids*4 >= c.all:
		v.yes(1, "%d of %d values are ids by themselves", c.ids, c.all)
	}
	if label, from := w.names.neighbour(before); label != "" {
		switch from {
		case fromVocabulary:
			v.yes(2, "known rules call what stands behind %s a %s", before.value, label)
		case fromPlural:
			v.yes(1, "%s is the plural of %s", before.value, label)
		case fromWord, fromNowhere: // any word says little
		}
	}
	if c.known*2 >= c.all {
		v.yes(2, "%d of %d values are components, values of tags or known values", c.known, c.all)
	}
	if c.numbered*2 >= c.all {
		v.yes(1, "%d of %d values hold a number beside a word", c.numbered, c.all)
	}
	if c.all >= 10 {
		v.yes(1, "there are %d values", c.all)
	}
	if c.all >= 30 {
		v.yes(1, "there are many values")
	}
}

// judgeEnds says whether the last segments of names are values of a dimension; longer is the number of values that
// hold separators.
func (w *walk) judgeEnds(ending []branch, longer int, p pattern) verdict {
	var v verdict
	values := w.names.segmentsOf(ending)
	c := countValues(values)
	before := p.previous()
	if w.names.unlike(ending) {
		return v
	}
	label := ""
	if before != nil {
		label = w.names.vocabulary.Labels[before.value]
	}
	switch {
	case c.measures*2 > c.all:
		return v
	case c.measures*3 > c.all && label == "":
		v.points -= 2
	case c.measures == 0 && label != "" && !before.measure:
		v.points++
	}
	w.judgeValues(&v, c, before)
	if before != nil && before.measure {
		v.yes(1, "%s names a measurement", before.value)
	}
	if !p.captures && w.names.whole[w.names.hash(p.scope, p.ids)] {
		v.yes(2, "the name without them exists, too")
	}
	if c.comeBack(p) {
		v.yes(2, "%d of %d values come back behind other words", c.elsewhere, c.all)
	}
	alike := label != "" && !w.pooled && len(w.names.labelled[labelled{p.scope, label}]) >= minValues
	v.decide(c.all+longer >= minValues || c.typed == c.all || alike)
	if v.decision == suspected {
		v.decision = no
	}
	return v
}

// judgeDeep says which segments with others behind them are values of a dimension: those behind which the same stands.
func (w *walk) judgeDeep(all []branch, at int, p pattern) ([]branch, verdict) {
	if members := w.names.ownOrigins(all); len(members) >= minValues {
		var v verdict
		v.yes(3, "%d values are the origins of their names", len(members))
		v.decide(true)
		return members, v
	}
	for _, how := range []likeness{sameRest, sameEnd, sameIDs} {
		members, v := w.judgeTails(all, at, p, how)
		if v.decision != no {
			return members, v
		}
	}
	if ids := w.names.typed(all); len(ids) > 0 {
		var v verdict
		c := countValues(w.names.segmentsOf(ids))
		w.judgeValues(&v, c, p.previous())
		if c.all < minValues && w.names.deeper(ids, at+2) {
			v.no("the names go on with several segments behind few ids")
		}
		v.decide(c.all >= minValues || c.typed == c.all)
		if v.decision != suspected {
			return ids, v
		}
	}
	return nil, verdict{}
}

func (w *walk) judgeTails(all []branch, at int, p pattern, how likeness) ([]branch, verdict) {
	t := w.names.tails(all, at, how)
	for _, set := range t.alike(all) {
		if members, v := w.judgeSet(set, all, t, at, p); v.decision != no {
			return members, v
		}
	}
	return nil, verdict{}
}

// judgeSet judges branches that are connected by what stands behind them.
func (w *walk) judgeSet(members, all []branch, t *tails, at int, p pattern) ([]branch, verdict) {
	var v verdict
	common := t.common(members, all)
	c := countValues(w.names.segmentsOf(members))
	if c.oneType { // ids of a type belong together, whatever stands behind them
		members = w.names.typed(all)
		c = countValues(w.names.segmentsOf(members))
	}
	if common.unlike*5 > common.shared || c.measures*2 > c.all {
		return nil, v
	}
	switch exact := t.how == sameRest; {
	case common.names >= 2 && exact && !w.pooled:
		v.yes(3, "the same %d names stand behind them", common.names)
		v.product = true
	case t.how == sameIDs:
		v.yes(2, "ids stand at the same places behind them")
	case common.names >= 2 && exact, common.names > 0 && common.measures > 0:
		v.yes(1, "%d of the names behind them are the same", common.names)
	}
	w.judgePlace(&v, c, members, at, p)
	v.decide(c.all >= minValues || c.typed == c.all)
	return members, v
}

// judgePlace adds what the other names say about values with names behind them.
func (w *walk) judgePlace(v *verdict, c valueCounts, members []branch, at int, p pattern) {
	if w.names.exists(members, at, p.scope) {
		v.yes(2, "names without them exist, too")
	}
	if c.comeBack(p) {
		points := 1
		if c.numbered+c.ids > 0 {
			points = 2
		}
		v.yes(points, "%d of %d values come back behind other words", c.elsewhere, c.all)
	}
	before := p.previous()
	if at > 0 && p.directly() == nil && !before.isPlural() {
		before = nil // it stands before the dimension before this one
	}
	w.judgeValues(v, c, before)
	if at == 1 && p.captures {
		v.points-- // two dimensions and no word before them
	}
	if p.captures && c.measures*3 > c.all {
		v.points -= 2
	}
	if before != nil && c.measures == 0 && len(p.tokens) == at && p.directly() != nil {
		_, from := w.names.neighbour(before)
		if from == fromPlural || w.names.vocabulary.Labels[before.value] != "" && !before.measure {
			v.points++
		}
	}
	if at == 0 && w.names.startWithComponent(members) {
		v.no("the values start with the component, and may be made of two parts")
	}
}
