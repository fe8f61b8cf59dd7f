package learn_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/learn"
)

// FuzzPropose: whatever the names, what is proposed is a valid rule file without warnings, passes its own tests,
// leaves names alone that a rule in force takes, and does not depend on the order of the names. Lines are origin,
// name, kind and unit, separated by tabs.
func FuzzPropose(f *testing.F) {
	f.Add("shop\tqueues.a.depth\nshop\tqueues.b.depth\nshop\tqueues.c.depth\nshop\tqueues.c.age\nshop\tqueues.a.age")
	f.Add("router__0\trouter__0.responses.2xx\nrouter__1\trouter__1.responses.3xx\nx\tx.responses.5xx\ny\ty.y.a\nz\tz.z")
	f.Add("a\t/a/b/c\nb\t/b/b.c/c\nc\t/c/b{}/c\n\ta..b\n\t.a\n\t/\n\t:\n\ta:0e98fd00-47b2-4589-94f0-385f78b3a04d")
	f.Add("o\ta|b.(x).c?\no\ta|b.(y).c?\no\ta|b.(z).c?\no\ta|b.(z).d*\no\ta|b.(x).d*\no\ta|b.(y).d*\tcounter")
	f.Add("o\tleaf.int.leaf\no\tleaf.word.leaf\no\tleaf.guid.leaf\no\tleaf.10.component\no\t$1.${x}.{leaf}\no\t\xff.\x00")
	f.Add("queues\t/queues/a\nqueues\t/queues/b\nqueues\t/queues/c\nqueue\t/queue/a\nqueue\t/queue/b\nqueue\t/queue/c")
	words := vocabulary(f)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		rules := "rules:\n  - {pattern: \"taken.{x}\", name: taken}\n  - {pattern: \"{_}.taken\", name: t}\n"
		options := learn.Options{Vocabulary: words}
		options.Rules.UserRules = []tagger.Source{{File: "force.yaml", Data: []byte(rules)}}
		names := namesOf(text)
		p := proposeNames(t, options, names)
		var file bytes.Buffer
		if err := p.WriteRules(&file); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(names)
		var again bytes.Buffer
		if err := proposeNames(t, options, names).WriteRules(&again); err != nil || again.String() != file.String() {
			t.Fatalf("in another order: %v\n%s\nwas\n%s", err, again.String(), file.String())
		}
		checkProposal(t, p, options.Rules, names)
	})
}

func namesOf(text string) []learn.Name {
	var names []learn.Name
	for line := range strings.SplitSeq(text, "\n") {
		fields := append(strings.Split(line, "\t"), "", "", "")
		n := learn.Name{Origin: fields[0], Name: fields[1], Unit: fields[3], Kind: metric.KindGauge}
		if fields[2] == "counter" {
			n.Kind = metric.KindCounter
		}
		names = append(names, n)
	}
	return names
}

func proposeNames(tb testing.TB, options learn.Options, names []learn.Name) *learn.Proposal {
	tb.Helper()
	l, err := learn.New(options)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range names {
		l.Add(&names[i])
	}
	p, err := l.Propose()
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// checkProposal checks that the proposed file compiles without warnings in front of the rules in force, that its tests
// pass, and that it leaves alone what those take.
func checkProposal(tb testing.TB, p *learn.Proposal, inForce tagger.Options, names []learn.Name) {
	tb.Helper()
	var file, tests bytes.Buffer
	if err := p.WriteRules(&file); err != nil {
		tb.Fatal(err)
	}
	before, _, err := tagger.New(inForce)
	if err != nil {
		tb.Fatal(err)
	}
	with := inForce
	with.UserRules = append([]tagger.Source{{File: "learned.yaml", Data: file.Bytes()}}, with.UserRules...)
	after, warnings, err := tagger.New(with)
	if err != nil {
		tb.Fatalf("%v\n%s", err, file.String())
	}
	for _, w := range warnings {
		if w.File == "learned.yaml" {
			tb.Errorf("%s\n%s", w, file.String())
		}
	}
	if err := p.WriteTests(&tests, []string{"learned.yaml"}); err != nil {
		tb.Fatal(err)
	}
	if bytes.Contains(tests.Bytes(), []byte("given")) {
		f, err := tagger.ReadTests("tests.yaml", tests.Bytes())
		if err != nil {
			tb.Fatalf("%v\n%s", err, tests.String())
		}
		for _, r := range f.Run(after, nil) {
			for _, failure := range r.Failures {
				tb.Errorf("%s %s: %s\n%s", r.Place, r.Title, failure, tests.String())
			}
		}
	}
	var a, b tagger.Result
	for i := range names {
		s := tagger.Subject{Origin: names[i].Origin, Name: names[i].Name, Unit: names[i].Unit, Kind: names[i].Kind}
		before.Apply(&s, &a, nil)
		after.Apply(&s, &b, nil)
		taken := a.Rule != "" && a.Rule != tagger.Quarantine
		if taken && (a.Base != b.Base || a.Rule != b.Rule || !maps.Equal(tagsOf(&a), tagsOf(&b))) {
			tb.Errorf("%q, which %s takes, becomes %s %v by %s, was %s %v\n%s", s.Name, a.Rule, b.Base, b.Tags, b.Rule, a.Base,
				a.Tags, file.String())
		}
	}
}

func tagsOf(r *tagger.Result) map[string]string {
	tags := make(map[string]string)
	for _, t := range r.Tags {
		tags[t.Name] = t.Value
	}
	return tags
}
