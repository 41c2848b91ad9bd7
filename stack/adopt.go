package stack

import (
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/consumer"
	"private-api/internal/setting"
	"private-api/producer"
)

// adopts tells whether the services are there already, behind a load balancer that exists.
func (c *configuration) adopts() bool { return len(c.listener.Paths) > 0 }

// adapt fits the rest to what is there already: the API offers the paths that are adopted, and a bastion, which brings a VPC,
// is made if somebody has set it.
func (c *configuration) adapt() {
	if c.adopts() {
		c.consumer.Services = nil
		for _, name := range c.listener.Names() {
			c.consumer.Services = append(c.consumer.Services, consumer.Service{Name: name, Path: c.listener.Paths[name]})
		}
	}
	if !c.bastionSet && (c.adopts() || c.inNetwork()) {
		c.consumer.Bastion.Enabled = false
	}
}

// validateAdopted refuses what is meant for services and a VPC that are not made, as nobody knows where services that are
// there already tell their health. Settings that stack files have for every stack, such as cpu and egress, have no effect.
func (c *configuration) validateAdopted() setting.Problems {
	return c.refuseChanged("listener.paths, as the services and their VPC are there already", "services", "producerVpcCidr", "network", "publicHealth")
}

// refuseChanged refuses settings that do not go with another one, unless they are at their default.
func (c *configuration) refuseChanged(with string, keys ...string) (problems setting.Problems) {
	for _, d := range c.changed {
		if slices.Contains(keys, topLevel(d.Key)) {
			problems.Add(d.Key, d.Value, "leave it out with %s", with)
		}
	}
	return problems
}

// findBalancer looks up the load balancer that exists, if one is named, and returns what is wrong with it. Services that are
// not there yet go behind it.
func (c *configuration) findBalancer(ctx *pulumi.Context, provider *aws.Provider) (*producer.Balancer, setting.Problems, error) {
	if c.listener.Arn == "" {
		return nil, nil, nil
	}
	balancer, problems, err := c.listener.Find(ctx, c.producer.Region, pulumi.Provider(provider))
	if c.adopts() || balancer == nil {
		return balancer, problems, err
	}
	c.producer.Balancer = balancer
	more, err := c.producer.CheckBalancer(ctx.Context(), ctx.Project(), ctx.Stack())
	return balancer, append(problems, more...), err
}
