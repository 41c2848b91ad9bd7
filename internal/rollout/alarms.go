package rollout

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	alarms "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Red returns which alarms of these names are in ALARM, with what CloudWatch says of each. If one is as a deployment begins,
// ECS watches none of them during that deployment, so that one that mends the service is not rolled back.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
func (w *Watcher) Red(ctx context.Context, names []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return w.states(ctx, names, alarms.StateValueAlarm)
}

// states says what CloudWatch knows of alarms, those in one state or, with "", all: "NAME: STATE: reason".
func (w *Watcher) states(ctx context.Context, names []string, in alarms.StateValue) (all []string, err error) {
	out, err := w.alarms.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: names})
	if err != nil {
		return nil, err
	}
	for _, a := range out.MetricAlarms {
		if in != "" && a.StateValue != in {
			continue
		}
		all = append(all, fmt.Sprintf("%s: %s: %s", aws.ToString(a.AlarmName), a.StateValue, strings.TrimSpace(aws.ToString(a.StateReason))))
	}
	return all, nil
}

// wentOff are the alarms that ended the deployment.
func (w *watch) wentOff() []string {
	if w.ours == nil || w.ours.Alarms == nil {
		return nil
	}
	return w.ours.Alarms.TriggeredAlarmNames
}

// watched tells whether ECS watches alarms during the deployment.
func (w *watch) watched() bool {
	return w.ours.Alarms != nil && w.ours.Alarms.Status == types.ServiceDeploymentRollbackMonitorsStatusMonitoring
}
