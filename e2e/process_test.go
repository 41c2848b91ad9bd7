package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// kill ends processes of the stack's running operation with SIGKILL: those whose name begins with prefix.
func (d *deployment) kill(t *testing.T, prefix string) {
	t.Helper()
	if d.end(prefix) == 0 {
		t.Errorf("no process %s* of stack %s to kill", prefix, d.Name())
	}
}

// reap ends what an operation that is over left running. The rig's provider outlives its engine, and with its memory
// a few dozen of them fill the machine.
func (d *deployment) reap() { d.end("") }

// end finds processes by the stack's backend in their environment, which no other stack shares.
func (d *deployment) end(prefix string) int {
	mark := "PULUMI_BACKEND_URL=" + d.env["PULUMI_BACKEND_URL"] + "\x00"
	dirs, _ := filepath.Glob("/proc/[0-9]*") // none on a system without it, where the kills fail and say so
	killed := 0
	for _, dir := range dirs {
		environ, _ := os.ReadFile(filepath.Join(dir, "environ")) // gone or another user's: not ours
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		name, _, _ := strings.Cut(string(command), "\x00")
		if strings.Contains(string(environ), mark) && strings.HasPrefix(filepath.Base(name), prefix) {
			if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed++
			}
		}
	}
	return killed
}
