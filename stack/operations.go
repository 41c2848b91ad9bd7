package stack

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/consumer"
	"private-api/internal/setting"
	"private-api/operations"
	"private-api/producer"
)

// adaptOperations tells operations what it watches.
func (c *configuration) adaptOperations() {
	o := c.operations
	o.Existing, o.ContainerInsights, o.ReplaceTime = c.adopts(), c.producer.ContainerInsights, c.producer.DeploymentTimeout
	own := map[string]producer.Service{}
	for _, s := range c.producer.Services {
		own[s.Name] = s
	}
	o.Services = nil
	for _, s := range c.consumer.Services {
		least, most := c.producer.Tasks(own[s.Name])
		o.Services = append(o.Services, operations.Service{Name: s.Name, Path: s.Path, MinCount: least, MaxCount: most})
	}
}

// validateOperations refuses a request through the VPC link that the API would refuse.
func (c *configuration) validateOperations() setting.Problems {
	problems := c.operations.Validate()
	if c.operations.KeepLinkWarm && c.consumer.Authorization != consumer.AuthorizationNone && !c.consumer.PublicHealth {
		allowed := "false, or publicHealth true too"
		if c.adopts() { // which refuses publicHealth
			allowed = "false"
		}
		problems.Add("keepLinkWarm", true, "%s: with authorization %q and publicHealth false, the API refuses its request, which then does not reach the VPC link", allowed, c.consumer.Authorization)
	}
	return problems
}

// newTopic makes what the alarms of producer and operations tell.
func (c *configuration) newTopic(ctx *pulumi.Context, key pulumi.StringPtrInput, opts ...pulumi.ResourceOption) error {
	topics, err := operations.NewTopic(ctx, topicName, c.operations, key, opts...)
	if topics != nil {
		c.producer.AlarmActions, c.operations.AlarmActions = topics, topics
	}
	return err
}

// watch makes operations, if anything of it is on.
func (c *configuration) watch(ctx *pulumi.Context, private *producer.Producer, public *consumer.Consumer, opts ...pulumi.ResourceOption) (*operations.Operations, error) {
	if !c.operations.Enabled() {
		return nil, nil
	}
	o := c.operations
	o.APIID, o.APIEndpoint, o.AccessLogs, o.LoadBalancer = public.APIID, public.APIEndpoint, public.AccessLogs, private.LoadBalancer
	if !c.adopts() {
		o.ClusterName, o.TargetGroups, o.ServiceNames, o.LogGroups = private.ClusterName, private.TargetGroups, private.ServiceNames, private.LogGroups
		o.ImageDigests = private.ImageDigests
	}
	return operations.New(ctx, operationsName, o, opts...)
}
