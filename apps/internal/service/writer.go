package service

import (
	"io"
	"sync"
	"time"
)

const (
	// maxPending is how many bytes of log wait for their reader at most: about 3,000 requests.
	maxPending = 1 << 20
	// flushTime is how long the end of the process waits for the reader. On AWS the program leaves one second between
	// the end of the shutdown and SIGKILL.
	flushTime = 400 * time.Millisecond
)

// asyncWriter never waits for its reader: a service must answer, tell its health and stop while nobody reads its log. It
// writes in the background. What does not fit in its buffer is dropped and counted.
type asyncWriter struct {
	mutex   sync.Mutex
	pending []byte
	dropped int

	written chan struct{}      // there may be something pending
	flushes chan chan struct{} // each is closed once all that was pending is written
}

// newAsyncWriter starts to write to w. It calls report with the number of dropped lines once there is room again.
func newAsyncWriter(w io.Writer, report func(dropped int)) *asyncWriter {
	a := &asyncWriter{written: make(chan struct{}, 1), flushes: make(chan chan struct{})}
	go a.run(w, report)
	return a
}

// Write takes one line, or drops it. It returns no error.
func (a *asyncWriter) Write(line []byte) (int, error) {
	a.mutex.Lock()
	if len(a.pending)+len(line) <= maxPending {
		a.pending = append(a.pending, line...)
	} else {
		a.dropped++
	}
	a.mutex.Unlock()
	select {
	case a.written <- struct{}{}:
	default: // already told
	}
	return len(line), nil
}

func (a *asyncWriter) run(w io.Writer, report func(dropped int)) {
	var batch []byte
	write := func() (more bool) {
		a.mutex.Lock()
		dropped := a.dropped
		a.pending, batch, a.dropped = batch[:0], a.pending, 0
		a.mutex.Unlock()
		if dropped > 0 {
			report(dropped)
		}
		w.Write(batch) // there is no other place to report an error to
		return dropped > 0
	}
	for {
		select {
		case <-a.written:
			write()
		case done := <-a.flushes:
			for write() {
			}
			close(done)
		}
	}
}

// flush waits until everything is written, at most flushTime.
func (a *asyncWriter) flush() {
	timeout := time.After(flushTime)
	done := make(chan struct{})
	select {
	case a.flushes <- done:
	case <-timeout:
		return
	}
	select {
	case <-done:
	case <-timeout:
	}
}
