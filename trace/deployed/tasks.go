package deployed

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"private-api/internal/rollout"
	"private-api/trace"
)

// readTasks reads the tasks of the services, those that stopped too, and the newest deployments. ECS shows a stopped task
// for an hour.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
func (r *reader) readTasks() {
	client, watcher := ecs.NewFromConfig(r.aws), rollout.New(r.aws)
	for _, service := range r.set.Of(trace.ServiceType) {
		cluster, name := service.Outputs.Text("cluster"), service.Outputs.Text("name")
		for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
			r.ask(missing{trace.TaskType, "", "tasks of service " + service.Name}, func(ctx context.Context) error {
				pages := ecs.NewListTasksPaginator(client, &ecs.ListTasksInput{Cluster: &cluster, ServiceName: &name, DesiredStatus: status})
				for pages.HasMorePages() {
					page, err := pages.NextPage(ctx)
					if err != nil || len(page.TaskArns) == 0 {
						return err
					}
					out, err := client.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: page.TaskArns}) // a page has 100, as many as this takes
					if err != nil {
						return err
					}
					for _, task := range out.Tasks {
						r.put(trace.TaskType, *task.TaskArn, service.Name, taskValues(service.ID, task))
					}
				}
				return nil
			})
		}
		r.ask(missing{trace.DeploymentType, "", "deployment of service " + service.Name}, func(ctx context.Context) error {
			arn, err := watcher.Newest(ctx, cluster, name)
			if err != nil || arn == "" {
				return err
			}
			out, err := client.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{arn}})
			if err != nil {
				return err
			}
			for _, d := range out.ServiceDeployments {
				more := map[string]any{"service": service.ID}
				if revision := d.TargetServiceRevision; revision != nil {
					more["running"], more["requested"] = revision.RunningTaskCount, revision.RequestedTaskCount
				}
				r.put(trace.DeploymentType, arn, service.Name, shape(d, more))
			}
			return nil
		})
	}
}

func taskValues(service string, task types.Task) trace.Values {
	more := map[string]any{"service": service, "status": task.LastStatus}
	for _, attachment := range task.Attachments {
		for key, name := range map[string]string{"address": "privateIPv4Address", "subnetId": "subnetId"} {
			i := slices.IndexFunc(attachment.Details, func(d types.KeyValuePair) bool { return aws.ToString(d.Name) == name })
			if i >= 0 {
				more[key] = attachment.Details[i].Value
			}
		}
	}
	return shape(task, more)
}
