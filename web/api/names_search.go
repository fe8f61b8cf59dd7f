package api

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
)

// nameFilter finds the names of a query.
type nameFilter struct {
	*live.Snapshot

	words   []searchWord
	state   State
	reason  metric.Outcome // Stored for any
	bare    bool           // undescribed names only
	metrics []uint32       // positions of texts; nil for any, and empty for none
	only    map[int]bool   // positions of names; nil for all
	ruled   ruledNames     // those of the rule that is asked for
	// owned are names with what became of an owner's identities alone, by position; nil for all.
	owned map[int]*live.Name
}

// at returns the name at a position: one of Names, or of the Others behind them.
func (f *nameFilter) at(i int) *live.Name {
	if n := f.owned[i]; n != nil {
		return n
	}
	if i < len(f.Names) {
		return &f.Names[i]
	}
	return &f.Others[i-len(f.Names)]
}

// searchWord says where a word is.
type searchWord struct {
	inName, inText []bool // by position
	// behind is what follows an origin and a dot at the start of the word, by text of the snapshot; nil where there is no
	// dot. Operators write a name as origin.name.
	behind [][]byte
}

// nameFilter prepares a query. Origins and metrics, which many names have in common, are searched once.
func (a *API) nameFilter(ctx context.Context, q *NamesQuery, s *live.Snapshot) (*nameFilter, error) {
	f := &nameFilter{Snapshot: s, state: q.State, bare: q.Undescribed, reason: reasonOf(q.Reason)}
	search := strings.ToLower(q.Search)
	if q.Metric != "" {
		f.metrics = []uint32{}
		if pos := slices.Index(s.Texts, q.Metric); pos >= 0 {
			f.metrics = append(f.metrics, uint32(pos))
		}
	} else if strings.ContainsAny(search, "{([") { // an expression: names that lead to one of its metrics
		if f.metrics = metricsIn(s, metricNames(q.Search)); f.metrics != nil {
			search = ""
		}
	}
	for text := range strings.FieldsSeq(search) {
		word := searchWord{inName: make([]bool, len(s.Names)+len(s.Others)), inText: make([]bool, len(s.Texts))}
		s.NamesWith(text, func(i int) { word.inName[i] = true })
		s.TextsWith(text, func(i int) { word.inText[i] = true })
		word.behind = namesBehind(s, []byte(text))
		f.words = append(f.words, word)
	}
	if q.Rule != "" {
		ruled, err := a.namesOf(ctx, s, q.Rule)
		if err != nil {
			return nil, err
		}
		f.ruled, f.only = *ruled, ruled.at
	}
	if q.Owner != "" {
		f.owned = a.ownedBy(s, q.Owner)
	}
	return f, nil
}

// metricsIn returns the positions of the texts that are names of metrics or, where these have none, the histogram or
// summary that they are a series of; nil for none.
func metricsIn(s *live.Snapshot, names []string) (found []uint32) {
	for _, name := range names {
		for _, text := range append([]string{name}, families(name)...) {
			if pos := slices.Index(s.Texts, text); pos >= 0 {
				found = append(found, uint32(pos))
				break
			}
		}
	}
	return found
}

// leads reports whether a name leads to a metric of the query, or would.
func (f *nameFilter) leads(n *live.Name) bool {
	return f.metrics == nil ||
		slices.ContainsFunc(n.Metrics, func(pos uint32) bool { return slices.Contains(f.metrics, pos) })
}

// namesBehind returns what of a word follows each text and a dot; nil for texts with which the word does not start.
func namesBehind(s *live.Snapshot, word []byte) (behind [][]byte) {
	if !bytes.Contains(word, []byte(".")) {
		return nil
	}
	behind = make([][]byte, len(s.Texts))
	for i := range behind {
		if rest, ok := bytes.CutPrefix(word, s.FoldedText(i)); ok && len(rest) > 1 && rest[0] == '.' {
			behind[i] = rest[1:]
		}
	}
	return behind
}

// leavesOut reports whether the name at a position is none of those of a rule or an owner.
func (f *nameFilter) leavesOut(i int) bool {
	return f.only != nil && !f.only[i] || f.owned != nil && f.owned[i] == nil
}

