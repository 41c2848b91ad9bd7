// Command bench measures a service as its callers see it: a process of its own, asked over the network, its log read
// through a pipe. Run it in the module's folder. Without arguments it builds and measures book; with arguments it
// measures that command, which must serve the same paths on $PORT.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"private-api/apps/internal/load"
)

const (
	connections = 64
	during      = 5 * time.Second
	starts      = 20

	// Eight times what the original's Express service does.
	goalRequests = 8 * 3700
	goalMemory   = "25 MB"
	goalStart    = "50 ms"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(command []string, stdout io.Writer) error {
	if len(command) == 0 {
		folder, err := os.MkdirTemp("", "bench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		binary, err := load.Build("./book", folder)
		if err != nil {
			return err
		}
		command = []string{binary}
	}

	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%d connections, %v each\tmeasured\tgoal\n", connections, during)
	var peak int
	for _, path := range []string{"/api/books", "/api/books/1"} {
		perSecond, perCPUSecond, memory, err := measure(command, path)
		if err != nil {
			return err
		}
		peak = max(peak, memory)
		fmt.Fprintf(table, "GET %s: requests per CPU-second of the server\t%.0f\t>= %d\n", path, perCPUSecond, goalRequests)
		fmt.Fprintf(table, "GET %s: requests per second, with the generator on the same machine\t%.0f\t\n", path, perSecond)
	}
	fmt.Fprintf(table, "peak resident memory under load\t%.1f MB\t< %s\n", float64(peak)/1e6, goalMemory)

	first, err := firstAnswers(command)
	if err != nil {
		return err
	}
	fmt.Fprintf(table, "start to first answer, median of %d\t%.1f ms\t< %s\n", starts, milliseconds(first[starts/2]), goalStart)
	fmt.Fprintf(table, "start to first answer, longest\t%.1f ms\t< %s\n", milliseconds(first[starts-1]), goalStart)
	return table.Flush()
}

// measure returns requests per second, requests per second of the server's own CPU time, and its peak memory in bytes.
func measure(command []string, path string) (perSecond, perCPUSecond float64, memory int, err error) {
	server, err := start(command, path)
	if err != nil {
		return 0, 0, 0, err
	}
	answered, err := load.Run(server.Address, path, connections, during)
	memory, memoryErr := server.PeakMemory()
	if err := errors.Join(err, memoryErr, stop(server)); err != nil {
		return 0, 0, 0, err
	}
	cpu := server.ProcessState.UserTime() + server.ProcessState.SystemTime()
	return float64(answered) / during.Seconds(), float64(answered) / cpu.Seconds(), memory, nil
}

// firstAnswers returns the times from start to first answer, the shortest first.
func firstAnswers(command []string) ([]time.Duration, error) {
	var times []time.Duration
	for range starts {
		server, err := start(command, "/api/books")
		if err != nil {
			return nil, err
		}
		if err := stop(server); err != nil {
			return nil, err
		}
		times = append(times, server.FirstAnswer)
	}
	slices.Sort(times)
	return times, nil
}

// start reads the server's log through a pipe, as a container's log driver does, and drops it.
func start(command []string, path string) (*load.Process, error) {
	return load.Start(io.Discard, os.Environ(), path, command...)
}

// stop kills the server: it has answered everything that was asked.
func stop(server *load.Process) error {
	if err := server.Process.Kill(); err != nil {
		return err
	}
	server.Wait() // says only that it was killed
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
