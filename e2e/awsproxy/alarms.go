package awsproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// guarding are the alarms that a service's deployment configuration names, if they are enabled.
func guarding(configuration any) []string {
	var given struct {
		Alarms struct {
			AlarmNames []string
			Enable     bool
		}
	}
	text, _ := json.Marshal(configuration) // it was JSON
	if json.Unmarshal(text, &given) != nil || !given.Alarms.Enable {
		return nil
	}
	return given.Alarms.AlarmNames
}

// alarmStates asks the simulator for the states of alarms. Those that are not there are left out.
func (g *gaps) alarmStates(c *Call, names []string) map[string]cwtypes.StateValue {
	states := map[string]cwtypes.StateValue{}
	if len(names) == 0 {
		return states
	}
	out, err := cloudwatch.NewFromConfig(g.simulator(c)).DescribeAlarms(context.Background(), &cloudwatch.DescribeAlarmsInput{AlarmNames: names})
	if err != nil {
		return states
	}
	for _, a := range out.MetricAlarms {
		states[aws.ToString(a.AlarmName)] = a.StateValue
	}
	return states
}

// missingAlarm is the first alarm that a call about a service names and that is not there; "" if all are.
func (g *gaps) missingAlarm(c *Call, request []byte) string {
	var asked struct{ DeploymentConfiguration any }
	if json.Unmarshal(request, &asked) != nil {
		return ""
	}
	names := guarding(asked.DeploymentConfiguration)
	states := g.alarmStates(c, names)
	if i := slices.IndexFunc(names, func(name string) bool { return states[name] == "" }); i >= 0 {
		return names[i]
	}
	return ""
}

// guard notes which alarms guard a deployment. ECS watches none if one is red as it begins.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
func (g *gaps) guard(c *Call, s *service, d *deployment) error {
	d.alarms = guarding(s.given["deploymentConfiguration"])
	for _, state := range g.alarmStates(c, d.alarms) {
		d.ignored = d.ignored || state == cwtypes.StateValueAlarm
	}
	if d.outcome.End == Alarm && (d.goesOff() == "" || d.ignored) {
		return fmt.Errorf("no alarm %q watches: there are %v, ignored: %v", d.outcome.Alarm, d.alarms, d.ignored)
	}
	return nil
}

// goesOff is the alarm that ends the deployment.
func (d *deployment) goesOff() string {
	if i := slices.IndexFunc(d.alarms, func(name string) bool { return strings.Contains(name, d.outcome.Alarm) }); i >= 0 {
		return d.alarms[i]
	}
	return ""
}

// goOff makes the alarm red that ends the deployment. It stays so: the simulator evaluates none.
func (g *gaps) goOff(c *Call, d *deployment) {
	_, _ = cloudwatch.NewFromConfig(g.simulator(c)).SetAlarmState(context.Background(), &cloudwatch.SetAlarmStateInput{
		AlarmName: aws.String(d.goesOff()), StateValue: cwtypes.StateValueAlarm, StateReason: aws.String(SawAlarm),
	})
}

// describeAlarms is the part about alarms of a service deployment.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeploymentAlarms.html
func (d *deployment) describeAlarms() map[string]any {
	doc := map[string]any{"alarmNames": d.alarms, "status": "MONITORING"}
	switch {
	case d.ignored:
		doc["status"] = "DISABLED"
	case d.outcome.End == Alarm && slices.Contains(failing, d.status):
		doc["status"], doc["triggeredAlarmNames"] = "TRIGGERED", []string{d.goesOff()}
	case d.completed():
		doc["status"] = "MONITORING_COMPLETE"
	}
	return doc
}
