package grafana

// runtimeBoard is what the exporter is for: all components in one panel, whatever they call themselves.
func runtimeBoard() *board {
	const which = foundationFilter + `,component=~"$component"`
	return &board{
		name: "component-runtime", title: "Cloud Foundry / Component memory and runtime", filter: which,
		description: "Memory, goroutines and garbage collection of every component that reports Go's runtime, in one panel each: " +
			"the names differ from component to component, the metric does not.",
		variables: append(foundationVariables("cf_num_bytes_allocated"), variable{
			name: "component", label: "Component", description: "as the metric's name or its origin says it",
			metric: `cf_num_bytes_allocated{` + foundationFilter + `}`, of: "component",
		}),
		annotations: []annotation{exporterRestarts("")},
		rows: []row{
			{"Memory", []*panel{
				graph("Memory of all components", size, "Bytes that each process has allocated and still uses, by component, index and zone; where a name has neither index nor zone, the machine tells the instances apart.",
					q("max by (component, index, zone, bosh_job_name, bosh_job_ip) (cf_num_bytes_allocated{@})", "{{component}} {{index}} {{zone}} on {{bosh_job_name}} {{bosh_job_ip}}")).full(),
				graph("By component", size, "Bytes in use, all instances of a component together.",
					q("sum by (component) (max by (component, index, zone, bosh_job_id) (cf_num_bytes_allocated{@}))", "{{component}}")).wide().stacked(),
				graph("Largest instance by component", size, "Bytes in use by the largest instance of each component: one that leaves the others behind may leak.",
					q("max by (component) (cf_num_bytes_allocated{@})", "{{component}}")).wide(),
				graph("Heap", size, "Bytes of heap in use, of the largest instance of each component.",
					q("max by (component) (cf_num_bytes_allocated_heap{@})", "{{component}}")).wide(),
				graph("Stack", size, "Bytes of stack in use, of the largest instance of each component. It grows with the goroutines.",
					q("max by (component) (cf_num_bytes_allocated_stack{@})", "{{component}}")).wide(),
				list("Largest growth", size, "By how much memory has grown over the time that is shown, the ten that grew most.",
					q("topk(10, max by (component, index, zone, bosh_job_name, bosh_job_ip) (delta(cf_num_bytes_allocated{@}[$__range])))", "{{component}} {{index}} {{bosh_job_ip}}")),
				list("Largest now", size, "The ten processes that use the most memory.",
					q("topk(10, max by (component, index, zone, bosh_job_name, bosh_job_ip) (cf_num_bytes_allocated{@}))", "{{component}} {{index}} {{bosh_job_ip}}")),
			}},
			{"Runtime", []*panel{
				graph("Goroutines", count, "Goroutines of the instance that has the most, by component. A steady rise is a leak.",
					q("max by (component) (cf_num_go_routines{@})", "{{component}}")).wide(),
				graph("Pause of the last garbage collection", seconds, "The longest of each component's instances.",
					q("max by (component) (cf_last_gc_pause_time_seconds{@})", "{{component}}")).wide().atMost(0.1),
				graph("Allocations", perSec, "Objects allocated a second, all instances of a component together.",
					q("sum by (component) (rate(cf_num_mallocs{@}[$__rate_interval]))", "{{component}}")),
				graph("Live objects", count, "Objects allocated and not yet freed, all instances of a component together.",
					q("sum by (component) (max by (component, index, zone, bosh_job_id) (cf_num_mallocs{@}) - max by (component, index, zone, bosh_job_id) (cf_num_frees{@}))", "{{component}}")).signed(),
				graph("Processors", count, "Processors that each component's processes may use.",
					q("max by (component) (cf_num_cpus{@})", "{{component}}")),
				graph("Instances", count, "Processes that report, by component: a step down is a process that is gone.",
					q("count by (component) (max by (component, index, zone, bosh_job_id) (cf_num_bytes_allocated{@}))", "{{component}}")).full(),
			}},
		},
	}
}
