package main

import (
	"bytes"
	"cmp"
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
	"golang.org/x/term"

	"private-api/local/engine"
	"private-api/local/gateway"
)

// output passes on what is written to it, without ever blocking the writer: it drops what is too much for a reader. On a
// terminal, the last lines are the status of what is under way.
type output struct {
	lines   chan line
	written chan struct{} // closed once all is
	dropped atomic.Int64
	width   func() int // of the terminal; nil: it is none
}

// line is what is written, or the status of a resource: "" removes that, and that of "" all.
type line struct {
	text             []byte
	resource, status string
}

func newOutput(to io.Writer, width func() int) *output {
	o := &output{lines: make(chan line, 1000), written: make(chan struct{}), width: width}
	go func() {
		defer close(o.written)
		shown, statuses := 0, map[string]string{}
		for l := range o.lines {
			var b bytes.Buffer
			if shown > 0 {
				fmt.Fprintf(&b, "\x1b[%dA\x1b[J", shown) // up to the first of them, and remove all from there
			}
			b.Write(l.text)
			switch {
			case l.text != nil:
			case l.status != "":
				statuses[l.resource] = l.status
			case l.resource != "":
				delete(statuses, l.resource)
			default:
				clear(statuses)
			}
			shown = len(statuses)
			for _, resource := range slices.Sorted(maps.Keys(statuses)) {
				status := []rune(statuses[resource])
				fmt.Fprintf(&b, "%s\n", string(status[:min(len(status), max(0, o.width()-1))]))
			}
			to.Write(b.Bytes()) // where that fails, nobody reads any more
		}
	}()
	return o
}

// terminalWidth returns how to ask for the width of a terminal, nil if w is none. Some terminals do not know theirs.
func terminalWidth(w io.Writer) func() int {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return func() int {
		width, _, _ := term.GetSize(int(file.Fd()))
		return cmp.Or(width, 80)
	}
}

func (o *output) Write(p []byte) (int, error) {
	text, dropped := bytes.Clone(p), o.dropped.Swap(0)
	if dropped > 0 {
		text = append(fmt.Appendf(nil, "(%d lines are missing here, as nobody read them)\n", dropped), p...)
	}
	select {
	case o.lines <- line{text: text}:
	default:
		o.dropped.Add(dropped + 1)
	}
	return len(p), nil
}

// Status shows how far a resource is, below all that is written, in a line of its own. "" removes it, and that of "" all.
func (o *output) Status(resource, status string) {
	if o.width == nil {
		return
	}
	select {
	case o.lines <- line{resource: resource, status: status}:
	default:
	}
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

// showRequest prints a line for a request.
func (c *command) showRequest(e gateway.Entry) {
	line := []byte(fmt.Sprintf("%s %s", time.Now().Format(time.TimeOnly), e))
	if c.json {
		line, _ = json.Marshal(e) // its values always marshal
	}
	c.stdout.Write(append(line, '\n'))
}

// showLog prints a log line of a service, but for those of requests, which have their line.
func (c *command) showLog(service, line string) {
	if !c.json {
		text := readable(line)
		if text == "" {
			return
		}
		line = fmt.Sprintf("%s %s  %s", time.Now().Format(time.TimeOnly), service, text)
	}
	fmt.Fprintln(c.stdout, line)
}

// readable shortens a log line that is JSON, to nothing if it is about a request; others stay as they are.
func readable(line string) string {
	var entry map[string]any
	if json.Unmarshal([]byte(line), &entry) != nil || entry["msg"] == nil {
		return line
	}
	if entry["msg"] == "request" {
		return ""
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
