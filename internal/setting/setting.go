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
)

// Problem is one refused setting. It is an error.
type Problem struct {
	Key     string // the setting, as written in the configuration
	Value   any    // the value it has; nil where it is missing
	Allowed string // what would be accepted
}

// Error reads `key: "value" is not allowed: what is`.
func (p *Problem) Error() string {
	value, err := json.Marshal(p.Value)
	if err != nil {
		value = fmt.Appendf(nil, "%v", p.Value)
	}
	if string(value) == "null" {
		return fmt.Sprintf("%s: is missing: %s", p.Key, p.Allowed)
	}
	return fmt.Sprintf("%s: %s is not allowed: %s", p.Key, value, p.Allowed)
}

// Problems collects what is wrong. The zero value is ready for use.
type Problems []*Problem

// Add records that key has a value that is not allowed.
func (p *Problems) Add(key string, value any, allowed string, args ...any) {
	*p = append(*p, &Problem{Key: key, Value: value, Allowed: fmt.Sprintf(allowed, args...)})
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
