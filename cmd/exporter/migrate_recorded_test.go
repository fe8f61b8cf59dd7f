package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMigrateRecorded: queries follow the labels of what recording rules of the same run write, through other recording
// rules and in other files, but not a label that a rule sets itself, nor one that rules of one name rename differently.
func TestMigrateRecorded(t *testing.T) {
	dir := t.TempDir()
	rules := `groups:
- name: a
  rules:
  - record: cells:memory:min
    expr: min by (deployment, index) (firehose_value_metric_bbs_lr_ps_running)
  - record: cells:memory:set
    expr: min by (deployment, index) (firehose_value_metric_bbs_lr_ps_running)
    labels: {deployment: all}
  - record: deployment:cells:min
    expr: min by (deployment) (cells:memory:min)
  - record: ambiguous
    expr: min by (deployment) (firehose_value_metric_bbs_lr_ps_running)
  - record: ambiguous
    expr: min by (deployment) (bosh_job_healthy)
  - alert: A
    expr: cells:memory:min{index="0",unit!="x"} > on (deployment) group_left () deployment:cells:min{deployment=~"cf.*"}
    annotations: {x: "{{ $labels.deployment }} {{ $labels.index }}"}
  - alert: B
    expr: sum without (index) (cells:memory:min) / on (deployment) group_left count by (deployment) (bosh_job_healthy)
  - alert: C
    expr: sum by (deployment) (cells:memory:set) + sum by (deployment) (ambiguous)
`
	want := `groups:
- name: a
  rules:
  - record: cells:memory:min
    expr: min by (bosh_deployment, bosh_job_id) (cf_lrps_running{component="bbs"})
  - record: cells:memory:set
    expr: min by (bosh_deployment, bosh_job_id) (cf_lrps_running{component="bbs"})
    labels: {deployment: all}
  - record: deployment:cells:min
    expr: min by (bosh_deployment) (cells:memory:min)
  - record: ambiguous
    expr: min by (bosh_deployment) (cf_lrps_running{component="bbs"})
  - record: ambiguous
    expr: min by (deployment) (bosh_job_healthy)
  - alert: A
    expr: cells:memory:min{bosh_job_id="0",unit!="x"} > on (bosh_deployment) group_left () deployment:cells:min{bosh_deployment=~"cf.*"}
    annotations: {x: "{{ $labels.bosh_deployment }} {{ $labels.bosh_job_id }}"}
  - alert: B
    expr: sum without (bosh_job_id) (label_replace(cells:memory:min, "deployment", "$1", "bosh_deployment", "(.*)")) / on (deployment) group_left count by (deployment) (bosh_job_healthy)
  - alert: C
    expr: sum by (deployment) (cells:memory:set) + sum by (deployment) (ambiguous)
`
	dashboard := `{"panels": [{"targets": [{"expr": "max by (deployment) (cells:memory:min)", "legendFormat": "{{deployment}}"}]}]}`
	wantDashboard := `{"panels": [{"targets": [{"expr": "max by (bosh_deployment) (cells:memory:min)", "legendFormat": "{{bosh_deployment}}"}]}]}`
	for name, text := range map[string]string{"a.json": dashboard, "rules.yml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time changes nothing
		if status, out, errs := command(t, "migrate", "--write", dir); status != 0 {
			t.Fatal(status, out, errs)
		}
		for name, text := range map[string]string{"a.json": wantDashboard, "rules.yml": want} {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text, string(got)); diff != "" {
				t.Errorf("%s: - want, + got\n%s", name, diff)
			}
		}
	}
}
