// Command bench measures the service book as its callers see it: a process of its own, asked over the network, its log
// read through a pipe. Run it in the module's folder.
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
	loadTime    = 5 * time.Second
	starts      = 20

	// Eight times what the original's Express service does.
	goalRequests = 8 * 3700
	goalMemory   = "25 MB"
	goalStart    = "50 ms"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(stdout io.Writer) error {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	binary, err := load.Build("./book", folder)
	if err != nil {
		return err
	}

	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%d connections, %v each\tmeasured\tgoal\n", connections, loadTime)
	var peak int
	for _, path := range []string{"/api/books", "/api/books/1"} {
		f, err := measure(binary, path, loadTime)
		if err != nil {
			return err
		}
		peak = max(peak, f.memory)
		fmt.Fprintf(table, "GET %s: requests per CPU-second of the server\t%.0f\t>= %d\n", path, f.perCPUSecond, goalRequests)
		fmt.Fprintf(table, "GET %s: requests per second, with the generator on the same machine\t%.0f\t\n", path, f.perSecond)
	}
	fmt.Fprintf(table, "peak resident memory under load\t%.1f MB\t< %s\n", float64(peak)/1e6, goalMemory)

	var first []float64
	for range starts {
		f, err := measure(binary, "/api/books", 0)
		if err != nil {
			return err
		}
		first = append(first, f.firstAnswer.Seconds()*1000)
	}
	slices.Sort(first)
	fmt.Fprintf(table, "start to first answer, median of %d\t%.1f ms\t< %s\n", starts, first[starts/2], goalStart)
	fmt.Fprintf(table, "start to first answer, longest\t%.1f ms\t< %s\n", first[starts-1], goalStart)
	return table.Flush()
}

type figures struct {
	firstAnswer             time.Duration // from the start of the server
	perSecond, perCPUSecond float64       // requests; the second by the server's own CPU time
	memory                  int           // peak, in bytes
}

// measure starts the server, sends it GETs of path for the given time, and kills it. The server's log goes through a pipe,
// as to a container's log driver, and is dropped.
func measure(binary, path string, during time.Duration) (figures, error) {
	server, err := load.Start(io.Discard, os.Environ(), path, binary)
	if err != nil {
		return figures{}, err
	}
	answered, err := load.Run(server.Address, path, connections, during)
	memory, memoryErr := server.PeakMemory()
	killErr := server.Process.Kill()
	server.Wait() // says only that it was killed
	cpu := server.ProcessState.UserTime() + server.ProcessState.SystemTime()
	return figures{
		server.FirstAnswer, float64(answered) / during.Seconds(), float64(answered) / cpu.Seconds(), memory,
	}, errors.Join(err, memoryErr, killErr)
}
