// Command impact says in Markdown what a change of a stack may interrupt. Its arguments are the file Pulumi.<stack>.yaml
// before and after the change and, if there is one, the event log of a preview:
//
//	go run ./scripts/impact BEFORE AFTER [EVENTS]
package main

import (
	"fmt"
	"io"
	"os"

	"private-api/stack"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(files []string) error {
	if len(files) < 2 || len(files) > 3 {
		return fmt.Errorf("usage: impact BEFORE AFTER [EVENTS]")
	}
	before, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	after, err := os.ReadFile(files[1])
	if err != nil {
		return err
	}
	var preview io.Reader // a nil *os.File in it would not be nil
	if len(files) == 3 {
		events, err := os.Open(files[2])
		if err != nil {
			return err
		}
		defer events.Close()
		preview = events
	}
	text, err := stack.Impact(before, after, preview)
	fmt.Print(text)
	return err
}
