// Package setting holds the settings of the program: each is declared once, by the component that it belongs to. From
// the declarations come the reading of the configuration, the refusals, the schema in Pulumi.yaml and the table in
// docs/settings.md. A refusal names the setting, its value and what is allowed, and all refusals come at once.
package setting

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Problem is one refused setting. It is an error.
type Problem struct {
	Key  string // the setting, as written in the configuration
	Text string // what is wrong with it
}

// Error reads `key: what is wrong`.
func (p *Problem) Error() string { return p.Key + ": " + p.Text }

// Problems collects what is wrong. The zero value is ready for use.
type Problems []*Problem

// Say records what is wrong with key, without its value.
func (p *Problems) Say(key, text string, args ...any) {
	*p = append(*p, &Problem{Key: key, Text: fmt.Sprintf(text, args...)})
}

// Add records that key has a value that is not allowed, and what is. A nil value is missing.
func (p *Problems) Add(key string, value any, allowed string, args ...any) {
	text, err := json.Marshal(value)
	if err != nil {
		text = fmt.Appendf(nil, "%v", value)
	}
	what := fmt.Sprintf("%s is not allowed", text)
	if string(text) == "null" {
		what = "is missing"
	}
	p.Say(key, "%s: %s", what, fmt.Sprintf(allowed, args...))
}

// Unknown records that there is no setting key, and which of the known ones is the nearest. It prints no value: nothing is
// known of what it holds.
func (p *Problems) Unknown(key string, known []string) {
	if len(known) == 0 {
		p.Say(key, "no such setting")
		return
	}
	nearest := slices.MinFunc(known, func(a, b string) int {
		return levenshtein.Distance(key, a, nil) - levenshtein.Distance(key, b, nil)
	})
	p.Say(key, "no such setting; the nearest is %s", nearest)
}

// Err joins the problems into one error, sorted by key, each once. It is nil if there is no problem.
func (p Problems) Err() error {
	var lines []string
	for _, problem := range p {
		lines = append(lines, problem.Error())
	}
	slices.Sort(lines)
	if lines = slices.Compact(lines); len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}
