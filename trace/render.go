package trace

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
)

// Text prints a way as a table. arrived is the verdict on one that nothing stops.
func (w *Way) Text(title, arrived string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", title)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, hop := range w.Hops {
		lines := []string{hop.Detail}
		for _, note := range hop.Notes {
			lines = append(lines, note.Kind+": "+note.Text)
		}
		if hop.Detail == "" && len(lines) > 1 {
			lines = lines[1:]
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", hop.Kind, hop.Resource, lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(table, "  \t\t%s\n", line)
		}
	}
	table.Flush()
	switch stop := w.Stop; {
	case w.Unknown != "":
		fmt.Fprintf(&b, "\nunknown from here: %s\n", w.Unknown)
	case stop == nil:
		fmt.Fprintf(&b, "\n%s\n", arrived)
	default:
		fmt.Fprintf(&b, "\nstops: %s\n", stop.Reason)
		if stop.Status != 0 {
			fmt.Fprintf(&b, "the caller gets %d %s\n", stop.Status, http.StatusText(stop.Status))
		}
		for _, section := range []struct {
			label string
			lines []string
		}{
			{"why", stop.Causes}, {"drift", stop.Changed},
			{"asked for", []string{stop.Asked}}, {"next", []string{stop.Next}}, {"see", []string{stop.Help}},
		} {
			for _, line := range section.lines {
				if line != "" {
					fmt.Fprintf(&b, "%s: %s\n", section.label, line)
				}
			}
		}
	}
	return b.String()
}

// JSON returns a way for machines. Its arrives is whether nothing that is known stops it.
func (w *Way) JSON(s *Set, title string) string {
	return indented(struct {
		head
		Request string `json:"request"`
		Arrives bool   `json:"arrives"`
		Hops    []Hop  `json:"hops"`
		Stop    *Stop  `json:"stop,omitempty"`
		Unknown string `json:"unknown,omitempty"`
	}{head{s.Stack, s.Region, s.ReadAt}, title, w.Stop == nil && w.Unknown == "", append([]Hop{}, w.Hops...), w.Stop, w.Unknown})
}

// head says what the facts are of.
type head struct {
	Stack  string    `json:"stack"`
	Region string    `json:"region"`
	ReadAt time.Time `json:"readAt"`
}

func indented(v any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // for people who read it all the same
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		panic(err) // everything in it is plain data
	}
	return b.String()
}

// Text prints the checks, each with what it found.
func (d *Diagnosis) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", d.Symptom, strings.Join(d.Requests, ", "))
	for _, r := range d.Results {
		fmt.Fprintf(&b, "  %-8s %s\n", r.State, r.Title)
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "           %s: %s\n", f.State, f.Text)
		}
		if r.Next != "" {
			fmt.Fprintf(&b, "           next: %s\n", r.Next)
		}
		if r.Help != "" {
			fmt.Fprintf(&b, "           see: %s\n", r.Help)
		}
	}
	if d.Next != "" {
		fmt.Fprintf(&b, "\nthe requests that got it: %s\n", d.Next)
	}
	return b.String()
}

// JSON returns the checks for machines.
func (d *Diagnosis) JSON(s *Set) string {
	return indented(struct {
		head
		*Diagnosis
	}{head{s.Stack, s.Region, s.ReadAt}, d})
}
