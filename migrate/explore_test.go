package migrate

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestExplore(t *testing.T) {
	text, err := os.ReadFile(os.Getenv("QUERIES"))
	if err != nil {
		t.Skip()
	}
	m := newMigrator(t)
	bad := 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		r := m.Variable(line)
		fmt.Println("-", line)
		fmt.Println("+", r.Migrated, r.OK)
		if !r.OK {
			bad++
		}
		for _, n := range r.Notes {
			fmt.Println("   #", n)
		}
		if len(r.Labels) > 0 {
			fmt.Println("   labels", r.Labels)
		}
		if again := m.Variable(r.Migrated); again.Migrated != r.Migrated {
			fmt.Println("AGAIN", again.Migrated, again.Notes)
		}
	}
	fmt.Println("not ok:", bad)
}
