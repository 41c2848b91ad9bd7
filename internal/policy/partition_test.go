package policy

import "testing"

func TestPartitionOf(t *testing.T) {
	for region, want := range map[string]string{
		"us-west-2": "aws amazonaws.com", "ap-southeast-6": "aws amazonaws.com", "il-central-1": "aws amazonaws.com",
		"us-gov-west-1": "aws-us-gov amazonaws.com", "cn-northwest-1": "aws-cn amazonaws.com.cn", "eusc-de-east-1": "aws-eusc amazonaws.eu",
		"us-iso-west-1": "aws-iso c2s.ic.gov", "us-isob-east-1": "aws-iso-b sc2s.sgov.gov", "eu-isoe-west-1": "aws-iso-e cloud.adc-e.uk",
		"us-isof-east-1": "aws-iso-f csp.hci.ic.gov",
	} {
		if p := PartitionOf(region); p.Name+" "+p.Suffix != want {
			t.Errorf("%s: %s %s, want %s", region, p.Name, p.Suffix, want)
		}
	}
	if got, want := PartitionOf("cn-north-1").ARN("iam", "", "123456789012", "role/x"), "arn:aws-cn:iam::123456789012:role/x"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
