// Package fakeaws is what AWS answers when it is asked to make the resources of this stack, without AWS: the ids, ARNs,
// defaults and computed outputs of each resource type that the program uses, which changes need a replacement, and the
// answers of the lookups. Everything is a function of what is asked for. A type or lookup that is not in the table is
// an error that names it.
package fakeaws

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Account is where things are made.
type Account struct {
	ID     string // twelve digits
	Region string // such as us-west-2
}

// Default is AWS's own example account, in the program's default region.
var Default = Account{ID: "123456789012", Region: "us-west-2"}

// Type is what is known about one resource type.
type Type struct {
	id        string            // pattern
	naming    naming            // how Pulumi names it, where the program does not
	replace   []string          // inputs that cannot change in place
	inPlaceIf map[string]string // of those, the ones that can where another input is true
	defaults  values            // inputs that have a value when they are not set
	computed  values            // outputs that are no inputs
	tagged    bool              // has tags, and the output tagsAll
}

// naming is Pulumi's automatic naming: the logical name and a random suffix, in the property named.
type naming struct {
	property string
	max      int  // characters
	lower    bool // no capital letters allowed
}

type values map[string]any

// revision stands for the count of versions of one family.
type revision struct{}

func words(s string) []string { return strings.Fields(s) }

// TypeOf returns the type of that token; the error of an unknown one names it.
func TypeOf(token string) (Type, error) {
	t, ok := types[token]
	if !ok {
		return Type{}, fmt.Errorf("the stand-in for AWS has no resource type %s; internal/fakeaws/table.go lists those it has", token)
	}
	return t, nil
}

// Types returns all tokens, sorted.
func Types() []string { return slices.Sorted(maps.Keys(types)) }

// Create makes a resource in the default account: the same id and outputs for the same token, name and inputs. It is
// what mocks of the whole program return. Inputs may hold unknown values and secrets.
func Create(token, name string, inputs resource.PropertyMap) (id string, outputs resource.PropertyMap, err error) {
	t, err := TypeOf(token)
	if err != nil {
		return "", nil, err
	}
	return t.Create(Default, token, name, 1, t.Check(name, strings.Repeat("0", 7), inputs))
}

// Check returns the inputs with a physical name, where there is none yet. Its suffix is up to the caller.
func (t Type) Check(name, suffix string, inputs resource.PropertyMap) resource.PropertyMap {
	inputs = maps.Clone(inputs)
	if inputs == nil {
		inputs = resource.PropertyMap{}
	}
	if n := t.naming; n.property != "" && !inputs.HasValue(resource.PropertyKey(n.property)) && !inputs.HasValue("namePrefix") {
		physical := name[:min(len(name), n.max-len(suffix)-1)] + "-" + suffix
		if n.lower {
			physical = strings.ToLower(physical)
		}
		inputs[resource.PropertyKey(n.property)] = resource.NewProperty(physical)
	}
	return inputs
}

// Name returns the property that holds the physical name, "" if AWS gives it.
func (t Type) Name() string { return t.naming.property }

// Replaces tells whether a change of that input to its value in news needs a new resource.
func (t Type) Replaces(input string, news resource.PropertyMap) bool {
	if other, ok := t.inPlaceIf[input]; ok {
		if on := news[resource.PropertyKey(other)]; on.IsBool() && on.BoolValue() {
			return false
		}
	}
	return slices.Contains(t.replace, input)
}

// Computed returns the outputs that AWS adds to the inputs, sorted.
func (t Type) Computed() []string {
	names := slices.Collect(maps.Keys(t.computed))
	if t.tagged {
		names = append(names, "tagsAll")
	}
	slices.Sort(names)
	return names
}

// Create returns what AWS answers. The number tells resources of one name from each other: a replacement, or the next
// revision of a family.
func (t Type) Create(in Account, token, name string, number int, inputs resource.PropertyMap) (id string, outputs resource.PropertyMap, err error) {
	p := pattern{in, t, token + "::" + name + "::" + strconv.Itoa(number), number, inputs, ""}
	if p.id, err = p.expand(t.id); err != nil {
		return "", nil, fmt.Errorf("%s %q: %w", token, name, err)
	}
	outputs = maps.Clone(inputs)
	for _, set := range []values{t.computed, t.defaults} {
		for key, value := range set {
			if outputs.HasValue(resource.PropertyKey(key)) {
				continue
			}
			switch v := value.(type) {
			case revision:
				value = number
			case string:
				if value, err = p.expand(v); err != nil {
					return "", nil, fmt.Errorf("%s %q: %s: %w", token, name, key, err)
				}
			}
			outputs[resource.PropertyKey(key)] = resource.NewPropertyValue(value)
		}
	}
	t.tag(outputs)
	return p.id, outputs, nil
}

