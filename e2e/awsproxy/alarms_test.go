package awsproxy_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"private-api/e2e/awsproxy"
)

// describeAlarms answers for the simulator: it has any alarm that is not called gone, and those called red are.
func describeAlarms(w http.ResponseWriter, body []byte) {
	form, _ := url.ParseQuery(string(body))
	var members strings.Builder
	for name := range form {
		if alarm := form.Get(name); strings.HasPrefix(name, "AlarmNames.member.") && alarm != "gone" {
			state := map[bool]string{true: "ALARM", false: "OK"}[alarm == "red"]
			fmt.Fprintf(&members, "<member><AlarmName>%s</AlarmName><StateValue>%s</StateValue></member>", alarm, state)
		}
	}
	fmt.Fprintf(w, "<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms>%s</MetricAlarms></DescribeAlarmsResult></DescribeAlarmsResponse>", members.String())
}

func guardedBy(names ...string) *types.DeploymentConfiguration {
	return &types.DeploymentConfiguration{Alarms: &types.DeploymentAlarms{AlarmNames: names, Enable: true, Rollback: true}}
}

// An alarm that goes off ends a deployment, and the one before it comes back. One that is red before guards nothing.
func TestAlarms(t *testing.T) {
	c := newCluster(t)
	c.watch(inProgress, successful)
	c.proxy.Decide(awsproxy.Outcome{End: awsproxy.Alarm, Alarm: "errors"})
	c.update(ecs.UpdateServiceInput{TaskDefinition: aws.String("book:2"), DeploymentConfiguration: guardedBy("book-latency", "book-errors")})
	if d := c.watch(inProgress); d.Alarms == nil || d.Alarms.Status != types.ServiceDeploymentRollbackMonitorsStatusMonitoring || d.TargetServiceRevision.RunningTaskCount != 2 {
		t.Errorf("while the alarms are watched: %+v", d)
	}
	d := c.watch(rolling, types.ServiceDeploymentStatusRollbackSuccessful)
	if d.Alarms.Status != types.ServiceDeploymentRollbackMonitorsStatusTriggered || !slices.Equal(d.Alarms.TriggeredAlarmNames, []string{"book-errors"}) ||
		d.DeploymentCircuitBreaker.Status == types.ServiceDeploymentRollbackMonitorsStatusTriggered || !strings.Contains(*d.StatusReason, "alarm") {
		t.Errorf("a deployment that an alarm ended: %+v, alarms %+v", d, d.Alarms)
	}
	if s := c.describe(); *s.TaskDefinition != "book:1" || !slices.ContainsFunc(s.Events, func(e types.ServiceEvent) bool {
		return strings.HasSuffix(*e.Message, "deployment failed: alarm detected.")
	}) {
		t.Errorf("the service that was rolled back: %+v", s)
	}
	c.update(ecs.UpdateServiceInput{TaskDefinition: aws.String("book:3"), DeploymentConfiguration: guardedBy("red", "book-errors")})
	if d := c.watch(inProgress, successful); d.Alarms.Status != types.ServiceDeploymentRollbackMonitorsStatusDisabled {
		t.Errorf("with an alarm that was red before: %+v", d.Alarms)
	}
	c.update(ecs.UpdateServiceInput{DeploymentConfiguration: &types.DeploymentConfiguration{MaximumPercent: aws.Int32(150)}})
	if given := c.describe().DeploymentConfiguration; given.Alarms == nil || len(given.Alarms.AlarmNames) != 2 || *given.MaximumPercent != 150 {
		t.Errorf("what an update leaves out is gone: %+v", given)
	}
	_, err := c.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("c"), Service: aws.String("book"), DeploymentConfiguration: guardedBy("book-errors", "gone")})
	if api := smithy.APIError(nil); !errors.As(err, &api) || api.ErrorCode() != "InvalidParameterException" || !strings.Contains(err.Error(), "gone") {
		t.Errorf("an alarm that is not there: %v", err)
	}
	// What cannot be played is an error, not a deployment that succeeds.
	c.proxy.Decide(awsproxy.Outcome{End: awsproxy.Alarm, Alarm: "none"})
	if _, err := c.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("c"), Service: aws.String("book"), ForceNewDeployment: true}); err == nil {
		t.Error("an alarm that the service does not have goes off")
	}
}
