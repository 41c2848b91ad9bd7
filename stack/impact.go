package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"gopkg.in/yaml.v3"

	"private-api/internal/setting"
)

// Impact says in Markdown what a change of the stack would interrupt, or lose. It compares two files Pulumi.<stack>.yaml, of which
// each may be empty, by what docs/settings.md says of a change; and it reads which resources a preview would replace,
// delete or redirect from the engine's log (`pulumi preview --event-log`), and what the stack costs before and after. Without
// a preview, preview is nil.
func Impact(before, after []byte, preview io.Reader) (string, error) {
	lines, err := interruptingSettings(before, after)
	cost := ""
	if err == nil && preview != nil {
		var steps []apitype.StepEventMetadata
		steps, cost, err = readPreview(preview)
		lines = append(lines, interruptingSteps(steps)...)
	}
	switch {
	case err != nil:
		return "", err
	case len(lines) > 0:
		return "**What this change may interrupt:**\n\n- " + strings.Join(lines, "\n- ") + "\n" + cost, nil
	case preview == nil:
		return "The changed settings interrupt nothing. What else changes is not known without a preview.\n", nil
	}
	return "This change interrupts nothing.\n" + cost, nil
}

// interruptingSettings are those that differ and whose change somebody may notice.
func interruptingSettings(before, after []byte) (lines []string, err error) {
	old, err := readFile(before)
	if err != nil {
		return nil, err
	}
	now, err := readFile(after)
	if err != nil {
		return nil, err
	}
	for _, d := range setting.Changed(old, now) {
		if setting.Interrupts(d.OnChange) {
			lines = append(lines, fmt.Sprintf("setting `%s`: %s", d.Key, d.OnChange))
		}
	}
	return lines, nil
}

// readFile reads the settings of a file Pulumi.<stack>.yaml. What the program would refuse has its default.
func readFile(text []byte) (*configuration, error) {
	var file struct{ Config map[string]any }
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	values := map[string]any{}
	for key, value := range file.Config {
		if namespace, name, found := strings.Cut(key, ":"); found && namespace != "aws" {
			key = name
		}
		if _, isText := value.(string); !isText {
			text, err := json.Marshal(value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			value = string(text)
		}
		values[key] = setting.Raw(value.(string))
	}
	c := newConfiguration(Services(), "")
	setting.Read(c, func(key string) (any, bool) { value, found := values[key]; return value, found })
	return c, nil
}

// interruptions say who notices which operations on which types of resources. Others carry no requests, or are replaced
// before what uses them changes: task definitions, images, VPC links, ways out of subnets.
var interruptions = []struct{ ops, types, text string }{
	{"replace delete", "apigatewayv2/api apigatewayv2/route apigatewayv2/stage lb/loadBalancer lb/listener lb/listenerRule", "requests that need it fail"},
	{"replace", "ecs/cluster ecs/service lb/targetGroup", "requests fail until the new tasks are healthy"},
	{"delete", "apigatewayv2/integration apigatewayv2/vpcLink", "requests that need it fail"},
	{"replace delete", "apigatewayv2/apiMapping apigatewayv2/domainName route53/record", "requests to the domain fail"},
	{"replace", "ec2/natGateway ec2/securityGroup ec2/subnet ec2/vpc", "connections through it are cut"},
	{"replace", "servicediscovery/privateDnsNamespace servicediscovery/service", "calls from service to service fail until it is there again"},
	{"replace delete", "ec2/instance", "sessions on the bastion end"},
	{"replace delete", "cloudwatch/logGroup ecr/repository kms/key s3/bucket", "what is in it is lost"},
	{"delete", "vpc/securityGroupIngressRule", "what it lets in is cut off"},
	{"update", "lb/listenerRule", "requests for the old path get a 404"},
}

// interruptingSteps are those of a preview that somebody may notice, one line for each kind.
func interruptingSteps(steps []apitype.StepEventMetadata) (lines []string) {
	for _, interruption := range interruptions {
		for _, op := range strings.Fields(interruption.ops) {
			var resources []string
			for _, step := range steps {
				kind, name := shortType(step), resource.URN(step.URN).Name()
				if string(step.Op) == op && slices.Contains(strings.Fields(interruption.types), kind) && noticed(step, steps) {
					resources = append(resources, fmt.Sprintf("`%s %s`", kind, name))
				}
			}
			if len(resources) > 0 {
				lines = append(lines, fmt.Sprintf("%ss %s: %s", op, strings.Join(resources, ", "), interruption.text))
			}
		}
	}
	return lines
}

// readPreview returns what the engine would do, from its log, and what the stack would cost, in Markdown.
func readPreview(log io.Reader) (steps []apitype.StepEventMetadata, cost string, err error) {
	for decoder := json.NewDecoder(log); ; {
		var event apitype.EngineEvent
		switch err := decoder.Decode(&event); {
		case errors.Is(err, io.EOF):
			return steps, cost, nil
		case err != nil:
			return nil, "", fmt.Errorf("reading the log of the preview: %w", err)
		case event.ResourcePreEvent != nil:
			steps = append(steps, event.ResourcePreEvent.Metadata)
		case event.ResOutputsEvent != nil && event.ResOutputsEvent.Metadata.Type == string(resource.RootStackType):
			step := event.ResOutputsEvent.Metadata // the last one has the outputs
			cost = costChange(estimatedTotal(step.Old), estimatedTotal(step.New))
		}
	}
}

// estimatedTotal is that of the output estimatedMonthlyCost, "" without one.
func estimatedTotal(state *apitype.StepEventStateMetadata) string {
	if state == nil {
		return ""
	}
	estimate, _ := state.Outputs["estimatedMonthlyCost"].(map[string]any)
	total, _ := estimate["total"].(string)
	return total
}

func costChange(before, after string) string {
	switch {
	case after == "":
		return ""
	case before == "" || before == after:
		return "\nEstimated cost a month: " + after + "\n"
	}
	return "\nEstimated cost a month: " + before + ", then **" + after + "**\n"
}

// shortType is ec2/vpc for aws:ec2/vpc:Vpc.
func shortType(step apitype.StepEventMetadata) string {
	_, kind, _ := strings.Cut(string(resource.URN(step.URN).Type()), ":")
	kind, _, _ = strings.Cut(kind, ":")
	return kind
}

// noticed leaves out what has no effect of its own: the network of the bastion, which goes with it; a rule that goes with
// its security group; changes of a listener rule that leave its path as it is; and a listener, with its rules, that goes
// once requests take another one.
func noticed(step apitype.StepEventMetadata, steps []apitype.StepEventMetadata) bool {
	urn := resource.URN(step.URN)
	switch shortType(step) {
	case "ec2/natGateway", "ec2/securityGroup", "ec2/subnet", "ec2/vpc":
		return !strings.Contains(string(urn.QualifiedType()), "private-api:consumer:")
	case "vpc/securityGroupIngressRule":
		return !slices.ContainsFunc(steps, func(other apitype.StepEventMetadata) bool {
			group := resource.URN(other.URN).Name()
			return other.Op == step.Op && shortType(other) == "ec2/securityGroup" &&
				(strings.HasPrefix(urn.Name(), group+"-") || strings.HasSuffix(urn.Name(), "-to-"+group))
		})
	case "lb/listener", "lb/listenerRule":
		moves := slices.ContainsFunc(steps, func(other apitype.StepEventMetadata) bool {
			return other.Op == apitype.OpCreate && shortType(other) == "lb/listener"
		})
		return !moves && (step.Op != apitype.OpUpdate || slices.Contains(step.Diffs, "conditions"))
	}
	return true
}
