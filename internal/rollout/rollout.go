// Package rollout asks ECS about the deployment of a service until it has an outcome, and says why one failed.
//
// It trusts service deployments alone: after a rollback to the same task definition, all else looks like success.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/smithy-go"
)

// Service is an ECS service, and what one of its deployments is made of.
type Service struct {
	Name           string // that the program calls it, its container and the prefix of its log streams
	Cluster, ARN   string
	TaskDefinition string // ARN
	Digest         string // of the image
	TargetGroup    string // ARN
	LogGroup       string // name
}

// Watcher asks AWS. It makes no changes.
type Watcher struct {
	Limit  time.Duration     // for a deployment to end
	Report func(text string) // takes how far a deployment is
	Every  time.Duration     // least time between two reports; 0: each answer is one
	Warn   func(text string) // takes what ECS waits for and a person can change

	region  string
	ecs     *ecs.Client
	elb     *elasticloadbalancingv2.Client
	logs    *cloudwatchlogs.Client
	alarms  *cloudwatch.Client
	between time.Duration // longest time between two questions
	settle  time.Duration // in which AWS's answers may still be those of before
}

// New returns a watcher that asks as cfg says.
func New(cfg aws.Config) *Watcher {
	return &Watcher{
		Report: func(string) {}, Warn: func(string) {}, region: cfg.Region,
		ecs: ecs.NewFromConfig(cfg), elb: elasticloadbalancingv2.NewFromConfig(cfg), logs: cloudwatchlogs.NewFromConfig(cfg), alarms: cloudwatch.NewFromConfig(cfg),
		between: 5 * time.Second, settle: time.Minute,
	}
}

// Newest returns the ARN of the newest deployment of a service, "" if there is none. ECS keeps them for 90 days. It repeats
// the question for a minute if that can help.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
func (w *Watcher) Newest(ctx context.Context, cluster, service string) (string, error) {
	for begin := time.Now(); ; {
		once, cancel := context.WithTimeout(ctx, patience)
		d, err := w.newest(once, cluster, service)
		cancel()
		switch {
		case d != nil:
			return aws.ToString(d.ServiceDeploymentArn), nil
		case err == nil || ctx.Err() != nil || !mayPass(err, false) || time.Since(begin) > w.settle:
			return "", err
		}
		time.Sleep(w.between)
	}
}

func (w *Watcher) newest(ctx context.Context, cluster, service string) (*types.ServiceDeploymentBrief, error) {
	var all []types.ServiceDeploymentBrief // in no documented order
	in := &ecs.ListServiceDeploymentsInput{Cluster: &cluster, Service: &service, MaxResults: aws.Int32(100)}
	for more := true; more; more = in.NextToken != nil {
		page, err := w.ecs.ListServiceDeployments(ctx, in)
		if err != nil {
			return nil, err
		}
		all, in.NextToken = append(all, page.ServiceDeployments...), page.NextToken
	}
	if len(all) == 0 {
		return nil, nil
	}
	newest := slices.MaxFunc(all, func(a, b types.ServiceDeploymentBrief) int {
		return aws.ToTime(a.CreatedAt).Compare(aws.ToTime(b.CreatedAt))
	})
	return &newest, nil
}

