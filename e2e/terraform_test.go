package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"private-api/e2e/awsproxy"
)

// TestFirstUp compares the first up of the stack with `terraform apply` of the same resources, as it is and with a NAT
// gateway that takes as long as AWS's. It reports, and asserts only that both made the same.
func TestFirstUp(t *testing.T) {
	if os.Getenv("E2E_BENCH") == "" {
		t.Skip("set E2E_BENCH=1 (make bench)")
	}
	binary := cmp.Or(look("terraform"), look("tofu"))
	if binary == "" || !onRig() {
		t.Skip("needs the rig, and terraform or tofu on the PATH")
	}
	table := "| NAT gateway late by | up | terraform apply | ratio |\n|---|---|---|---|\n"
	for _, late := range []time.Duration{0, 90 * time.Second} {
		t.Run(late.String(), func(t *testing.T) {
			fresh := func() *account {
				a := newAccountAlone(t)
				a.proxy.MakeRole(0) // Terraform does not wait for it
				a.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Delay, Operation: "CreateNatGateway", Times: -1, Delay: late})
				return a
			}
			ours, theirs := fresh(), fresh()
			d := ours.newStack(t, "first", nil, base().with(settings{"waitForSteadyState": false}))
			start := time.Now()
			d.up(t)
			up := time.Since(start)

			terraform := newTerraform(t, binary, theirs)
			terraform.write(t, d.state(t).Resources)
			start = time.Now()
			terraform.run(t, "apply", "-auto-approve", "-input=false", "-no-color")
			apply := time.Since(start)
			table += fmt.Sprintf("| %.0f s | %.0f s | %.0f s | %.2f |\n", late.Seconds(), up.Seconds(), apply.Seconds(), up.Seconds()/apply.Seconds())

			if got, want := theirs.counts(t), ours.counts(t); !maps.Equal(got, want) {
				t.Errorf("terraform made %v, the stack is %v", got, want)
			}
		})
	}
	t.Logf("\n%s", table)
}

// counts are the numbers of things in the account that were not there at first, by kind.
func (a *account) counts(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for have := range a.inventory(t).since(a.start) {
		kind, _, _ := strings.Cut(have, " ")
		all[kind]++
	}
	return all
}

// look returns the path of a program, "" if there is none.
func look(program string) string {
	path, _ := exec.LookPath(program)
	return path
}

// terraform is a folder for Terraform to work in, with the provider binary that the rig's aws plugin runs.
type terraform struct {
	binary, folder string
	env            []string
	schemas        map[string]schema // by resource type
}

// schema is what a provider says of a resource or of a block in it: the names.
type schema struct {
	Block struct {
		Attributes map[string]any
		BlockTypes map[string]*schema `json:"block_types"`
	}
}

func newTerraform(t *testing.T, binary string, a *account) *terraform {
	t.Helper()
	tf := &terraform{binary: binary, folder: t.TempDir()}
	config := filepath.Join(tf.folder, "terraform.tfrc")
	text := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"hashicorp/aws\" = %q\n  }\n}\n", filepath.Dir(os.Getenv("RIG_TERRAFORM_PROVIDER")))
	if err := errors.Join(
		os.WriteFile(config, []byte(text), 0o644),
		os.WriteFile(filepath.Join(tf.folder, "main.tf.json"), []byte(`{"terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}}}`), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	tf.env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+config, "CHECKPOINT_DISABLE=1")
	for name, value := range a.env {
		tf.env = append(tf.env, name+"="+value)
	}
	var answer struct {
		Providers map[string]struct {
			Resources map[string]schema `json:"resource_schemas"`
		} `json:"provider_schemas"`
	}
	if err := json.Unmarshal(tf.run(t, "providers", "schema", "-json"), &answer); err != nil {
		t.Fatal(err)
	}
	for _, provider := range answer.Providers {
		tf.schemas = provider.Resources
	}
	return tf
}

func (tf *terraform) run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(tf.binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = tf.folder, tf.env, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(tf.binary), args[0], err, stderr.String())
	}
	return stdout.Bytes()
}

