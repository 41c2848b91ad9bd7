package load

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Build compiles the command in folder, such as "./book", with the flags of the image, and returns the binary's path.
func Build(folder, destination string) (string, error) {
	binary := filepath.Join(destination, filepath.Base(folder))
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, folder)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", folder, err, output)
	}
	return binary, nil
}

// Process is a running server.
type Process struct {
	*exec.Cmd
	Address     string        // host:port
	FirstAnswer time.Duration // from the start of the process
}

// Start runs a command with PORT set to a free port, the rest of its environment being env, and waits at most 10 s until
// path answers 200. Both of its outputs go to output.
func Start(output io.Writer, env []string, path string, command ...string) (*Process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Process{Cmd: exec.Command(command[0], command[1:]...), Address: listener.Addr().String()}
	if err := listener.Close(); err != nil {
		return nil, err
	}
	p.Env = append(env, "PORT="+strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	p.Stdout, p.Stderr = output, output

	start := time.Now()
	if err := p.Cmd.Start(); err != nil {
		return nil, err
	}
	client := Client{Address: p.Address}
	defer client.Close()
	for {
		answer, err := client.Get(path, "")
		p.FirstAnswer = time.Since(start)
		if err == nil && answer.Status == http.StatusOK {
			return p, nil
		}
		if p.FirstAnswer > 10*time.Second {
			p.Process.Kill()
			return nil, fmt.Errorf("%v: no answer from %s: %w", command, path, p.Wait())
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// PeakMemory returns the most memory that was resident so far, in bytes. It needs Linux's /proc.
func (p *Process) PeakMemory() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kilobytes int
	_, err = fmt.Sscan(string(after), &kilobytes)
	return kilobytes << 10, err
}
