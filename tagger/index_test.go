package tagger

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// meaning is the sequence as an anchored regular expression.
func meaning(q sequence, origins []string) string {
	var b strings.Builder
	b.WriteString(`\A`)
	for _, t := range q {
		if t.cap == nil {
			b.WriteString(regexp.QuoteMeta(t.lit))
			continue
		}
		expr := t.cap.info().regexp
		switch t.cap.typ {
		case typeSet:
			expr = alternation(t.cap.set.values, regexp.QuoteMeta)
		case typeOrigin:
			expr = alternation(origins, foldedASCII)
		default:
		}
		b.WriteString("(" + expr + ")")
	}
	b.WriteString(`\z`)
	return b.String()
}

func alternation(values []string, write func(string) string) string {
	if len(values) == 0 {
		return `[^\x00-\x{10FFFF}]` // nothing matches
	}
	written := make([]string, len(values))
	for i, v := range values {
		written[i] = write(v)
	}
	return strings.Join(written, "|")
}

// foldedASCII is an expression for a text in which ASCII letters may have either case, and underscores may stand
// for what service-metrics rewrites.
func foldedASCII(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && isLetter(byte(r)) {
			b.WriteString("[" + strings.ToLower(string(r)) + strings.ToUpper(string(r)) + "]")
			continue
		}
		if r < utf8.RuneSelf && isRewritten(byte(r)) {
			b.WriteString("(?:" + regexp.QuoteMeta(string(r)) + "|_)")
			continue
		}
		b.WriteString(regexp.QuoteMeta(string(r)))
	}
	return b.String()
}

// slowMatch finds what the index must find: it runs each sequence as a regular expression, one after the other.
func slowMatch(seqs []sequence, text string, origins []string) (ranks []int, spans [][]span) {
	for i, q := range seqs {
		groups := regexp.MustCompile(meaning(q, origins)).FindStringSubmatchIndex(text)
		if groups == nil {
			continue
		}
		captures := []span{}
		for g := 2; g < len(groups); g += 2 {
			captures = append(captures, span{int32(groups[g]), int32(groups[g+1])})
		}
		ranks, spans = append(ranks, i), append(spans, captures)
	}
	return ranks, spans
}

// compare finds all matches of a text, in order, in the index and by the slow matcher.
func compare(t *testing.T, patterns []string, text, origin string, stepsSoFar int) {
	t.Helper()
	types := map[string]*valueSet{"disk": newValueSet([]string{"system", "ephemeral", "a", "aa", "a_b"})}
	var seqs []sequence
	set := newRuleSet()
	for _, p := range patterns {
		parsed, err := parsePattern(p, types)
		if err != nil || len(seqs)+len(parsed) > 100 {
			continue
		}
		seqs = append(seqs, parsed...)
		set.add(&rule{id: p, sequences: parsed}, parsed)
	}
	set.finish()
	dst := &Result{}
	dst.OriginTags = appendTag(dst.OriginTags, labelComponent, origin)
	s := search{subject: &Subject{}}
	s.component, s.origins = components(dst)
	var origins []string
	if origin != "" {
		origins = []string{origin}
	}
	ranks, spans := slowMatch(seqs, text, origins)
	after := int32(-1)
	for i, want := range append(ranks, noRank) {
		s.set, s.text, s.after, s.best, s.steps, s.visited = set, text, after, noRank, stepsSoFar, nil
		s.find(set.index)
		if s.best != int32(want) {
			t.Fatalf("%q of %q: found rank %d, want %d", text, patterns, s.best, want)
		}
		if want == noRank {
			return
		}
		if got := s.bestSpans[:len(spans[i])]; !slices.Equal(got, spans[i]) {
			t.Fatalf("%q by %s: captures at %v, want %v", text, seqs[want], got, spans[i])
		}
		after = s.best
	}
}

// shapes are patterns of every kind, many of which match the same names.
var shapes = []string{
	"{component}__{index:int}.memoryStats.{stat}", "{component}_{zone:zone}_{index:int}.{rest...}",
	"{component}__{index:int}.{rest...}",
	"{a}_{b}_{c}", "{a...}_{b}", "{a}.{b...}", "{a...}.{b}", "system_disk_{disk:disk}_{x}", "system_disk_{disk}_x",
	"{x:disk}_{y}",
	"/{service}/{rest...}", "/{component:word}.{rest...}", "{component:origin}.{rest...}", "{_}.{_:int}.{x}",
	"(a|ab)({x}|b)(_{y})?",
	"responses.{status:status}", "responses.{x}", "responses({_...})?", "{port:port}.CurrentSessions",
	"{port:port}{_...}x", "{ip:ip}.{x}", "x{ip:ip}{_}",
	"x{ip:ip}1", "x-{ip:ip}(-{n:int})?", "a:{app:guid}", "a:{x...}", "router.{x}[component={c}(,status={s})?]",
	"{z:zone}{_}", "{z:zone}", "{z:zone}0",
	"{x:path}/{y}", "{a}{_...}", "{proto:udp|tcp|u|ud}{_}", "{proto:udp|tcp|u|ud}p{_...}", "a{x}a{y}a{z}a",
	"{x...}a{y...}a{z...}", `\{{x}\}`, "é{x}ü", "{x:word}é",
	"a|b", "({x}|{y})", "{x:origin}", "{x:int}{y}", "(((((((((a)))))))))",
}

