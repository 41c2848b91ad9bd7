package producer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// maxReasons is how many of the service's latest events a message quotes.
const maxReasons = 3

// explain asks ECS why a deployment failed, which the provider's own error ("timeout while waiting") does not say. It
// never fails: where ECS cannot be asked, it names the command that does.
func explain(ctx context.Context, args *Args, cluster, service resource.PropertyValue) string {
	if !cluster.IsString() || !service.IsString() {
		return "the service was not created"
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	command := fmt.Sprintf("aws ecs describe-services --region %s --cluster %s --services %s", args.Region, cluster.StringValue(), service.StringValue())
	cfg, err := args.awsConfig(ctx)
	if err != nil {
		return "ask ECS why: " + command
	}
	client := ecs.NewFromConfig(cfg)
	out, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String(cluster.StringValue()), Services: []string{service.StringValue()}})
	if err != nil || len(out.Services) == 0 {
		return "ask ECS why: " + command
	}
	reasons := serviceReasons(&out.Services[0])
	reasons = append(reasons, stoppedReasons(ctx, client, cluster.StringValue(), service.StringValue())...)
	return strings.Join(append(reasons, "more: "+command), "; ")
}

func serviceReasons(s *types.Service) []string {
	reasons := []string{fmt.Sprintf("%d of %d tasks run", s.RunningCount, s.DesiredCount)}
	for _, d := range s.Deployments {
		if reason := aws.ToString(d.RolloutStateReason); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	for i, e := range s.Events { // latest first
		if i == maxReasons {
			break
		}
		reasons = append(reasons, aws.ToString(e.Message))
	}
	return reasons
}

// stoppedReasons says why the latest task stopped: the image that cannot be pulled, the health check that failed, the
// code of the exit.
func stoppedReasons(ctx context.Context, client *ecs.Client, cluster, service string) []string {
	list, err := client.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &cluster, ServiceName: &service, DesiredStatus: types.DesiredStatusStopped, MaxResults: aws.Int32(1)})
	if err != nil || len(list.TaskArns) == 0 {
		return nil
	}
	out, err := client.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: list.TaskArns})
	if err != nil {
		return nil
	}
	var reasons []string
	for _, task := range out.Tasks {
		reasons = append(reasons, "a task stopped: "+aws.ToString(task.StoppedReason))
		for _, c := range task.Containers {
			if c.ExitCode != nil {
				reasons = append(reasons, fmt.Sprintf("container %s exited with %d %s", aws.ToString(c.Name), *c.ExitCode, aws.ToString(c.Reason)))
			}
		}
	}
	return reasons
}
