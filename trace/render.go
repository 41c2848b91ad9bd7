package trace

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
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
		say(&b, "\nunknown from here", w.Unknown)
	case stop == nil:
		fmt.Fprintf(&b, "\n%s\n", arrived)
	default:
		say(&b, "\nstops", stop.Reason)
		if stop.Status != 0 {
			fmt.Fprintf(&b, "the caller gets %d %s\n", stop.Status, http.StatusText(stop.Status))
		}
		say(&b, "why", stop.Causes...)
		say(&b, "drift", stop.Changed...)
		say(&b, "asked for", stop.Asked)
		say(&b, "next", stop.Next)
		say(&b, "see", stop.Help)
	}
	return b.String()
}

// say prints texts that are not empty, a line each.
func say(b *strings.Builder, label string, texts ...string) {
	for _, text := range texts {
		if text != "" {
			fmt.Fprintf(b, "%s: %s\n", label, text)
		}
	}
}

// JSON returns a way for machines. Its arrives is whether nothing that is known stops it.
func (w *Way) JSON(title string) string {
	return indented(struct {
		*Set
		Request string `json:"request"`
		Arrives bool   `json:"arrives"`
		Hops    []Hop  `json:"hops"`
		Stop    *Stop  `json:"stop,omitempty"`
		Unknown string `json:"unknown,omitempty"`
	}{w.set, title, w.Stop == nil && w.Unknown == "", append([]Hop{}, w.Hops...), w.Stop, w.Unknown})
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
		const indent = "           "
		for _, f := range r.Findings {
			say(&b, indent+f.State, f.Text)
		}
		say(&b, indent+"next", r.Next)
		say(&b, indent+"see", r.Help)
	}
	say(&b, "\nthe requests that got it", d.Next)
	return b.String()
}

// JSON returns the checks for machines.
func (d *Diagnosis) JSON() string { return indented(d) }
