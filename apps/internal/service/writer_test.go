package service

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Every line is either read or counted as dropped, once somebody reads.
func TestDroppedLinesAreCounted(t *testing.T) {
	const written = 20_000
	reader, writer := io.Pipe() // a write waits for its reader
	var log *slog.Logger
	out := newAsyncWriter(writer, func(dropped int) { log.Warn("lines of the log were dropped", "lines", dropped) })
	log = newLogger(out, slog.LevelInfo, "thing", "sha256:4711")
	for range written {
		log.Info("request", "path", strings.Repeat("a", 100))
	}
	go func() {
		out.flush()
		writer.Close()
	}()
	read, dropped := 0, 0
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		var l struct {
			Msg   string
			Lines int
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if l.Msg == "request" {
			read++
		}
		dropped += l.Lines
	}
	if read == 0 || dropped == 0 || read+dropped != written {
		t.Errorf("%d lines read, %d counted as dropped, of %d", read, dropped, written)
	}
}

func TestFlushEnds(t *testing.T) {
	_, writer := io.Pipe()
	out := newAsyncWriter(writer, func(int) {})
	io.WriteString(out, "a line that nobody reads\n")
	start := time.Now()
	out.flush()
	if took := time.Since(start); took < flushTime || took > 10*flushTime {
		t.Errorf("flushing took %v, want about %v", took, flushTime)
	}
}
