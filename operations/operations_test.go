package operations

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/rollout"
	"private-api/internal/setting"
	"private-api/internal/testkit"
)

const (
	topicARN = "arn:aws:sns:us-west-2:123456789012:on-call"
	keyARN   = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// valid are arguments with everything at its default, for two services.
func valid() *Args {
	a := DefaultArgs()
	a.APIID, a.APIEndpoint, a.AccessLogs = pulumi.String("a1b2c3d4e5"), pulumi.String("https://api.example.com"), pulumi.String("/aws/vendedlogs/api")
	a.LoadBalancer, a.ClusterName = pulumi.String("app/balancer/50dc6c495c0c9188"), pulumi.String("cluster")
	a.TargetGroups = pulumi.StringMap{"alpha": pulumi.String("targetgroup/alpha/1"), "beta": pulumi.String("targetgroup/beta/2")}
	a.ServiceNames = pulumi.StringMap{"alpha": pulumi.String("alpha-1"), "beta": pulumi.String("beta-2")}
	a.LogGroups = pulumi.StringMap{"alpha": pulumi.String("/ecs/alpha"), "beta": pulumi.String("/ecs/beta")}
	a.ImageDigests = pulumi.StringMap{"alpha": pulumi.String("sha256:1"), "beta": pulumi.String("sha256:2")}
	a.Services = []Service{{Name: "alpha", Path: "/alpha", MinCount: 2}, {Name: "beta", Path: "/beta", MinCount: 1}}
	a.ReplaceTime = 10
	return a
}

// everythingOn are valid arguments with no setting at its default.
func everythingOn() *Args {
	a := valid()
	a.Alarms, a.AlarmEmails, a.AlarmActions = true, []string{"on-call@example.com"}, pulumi.StringArray{pulumi.String(topicARN)}
	a.AlarmThresholds.APIErrorPercent, a.AlarmThresholds.APIP99Milliseconds = 2, 1500
	a.Dashboard, a.SavedQueries, a.KeepLinkWarm = true, true, true
	a.ContainerInsights, a.Services[1].MaxCount = true, 8
	return a
}

// existing are arguments for services that are there already, with everything on.
func existing() *Args {
	a := everythingOn()
	a.Existing, a.ContainerInsights, a.ReplaceTime = true, false, 0
	a.ClusterName, a.TargetGroups, a.ServiceNames, a.LogGroups, a.ImageDigests = nil, nil, nil, nil, nil
	a.Services = []Service{{Name: "orders", Path: "/orders"}}
	return a
}

// deploy makes operations of the arguments on mocks.
func deploy(t *testing.T, args *Args) *testkit.Recorder {
	t.Helper()
	r := &testkit.Recorder{}
	if err := tryDeploy(r, args); err != nil {
		t.Fatal(err)
	}
	return r
}

func tryDeploy(r *testkit.Recorder, args *Args) error {
	return r.Run(func(ctx *pulumi.Context) error {
		o, err := New(ctx, "watch", args)
		if err == nil && args.Dashboard {
			ctx.Export("url", o.DashboardURL)
		}
		return err
	}, nil)
}

// Every input and option of every resource.
func TestResources(t *testing.T) {
	for name, args := range map[string]*Args{"everything": everythingOn(), "existing": existing()} {
		t.Run(name, func(t *testing.T) { testkit.Golden(t, "testdata/"+name+".yaml", deploy(t, args).Golden()) })
	}
}

// What each setting brings, and nothing else.
func TestSettings(t *testing.T) {
	warm := []string{"cloudwatch.EventApiDestination watch-warm", "cloudwatch.EventConnection watch-warm", "cloudwatch.EventRule watch-warm",
		"cloudwatch.EventTarget watch-warm", "iam.Role watch-warm", "iam.RolePolicy watch-warm"}
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing": {func(*Args) {}, nil},
		"alarms": {func(a *Args) { a.Alarms = true }, []string{"cloudwatch.MetricAlarm watch-errors", "cloudwatch.MetricAlarm watch-latency",
			"cloudwatch.MetricAlarm watch-tasks-alpha", "cloudwatch.MetricAlarm watch-tasks-beta"}},
		"dashboard":     {func(a *Args) { a.Dashboard = true }, []string{"cloudwatch.Dashboard watch"}},
		"saved queries": {func(a *Args) { a.SavedQueries = true }, []string{"cloudwatch.QueryDefinition watch-errors", "cloudwatch.QueryDefinition watch-request", "cloudwatch.QueryDefinition watch-slowest"}},
		"warm link":     {func(a *Args) { a.KeepLinkWarm = true }, warm},
	} {
		a := valid()
		test.change(a)
		if got, want := deploy(t, a).List(), append(test.want, "operations.Operations watch"); !slices.Equal(got, want) {
			t.Errorf("%s: made %q, want %q", name, got, want)
		}
		if on := len(test.want) > 0; a.Enabled() != on {
			t.Errorf("%s: enabled is %v", name, a.Enabled())
		}
	}
}

