// Package load runs a service's binary as a process of its own and sends it requests, for the tests and the benchmark.
package load

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
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

// Start runs a server with PORT set to a free port, the rest of its environment being env, and waits at most 10 s until
// path answers 200. Both of its outputs go to output.
func Start(output io.Writer, env []string, path, binary string) (*Process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Process{Cmd: exec.Command(binary), Address: listener.Addr().String()}
	listener.Close()
	p.Env = append(env, "PORT="+strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	p.Stdout, p.Stderr = output, output

	start := time.Now()
	if err := p.Cmd.Start(); err != nil {
		return nil, err
	}
	client := Client{Address: p.Address}
	defer client.Close()
	for p.FirstAnswer < 10*time.Second {
		answer, err := client.Get(path, "")
		p.FirstAnswer = time.Since(start)
		if err == nil && answer.Status == http.StatusOK {
			return p, nil
		}
		time.Sleep(500 * time.Microsecond)
	}
	p.Process.Kill()
	return nil, fmt.Errorf("%s: no answer from %s: %w", binary, path, p.Wait())
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

// Client sends one GET after another over one connection and hides nothing: net/http's client silently repeats a request
// that was lost with its connection. The zero value with an Address is ready to use.
type Client struct {
	Address string // host:port

	connection net.Conn
	reader     *bufio.Reader
}

// Answer is a whole answer.
type Answer struct {
	Status int
	Body   []byte
	Last   bool // the server closes the connection after it
}

// Get sends one request and waits at most 10 s for its answer. It dials if there is no connection yet, or if the request
// before failed or got the last answer of its connection.
func (c *Client) Get(path, traceID string) (answer Answer, err error) {
	if c.connection == nil {
		if c.connection, err = net.Dial("tcp", c.Address); err != nil {
			return answer, err
		}
		c.reader = bufio.NewReader(c.connection)
	}
	defer func() {
		if err != nil || answer.Last {
			c.Close()
		}
	}()
	c.connection.SetDeadline(time.Now().Add(10 * time.Second))
	const request = "GET %s HTTP/1.1\r\nHost: %s\r\nX-Amzn-Trace-Id: %s\r\nForwarded: for=192.0.2.60;proto=https\r\n\r\n"
	if _, err := fmt.Fprintf(c.connection, request, path, c.Address, traceID); err != nil {
		return answer, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return answer, err
	}
	body, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, body, response.Close}, err
}

// Connected tells whether the next Get uses a connection that has answered before.
func (c *Client) Connected() bool { return c.connection != nil }

// Close closes the connection, if there is one.
func (c *Client) Close() {
	if c.connection != nil {
		c.connection.Close()
		c.connection = nil
	}
}

// Run keeps the given number of connections busy with GETs of path for the given time and returns how many were answered
// with 200. Anything else is an error.
func Run(address, path string, connections int, during time.Duration) (int, error) {
	var clients sync.WaitGroup
	var answered atomic.Int64
	errs := make([]error, connections)
	end := time.Now().Add(during)
	for i := range errs {
		clients.Go(func() {
			client := Client{Address: address}
			defer client.Close()
			for errs[i] == nil && time.Now().Before(end) {
				answer, err := client.Get(path, "Root=1-67891233-abcdef012345678912345678")
				if err == nil && answer.Status != http.StatusOK {
					err = fmt.Errorf("%s: status %d", path, answer.Status)
				}
				errs[i] = err
				answered.Add(1)
			}
		})
	}
	clients.Wait()
	return int(answered.Load()), cmp.Or(errs...)
}