// Update returns the outputs after a change in place: what AWS computed stays. Of an image, everything is new.
func (t Type) Update(in Account, token, name string, olds, news resource.PropertyMap) (resource.PropertyMap, error) {
	if t.id == types[Image].id {
		_, outputs, err := t.Create(in, token, name, 0, news)
		return outputs, err
	}
	outputs := maps.Clone(news)
	for _, set := range []values{t.computed, t.defaults} {
		for key := range set {
			if key := resource.PropertyKey(key); !outputs.HasValue(key) && olds.HasValue(key) {
				outputs[key] = olds[key]
			}
		}
	}
	t.tag(outputs)
	return outputs, nil
}

func (t Type) tag(outputs resource.PropertyMap) {
	if !t.tagged {
		return
	}
	outputs["tagsAll"] = resource.NewProperty(resource.PropertyMap{})
	if tags := outputs["tags"]; tags.IsObject() {
		outputs["tagsAll"] = tags
	}
}

// pattern is all that a pattern can refer to.
type pattern struct {
	Account
	t      Type
	seed   string
	number int
	inputs resource.PropertyMap
	id     string
}

var reference = regexp.MustCompile(`\{([\w.]+)(?::(\w+))?\}`)

func (p pattern) expand(s string) (string, error) {
	var failed error
	s = reference.ReplaceAllStringFunc(s, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		value, err := p.value(m[1], m[2])
		if err != nil {
			failed = err
		}
		return value
	})
	return s, failed
}

func (p pattern) value(name, argument string) (string, error) {
	if digits, ok := strings.CutPrefix(strings.ToLower(name), "hex"); ok {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return "", fmt.Errorf("{%s} in a pattern: %w", name, err)
		}
		if strings.HasPrefix(name, "HEX") {
			return strings.ToUpper(p.hash(argument)[:n]), nil
		}
		return p.hash(argument)[:n], nil
	}
	switch name {
	case "id":
		return p.id, nil
	case "region":
		return p.Region, nil
	case "account":
		return p.ID, nil
	case "revision":
		return strconv.Itoa(p.number), nil
	case "address": // of the block for documentation, RFC 5737
		return fmt.Sprintf("203.0.113.%d", p.hash("address")[0]), nil
	case "last":
		arn := p.input(argument)
		return arn[strings.LastIndexAny(arn, "/:")+1:], nil
	case "balancer": // app/name/id
		_, rest, _ := strings.Cut(p.input("loadBalancerArn"), "loadbalancer/")
		return rest, nil
	case "listener": // app/name/id/id
		_, rest, _ := strings.Cut(p.input("listenerArn"), "listener/")
		return rest, nil
	case "repository":
		if p.t.id != types[Image].id {
			return p.input("repository"), nil
		}
		image := p.input("imageName")
		if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
			image = image[:i]
		}
		return image, nil
	case "registry":
		registry, _, _ := strings.Cut(p.input("imageName"), "/")
		return registry, nil
	case "build.contextDigest":
		if digest := p.input(name); digest != "" {
			return digest, nil
		}
		inputs, err := json.Marshal(p.inputs.Mappable())
		sum := sha256.Sum256(inputs)
		return hex.EncodeToString(sum[:]), err
	case "name":
		return p.input(p.t.naming.property), nil
	}
	return p.input(name), nil
}

// input returns a string input, also where it is secret; "" where it is not known.
func (p pattern) input(name string) string {
	inputs := p.inputs
	if field, within := strings.CutPrefix(name, "build."); within {
		build := inputs["build"]
		if !build.IsObject() {
			return ""
		}
		inputs, name = build.ObjectValue(), field
	}
	v := inputs[resource.PropertyKey(name)]
	for v.IsSecret() {
		v = v.SecretValue().Element
	}
	if !v.IsString() {
		return ""
	}
	return v.StringValue()
}

func (p pattern) hash(word string) string {
	sum := sha256.Sum256([]byte(p.seed + word))
	return hex.EncodeToString(sum[:])
}