// Wait waits for the outcome of the deployment that a change of the service started. before is the newest one before
// that change, "" if there was none. It is nil where nothing was changed: the newest deployment then counts, whoever
// started it.
//
// The error of a deployment that failed, was overtaken or took too long says all that AWS knows about it. An error of AWS
// that may pass is reported; one that lasts, such as a missing permission, ends the waiting.
func (w *Watcher) Wait(ctx context.Context, s Service, before *string) error {
	watch := &watch{Watcher: w, Service: s, before: before, begin: time.Now()}
	for wait := min(w.between, 250*time.Millisecond); ; wait = min(w.between, wait*3/2) {
		succeeded, err := watch.look(ctx)
		elapsed := time.Since(watch.begin)
		switch {
		case succeeded || ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, new(*Failure)):
			return err
		case err != nil && !mayPass(err, before != nil && elapsed < w.settle):
			return fmt.Errorf("service %s: AWS does not say whether the deployment of image %s succeeds: %w. See docs/operations.md#%s", s.Name, s.Digest, err, Anchor(headingNotAllowed))
		case elapsed > w.Limit:
			return watch.failed(ctx, fmt.Sprintf("is not done after %v (deploymentTimeoutMinutes). ECS goes on with it", w.Limit), err)
		case err != nil:
			watch.report(fmt.Sprintf("AWS does not answer, %v: %v", elapsed.Round(time.Second), err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// patience is for one question. A lost connection must not hold up the next.
const patience = 30 * time.Second

// mayPass tells whether a question is worth repeating: after throttling, a network fault, an error of AWS's own, and
// while a service is so new that AWS may not know it everywhere.
func mayPass(err error, isNew bool) bool {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return true
	}
	return isNew && strings.HasSuffix(answer.ErrorCode(), "NotFoundException") || retry.NewStandard().IsErrorRetryable(err)
}

// failures are the states of a deployment that will not succeed any more. ECS may still be busy with what follows.
var failures = []types.ServiceDeploymentStatus{
	types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackInProgress,
	types.ServiceDeploymentStatusRollbackSuccessful, types.ServiceDeploymentStatusRollbackFailed,
	types.ServiceDeploymentStatusStopRequested, types.ServiceDeploymentStatusStopped,
}

// watch is what is known of one deployment.
type watch struct {
	*Watcher
	Service
	before   *string
	begin    time.Time
	ours     *types.ServiceDeployment
	reported time.Time
	warned   bool
	targets  []string // that were not healthy when last asked, with the reason
}

// look asks once. It returns true if the deployment has succeeded, and a *Failure if it failed.
func (w *watch) look(parent context.Context) (succeeded bool, err error) {
	ctx, cancel := context.WithTimeout(parent, patience)
	defer cancel()
	newest, err := w.newest(ctx, w.Cluster, w.ARN)
	if err != nil {
		return false, err
	}
	if w.ours == nil {
		stale := newest == nil || w.before != nil && aws.ToString(newest.ServiceDeploymentArn) == *w.before
		switch {
		case w.before == nil && newest == nil:
			return true, nil // older than what ECS remembers
		case stale && (newest == nil || time.Since(w.begin) < w.settle):
			return false, nil
		}
		// A change of tags alone starts none; then the one before counts.
	}
	var arn *string
	if w.ours != nil {
		arn = w.ours.ServiceDeploymentArn
	} else {
		arn = newest.ServiceDeploymentArn
	}
	out, err := w.ecs.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{*arn}})
	if err != nil || len(out.ServiceDeployments) == 0 {
		return false, err
	}
	w.ours = &out.ServiceDeployments[0]
	overtaken := newest != nil && aws.ToTime(newest.CreatedAt).After(aws.ToTime(w.ours.CreatedAt))
	switch status := w.ours.Status; {
	case status == types.ServiceDeploymentStatusSuccessful:
		return true, nil
	case overtaken && !strings.HasPrefix(string(status), "ROLLBACK_"): // then ECS stops this one
		return false, w.failed(parent, "was overtaken by a deployment that somebody else started: "+aws.ToString(newest.ServiceDeploymentArn), nil)
	case slices.Contains(failures, status):
		says := string(status)
		if names := w.wentOff(); len(names) > 0 {
			says += ", as alarm " + strings.Join(names, " and ") + " went off"
		}
		if strings.HasPrefix(says, "ROLLBACK_") && status != types.ServiceDeploymentStatusRollbackFailed {
			says += ". What ran before goes on"
		}
		return false, w.failed(parent, "failed: ECS says "+says, nil)
	}
	w.progress(ctx)
	return false, nil
}

// progress reports how far the deployment is. What AWS does not answer is left out.
func (w *watch) progress(ctx context.Context) {
	text := ""
	if r := w.ours.TargetServiceRevision; r != nil {
		text = fmt.Sprintf("%d of %d tasks running", r.RunningTaskCount, r.RequestedTaskCount)
		if w.watched() && r.RunningTaskCount == r.RequestedTaskCount && r.PendingTaskCount == 0 {
			text += ", waits for alarms"
		}
	}
	if counts, unhealthy, err := w.targetHealth(ctx); err == nil && counts != "" {
		text += ", targets: " + counts
		if len(unhealthy) > 0 {
			w.targets = unhealthy
		}
	}
	text += fmt.Sprintf(", %v", time.Since(w.begin).Round(time.Second))
	if events, err := w.events(ctx); err == nil && len(events) > 0 {
		text += ": " + events[0]
		if cause := findCause(waitsFor, events[0]); cause != nil && !w.warned {
			w.warned = true
			w.Warn(fmt.Sprintf("service %s: %s. %s", w.Name, strings.TrimRight(events[0], "."), cause.text()))
		}
	}
	w.report(strings.TrimPrefix(text, ", "))
}

// report passes a text on, unless the last one was not long ago.
func (w *watch) report(text string) {
	if now := time.Now(); now.Sub(w.reported) >= w.Every {
		w.reported = now
		w.Report(fmt.Sprintf("service %s: %s", w.Name, text))
	}
}