// run returns the positions of the names that the query finds, ascending, and counts them by state and reason. Names
// that do not arrive are found by their reason only.
func (f *nameFilter) run(page *NamesPage) []int {
	for _, state := range states {
		page.States[state] = 0
	}
	var found []int
	for i := range len(f.Names) + len(f.Others) {
		n := f.at(i)
		if n.Filtered {
			page.All++
		}
		if f.leavesOut(i) || !f.leads(n) || !f.matches(i) {
			continue
		}
		inState := (f.state == "" || holds(n, f.state)) && (!f.bare || undescribed(n))
		if inState && len(n.LeftOut) > 0 {
			page.countReasons(n)
		}
		if n.Gone && f.reason == metric.Stored || f.reason != metric.Stored && n.Of(f.reason) == nil {
			continue
		}
		page.countStates(n)
		if inState {
			found = append(found, i)
		}
	}
	page.Total = len(found)
	return found
}

// countStates counts a name with each state that it has.
func (p *NamesPage) countStates(n *live.Name) {
	p.Matching++
	if undescribed(n) {
		p.Undescribed++
	}
	for _, state := range states {
		if holds(n, state) {
			p.States[state]++
		}
	}
}

// countReasons counts a name with each reason for which samples of it were not stored.
func (p *NamesPage) countReasons(n *live.Name) {
	for _, reason := range reasons {
		if n.Of(reason) != nil {
			p.Reasons[reason.String()]++
		}
	}
}

// matches reports whether each word is in the name, or in one of its origins or metrics, or is an origin, a dot and the
// start of the name.
func (f *nameFilter) matches(i int) bool {
	n := f.at(i)
	for w := range f.words {
		word := &f.words[w]
		has := func(pos uint32) bool { return word.inText[pos] }
		follows := func(pos uint32) bool {
			return word.behind != nil && word.behind[pos] != nil && bytes.HasPrefix(f.FoldedName(i), word.behind[pos])
		}
		if !word.inName[i] && !slices.ContainsFunc(n.Origins, has) && !slices.ContainsFunc(n.Metrics, has) &&
			!slices.ContainsFunc(n.Origins, follows) {
			return false
		}
	}
	return true
}

// ownedBy returns the names of an owner by position, with what became of the owner's identities alone.
func (a *API) ownedBy(s *live.Snapshot, owner string) map[int]*live.Name {
	by := a.ownersBy()
	owned := map[int]*live.Name{}
	var rows []int           // by number of the name: its position, or -1
	var counted []*live.Name // by number of the name: the one in owned, once there is one
	var refused []store.Mark
	owns := func(sender store.Sender) bool { return sender.Owner(by) == owner }
	a.options.Store.ScanOf(owns, func(chunk *store.Scan) bool {
		for i := len(rows); i < len(chunk.Names); i++ {
			rows, counted = append(rows, rowOf(s, &chunk.Names[i])), append(counted, nil)
		}
		for i := range chunk.Marks {
			m := &chunk.Marks[i]
			at := rows[m.Name]
			if at < 0 {
				continue
			}
			n := counted[m.Name]
			if n == nil {
				if n = owned[at]; n == nil {
					n = new(s.Names[at])
					n.Forget()
					owned[at] = n
				}
				counted[m.Name] = n
			}
			if n.Count(m.State, m.Outcome, m.Untagged) {
				refused = append(refused, *m)
			}
		}
		return true
	})
	visited := a.options.Store.Visit(refused)
	for i := range visited {
		v := &visited[i]
		at, _ := find(s, &live.Name{Name: v.Name, Unit: v.Unit, Kind: v.Kind})
		if n := owned[at]; n != nil && v.State == store.EntryRefused {
			n.Keep(v)
		}
	}
	return owned
}

// rowOf returns the position of a scanned name, or -1.
func rowOf(s *live.Snapshot, n *store.ScannedName) int {
	at, ok := find(s, &live.Name{Name: n.Name, Unit: n.Unit, Kind: n.Kind()})
	if n.Composite() || !ok {
		return -1
	}
	return at
}

// find returns the position of a name.
func find(s *live.Snapshot, n *live.Name) (int, bool) {
	return sort.Find(len(s.Names), func(i int) int { return live.Compare(n, &s.Names[i]) })
}

// nameKeys are what names can be sorted by: a text, or a number.
var nameKeys = map[string]func(s *live.Snapshot, n *live.Name) (string, int64){
	"name":      func(*live.Snapshot, *live.Name) (string, int64) { return "", 0 },
	"origin":    func(s *live.Snapshot, n *live.Name) (string, int64) { return firstText(s, n.Origins), 0 },
	"kind":      func(_ *live.Snapshot, n *live.Name) (string, int64) { return n.Kind.String(), 0 },
	"unit":      func(_ *live.Snapshot, n *live.Name) (string, int64) { return n.Unit, 0 },
	"metric":    func(s *live.Snapshot, n *live.Name) (string, int64) { return firstText(s, n.Metrics), 0 },
	"series":    func(_ *live.Snapshot, n *live.Name) (string, int64) { return "", int64(n.Series) },
	"last_seen": func(_ *live.Snapshot, n *live.Name) (string, int64) { return "", n.LastSeen },
	"state": func(_ *live.Snapshot, n *live.Name) (string, int64) {
		return "", int64(slices.IndexFunc(states[:], func(state State) bool { return holds(n, state) }))
	},
	"samples": func(_ *live.Snapshot, n *live.Name) (string, int64) {
		sum := uint64(0)
		for i := range n.LeftOut {
			sum += n.LeftOut[i].Samples
		}
		return "", int64(sum)
	},
}

