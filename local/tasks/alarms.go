package tasks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"private-api/internal/metricmath"
	"private-api/trace"
)

const alarmType = "aws:cloudwatch/metricAlarm:MetricAlarm"

// Alarm is what is known of a CloudWatch alarm, as DescribeAlarms answers it.
type Alarm struct{ Name, ARN, State, Reason string }

// States of an alarm. One on metrics that are not there has no data.
const (
	alarmOK     = "OK"
	alarmRed    = "ALARM"
	alarmNoData = "INSUFFICIENT_DATA"
)

// Alarms returns all alarms that are deployed.
func (r *Runner) Alarms() (all []Alarm) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, a := range r.set.Of(alarmType) {
		state, reason := alarmNoData, "Unchecked: Initial alarm creation"
		if known, err := r.rule(a); err == nil {
			state, reason = known.state(r.requests)
		}
		all = append(all, Alarm{a.Outputs.Text("name"), a.Outputs.Text("arn"), state, reason})
	}
	return all
}

// rule is when an alarm goes off.
type rule struct {
	name             string
	expression       string
	ids              []string
	metrics          []trace.Values
	targetGroups     []string // ARNs, of each metric
	periods, toAlarm int
	threshold        float64
}

// rule reads an alarm. The error is what the stand-in does not play.
func (r *Runner) rule(alarm trace.Resource) (rule, error) {
	o := alarm.Outputs
	is := rule{name: o.Text("name"), periods: o.Number("evaluationPeriods")}
	is.toAlarm = cmp.Or(o.Number("datapointsToAlarm"), is.periods)
	is.threshold, _ = o["threshold"].(float64)
	refuse := func(what string, value any) (rule, error) {
		return rule{}, fmt.Errorf("alarm %s: the stand-in for CloudWatch has no %s %v", is.name, what, value)
	}
	if comparison := o.Text("comparisonOperator"); comparison != "GreaterThanThreshold" {
		return refuse("comparison", comparison)
	}
	if missing := o.Text("treatMissingData"); missing != "notBreaching" {
		return refuse("treatment of missing data", missing)
	}
	if is.periods < 1 || is.periods > keptMinutes || is.toAlarm > is.periods {
		return refuse("number of periods", is.periods)
	}
	for _, query := range o.Objects("metricQueries") {
		if query.Is("returnData") {
			is.expression = query.Text("expression")
			continue
		}
		m := query.Object("metric")
		if period := m.Number("period"); period != 60 {
			return refuse("period of seconds", period)
		}
		if m.Text("namespace") != "AWS/ApplicationELB" || metric(m.Text("metricName"), m.Text("stat")) == nil {
			return refuse("metric", strings.Join([]string{m.Text("namespace"), m.Text("metricName"), m.Text("stat")}, " "))
		}
		group := m.Object("dimensions").Text("TargetGroup")
		i := slices.IndexFunc(r.set.Of(trace.TargetGroupType), func(g trace.Resource) bool { return g.Outputs.Text("arnSuffix") == group })
		if i < 0 || m.Object("dimensions").Text("LoadBalancer") == "" {
			return refuse("target group", group)
		}
		is.ids, is.metrics = append(is.ids, query.Text("id")), append(is.metrics, m)
		is.targetGroups = append(is.targetGroups, r.set.Of(trace.TargetGroupType)[i].Outputs.Text("arn"))
	}
	if _, _, err := metricmath.Eval(is.expression, is.ids, nil); err != nil {
		return rule{}, fmt.Errorf("ValidationError: alarm %s: %w", is.name, err)
	}
	return is, nil
}

// state evaluates an alarm on the minutes that are over. Missing ones are good.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
func (is *rule) state(all map[string]map[int64]*requests) (state, reason string) {
	var bad []string
	for ago := range int64(is.periods) {
		at, values := thisMinute()-1-ago, map[string]float64{}
		for i, m := range is.metrics {
			if counted := all[is.targetGroups[i]][at]; counted != nil {
				if value, ok := metric(m.Text("metricName"), m.Text("stat"))(counted, m.Text("stat")); ok {
					values[is.ids[i]] = value
				}
			}
		}
		value, ok, _ := metricmath.Eval(is.expression, is.ids, values)
		if ok && value > is.threshold {
			bad = append(bad, fmt.Sprintf("%.1f (%s)", value, time.Unix(0, at*int64(minute)).UTC().Format("02/01/06 15:04:05")))
		}
	}
	if len(bad) < is.toAlarm {
		return alarmOK, fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints were not greater than the threshold (%.1f) (minimum %d datapoints for ALARM -> OK transition).",
			is.periods-len(bad), is.periods, is.threshold, is.periods-is.toAlarm+1)
	}
	return alarmRed, fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints [%s] were greater than the threshold (%.1f) (minimum %d datapoints for OK -> ALARM transition).",
		len(bad), is.periods, strings.Join(bad, ", "), is.threshold, is.toAlarm)
}

// guard reads the alarms that are to guard the deployments of a service. ECS knows no name of an alarm that is not there.
func (r *Runner) guard(outputs trace.Values) (guard, error) {
	alarms := outputs.Object("alarms")
	if !alarms.Is("enable") {
		return guard{}, nil
	}
	g := guard{rollback: alarms.Is("rollback")}
	for _, name := range alarms.Texts("alarmNames") {
		alarm, ok := r.set.Find(alarmType, name)
		if !ok {
			return guard{}, fmt.Errorf("InvalidParameterException: alarm %s does not exist", name)
		}
		is, err := r.rule(alarm)
		if err != nil {
			return guard{}, err
		}
		g.rules = append(g.rules, is)
		// AWS derives the time from the alarms and does not say how: here it is what they look back on.
		g.bakeTime = max(g.bakeTime, time.Duration(is.periods)*minute)
	}
	if len(g.rules) == 0 {
		return guard{}, fmt.Errorf("InvalidParameterException: alarms are enabled, and none is named")
	}
	return g, nil
}

// guard are the alarms that guard the deployments of a service; none without rules.
type guard struct {
	rules    []rule
	rollback bool
	bakeTime time.Duration // after the deployment is done otherwise
}

func (g *guard) names() (all []string) {
	for _, is := range g.rules {
		all = append(all, is.name)
	}
	return all
}

// red are the names of the alarms that are in ALARM.
func (g *guard) red(all map[string]map[int64]*requests) (names []string) {
	for _, is := range g.rules {
		if state, _ := is.state(all); state == alarmRed {
			names = append(names, is.name)
		}
	}
	return names
}

// watchAlarms has the scheduler look at the alarms while a deployment is under way.
func (r *Runner) watchAlarms(s *service, d *deployment) {
	for {
		select {
		case <-time.After(minute / 4):
		case <-s.ctx.Done():
			return
		}
		r.mutex.Lock()
		over := !d.underWay()
		r.mutex.Unlock()
		if over {
			return
		}
		s.awake()
	}
}

// baked tells whether nothing went wrong for long enough after the tasks of a deployment were there.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
func (s *service) baked(d *deployment) bool {
	if d.record.Alarms == nil || d.record.Alarms.Status != monitoring || d.record.Status != "IN_PROGRESS" {
		return true
	}
	if d.baking.IsZero() {
		d.baking = time.Now()
	}
	return time.Since(d.baking) >= s.bakeTime
}
