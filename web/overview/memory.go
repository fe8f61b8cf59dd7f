package overview

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// residentMemory reads what memory the process has, without allocating.
type residentMemory struct {
	mu      sync.Mutex
	samples []metrics.Sample
	system  resident
}

// read returns the memory of the process now.
func (m *residentMemory) read() Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.samples == nil {
		// Their sum is go_memstats_heap_inuse_bytes.
		m.samples = []metrics.Sample{
			{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		}
	}
	metrics.Read(m.samples)
	used := Memory{ResidentBytes: m.system.bytes()}
	for i := range m.samples {
		used.HeapBytes += m.samples[i].Value.Uint64()
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		used.LimitBytes = uint64(limit)
	}
	return used
}
