package producer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The JSON of a container definition, in the names of the ECS API.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
type (
	containerDefinition struct {
		Name                   string           `json:"name"`
		Image                  string           `json:"image"`
		Essential              bool             `json:"essential"`
		Memory                 int              `json:"memory"` // MiB
		PortMappings           []portMapping    `json:"portMappings"`
		MountPoints            []mountPoint     `json:"mountPoints,omitempty"`
		Environment            []variable       `json:"environment"`
		Secrets                []secret         `json:"secrets,omitempty"`
		User                   string           `json:"user"`
		Privileged             bool             `json:"privileged"`
		ReadonlyRootFilesystem bool             `json:"readonlyRootFilesystem"`
		LinuxParameters        linuxParameters  `json:"linuxParameters"`
		StopTimeout            int              `json:"stopTimeout"` // seconds
		HealthCheck            *containerHealth `json:"healthCheck,omitempty"`
		LogConfiguration       logConfiguration `json:"logConfiguration"`
	}
	portMapping struct {
		ContainerPort int    `json:"containerPort"`
		HostPort      int    `json:"hostPort"`
		Protocol      string `json:"protocol"`
	}
	mountPoint struct {
		SourceVolume  string `json:"sourceVolume"`
		ContainerPath string `json:"containerPath"`
		ReadOnly      bool   `json:"readOnly"`
	}
	variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	secret struct {
		Name      string `json:"name"`
		ValueFrom string `json:"valueFrom"`
	}
	linuxParameters struct {
		Capabilities capabilities `json:"capabilities"`
	}
	capabilities struct {
		Drop []string `json:"drop"`
	}
	containerHealth struct { // times in seconds
		Command     []string `json:"command"`
		Interval    int      `json:"interval"`
		Timeout     int      `json:"timeout"`
		Retries     int      `json:"retries"`
		StartPeriod int      `json:"startPeriod"`
	}
	logConfiguration struct {
		LogDriver string            `json:"logDriver"`
		Options   map[string]string `json:"options"`
	}
)

// shutdownMargin is what is left between the end of a service's own shutdown and the SIGKILL that would cut its last
// log lines off.
const shutdownMargin = time.Second

// containerDefinitions renders the one container of a service's task. The image is a reference by digest, which the
// container also gets as IMAGE_DIGEST and reports as its version.
func containerDefinitions(s *Service, args *Args, image, logGroup string) (string, error) {
	_, digest, found := strings.Cut(image, "@")
	if !found {
		return "", fmt.Errorf("image %s: has no digest; a tag could be moved to another image", image)
	}
	drain := time.Duration(args.DrainTime) * time.Second
	environment := map[string]string{
		"PORT":             strconv.Itoa(s.Port),
		"IMAGE_DIGEST":     digest,
		"DRAIN_DELAY":      drain.String(),
		"SHUTDOWN_TIMEOUT": (time.Duration(args.StopTimeout)*time.Second - drain - shutdownMargin).String(),
	}
	maps.Copy(environment, s.Environment)
	c := containerDefinition{
		Name: s.Name, Image: image, Essential: true, Memory: s.Memory,
		PortMappings: []portMapping{{s.Port, s.Port, "tcp"}},
		Environment:  sorted(environment, func(name, value string) variable { return variable{name, value} }),
		Secrets:      sorted(s.Secrets, func(name, arn string) secret { return secret{name, arn} }),
		User:         s.User, ReadonlyRootFilesystem: true,
		LinuxParameters: linuxParameters{capabilities{Drop: []string{"ALL"}}},
		StopTimeout:     args.StopTimeout,
		LogConfiguration: logConfiguration{"awslogs", map[string]string{
			"awslogs-group": logGroup, "awslogs-region": args.Region, "awslogs-stream-prefix": s.Name,
			// Lines that CloudWatch does not take in time are lost, instead of stopping the service. An account may
			// have another default: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html
			"mode": "non-blocking", "max-buffer-size": "10m",
		}},
	}
	if len(s.HealthCommand) > 0 {
		c.HealthCheck = &containerHealth{Command: s.HealthCommand, Interval: 10, Timeout: 5, Retries: 3, StartPeriod: 5}
	}
	for i, folder := range s.WritableFolders {
		c.MountPoints = append(c.MountPoints, mountPoint{SourceVolume: volumeName(i), ContainerPath: folder})
	}
	b, err := json.Marshal([]containerDefinition{c})
	return string(b), err
}

// volumeName names the volume of a writable folder. It is a part of the task's own storage, and goes with the task.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html
func volumeName(folder int) string { return fmt.Sprintf("writable-%d", folder+1) }

// sorted lists a map by name, so that the same settings give the same definition.
func sorted[T any](m map[string]string, entry func(name, value string) T) (all []T) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, entry(name, m[name]))
	}
	return all
}

func newTaskDefinition(ctx *pulumi.Context, d *deployment, in *shared, roles *roles, opts ...pulumi.ResourceOption) (*ecs.TaskDefinition, error) {
	definitions := pulumi.All(d.image.reference, d.logs.Name).ApplyT(func(v []any) (string, error) {
		return containerDefinitions(&d.Service, in.Args, v[0].(string), v[1].(string))
	}).(pulumi.StringOutput)
	args := &ecs.TaskDefinitionArgs{
		Family:                  pulumi.Sprintf("%s-%s", in.cluster.Name, d.Name), // of this stack alone, as the cluster's name
		RequiresCompatibilities: pulumi.ToStringArray([]string{"FARGATE"}),
		NetworkMode:             pulumi.String("awsvpc"),
		Cpu:                     pulumi.String(strconv.Itoa(d.CPU)),
		Memory:                  pulumi.String(strconv.Itoa(d.Memory)),
		RuntimePlatform: ecs.TaskDefinitionRuntimePlatformArgs{
			OperatingSystemFamily: pulumi.String("LINUX"),
			CpuArchitecture:       pulumi.String(strings.ToUpper(in.Architecture)),
		},
		ExecutionRoleArn:     roles.execution.Arn,
		TaskRoleArn:          roles.task.Arn,
		ContainerDefinitions: definitions,
	}
	if len(d.WritableFolders) > 0 {
		var volumes ecs.TaskDefinitionVolumeArray
		for i := range d.WritableFolders {
			volumes = append(volumes, ecs.TaskDefinitionVolumeArgs{Name: pulumi.String(volumeName(i))})
		}
		args.Volumes = volumes
	}
	task, err := ecs.NewTaskDefinition(ctx, d.logical, args, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating task definition: %w", err)
	}
	return task, nil
}
