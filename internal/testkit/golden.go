package testkit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/rogpeppe/go-internal/diff"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares a text with a file; with the flag -update it writes the file.
func Golden(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if difference := diff.Diff(file, want, "now", []byte(got)); difference != nil {
		t.Errorf("%s differs; go test -update writes it anew\n%s", file, difference)
	}
}

// Golden returns the whole run as YAML for a golden file: each resource with its inputs and options, sorted by type and
// name. URNs are shortened to type and name, JSON documents are indented, and secrets are marked.
func (r *Recorder) Golden() string {
	all := slices.Clone(r.Resources)
	slices.SortFunc(all, func(a, b *Resource) int { return cmp.Compare(a.String(), b.String()) })
	var text strings.Builder
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	for _, made := range all {
		block := map[string]any{"inputs": readable(resource.NewProperty(made.Inputs)), "options": made.Options.readable()}
		if err := encoder.Encode(map[string]any{made.String(): block}); err != nil {
			panic(err) // everything in it is plain data
		}
	}
	return text.String()
}

// readable returns the options with short names. Of the dependencies, it keeps those that no input brings with it.
func (o Options) readable() Options {
	o.Parent, o.Provider, o.Aliases = short(o.Parent), short(o.Provider), shorten(o.Aliases)
	explicit, byInput := slices.Clone(o.Dependencies), map[string][]string{}
	for input, urns := range o.PropertyDependencies {
		byInput[input] = shorten(urns)
		explicit = slices.DeleteFunc(explicit, func(urn string) bool { return slices.Contains(urns, urn) })
	}
	o.Dependencies, o.PropertyDependencies = shorten(explicit), byInput
	return o
}

// readable returns plain data in which a person sees a change.
func readable(value resource.PropertyValue) any {
	return value.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		switch {
		case v.IsSecret():
			return map[string]any{"secret": readable(v.SecretValue().Element)}, true
		case v.IsResourceReference():
			return short(string(v.ResourceReferenceValue().URN)), true
		case v.IsString() && strings.HasPrefix(v.StringValue(), "urn:pulumi:"):
			return short(v.StringValue()), true
		case v.IsString() && strings.ContainsAny(v.StringValue(), "{["):
			var indented bytes.Buffer
			if json.Indent(&indented, []byte(v.StringValue()), "", "  ") == nil {
				return indented.String(), true
			}
		}
		return nil, false
	})
}

// short returns type and name of a URN, or of a reference to a provider, which is a URN and an id.
func short(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return urn
	}
	types := strings.Split(parts[2], "$")
	return shortType(types[len(types)-1]) + " " + parts[3]
}

func shorten(urns []string) []string {
	var all []string
	for _, urn := range urns {
		all = append(all, short(urn))
	}
	slices.Sort(all)
	return all
}
