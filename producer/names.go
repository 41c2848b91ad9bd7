package producer

import (
	"fmt"
	"strings"
)

// family names the task definitions of a service. ECS allows 255 letters, digits, hyphens and underscores:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
// The names that Pulumi allows to projects and stacks have dots too, and 100 characters at most each.
func family(project, stack, service string) string {
	return strings.ReplaceAll(fmt.Sprintf("%s-%s-%s", project, stack, service), ".", "-")
}
