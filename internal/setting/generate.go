package setting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// Schema writes the declarations as the config block of a Pulumi.yaml. Such a block can give a key of another namespace
// (aws:region) a value, but no type.
func Schema(declarations []Declaration) (string, error) {
	type entry struct {
		Value       any               `yaml:"value,omitempty"`
		Type        string            `yaml:"type,omitempty"`
		Items       map[string]string `yaml:"items,omitempty"`
		Description string            `yaml:"description,omitempty"`
		Default     any               `yaml:"default,omitempty"`
	}
	config := &yaml.Node{Kind: yaml.MappingNode}
	for _, d := range declarations {
		e := entry{Type: d.Type, Description: d.describe(), Default: d.Default}
		if strings.Contains(d.Key, ":") {
			if d.unset() || d.Default == false {
				continue
			}
			e = entry{Value: d.Default}
		}
		if d.Type == "array" {
			e.Items = map[string]string{"type": "string"}
		}
		value := &yaml.Node{}
		if err := value.Encode(e); err != nil {
			return "", err
		}
		config.Content = append(config.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: d.Key}, value)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := encoder.Encode(map[string]*yaml.Node{"config": config})
	return b.String(), err
}

// describe says in one line what a setting means and what is allowed.
func (d *Declaration) describe() string {
	text := d.Meaning
	if len(d.Fields) > 0 {
		text += ". Fields: " + strings.Join(d.leaves(d.Key), ", ")
	}
	if d.Allowed != "" {
		text += " (" + d.Allowed + ")"
	}
	return text
}

// leaves returns the fields of an object, and of the objects in it, by their path in it.
func (d *Declaration) leaves(object string) []string {
	if len(d.Fields) == 0 {
		return []string{strings.TrimPrefix(d.Key, object+".")}
	}
	var all []string
	for _, field := range d.Fields {
		all = append(all, field.leaves(object)...)
	}
	return all
}

// unset tells whether the setting has no default.
func (d *Declaration) unset() bool {
	v := reflect.ValueOf(d.Default)
	return d.Type != "boolean" && (v.IsZero() || v.Kind() == reflect.Map && v.Len() == 0)
}

// Table writes the declarations as a Markdown table, the fields of objects in rows of their own.
func Table(declarations []Declaration) string {
	var b strings.Builder
	b.WriteString("| setting | default | meaning | allowed | what a change does |\n|---|---|---|---|---|\n")
	var rows func([]Declaration)
	rows = func(declarations []Declaration) {
		for _, d := range declarations {
			fallback := "–"
			if value, err := json.Marshal(d.Default); err == nil && !d.unset() {
				fallback = "`" + strings.Trim(string(value), `"`) + "`"
			}
			if d.Meaning != "" {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.Key, fallback, d.Meaning, d.Allowed, d.OnChange)
			}
			rows(d.Fields)
		}
	}
	rows(declarations)
	return b.String()
}