var texts = []string{
	"router__0.memoryStats.numFrees", "router_z1_0.requests.total", "router__12.a.b", "a_b_c_d_e", "a", "ab", "aba",
	"abb_x", "", ".", "/", "_", "..", "a.b.c.d",
	"system_disk_system_x", "system_disk_a_b_x", "system_disk_aa_b_x", "/p.mysql/galera/x",
	"/p-rabbitmq.rabbitmq.heartbeat", "cc.cc.requests", "CC.requests",
	"x.12.y", "responses.2xx", "responses.2XX", "responses.200", "responses.600", "responses", "9000.CurrentSessions",
	"65536.CurrentSessions", "65535x",
	"123456x", "10.0.0.1.x", "x10.0.0.131", "x10_0_0_25y", "x10.0.0.1311", "x-1-2-3-4-5", "x-1-2-3-4", "256.1.1.1.x",
	"01.1.1.1.x",
	"a:e35995c2-b7d9-4e0f-800a-bfc312446dd4", "a:e35995c2_b7d9_4e0f_800a_bfc312446dd4",
	"a:e35995c2-b7d9_4e0f-800a-bfc312446dd4",
	"router.responses[component=DEA,status=5xx]", "router.requests[component=a,b]", "z1", "az12", "z1234", "Z10", "zone",
	"z10", "z1000",
	"x/y/z", "udp", "udpp", "tcpx", "upp", "aaaaaaa", "aaxaxaaxa", "{a}", "éaü", "aé", "\xc3a", "a\xffb", "a\nb.c",
	"cc", strings.Repeat("a_", 40), strings.Repeat("a", 60),
}

// TestIndexAgreesWithExpressions compares the index with regular expressions, one pattern by itself and all together,
// with and without the notes of long walks.
func TestIndexAgreesWithExpressions(t *testing.T) {
	reversed := slices.Clone(shapes)
	slices.Reverse(reversed)
	for _, text := range texts {
		for _, origin := range []string{"", "cc"} {
			for _, p := range shapes {
				compare(t, []string{p}, text, origin, 0)
			}
			compare(t, shapes, text, origin, 0)
			compare(t, reversed, text, origin, 0)
			compare(t, shapes, text, origin, stepsBeforeVisited)
		}
	}
}

func FuzzIndex(f *testing.F) {
	all := strings.Join(shapes, "\n")
	for _, text := range texts {
		f.Add(all, text, "cc")
	}
	for i, p := range shapes {
		f.Add(p+"\n"+shapes[(i+7)%len(shapes)], texts[i%len(texts)], "a_b")
	}
	f.Fuzz(func(t *testing.T, patterns, text, origin string) {
		lines := strings.Split(patterns, "\n")
		if strings.ContainsRune(origin, utf8.RuneError) { // the expressions cannot say invalid UTF-8
			return
		}
		if len(lines) > 60 || len(text) > 200 || len(patterns) > 2000 {
			return
		}
		compare(t, lines, text, origin, 0)
		compare(t, lines, text, origin, stepsBeforeVisited)
	})
}

// TestLongWalksAreBounded searches texts for which plain backtracking would take years.
func TestLongWalksAreBounded(t *testing.T) {
	set := newRuleSet()
	for _, p := range []string{
		"{a}_{b}_{c}_{d}_{e}_{f}_{g}_{h}_{i}_{j}_{k}_{l}_{m}_{n}_{o}_!",
		"{a...}a{b...}a{c...}a{d...}a{e...}a{f...}a{g...}a{h...}a{i...}!",
	} {
		q, err := parsePattern(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		set.add(&rule{id: p, sequences: q}, q)
	}
	set.finish()
	for _, text := range []string{strings.Repeat("_", 1024), strings.Repeat("a", 1024), strings.Repeat("_a", 512)} {
		s := search{subject: &Subject{}}
		if r := s.match(set, text, -1); r != nil {
			t.Errorf("%s matched by %s", text, r.id)
		}
		if limit := int(set.index.nodes)*len(text)*3 + stepsBeforeVisited; s.steps > limit {
			t.Errorf("%d steps, want at most %d", s.steps, limit)
		}
	}
}
