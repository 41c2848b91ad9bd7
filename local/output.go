package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"private-api/local/engine"
)

// output passes on what is written to it, without ever blocking the writer: it drops what is too much for a reader.
type output struct {
	lines   chan []byte
	written chan struct{} // closed once all is
	dropped atomic.Int64
}

func newOutput(to io.Writer) *output {
	o := &output{lines: make(chan []byte, 1000), written: make(chan struct{})}
	go func() {
		defer close(o.written)
		for line := range o.lines {
			to.Write(line) // where that fails, nobody reads any more
		}
	}()
	return o
}

func (o *output) Write(p []byte) (int, error) {
	line, dropped := bytes.Clone(p), o.dropped.Swap(0)
	if dropped > 0 {
		line = append(fmt.Appendf(nil, "(%d lines are missing here, as nobody read them)\n", dropped), p...)
	}
	select {
	case o.lines <- line:
	default:
		o.dropped.Add(dropped + 1)
	}
	return len(p), nil
}

// Close waits until everything is written, or nobody reads for a second. Nothing may be written after it.
func (o *output) Close() error {
	close(o.lines)
	select {
	case <-o.written:
	case <-time.After(time.Second):
	}
	return nil
}

// changesTable shows what an update did: a line for each component, which names the resources where they are few.
func changesTable(changes []engine.Change) string {
	const few = 5
	if len(changes) == 0 {
		return "nothing changed.\n"
	}
	components := map[string][]engine.Change{}
	for _, change := range changes {
		components[change.Component] = append(components[change.Component], change)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", count(changes))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(components)) {
		done := count(components[name])
		if len(components[name]) <= few {
			var each []string
			for _, change := range components[name] {
				each = append(each, change.Type+" "+change.Done)
			}
			done = strings.Join(each, ", ")
		}
		fmt.Fprintf(table, "  %s\t%s\n", name, done)
	}
	table.Flush()
	return b.String()
}

// count says how many resources were created, updated and so on.
func count(changes []engine.Change) string {
	counts := map[string]int{}
	for _, change := range changes {
		counts[change.Done]++
	}
	var each []string
	for _, done := range slices.Sorted(maps.Keys(counts)) {
		each = append(each, fmt.Sprintf("%d %s", counts[done], done))
	}
	return strings.Join(each, ", ")
}

// showLog prints a log line of a service.
func (c *command) showLog(service, line string) {
	if !c.json {
		line = fmt.Sprintf("%s %s  %s", time.Now().Format(time.TimeOnly), service, readable(line))
	}
	fmt.Fprintln(c.stdout, line)
}

// readable shortens a log line that is JSON; others stay as they are.
func readable(line string) string {
	var entry map[string]any
	if json.Unmarshal([]byte(line), &entry) != nil || entry["msg"] == nil {
		return line
	}
	if entry["msg"] == "request" {
		return fmt.Sprintf("%v %v  %v  %v ms", entry["method"], entry["path"], entry["status"], entry["durationMs"])
	}
	text := fmt.Sprint(entry["msg"])
	if entry["level"] != "INFO" {
		text = fmt.Sprintf("%v %s", entry["level"], text)
	}
	for _, known := range []string{"time", "level", "msg", "service", "version"} {
		delete(entry, known)
	}
	for _, key := range slices.Sorted(maps.Keys(entry)) {
		text += fmt.Sprintf("  %s=%v", key, entry[key])
	}
	return text
}

// takeTerminal makes Ctrl-C reach this process alone: make would report it as an error, and tee would end before this
// does. The function that it returns gives the terminal back.
func takeTerminal() (giveBack func()) {
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return func() {}
	}
	fd := int(terminal.Fd())
	before, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil || before != unix.Getpgrp() || before == os.Getpid() || unix.Setpgid(0, 0) != nil {
		terminal.Close() // in the background, or alone
		return func() {}
	}
	// Changing the terminal's group from outside of it stops a process, unless it ignores that. Ctrl-Z would stop this
	// process alone, and make would wait for it.
	signal.Ignore(syscall.SIGTTOU, syscall.SIGTSTP)
	unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, os.Getpid())
	return func() {
		unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, before)
		terminal.Close()
	}
}
