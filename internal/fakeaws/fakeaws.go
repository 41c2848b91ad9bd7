// Package fakeaws answers as AWS does when it makes the resources of this program: with ids, ARNs and computed outputs.
// It knows which inputs change in place and which need a replacement, and it answers the lookups. The same question gets
// the same answer. A type, an input or a lookup that is not in its tables is an error that names it.
package fakeaws

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Account is an AWS account in a region.
type Account struct {
	ID     string // twelve digits
	Region string // such as us-west-2
	// Existing is what the account holds besides what the program makes; nil: nothing.
	Existing *Existing
}

// Existing has what AWS says of each thing that it is asked for, by id or ARN.
type Existing map[string]map[string]any

// Default is AWS's own example account, in the program's default region.
var Default = Account{ID: "123456789012", Region: "us-west-2"}

// Type is what is known about one resource type.
type Type struct {
	Token   string            // such as aws:ec2/vpc:Vpc
	id      string            // pattern
	outputs map[string]string // patterns of the outputs that are not inputs
	inputs  string            // the names of the inputs; with ! those whose change needs a new resource
	maxName int               // characters of a name that Pulumi gives; 0: 128
	lower   bool              // no capital letters in that name
}

// TypeOf returns the type with that token.
func TypeOf(token string) (Type, error) {
	t, ok := types[token]
	if !ok {
		return Type{}, fmt.Errorf("the stand-in for AWS has no resource type %s; add it to internal/fakeaws/table.go", token)
	}
	t.Token = token
	return t, nil
}

// Types returns the tokens of all types, sorted.
func Types() []string { return slices.Sorted(maps.Keys(types)) }

// Create checks the inputs of a resource and creates it, for mocks of the whole program. Inputs may hold unknown values
// and secrets.
func (in Account) Create(token, name string, inputs resource.PropertyMap) (id string, outputs resource.PropertyMap, err error) {
	t, err := TypeOf(token)
	if err != nil {
		return "", nil, err
	}
	checked, err := t.Check(name, strings.Repeat("0", 7), nil, inputs)
	if err != nil {
		return "", nil, err
	}
	id, outputs = t.Create(in, name, 1, checked)
	return id, outputs, nil
}

// Check refuses inputs that are not in the table. It returns the inputs with the name that the resource has in AWS: where
// the program sets none, the one that it had, else its logical name with a suffix.
func (t Type) Check(name, suffix string, olds, news resource.PropertyMap) (resource.PropertyMap, error) {
	inputs := resource.PropertyMap{}
	known := t.Inputs()
	for input, value := range news {
		if !slices.Contains(known, string(input)) {
			return nil, fmt.Errorf("the stand-in for AWS has no input %s of %s; add it to internal/fakeaws/table.go", input, t.Token)
		}
		inputs[input] = value
	}
	switch {
	case inputs.HasValue("name") || inputs.HasValue("namePrefix") || !slices.Contains(known, "name"):
	case olds.HasValue("name"):
		inputs["name"] = olds["name"]
	default:
		name = name[:min(len(name), cmp.Or(t.maxName, 128)-len(suffix)-1)] + "-" + suffix
		if t.lower {
			name = strings.ToLower(name)
		}
		inputs["name"] = resource.NewProperty(name)
	}
	return inputs, nil
}

// Inputs returns the inputs that are in the table.
func (t Type) Inputs() []string { return strings.Fields(strings.ReplaceAll(t.inputs, "!", "")) }

// Outputs returns the outputs that AWS adds to the inputs.
func (t Type) Outputs() []string { return slices.Collect(maps.Keys(t.outputs)) }

// Replaces tells whether a change of that input needs a new resource.
func (t Type) Replaces(input string) bool {
	return slices.Contains(strings.Fields(t.inputs), input+"!")
}

// Create returns what AWS answers. The number tells resources of one name apart: a resource from the one that it
// replaces, or the revisions of a family.
func (t Type) Create(in Account, name string, number int, inputs resource.PropertyMap) (id string, outputs resource.PropertyMap) {
	p := pattern{Account: in, seed: fmt.Sprintf("%s::%s::%d", t.Token, name, number), number: number, inputs: inputs}
	p.id = os.Expand(t.id, p.value)
	outputs = maps.Clone(inputs)
	for output, text := range t.outputs {
		outputs[resource.PropertyKey(output)] = resource.NewProperty(os.Expand(text, p.value))
	}
	return p.id, outputs
}

// Update returns the outputs after a change in place: what AWS computed stays. An image is built anew.
func (t Type) Update(in Account, name string, olds, news resource.PropertyMap) resource.PropertyMap {
	if t.Token == Image {
		_, outputs := t.Create(in, name, 0, news)
		return outputs
	}
	outputs := maps.Clone(news)
	for output := range t.outputs {
		outputs[resource.PropertyKey(output)] = olds[resource.PropertyKey(output)]
	}
	return outputs
}

// pattern is what the references of a pattern stand for.
type pattern struct {
	Account
	seed   string
	number int
	inputs resource.PropertyMap
	id     string
}

// value returns what a reference stands for; table.go lists the references.
func (p pattern) value(reference string) string {
	if digits, ok := strings.CutPrefix(reference, "hex"); ok {
		n, _ := strconv.Atoi(digits)
		return hash(p.seed)[:n]
	}
	if input, before, ok := strings.Cut(reference, " after "); ok {
		_, rest, _ := strings.Cut(p.input(input), before)
		return rest
	}
	switch reference {
	case "id":
		return p.id
	case "region":
		return p.Region
	case "account":
		return p.ID
	case "revision":
		return strconv.Itoa(p.number)
	case "logGroup":
		return cmp.Or(p.input("name"), p.input("namePrefix")+hash(p.seed)[:26])
	case "imageRepository": // the image's name without its tag
		return regexp.MustCompile(":[^/]*$").ReplaceAllString(p.input("imageName"), "")
	case "imageDigest":
		if build, ok := p.inputs["build"].V.(resource.PropertyMap); ok && build.HasValue("contextDigest") {
			return build["contextDigest"].StringValue()
		}
		inputs, _ := json.Marshal(p.inputs.Mappable()) // plain data
		return hash(string(inputs))
	}
	return p.input(reference)
}

// input returns a string input, "" if it is not known.
func (p pattern) input(name string) string {
	text, _ := p.inputs[resource.PropertyKey(name)].V.(string)
	return text
}

func hash(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
