package operations

import (
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
	"private-api/internal/setting"
)

// Args says what to make. Start from DefaultArgs. Declare says what each setting means and allows; the comments here give the
// units.
type Args struct {
	Region          string
	Alarms          bool
	AlarmThresholds setting.Thresholds
	AlarmEmails     []string // for NewTopic
	AlarmTopicArn   string   // for NewTopic
	Dashboard       bool
	SavedQueries    bool
	KeepLinkWarm    bool

	AlarmActions pulumi.StringArrayInput // ARNs of the topics that alarms tell, from NewTopic; nil: none

	APIID       pulumi.StringInput // from the consumer
	APIEndpoint pulumi.StringInput // from the consumer
	AccessLogs  pulumi.StringInput // from the consumer: name of the log group of the API

	LoadBalancer pulumi.StringInput    // from the producer: dimension of CloudWatch
	ClusterName  pulumi.StringInput    // from the producer, as what follows
	TargetGroups pulumi.StringMapInput // per service: dimension of CloudWatch
	ServiceNames pulumi.StringMapInput // per service: its name in ECS
	LogGroups    pulumi.StringMapInput // per service: name
	ImageDigests pulumi.StringMapInput // per service; known once all are deployed

	Services          []Service
	Existing          bool // the services are not the stack's: they have neither cluster, target groups, names nor log groups here
	ContainerInsights bool // of the cluster
	ReplaceTime       int  // minutes in which ECS has replaced a task that is gone
}

// Service is one service of the API.
type Service struct {
	Name, Path string
	MinCount   int // tasks that should run at least; of services that exist, unknown
	MaxCount   int // tasks that scaling lets run; 0: it is not scaled
}

// DefaultArgs has each setting at its default. What comes from the other components has none.
func DefaultArgs() *Args {
	a := &Args{}
	setting.Defaults(a)
	return a
}

// Enabled tells whether anything is turned on.
func (a *Args) Enabled() bool { return a.Alarms || a.Dashboard || a.SavedQueries || a.KeepLinkWarm }

// Limits of AWS.
const (
	maxWidgets   = 500 // of a dashboard: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
	maxLogGroups = 50  // of a query: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
)

var (
	emailAddress = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	// topicArn leaves out FIFO topics, whose names end in .fifo: CloudWatch tells standard topics alone.
	// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
	topicArn = regexp.MustCompile(`^arn:(aws[a-z-]*):sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}$`)
)

// Declare declares the settings of operations.
func (a *Args) Declare(s *setting.Set) {
	setting.Region(s, &a.Region)
	setting.Alarms(s, &a.Alarms)
	setting.AlarmThresholds(s, &a.AlarmThresholds)
	setting.Var(s, &a.AlarmEmails, "alarmEmails", nil, "E-mail addresses that alarms notify; each gets a mail first, to confirm", setting.InPlace,
		setting.Each(setting.Must("different e-mail addresses", emailAddress.MatchString)))
	setting.Var(s, &a.AlarmTopicArn, "alarmTopicArn", "", "SNS topic of your own that alarms notify, in place of alarmEmails", setting.InPlace,
		setting.Must("the ARN of a standard SNS topic, such as arn:aws:sns:us-west-2:123456789012:on-call", topicArn.MatchString))
	setting.Var(s, &a.Dashboard, "dashboard", false, "Make a CloudWatch dashboard of the stack", setting.InPlace)
	setting.Var(s, &a.SavedQueries, "savedQueries", false, "Save queries for the logs in CloudWatch Logs Insights", setting.InPlace)
	setting.Var(s, &a.KeepLinkWarm, "keepLinkWarm", false, "Send a request a day through the VPC link, which AWS takes down after 60 days without one", setting.InPlace)
}

// Validate returns what is wrong with the settings; nil if they are valid. What comes from the other components is for New to
// check, apart from how many services there are.
func (a *Args) Validate() setting.Problems {
	p := setting.Check(a)
	if !a.Alarms && (len(a.AlarmEmails) > 0 || a.AlarmTopicArn != "") {
		p.Add("alarms", false, "true, as alarmEmails or alarmTopicArn is set")
	}
	if a.AlarmTopicArn != "" {
		if len(a.AlarmEmails) > 0 {
			p.Add("alarmEmails", a.AlarmEmails, "nothing while alarmTopicArn is set; add the addresses to that topic")
		}
		if m := topicArn.FindStringSubmatch(a.AlarmTopicArn); m != nil && (m[2] != a.Region || m[1] != policy.PartitionOf(a.Region).Name) {
			p.Add("alarmTopicArn", a.AlarmTopicArn, "a topic of region %s, as alarms tell no other", a.Region)
		}
	}
	if n := len(a.layout(&seen{})); a.Dashboard && n > maxWidgets {
		p.Add("dashboard", true, "false, as it would have %d widgets for %d services, and CloudWatch takes %d", n, len(a.Services), maxWidgets)
	}
	if n := 1 + len(a.Services); a.SavedQueries && !a.Existing && n > maxLogGroups {
		p.Add("savedQueries", true, "false, as a query would read %d log groups, and CloudWatch takes %d", n, maxLogGroups)
	}
	return p
}

func (a *Args) validateInputs() (p setting.Problems) {
	need := func(input string, missing bool) {
		if missing {
			p.Add(input, nil, "an output of the other components")
		}
	}
	need("APIID", a.APIID == nil)
	need("APIEndpoint", a.APIEndpoint == nil)
	need("AccessLogs", a.AccessLogs == nil)
	need("LoadBalancer", a.LoadBalancer == nil)
	need("ClusterName", a.ClusterName == nil && !a.Existing)
	need("TargetGroups", a.TargetGroups == nil && !a.Existing)
	need("ServiceNames", a.ServiceNames == nil && !a.Existing)
	need("LogGroups", a.LogGroups == nil && !a.Existing)
	need("ImageDigests", a.ImageDigests == nil && !a.Existing)
	if len(a.Services) == 0 {
		p.Add("Services", nil, "one service or more")
	}
	for _, s := range a.Services {
		if s.MinCount < 1 && !a.Existing {
			p.Add("Services."+s.Name+".MinCount", s.MinCount, "one task or more")
		}
	}
	if a.ReplaceTime < 1 && !a.Existing {
		p.Add("ReplaceTime", a.ReplaceTime, "a minute or more")
	}
	return p
}
