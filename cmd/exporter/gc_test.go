package main

import (
	"testing"
	"testing/fstest"
)

func TestMemoryLimit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"not Linux": {nil, 0},
		"version 1": {map[string]string{
			"proc/self/cgroup":           "5:memory:/a\n",
			"sys/fs/cgroup/a/memory.max": "100\n",
		}, 0},
		"container": {map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "536870912\n",
		}, 536870912},
		"no limit": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		"the root group has none": {
			map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "100\n"},
			100,
		},
		"the least of all": {map[string]string{
			"proc/self/cgroup":             "1:x:/\n0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "100\n",
			"sys/fs/cgroup/memory.max": "200\n",
		}, 100},
		"not to be seen": {map[string]string{
			"proc/self/cgroup":         "0::/../../a\n",
			"sys/fs/cgroup/memory.max": "100\n",
		}, 100},
		"nonsense": {map[string]string{"proc/self/cgroup": "0::\n0", "sys/fs/cgroup/memory.max": "-1\n"}, 0},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memoryLimit(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
