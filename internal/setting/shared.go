package setting

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// What a change of a setting does to a stack that is up, where several settings say the same.
const (
	InPlace = "in place"
	Rolling = "rolling deployment"
	Fixed   = "fixed by the first up: take another stack"
	Nothing = "nothing"
)

// Interrupts tells from what a change does whether somebody may notice.
func Interrupts(onChange string) bool {
	return !slices.ContainsFunc([]string{InPlace, Rolling, Nothing}, func(harmless string) bool { return strings.HasPrefix(onChange, harmless) })
}

var regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d+$`)

// Region declares aws:region, which several components need to know.
func Region(s *Set, field *string) {
	Var(s, field, "aws:region", "us-west-2", "Region of the stack", "another stack",
		Must("a region such as us-west-2", regionName.MatchString))
}

// Profile declares aws:profile.
func Profile(s *Set, field *string) {
	Var(s, field, "aws:profile", "", "Profile of the AWS configuration files to take credentials from", "another stack")
}

// LogRetentionDays declares how long CloudWatch Logs keeps logs. It knows certain numbers of days alone.
// Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
func LogRetentionDays(s *Set, field *int) {
	Var(s, field, "logRetentionDays", 30, "Days that logs are kept: those of services, API and VPCs in CloudWatch, those of the load balancer in S3", InPlace,
		OneOf(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653))
}

// FlowLogs declares whether the traffic of VPCs is recorded.
func FlowLogs(s *Set, field *bool) {
	Var(s, field, "flowLogs", false, "Record the traffic of the stack's VPCs in CloudWatch, which charges by the gigabyte", "in place; makes or removes the logs")
}

// Alarms declares whether CloudWatch watches the stack.
func Alarms(s *Set, field *bool) {
	Var(s, field, "alarms", false, "Make CloudWatch alarms; one of a service that goes off during a deployment rolls it back", Rolling+"; makes or removes the alarms")
}

// Thresholds are the values above which alarms go off.
type Thresholds struct {
	ServiceErrorPercent    int // of the requests of a service
	ServiceP99Milliseconds int // within which a service answers 99 % of the requests
	APIErrorPercent        int // of the requests of the API
	APIP99Milliseconds     int // within which the API answers 99 % of the requests
}

// AlarmThresholds declares all thresholds, as they are one object, whoever makes the alarms.
func AlarmThresholds(s *Set, t *Thresholds) {
	Object(s, "alarmThresholds", "Values above which alarms go off", func(s *Set) {
		// One task in two that fails makes 50 %, one in ten still 10; what callers break off or retry stays below 1.
		Var(s, &t.ServiceErrorPercent, "serviceErrorPercent", 5, "Percent of a service's answers in a minute that are errors (5xx)", InPlace,
			Between(1, 99, "percent"))
		// A tenth of the time after which the API gives up, so that it tells before callers get errors.
		Var(s, &t.ServiceP99Milliseconds, "serviceP99Milliseconds", 3000, "Milliseconds in which a service answers 99 of 100 requests of a minute", InPlace,
			Between(1, 30000, "milliseconds"))
		// As of a service: the API answers most errors with those of one.
		Var(s, &t.APIErrorPercent, "apiErrorPercent", 5, "Percent of the API's answers in a minute that are errors (5xx)", InPlace,
			Between(1, 99, "percent"))
		// As of a service: API Gateway itself adds some ten milliseconds, which do not matter here.
		Var(s, &t.APIP99Milliseconds, "apiP99Milliseconds", 3000, "Milliseconds in which the API answers 99 of 100 requests of a minute", InPlace,
			Between(1, 30000, "milliseconds"))
	})
}

// special are addresses that no machine can have in a network: "this network", loopback, link-local, multicast and
// reserved ones. Of the link-local ones AWS says that it refuses them:
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions
// Of the others routers forward none: https://www.iana.org/assignments/iana-ipv4-special-registry
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
}

// Range parses an IPv4 range that machines can have addresses of. Its length is between shortest and longest, and it has
// no host bits.
func Range(text string, shortest, longest int) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(text)
	ok := err == nil && prefix.Addr().Is4() && prefix == prefix.Masked() && shortest <= prefix.Bits() && prefix.Bits() <= longest
	return prefix, ok && !slices.ContainsFunc(special, func(s netip.Prefix) bool { return s.Contains(prefix.Addr()) })
}

// VpcCidr records a problem if an IPv4 range is none that a VPC may have, or smaller than longest. AWS allows /16 at most:
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
func (p *Problems) VpcCidr(key, value string, longest int) {
	if _, ok := Range(value, 16, longest); !ok {
		p.Add(key, value, "an IPv4 range between /16 and /%d without host bits, such as 10.0.0.0/16, outside 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16 and 224.0.0.0/3", longest)
	}
}
