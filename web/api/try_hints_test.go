package api

import (
	"strings"
	"testing"
)

// A rule that makes one metric of quantities of different units is warned of, and one that takes nothing is shown the
// nearest live name.
func TestTryHints(t *testing.T) {
	f := newFixture(t)
	for _, leaf := range []string{"numBytesAllocated", "lastGCPauseTimeNS", "numMallocs"} {
		f.gauge("rep", "rep.memoryStats."+leaf)
	}
	try := func(rule string) *TryReport {
		t.Helper()
		report, err := f.Try(t.Context(), TryQuery{Text: []byte("version: 1\nrules:\n  - " + rule + "\n")})
		if err != nil || len(report.Errors) > 0 {
			t.Fatalf("%+v, %v", report, err)
		}
		return report
	}
	const want = "cf_my_memory gets values of different units: bytes (rep.memoryStats.numBytesAllocated), " +
		"none (rep.memoryStats.numMallocs), seconds (rep.memoryStats.lastGCPauseTimeNS); " +
		"keep what the name says of the quantity in the base name"
	r := try(`{id: greedy, pattern: "{component}.memoryStats.{leaf}", name: my_memory}`)
	if len(r.Warnings) != 1 || r.Warnings[0].Text != want || r.Warnings[0].Line != 3 || r.Warnings[0].Rule != "greedy" {
		t.Errorf("%+v", r.Warnings)
	}
	if r := try(`{id: apart, pattern: "{component}.memoryStats.{leaf}", name: "my_{leaf}"}`); len(r.Warnings) != 0 {
		t.Errorf("%+v", r.Warnings)
	}
	r = try(`{id: small, pattern: "{component}.memorystats.{leaf}", name: x}`)
	if len(r.Rules) != 1 || r.Rules[0].Names != 0 || !strings.HasPrefix(r.Rules[0].Nearest, "rep.memoryStats.") || !r.Rules[0].OtherCase {
		t.Errorf("%+v", r.Rules)
	}
	r = try(`{id: long, pattern: "rep.memoryStats.{leaf}.bytes", name: x}`)
	if len(r.Rules) != 1 || r.Rules[0].Nearest == "" || r.Rules[0].OtherCase {
		t.Errorf("%+v", r.Rules)
	}
	if r := try(`{id: typo, pattern: "rep.memoryStats.numMalocs", name: x}`); r.Rules[0].Nearest != "rep.memoryStats.numMallocs" {
		t.Errorf("%+v", r.Rules)
	}
	f.gauge("rep", "CapacityRemainingMemory")
	if r := try(`{id: letter, pattern: "CapacityRemainingMemry", name: x}`); r.Rules[0].Nearest != "CapacityRemainingMemory" {
		t.Errorf("%+v", r.Rules)
	}
	f.gauge("rep", "rabbitmq.queues.count") // half of the words is no likeness
	if r := try(`{id: half, pattern: "shop.queues.{queue}.{leaf}", name: x}`); r.Rules[0].Nearest != "" {
		t.Errorf("%+v", r.Rules)
	}
	if r := try(`{id: far, pattern: "shop.orders.{leaf}", name: x}`); r.Rules[0].Nearest != "" {
		t.Errorf("%+v", r.Rules)
	}
}
