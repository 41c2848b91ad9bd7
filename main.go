// Command private-api is the Pulumi program: `pulumi up` runs it.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/stack"
)

func main() {
	pulumi.Run(stack.Deploy)
}
