package setting

import (
	"net/netip"
	"regexp"
)

// What a change of a setting does to a stack that is up, where several settings say the same.
const (
	InPlace = "in place"
	Rolling = "rolling deployment"
	Fixed   = "fixed by the first up: take another stack"
	Nothing = "nothing"
)

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
	Var(s, field, "logRetentionDays", 30, "Days that CloudWatch keeps the logs of services and API", InPlace,
		OneOf(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653))
}

// VpcCidr parses the IPv4 range of a VPC. It records a problem if the range is malformed, larger than AWS allows (/16),
// or smaller than longest.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
func (p *Problems) VpcCidr(key, value string, longest int) {
	prefix, err := netip.ParsePrefix(value)
	if err != nil || !prefix.Addr().Is4() || prefix != prefix.Masked() || prefix.Bits() < 16 || prefix.Bits() > longest {
		p.Add(key, value, "an IPv4 range between /16 and /%d without host bits, such as 10.0.0.0/16", longest)
	}
}
