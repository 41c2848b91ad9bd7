package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"private-api/producer"
)

// figures are what one stack cost.
type figures struct {
	services, resources, changes, calls int
	preview, up                         time.Duration
	memory                              int // MiB, the peak of the process that runs the program
}

// TestManyServices brings up stacks of 2, 10 and 25 services and reports what they cost, as the table in docs/testing.md.
// It asserts that resources and changing calls grow by the same number with each service.
func TestManyServices(t *testing.T) {
	if os.Getenv("E2E_BENCH") == "" {
		t.Skip("set E2E_BENCH=1 (make bench)")
	}
	var rows []figures
	for _, count := range []int{2, 10, 25} {
		t.Run(fmt.Sprint(count), func(t *testing.T) { rows = append(rows, measure(t, count)) })
	}
	if len(rows) < 3 {
		t.Fatal("not all stacks came up")
	}
	var table strings.Builder
	table.WriteString("| services | resources | API calls | of these changing | preview | up | peak memory of the program |\n|---|---|---|---|---|---|---|\n")
	for _, f := range rows {
		fmt.Fprintf(&table, "| %d | %d | %d | %d | %.0f s | %.0f s | %d MiB |\n",
			f.services, f.resources, f.calls, f.changes, f.preview.Seconds(), f.up.Seconds(), f.memory)
	}
	first, middle, most := rows[0], rows[1], rows[2]
	per := float64(most.services - first.services)
	fmt.Fprintf(&table, "| each more | %.1f | %.1f | %.1f | %.2f s | %.1f s | %.2f MiB |\n",
		float64(most.resources-first.resources)/per, float64(most.calls-first.calls)/per, float64(most.changes-first.changes)/per,
		(most.preview-first.preview).Seconds()/per, (most.up-first.up).Seconds()/per, float64(most.memory-first.memory)/per)
	t.Logf("\n%s", table.String())

	for what, values := range map[string][3]int{
		"resources":      {first.resources, middle.resources, most.resources},
		"changing calls": {first.changes, middle.changes, most.changes},
	} {
		if early, late := float64(values[1]-values[0])/8, float64(values[2]-values[1])/15; late > early*1.01 { // a call or two are the provider's own repetitions
			t.Errorf("%s grow faster than linearly: %.2f for each service up to 10, %.2f beyond", what, early, late)
		}
	}
}

// measure brings up one stack, alone on the machine as far as the test can tell.
func measure(t *testing.T, count int) figures {
	a := newAccountAlone(t)
	var services []producer.Service
	for i := range count {
		name := fmt.Sprintf("service-%02d", i+1)
		services = append(services, producer.Service{Name: name, Path: "/api/" + name, Priority: i + 1})
	}
	d := a.newStack(t, "many", services, base())
	for _, s := range services {
		copyTree(t, filepath.Join("..", "apps", "book"), filepath.Join(d.root, "apps", s.Name))
	}
	f := figures{services: count}
	start := time.Now()
	d.preview(t, base())
	f.preview = time.Since(start)

	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Logf("the peak of memory is that of all runs: %v", err)
	}
	mark := a.proxy.Mark()
	start = time.Now()
	d.up(t)
	f.up = time.Since(start)
	f.memory = peak(t)
	calls := a.proxy.Since(mark)
	f.calls, f.changes, f.resources = len(calls), len(mutations(calls)), len(d.resources(t))
	a.compare(t, d)
	d.destroy(t)
	a.sweep(t, "many")
	return f
}

// peak is the largest resident memory of this process, in MiB.
func peak(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Logf("no peak of memory: %v", err)
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib / 1024
		}
	}
	return 0
}