// Who is told, and what is made for it.
func TestTopic(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		made   []string
		told   string // a regular expression; "": nobody
	}{
		"addresses": {func(a *Args) { a.Alarms, a.AlarmEmails = true, []string{"a@example.com", "b@example.com"} },
			[]string{"operations.Topic alarms", "sns.Topic alarms", "sns.TopicPolicy alarms", "sns.TopicSubscription alarms-a@example.com", "sns.TopicSubscription alarms-b@example.com"},
			`^arn:aws:sns:us-west-2:123456789012:alarms-\d+$`},
		"topic that exists": {func(a *Args) { a.Alarms, a.AlarmTopicArn = true, topicARN }, nil, "^" + topicARN + "$"},
		"nobody":            {func(a *Args) { a.Alarms = true }, nil, ""},
		"no alarms":         {func(*Args) {}, nil, ""},
	} {
		a := valid()
		test.change(a)
		r := &testkit.Recorder{}
		err := r.Run(func(ctx *pulumi.Context) error {
			topics, err := NewTopic(ctx, "alarms", a, pulumi.String(keyARN))
			ctx.Export("topics", topics)
			return err
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.List(); !slices.Equal(got, test.made) {
			t.Errorf("%s: made %q, want %q", name, got, test.made)
		}
		told, _ := r.Exports["topics"].([]string)
		if len(told) != min(len(test.told), 1) || len(told) == 1 && !regexp.MustCompile(test.told).MatchString(told[0]) {
			t.Errorf("%s: told is %q, want %s", name, told, test.told)
		}
		if a.MakesTopic() != (len(test.made) > 0) {
			t.Errorf("%s: makes a topic: %v", name, a.MakesTopic())
		}
		for _, topic := range r.All("sns.Topic") {
			if got := topic.Input("kmsMasterKeyId"); got != keyARN { // SNS.1 CKV_AWS_26 AVD-AWS-0095 AVD-AWS-0136
				t.Errorf("the topic is encrypted with %v", got)
			}
			arn := topic.Outputs["arn"].StringValue()
			want := `{"Version":"2012-10-17","Statement":[{"Sid":"Alarms","Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},"Action":["sns:Publish"],` +
				`"Resource":["` + arn + `"],"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:cloudwatch:us-west-2:123456789012:alarm:*"}}}]}`
			if got := r.Get(t, "sns.TopicPolicy alarms").Input("policy"); got != want {
				t.Errorf("the policy of the topic is\n%v, want\n%s", got, want)
			}
		}
	}
}

// The name that mails come from has no more characters than SNS takes.
func TestLongNameOfTopic(t *testing.T) {
	a := valid()
	a.Alarms, a.AlarmEmails = true, []string{"a@example.com"}
	for stack, want := range map[string]string{"dev": "private-api-dev", strings.Repeat("s", 100): "private-api-" + strings.Repeat("s", 88)} {
		r := &testkit.Recorder{Stack: stack}
		err := r.Run(func(ctx *pulumi.Context) error {
			_, err := NewTopic(ctx, "alarms", a, pulumi.String(keyARN))
			return err
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Get(t, "sns.Topic alarms").Input("displayName"); got != want {
			t.Errorf("mails of stack %s come from %v, want %s", stack, got, want)
		}
	}
}

// No traffic is no alarm, no tasks is one; each alarm says what is wrong and where to read on.
func TestAlarms(t *testing.T) {
	r := deploy(t, everythingOn())
	for name, want := range map[string]struct {
		missing   string
		threshold float64
		operator  string
		periods   float64
		says      string
	}{
		"errors":      {"notBreaching", 2, "GreaterThanThreshold", 3, "More than 2 % of the answers of the API are errors (5xx). See docs/operations.md#the-api-answers-with-errors"},
		"latency":     {"notBreaching", 1500, "GreaterThanThreshold", 3, "The API takes more than 1500 ms for one request in a hundred. See docs/operations.md#the-api-is-slow"},
		"tasks-alpha": {"breaching", 2, "LessThanThreshold", 10, "Service alpha has had fewer healthy tasks than 2 for 10 minutes. See docs/operations.md#too-few-tasks-are-healthy"},
		"tasks-beta":  {"breaching", 1, "LessThanThreshold", 10, "Service beta has had fewer healthy tasks than 1 for 10 minutes. See docs/operations.md#too-few-tasks-are-healthy"},
	} {
		alarm := r.Get(t, "cloudwatch.MetricAlarm watch-"+name)
		for input, value := range map[string]any{"treatMissingData": want.missing, "threshold": want.threshold, "comparisonOperator": want.operator,
			"evaluationPeriods": want.periods, "alarmDescription": want.says, "alarmActions.0": topicARN, "okActions.0": topicARN} {
			if got := alarm.Input(input); got != value {
				t.Errorf("%s: %s is %v, want %v", alarm, input, got, value)
			}
		}
		for _, query := range asList(alarm.Input("metricQueries")) {
			if metric, ok := query.(map[string]any)["metric"].(map[string]any); ok {
				check(t, alarm.String(), metric["namespace"].(string), metric["metricName"].(string), metric["stat"].(string), metric["dimensions"].(map[string]any))
			}
		}
		if metric, ok := alarm.Input("metricName").(string); ok {
			check(t, alarm.String(), alarm.Input("namespace").(string), metric, alarm.Input("statistic").(string), alarm.Input("dimensions").(map[string]any))
		}
	}
	if got := len(deploy(t, existing()).All("cloudwatch.MetricAlarm")); got != 2 {
		t.Errorf("%d alarms for services that exist, want those of the API alone", got)
	}
	a := everythingOn()
	a.AlarmActions = nil
	for _, alarm := range deploy(t, a).All("cloudwatch.MetricAlarm") {
		if actions := alarm.Input("alarmActions"); actions != nil {
			t.Errorf("%s tells %v", alarm, actions)
		}
	}
}

// An alarm on tasks that are not there yet would go off at once.
func TestAlarmsOnTasksWaitForThem(t *testing.T) {
	a := valid()
	a.Alarms = true
	a.ImageDigests = pulumi.String("").ToStringOutput().ApplyT(func(string) (map[string]string, error) { return nil, errors.New("not deployed") }).(pulumi.StringMapOutput)
	r := &testkit.Recorder{}
	if err := tryDeploy(r, a); err == nil || !strings.Contains(err.Error(), "not deployed") {
		t.Errorf("the error is %v", err)
	}
	if made := r.All("cloudwatch.MetricAlarm"); slices.ContainsFunc(made, func(alarm *testkit.Resource) bool { return strings.Contains(alarm.Name, "tasks") }) {
		t.Errorf("without a deployment there is %v", made)
	}
}

func asList(v any) []any { list, _ := v.([]any); return list }

// Each heading that an alarm leads to is there.
func TestHeadings(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	r := deploy(t, everythingOn())
	for _, heading := range Headings() {
		if !regexp.MustCompile(`(?m)^#+ ` + heading + `$`).Match(text) {
			t.Errorf("docs/operations.md has no heading %q", heading)
		}
		if !slices.ContainsFunc(r.All("cloudwatch.MetricAlarm"), func(alarm *testkit.Resource) bool {
			return strings.HasSuffix(alarm.Input("alarmDescription").(string), "#"+rollout.Anchor(heading))
		}) {
			t.Errorf("no alarm leads to %q", heading)
		}
	}
}

// The queries read what has the fields that they name.
func TestQueries(t *testing.T) {
	r := deploy(t, everythingOn())
	for logical, groups := range map[string][]any{
		"slowest": {"/aws/vendedlogs/api"}, "errors": {"/aws/vendedlogs/api"}, "request": {"/aws/vendedlogs/api", "/ecs/alpha", "/ecs/beta"},
	} {
		q := r.Get(t, "cloudwatch.QueryDefinition watch-"+logical)
		if got := asList(q.Input("logGroupNames")); !slices.Equal(got, groups) {
			t.Errorf("%s reads %v, want %v", q, got, groups)
		}
		if name := q.Input("name").(string); !strings.HasPrefix(name, "private-api-dev-a1b2c3d4e5/") {
			t.Errorf("%s is named %s", q, name)
		}
	}
	// The access log's fields, whose names the consumer tests.
	api, err := os.ReadFile("../consumer/api.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queries {
		for _, field := range regexp.MustCompile(`\b(?:http|path|status|response|integration|authorizer|request)\w*\b`).FindAllString(strings.ReplaceAll(strings.Join(q.lines, "\n"), " as requests", ""), -1) {
			if !strings.Contains(string(api), `"`+field+`":`) && field != "requests" {
				t.Errorf("query %s: the access log has no field %s", q.name, field)
			}
		}
	}
}

// limits of the settings, lowest and highest.
func TestLimits(t *testing.T) {
	for key, limit := range map[string]struct {
		lowest, highest int
		field           func(*Args) *int
	}{
		"apiErrorPercent":    {1, 99, func(a *Args) *int { return &a.AlarmThresholds.APIErrorPercent }},
		"apiP99Milliseconds": {1, 30000, func(a *Args) *int { return &a.AlarmThresholds.APIP99Milliseconds }},
	} {
		for value, allowed := range map[int]bool{limit.lowest - 1: false, limit.lowest: true, limit.highest: true, limit.highest + 1: false} {
			a := valid()
			*limit.field(a) = value
			err := a.Validate().Err()
			if (err == nil) != allowed || err != nil && !strings.Contains(err.Error(), fmt.Sprintf("alarmThresholds.%s: %d is not allowed", key, value)) {
				t.Errorf("%s: %d: %v", key, value, err)
			}
		}
	}
}

// many are so many services.
func many(n int) (all []Service) {
	for i := range n {
		all = append(all, Service{Name: fmt.Sprintf("s%d", i), Path: fmt.Sprintf("/s%d", i), MinCount: 1, MaxCount: 2})
	}
	return all
}

// Each row is one change of valid arguments; want is "" if they stay valid.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Args)
		want   string
	}{
		{"nothing", func(*Args) {}, ""},
		{"everything on", func(a *Args) { *a = *everythingOn() }, ""},
		{"services that exist", func(a *Args) { *a = *existing() }, ""},
		{"address", func(a *Args) { a.Alarms, a.AlarmEmails = true, []string{"on-call"} }, `alarmEmails: "on-call" is not allowed: different e-mail addresses`},
		{"address twice", func(a *Args) { a.Alarms, a.AlarmEmails = true, []string{"a@example.com", "a@example.com"} }, `alarmEmails: "a@example.com" is not allowed`},
		{"address without alarms", func(a *Args) { a.AlarmEmails = []string{"a@example.com"} }, "alarms: false is not allowed: true, as alarmEmails or alarmTopicArn is set"},
		{"topic without alarms", func(a *Args) { a.AlarmTopicArn = topicARN }, "alarms: false is not allowed"},
		{"topic and address", func(a *Args) { a.Alarms, a.AlarmTopicArn, a.AlarmEmails = true, topicARN, []string{"a@example.com"} },
			`alarmEmails: ["a@example.com"] is not allowed: nothing while alarmTopicArn is set`},
		{"topic", func(a *Args) { a.Alarms, a.AlarmTopicArn = true, topicARN }, ""},
		{"topic by name", func(a *Args) { a.Alarms, a.AlarmTopicArn = true, "on-call" }, `alarmTopicArn: "on-call" is not allowed: the ARN of a standard SNS topic`},
		{"FIFO topic", func(a *Args) { a.Alarms, a.AlarmTopicArn = true, topicARN+".fifo" }, `alarmTopicArn: "` + topicARN + `.fifo" is not allowed`},
		{"topic of another region", func(a *Args) { a.Alarms, a.AlarmTopicArn, a.Region = true, topicARN, "eu-central-1" }, `is not allowed: a topic of region eu-central-1`},
		{"topic of another partition", func(a *Args) {
			a.Alarms, a.AlarmTopicArn, a.Region = true, "arn:aws:sns:cn-north-1:123456789012:on-call", "cn-north-1"
		}, `is not allowed: a topic of region cn-north-1`},
		{"as many widgets as there can be", func(a *Args) { a.Dashboard, a.Alarms, a.ContainerInsights, a.Services = true, true, true, many(54) }, ""},
		{"more widgets", func(a *Args) { a.Dashboard, a.Alarms, a.ContainerInsights, a.Services = true, true, true, many(55) },
			"dashboard: true is not allowed: false, as it would have 503 widgets for 55 services, and CloudWatch takes 500"},
		{"as many log groups as there can be", func(a *Args) { a.SavedQueries, a.Services = true, many(49) }, ""},
		{"more log groups", func(a *Args) { a.SavedQueries, a.Services = true, many(50) }, "savedQueries: true is not allowed: false, as a query would read 51 log groups, and CloudWatch takes 50"},
	} {
		a := valid()
		test.change(a)
		err := a.Validate().Err()
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: the message has no %q: %v", test.name, test.want, err)
		}
	}
}

func TestBadArgumentsRegisterNothing(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"settings":      {func(a *Args) { a.AlarmThresholds = setting.Thresholds{}; a.AlarmTopicArn = "x" }, []string{"alarmThresholds.apiErrorPercent: 0", `alarmTopicArn: "x"`}},
		"no components": {func(a *Args) { a.APIID, a.LoadBalancer, a.ClusterName = nil, nil, nil }, []string{"APIID: is missing", "LoadBalancer: is missing", "ClusterName: is missing"}},
		"no count":      {func(a *Args) { a.Services[0].MinCount = 0 }, []string{"Services.alpha.MinCount: 0 is not allowed: one task or more"}},
		"no Args": {func(a *Args) { *a = Args{} }, []string{"aws:region: is missing", "APIEndpoint: is missing", "AccessLogs: is missing",
			"TargetGroups: is missing", "ServiceNames: is missing", "LogGroups: is missing", "ImageDigests: is missing", "Services: is missing", "ReplaceTime: 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := valid()
			test.change(a)
			r := &testkit.Recorder{}
			err := tryDeploy(r, a)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message has no %q: %v", want, err)
				}
			}
			if made := r.List(); len(made) > 0 {
				t.Errorf("made: %q", made)
			}
		})
	}
}
