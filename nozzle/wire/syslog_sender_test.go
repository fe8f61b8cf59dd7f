package wire

import (
	"fmt"
	"testing"

	"loggregator_exporter/metric"
)

// TestSyslogSenders: messages have the same sender where ids and tags are equal to those of the message before, and
// only there.
func TestSyslogSenders(t *testing.T) {
	message := func(source, instance, elements string) string {
		return fmt.Sprintf(`<14>1 - - %s [%s] - [gauge@47450 name="n" value="1"]%s`, source, instance, elements)
	}
	const a, b, escaped = `[tags@47450 a="1"]`, `[tags@47450 b="2"]`, `[tags@47450 a="\""]`
	many := "[tags@47450"
	for range metric.MaxTags + 1 {
		many += ` a=""`
	}
	many += "]"
	var d Syslog
	var view metric.Envelope
	senders := map[uint64]string{}
	for i, c := range []struct {
		message string
		same    bool // as the message before
	}{
		{message("s", "0", a), false},
		{message("s", "0", a), true},
		{message("s", "1", a), false},
		{message("s", "1", a), true},
		{message("z", "1", a), false},
		{message("z", "1", b), false},
		{message("z", "1", b+a), false},
		{message("z", "1", a), false},
		{message("z", "1", a), true},
		{message("z", "1", a+a), false},
		{message("z", "1", b+b), false},
		{message("z", "1", b), false},
		{message("z", "1", escaped), false},
		{message("z", "1", escaped), false},
		{message("z", "1", b), false},
		{message("z", "1", many), false},
		{message("z", "1", many), false}, // its samples are refused
		{message("z", "1", b), false},
		{message("z", "1", ""), false},
	} {
		before := view.Sender
		if !d.Decode([]byte(c.message), &view) {
			t.Fatal(c.message)
		}
		if same := view.Sender != 0 && view.Sender == before; same != c.same {
			t.Errorf("%d %.80s: sender %d after %d", i, c.message, view.Sender, before)
		}
		if view.Sender == 0 {
			continue
		}
		of := fmt.Sprintf("%q %q %q", view.SourceID, view.InstanceID, view.Tags)
		if known := senders[view.Sender]; known != "" && known != of {
			t.Errorf("%d: sender %d is %s and %s", i, view.Sender, known, of)
		}
		senders[view.Sender] = of
	}
}