// write makes a Terraform configuration of a state. What came from another resource becomes a reference to it, and what
// depends on another resource besides becomes depends_on, so that Terraform has the same graph.
func (tf *terraform) write(t *testing.T, state []apitype.ResourceV3) {
	t.Helper()
	c := conversion{tf: tf, byURN: map[resource.URN]apitype.ResourceV3{}, state: state}
	config := map[string]any{"terraform": map[string]any{"required_providers": map[string]any{"aws": map[string]any{"source": "hashicorp/aws"}}}}
	resources := map[string]map[string]any{}
	for _, r := range state {
		c.byURN[r.URN] = r
	}
	for _, r := range state {
		if r.Type == "pulumi:providers:aws" && r.URN.Name() == "aws" {
			tags, _ := r.Inputs["defaultTags"].(string)
			config["provider"] = map[string]any{"aws": map[string]any{"region": region, "default_tags": json.RawMessage(tags)}}
		}
		if !ofAWS(r) {
			continue
		}
		kind := tf.typeOf(t, r)
		if resources[kind] == nil {
			resources[kind] = map[string]any{}
		}
		resources[kind][r.URN.Name()] = c.body(t, r, tf.schemas[kind])
	}
	config["resource"] = resources
	text, err := json.MarshalIndent(config, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(tf.folder, "main.tf.json"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ofAWS tells whether Terraform can have the resource. Of images it knows nothing.
func ofAWS(r apitype.ResourceV3) bool { return strings.HasPrefix(string(r.Type), "aws:") }

// typeOf returns Terraform's name of a resource type.
func (tf *terraform) typeOf(t *testing.T, r apitype.ResourceV3) string {
	t.Helper()
	module, _, _ := strings.Cut(string(r.Type.Module().Name()), "/")
	module = strings.Replace(module, "servicediscovery", "service_discovery", 1)
	name := snake(string(r.Type.Name()))
	for _, kind := range []string{"aws_" + module + "_" + name, "aws_" + name, "aws_" + module} { // load balancers have the last
		if _, ok := tf.schemas[kind]; ok {
			return kind
		}
	}
	t.Fatalf("Terraform has no %s", r.Type)
	return ""
}

var humps = regexp.MustCompile("([a-z0-9])([A-Z])")

// snake turns Pulumi's spelling of a name into Terraform's, as far as a name alone tells.
func snake(name string) string { return strings.ToLower(humps.ReplaceAllString(name, "${1}_${2}")) }

// named returns the name in a schema for one of Pulumi's, which are plurals where there can be several.
func (s schema) named(t *testing.T, name string) string {
	t.Helper()
	name = snake(name)
	for _, known := range []string{name, strings.TrimSuffix(name, "s"), strings.TrimSuffix(name, "ies") + "y"} {
		if s.Block.Attributes[known] != nil {
			return known
		}
		if _, ok := s.Block.BlockTypes[known]; ok {
			return known
		}
	}
	t.Fatalf("Terraform has no %s", name)
	return ""
}

// conversion is a state on its way to Terraform.
type conversion struct {
	tf    *terraform
	state []apitype.ResourceV3
	byURN map[resource.URN]apitype.ResourceV3
}

// sources returns the resources of AWS that a URN stands for: of a component all that is in it, of an image what it is
// made from.
func (c conversion) sources(urn resource.URN) []apitype.ResourceV3 {
	r := c.byURN[urn]
	if ofAWS(r) {
		return []apitype.ResourceV3{r}
	}
	var all []apitype.ResourceV3
	if r.Custom {
		for _, dependency := range r.Dependencies {
			all = append(all, c.sources(dependency)...)
		}
	}
	for _, child := range c.state {
		for parent := child.Parent; parent != ""; parent = c.byURN[parent].Parent {
			if parent == urn && ofAWS(child) {
				all = append(all, child)
			}
		}
	}
	return all
}

// body returns the arguments of a resource.
func (c conversion) body(t *testing.T, r apitype.ResourceV3, s schema) map[string]any {
	t.Helper()
	body, explicit := map[string]any{}, r.Dependencies
	for input, value := range r.Inputs {
		if strings.HasPrefix(input, "__") { // the bridge's own notes
			continue
		}
		dependencies := r.PropertyDependencies[resource.PropertyKey(input)]
		explicit = slices.DeleteFunc(slices.Clone(explicit), func(urn resource.URN) bool { return slices.Contains(dependencies, urn) })
		name := s.named(t, input)
		body[name] = convert(t, value, s.Block.BlockTypes[name], c.references(t, dependencies))
	}
	var before []string
	for _, urn := range explicit {
		for _, source := range c.sources(urn) {
			before = append(before, c.tf.address(t, source))
		}
	}
	if len(before) > 0 {
		slices.Sort(before)
		body["depends_on"] = slices.Compact(before)
	}
	return body
}

// address is what Terraform calls a resource.
func (tf *terraform) address(t *testing.T, r apitype.ResourceV3) string {
	t.Helper()
	return tf.typeOf(t, r) + "." + r.URN.Name()
}

// references puts references in place of the ids and names of resources that a value depends on.
func (c conversion) references(t *testing.T, dependencies []resource.URN) *strings.Replacer {
	t.Helper()
	known := map[string]string{}
	for _, urn := range dependencies {
		for _, source := range c.sources(urn) {
			address := c.tf.address(t, source)
			for output, value := range source.Outputs {
				text, ok := value.(string)
				_, given := source.Inputs[output] // it has that from elsewhere; but its name is its own
				if ok && len(text) >= 8 && (!given || output == "name") {
					known[text] = "${" + address + "." + snake(output) + "}"
				}
			}
			known[string(source.ID)] = "${" + address + ".id}"
		}
	}
	pairs := []string{"${", "$${", "%{", "%%{"}
	for _, text := range slices.SortedFunc(maps.Keys(known), func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) }) {
		pairs = append(pairs, text, known[text])
	}
	return strings.NewReplacer(pairs...)
}

// convert returns an argument's value. The schema tells the names in a block; it is nil for an attribute, which keeps its
// keys.
func convert(t *testing.T, value any, s *schema, references *strings.Replacer) any {
	t.Helper()
	switch value := value.(type) {
	case string:
		return references.Replace(value)
	case []any:
		var all []any
		for _, one := range value {
			all = append(all, convert(t, one, s, references))
		}
		return all
	case map[string]any:
		all := map[string]any{}
		for name, one := range value {
			if strings.HasPrefix(name, "__") {
				continue
			}
			var within *schema
			if s != nil {
				name = s.named(t, name)
				within = s.Block.BlockTypes[name]
			}
			all[name] = convert(t, one, within, references)
		}
		return all
	default:
		return value
	}
}
