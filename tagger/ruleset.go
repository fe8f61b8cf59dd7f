package tagger

import "slices"

// ruleSet finds the first of its rules that matches a text. Rules are tried in the order in which they were added.
type ruleSet struct {
	rules    []*rule
	variants []variant // by order
	index    *index
	regexes  regexSet
}

// variant is one sequence or regular expression of a rule.
type variant struct {
	rule     int32
	sequence sequence // nil for a regular expression
	slots    []int8   // by capture of the sequence or group of the expression: the rule's capture, -1 for none
}

func newRuleSet() *ruleSet { return &ruleSet{index: newIndex()} }

// add adds a rule; seqs are the sequences that stand for it here.
func (rs *ruleSet) add(r *rule, seqs []sequence) {
	at := int32(len(rs.rules))
	rs.rules = append(rs.rules, r)
	for _, q := range seqs {
		order := int32(len(rs.variants))
		rs.variants = append(rs.variants, variant{rule: at, sequence: q, slots: slotsOf(q, r.captures)})
		rs.index.add(q, order)
	}
	if r.regex != nil {
		order := int32(len(rs.variants))
		var slots []int8
		for i, name := range r.regex.SubexpNames()[1:] {
			slot := slices.Index(r.captures, name)
			if r.final { // captures by number
				slot = i
			}
			slots = append(slots, int8(slot))
		}
		rs.variants = append(rs.variants, variant{rule: at, slots: slots})
		rs.regexes.add(r.regex, order)
	}
}

// finish prepares the set for use by any number of goroutines. Nothing may be added afterwards.
func (rs *ruleSet) finish() {
	rs.index.finish()
	rs.regexes.finish()
}

func slotsOf(q sequence, captures []string) []int8 {
	var slots []int8
	for _, t := range q {
		if t.cap != nil {
			slots = append(slots, int8(slices.Index(captures, t.cap.name)))
		}
	}
	return slots
}

// match finds the first rule for a text, of a higher order than after, and leaves the texts of its captures in m.values. It
// returns nil where none matches.
//
// It allocates nothing unless a regular expression has to be run or the walk is very long.
func (s *search) match(set *ruleSet, text string, after int32) *rule {
	s.set, s.text, s.after, s.best = set, text, after, noOrder
	s.steps, s.memory = 0, nil
	s.find(set.index)
	var groups []int
	if len(set.regexes.all) > 0 {
		groups = set.regexes.match(s)
	}
	if s.best == noOrder {
		return nil
	}
	v := &set.variants[s.best]
	r := set.rules[v.rule]
	clear(s.values[:len(r.captures)])
	for i, slot := range v.slots {
		if slot < 0 {
			continue
		}
		if v.sequence != nil {
			s.values[slot] = text[s.bestSpans[i].start:s.bestSpans[i].end]
		} else if start := groups[2*i+2]; start >= 0 {
			s.values[slot] = text[start:groups[2*i+3]]
		}
	}
	return r
}
