package nozzle

import (
	"strings"
	"testing"
)

func TestSocketDrops(t *testing.T) {
	const head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            \n"
	const line = "  123: 0100007F:0D81 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41 2 0000000000000000 56600       \n"
	for name, c := range map[string]struct {
		table string
		drops uint64
		found bool
		err   string
	}{
		"found":                  {head + line, 56_600, true, ""},
		"after another":          {head + strings.ReplaceAll(line, " 41 ", " 42 ") + line, 56_600, true, ""},
		"another":                {head + strings.ReplaceAll(line, " 41 ", " 410 "), 0, false, ""},
		"a user of that number":  {head + strings.ReplaceAll(line, " 0        0 41 ", "41        0 42 "), 0, false, ""},
		"no table":               {"", 0, false, ""},
		"a kernel without drops": {head + strings.ReplaceAll(line, " 56600", ""), 0, false, ""},
		"nonsense":               {head + strings.ReplaceAll(line, "56600", "-1"), 0, true, "invalid syntax"},
	} {
		drops, found, err := socketDrops(strings.NewReader(c.table), 41)
		if drops != c.drops || found != c.found || (err == nil) != (c.err == "") ||
			err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %d, %v, %v", name, drops, found, err)
		}
	}
}
