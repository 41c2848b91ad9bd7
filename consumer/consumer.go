// Package consumer makes the half of the stack that calls services: an HTTP API that reaches a producer through its VPC
// link, and a VPC with a bastion from which a person can try the API.
package consumer

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Consumer is the component.
type Consumer struct {
	pulumi.ResourceState

	APIEndpoint     pulumi.StringOutput    // https URL of the API, without a slash at the end
	ServiceURLs     pulumi.StringMapOutput // per service
	APIID           pulumi.StringOutput    // id of the API, the dimension of its metrics
	AccessLogs      pulumi.StringOutput    // name of the log group of the API
	BastionID       pulumi.StringOutput    // instance id
	BastionConnect  pulumi.StringOutput    // the command that opens a login shell on the bastion
	BastionPublicIP pulumi.StringOutput    // set if SSH is enabled
}

// New makes the consumer. It checks the arguments first; if one is refused, it makes nothing, and the error holds every
// problem.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Consumer, error) {
	problems := append(args.Validate(), args.validateInputs()...)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	c := &Consumer{}
	if err := ctx.RegisterComponentResource("private-api:consumer:Consumer", name, c, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(c)

	api, logs, err := newAPI(ctx, name, args, parent)
	if err != nil {
		return nil, err
	}
	c.APIEndpoint, c.APIID, c.AccessLogs = args.endpoint(api), api.ID().ToStringOutput(), logs
	c.ServiceURLs = c.APIEndpoint.ApplyT(args.urls).(pulumi.StringMapOutput)
	outputs := pulumi.Map{"apiEndpoint": c.APIEndpoint, "serviceUrls": c.ServiceURLs}

	if args.Bastion.Enabled {
		bastion, err := newBastion(ctx, name, args, api, parent)
		if err != nil {
			return nil, err
		}
		c.BastionID = bastion.ID().ToStringOutput()
		c.BastionConnect = connectCommand(args, c.BastionID)
		outputs["bastionId"], outputs["bastionConnect"] = c.BastionID, c.BastionConnect
		if args.Bastion.SSH.enabled() {
			c.BastionPublicIP = bastion.PublicIp
			outputs["bastionPublicIp"] = c.BastionPublicIP
		}
	}
	return c, ctx.RegisterResourceOutputs(c, outputs)
}
