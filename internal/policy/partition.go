package policy

import (
	"slices"
	"strings"
)

// Partition is one of the parts of AWS that share nothing: an ARN begins with its name, and no role of one reaches into
// another.
type Partition struct {
	Name      string // as in an ARN: aws-cn
	Suffix    string // end of the names of AWS's hosts: amazonaws.com.cn
	DualStack string // the same for hosts that also have IPv6 addresses, without the first part, which differs by service

	prefix string // of its regions
}

// Source: https://github.com/aws/aws-sdk-go-v2/blob/main/internal/endpoints/awsrulesfn/partitions.json
var (
	commercial = Partition{Name: "aws", Suffix: "amazonaws.com", DualStack: "aws"}
	others     = []Partition{
		{"aws-cn", "amazonaws.com.cn", "amazonwebservices.com.cn", "cn-"},
		{"aws-us-gov", "amazonaws.com", "aws", "us-gov-"},
		{"aws-eusc", "amazonaws.eu", "amazonwebservices.eu", "eusc-"},
		{"aws-iso", "c2s.ic.gov", "aws.ic.gov", "us-iso-"},
		{"aws-iso-b", "sc2s.sgov.gov", "aws.scloud", "us-isob-"},
		{"aws-iso-e", "cloud.adc-e.uk", "cloud-aws.adc-e.uk", "eu-isoe-"},
		{"aws-iso-f", "csp.hci.ic.gov", "aws.hci.ic.gov", "us-isof-"},
	}
)

// PartitionOf returns the partition that a region is in.
func PartitionOf(region string) Partition {
	i := slices.IndexFunc(others, func(p Partition) bool { return strings.HasPrefix(region, p.prefix) })
	if i < 0 {
		return commercial
	}
	return others[i]
}

// ARN writes the name of a resource. Some have no region, some no account.
func (p Partition) ARN(service, region, account, name string) string {
	return strings.Join([]string{"arn", p.Name, service, region, account, name}, ":")
}
