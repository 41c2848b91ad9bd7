package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What a killed run left goes, with its processes; a run that goes on keeps its folder.
func TestMakeFolderRemovesWhatIsLeft(t *testing.T) {
	temp := t.TempDir()
	running, err := makeFolder(temp)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	left := filepath.Join(temp, folderPrefix+"left")
	other := filepath.Join(temp, folderPrefix+"notes") // has nothing of a run in it
	for _, folder := range []string{filepath.Join(running.Name(), programs), filepath.Join(left, programs), other} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	program := filepath.Join(left, programs, "sleep")
	if err := exec.Command("cp", sleep, program).Run(); err != nil {
		t.Fatal(err)
	}
	task := exec.Command(program, "60")
	if err := task.Start(); err != nil {
		t.Fatal(err)
	}
	next, err := makeFolder(temp)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := task.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the task ended with %v", err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", left, err)
	}
	for _, folder := range []string{running.Name(), next.Name(), other} {
		if _, err := os.Stat(folder); err != nil {
			t.Error(err)
		}
	}
}
