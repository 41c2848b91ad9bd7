package tasks

import (
	"slices"
	"syscall"
)

// Service is what is known of an ECS service, as DescribeServices answers it.
type Service struct {
	ARN            string       `json:"serviceArn"`
	Name           string       `json:"serviceName"`
	Cluster        string       `json:"clusterArn"`
	Status         string       `json:"status"`
	TaskDefinition string       `json:"taskDefinition"`
	Desired        int          `json:"desiredCount"`
	Running        int          `json:"runningCount"`
	Pending        int          `json:"pendingCount"`
	Events         []Event      `json:"events"` // latest first
	Deployments    []Deployment `json:"-"`      // latest first
	Tasks          []Task       `json:"-"`      // those that have stopped too
}

// Event is an event of a service. Times are in seconds since 1970.
type Event struct {
	ID        string  `json:"id"`
	CreatedAt float64 `json:"createdAt"`
	Message   string  `json:"message"`
}

// Deployment is a service deployment.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
type Deployment struct {
	ARN          string         `json:"serviceDeploymentArn"`
	Service      string         `json:"serviceArn"`
	Cluster      string         `json:"clusterArn"`
	Status       string         `json:"status"`
	StatusReason string         `json:"statusReason,omitempty"`
	CreatedAt    float64        `json:"createdAt"`
	StartedAt    float64        `json:"startedAt,omitempty"`
	UpdatedAt    float64        `json:"updatedAt"`
	FinishedAt   float64        `json:"finishedAt,omitempty"`
	Target       Revision       `json:"targetServiceRevision"`
	Breaker      CircuitBreaker `json:"deploymentCircuitBreaker"`
	Alarms       *Alarms        `json:"alarms,omitempty"`
	Rollback     *Rollback      `json:"rollback,omitempty"`
}

// Revision counts the tasks of a service revision.
type Revision struct {
	ARN       string `json:"arn"`
	Requested int    `json:"requestedTaskCount"`
	Running   int    `json:"runningTaskCount"`
	Pending   int    `json:"pendingTaskCount"`
}

// CircuitBreaker is the deployment circuit breaker.
type CircuitBreaker struct {
	Status    string `json:"status"`
	Failures  int    `json:"failureCount"`
	Threshold int    `json:"threshold"`
}

// Alarms are those that guard a deployment.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeploymentAlarms.html
type Alarms struct {
	Status    string   `json:"status"`
	Names     []string `json:"alarmNames"`
	Triggered []string `json:"triggeredAlarmNames,omitempty"`
}

// Rollback is the rollback of a deployment.
type Rollback struct {
	Reason    string  `json:"reason"`
	StartedAt float64 `json:"startedAt"`
	Revision  string  `json:"serviceRevisionArn,omitempty"`
}

// Task is a task.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
type Task struct {
	ARN            string      `json:"taskArn"`
	Cluster        string      `json:"clusterArn"`
	TaskDefinition string      `json:"taskDefinitionArn"`
	Group          string      `json:"group"`
	StartedBy      string      `json:"startedBy"`
	DesiredStatus  string      `json:"desiredStatus"`
	LastStatus     string      `json:"lastStatus"`
	CreatedAt      float64     `json:"createdAt"`
	StoppedAt      float64     `json:"stoppedAt,omitempty"`
	StopCode       string      `json:"stopCode,omitempty"`
	StoppedReason  string      `json:"stoppedReason,omitempty"`
	Containers     []Container `json:"containers"`

	TargetGroup         string     `json:"-"` // ARN of the one where it is registered, "" if it is not
	Port                int        `json:"-"` // where it listens on the loopback address
	Health              Health     `json:"-"`
	LogGroup, LogStream string     `json:"-"` // "" without a log
	Log                 []LogEvent `json:"-"`
}

// Container is the container of a task. Its own health check does not run.
type Container struct {
	Name         string `json:"name"`
	LastStatus   string `json:"lastStatus"`
	ExitCode     *int   `json:"exitCode,omitempty"`
	Reason       string `json:"reason,omitempty"`
	HealthStatus string `json:"healthStatus"`
}

// LogEvent is a line of a log. Times are in milliseconds since 1970.
type LogEvent struct {
	Timestamp     int64  `json:"timestamp"`
	IngestionTime int64  `json:"ingestionTime"`
	Message       string `json:"message"`
}

// Services returns what is known of all services.
func (r *Runner) Services() (all []Service) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, s := range r.services {
		all = append(all, s.view())
	}
	return all
}

func (s *service) view() Service {
	v := Service{ARN: s.arn, Name: s.name, Cluster: cluster(s.arn), Status: "ACTIVE", TaskDefinition: s.active.definition,
		Desired: s.desired, Events: slices.Clone(s.events)}
	// Stopped tasks are forgotten after an hour.
	s.stopped = slices.DeleteFunc(s.stopped, func(t *task) bool { return now()-t.stoppedAt > keptFor.Seconds() })
	for _, t := range slices.Concat(s.tasks, s.stopped) {
		v.Tasks = append(v.Tasks, t.view(s))
	}
	for i, d := range s.deployments {
		record := d.record
		if d.record.Alarms != nil {
			alarms := *d.record.Alarms // as the scheduler goes on
			record.Alarms = &alarms
		}
		record.Breaker.Failures, record.Breaker.Threshold = d.failures, s.threshold()
		for _, t := range s.tasks {
			if t.deployment == d && t.status == "RUNNING" {
				record.Target.Running++
			} else if t.deployment == d && t.status == "PENDING" {
				record.Target.Pending++
			}
		}
		if i == 0 {
			record.Target.Requested = s.desired
		}
		v.Running, v.Pending = v.Running+record.Target.Running, v.Pending+record.Target.Pending
		v.Deployments = append(v.Deployments, record)
	}
	return v
}

func (t *task) view(s *service) Task {
	v := Task{ARN: sibling(s.arn, "task", t.id), Cluster: cluster(s.arn), TaskDefinition: t.definition, Group: "service:" + s.name,
		StartedBy: t.deployment.id, DesiredStatus: "RUNNING", LastStatus: t.status, CreatedAt: t.created,
		StoppedAt: t.stoppedAt, StopCode: t.stopCode, StoppedReason: t.stoppedReason, Health: t.health, Port: t.port}
	if t.status == "RUNNING" || t.status == "DEACTIVATING" {
		v.TargetGroup = t.targetGroup
	}
	if t.stopCode != "" {
		v.DesiredStatus = "STOPPED"
	}
	c := Container{Name: t.Name, LastStatus: t.status, HealthStatus: "UNKNOWN"}
	switch {
	case t.command == nil && t.stopCode == "TaskFailedToStart":
		c.Reason = t.stoppedReason
	case t.command != nil && t.hasEnded():
		code := t.command.ProcessState.ExitCode()
		// A signal counts as a shell counts it.
		if status, ok := t.command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = 128 + int(status.Signal())
		}
		c.ExitCode = &code
	}
	v.Containers = []Container{c}
	if options := t.LogConfiguration.Options; t.command != nil && options["awslogs-group"] != "" {
		// The name of a stream is prefix/container/task.
		// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
		v.LogGroup, v.LogStream = options["awslogs-group"], options["awslogs-stream-prefix"]+"/"+t.Name+"/"+t.id
		t.logMutex.Lock()
		v.Log = slices.Clone(t.log)
		t.logMutex.Unlock()
	}
	return v
}