func firstText(s *live.Snapshot, positions []uint32) string {
	if len(positions) == 0 {
		return ""
	}
	return s.Texts[positions[0]]
}

// nameOrder is the order of a list of names.
type nameOrder struct {
	*nameFilter

	key        func(*live.Snapshot, *live.Name) (string, int64)
	byName     bool // names have no other key
	bySamples  bool // those of one reason
	descending bool
}

// sortKey is what a name is sorted by, a text or a number.
func (o *nameOrder) sortKey(n *live.Name) (string, int64) {
	if o.bySamples {
		if l := n.Of(o.reason); l != nil {
			return "", int64(l.Samples)
		}
	}
	return o.key(o.Snapshot, n)
}

// sort orders positions, which ascend: those of Names are in the order of names, in which ties are.
func (o *nameOrder) sort(found []int) {
	mixed := len(found) > 0 && found[len(found)-1] >= len(o.Names)
	if o.byName && !mixed {
		if o.descending {
			slices.Reverse(found)
		}
		return
	}
	type keyed struct {
		text   string
		number int64
		at     int
	}
	keys := make([]keyed, len(found))
	for i, at := range found {
		keys[i].text, keys[i].number = o.sortKey(o.at(at))
		keys[i].at = at
	}
	slices.SortFunc(keys, func(x, y keyed) int {
		if mixed {
			return -o.compare(o.at(y.at), x.text, x.number, o.at(x.at))
		}
		by := cmp.Or(cmp.Compare(x.number, y.number), strings.Compare(x.text, y.text))
		if o.descending {
			by = -by
		}
		return cmp.Or(by, cmp.Compare(x.at, y.at))
	})
	for i := range keys {
		found[i] = keys[i].at
	}
}

// compare compares a name with another, whose key is given.
func (o *nameOrder) compare(n *live.Name, text string, number int64, other *live.Name) int {
	ownText, ownNumber := o.sortKey(n)
	by := cmp.Or(strings.Compare(ownText, text), cmp.Compare(ownNumber, number))
	names := live.Compare(n, other)
	if o.descending {
		by = -by
		if o.byName {
			names = -names
		}
	}
	return cmp.Or(by, names)
}

// cursor is where a page ends with a name.
func (o *nameOrder) cursor(n *live.Name) cursor {
	text, number := o.sortKey(n)
	return cursor{
		Key: []byte(text), Number: number, Text: [][]byte{[]byte(n.Name), []byte(n.Kind.String()), []byte(n.Unit)},
	}
}

// page cuts the page of a cursor out of a sorted list.
func (o *nameOrder) page(found []int, c *cursor, query uint32, limit int) (page, error) {
	p := page{}
	if c != nil {
		at, err := o.position(found, c)
		if err != nil {
			return p, err
		}
		if p.from = at; c.Before {
			p.from = max(0, at-limit)
		}
	}
	p.to = min(p.from+limit, len(found))
	if p.to < len(found) {
		last := o.cursor(o.at(found[p.to-1]))
		last.Query = query
		p.next = last.encode()
	}
	if p.from > 0 && p.from < len(found) {
		first := o.cursor(o.at(found[p.from]))
		first.Query, first.Before = query, true
		p.previous = first.encode()
	}
	return p, nil
}

// position returns that of the first name of a sorted list that comes after the one of a cursor, or is that one where
// the page ends before it.
func (o *nameOrder) position(found []int, c *cursor) (int, error) {
	if len(c.Text) != 3 {
		return 0, badData("cursor: it is none of this list")
	}
	row := live.Name{Name: string(c.Text[0]), Unit: string(c.Text[2])}
	row.Kind, _ = metric.ParseKind(string(c.Text[1]))
	return sort.Search(len(found), func(i int) bool {
		order := o.compare(o.at(found[i]), string(c.Key), c.Number, &row)
		return order > 0 || order == 0 && c.Before
	}), nil
}
