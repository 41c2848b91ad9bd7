package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	folderPrefix = "private-api-local-"
	programs     = "programs" // subfolder of the programs of tasks
)

// makeFolder makes the folder of a run. It is locked for as long as this process lives: folders that nobody locks any more
// are left of a run that was killed, and removed.
func makeFolder(temp string) (*os.File, error) {
	path, err := os.MkdirTemp(temp, folderPrefix)
	if err != nil {
		return nil, err
	}
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return nil, err
	}
	// Without programs in it, a folder may be that of a run which has not locked it yet.
	others, err := filepath.Glob(filepath.Join(filepath.Dir(path), folderPrefix+"*", programs))
	for _, other := range others {
		removeUnlocked(filepath.Dir(other))
	}
	return folder, err
}

// removeUnlocked removes a folder and ends the tasks that run from it, unless it is locked.
func removeUnlocked(path string) {
	folder, err := os.Open(path)
	if err != nil {
		return // another user's
	}
	defer folder.Close()
	if syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return
	}
	processes, _ := exec.Command("ps", "-A", "-o", "pid=", "-o", "args=").Output()
	for process := range strings.Lines(string(processes)) {
		id, program, _ := strings.Cut(strings.TrimSpace(process), " ")
		if pid, err := strconv.Atoi(id); err == nil && strings.HasPrefix(strings.TrimSpace(program), path+"/") {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	os.RemoveAll(path)
}
