package producer

import (
	"slices"

	"private-api/internal/setting"
)

// vpcLinkZones lists, per region, the ids of the zones in which API Gateway has VPC links. Ids, because the same zone
// has another name in every account.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vpc-links.html
// ("Availability by Region").
var vpcLinkZones = map[string][]string{
	"us-east-1":      {"use1-az1", "use1-az2", "use1-az4", "use1-az5", "use1-az6"},
	"us-east-2":      {"use2-az1", "use2-az2", "use2-az3"},
	"us-west-1":      {"usw1-az1", "usw1-az3"},
	"us-west-2":      {"usw2-az1", "usw2-az2", "usw2-az3", "usw2-az4"},
	"ap-east-1":      {"ape1-az2", "ape1-az3"},
	"ap-south-1":     {"aps1-az1", "aps1-az2", "aps1-az3"},
	"ap-northeast-1": {"apne1-az1", "apne1-az2", "apne1-az4"},
	"ap-northeast-2": {"apne2-az1", "apne2-az2", "apne2-az3"},
	"ap-southeast-1": {"apse1-az1", "apse1-az2", "apse1-az3"},
	"ap-southeast-2": {"apse2-az1", "apse2-az2", "apse2-az3"},
	"ca-central-1":   {"cac1-az1", "cac1-az2"},
	"eu-central-1":   {"euc1-az1", "euc1-az2", "euc1-az3"},
	"eu-north-1":     {"eun1-az1", "eun1-az2", "eun1-az3"},
	"eu-south-2":     {"eus2-az1", "eus2-az2", "eus2-az3"},
	"eu-west-1":      {"euw1-az1", "euw1-az2", "euw1-az3"},
	"eu-west-2":      {"euw2-az1", "euw2-az2", "euw2-az3"},
	"eu-west-3":      {"euw3-az1", "euw3-az3"},
	"me-south-1":     {"mes1-az1", "mes1-az2", "mes1-az3"},
	"sa-east-1":      {"sae1-az1", "sae1-az2", "sae1-az3"},
	"us-gov-west-1":  {"usgw1-az1", "usgw1-az2", "usgw1-az3"},
}

// hasVpcLinks tells whether a zone has VPC links. Of a region that AWS's published list does not have, it takes every zone.
func hasVpcLinks(region, zoneID string) bool {
	ids, known := vpcLinkZones[region]
	return !known || slices.Contains(ids, zoneID)
}

// Zone is an availability zone: the name it has in this account and its id.
type Zone struct{ Name, ID string }

// ChooseZones returns the named zones or, if there are none, the first count zones by name. In each of them API Gateway
// has VPC links: a named zone that is not available or has none is a problem, and so are too few. A region that AWS's
// published list does not have gets its zones unfiltered, and known is false.
func ChooseZones(region string, available []Zone, named []string, count int) (names []string, known bool, problems setting.Problems) {
	_, known = vpcLinkZones[region]
	for _, z := range available {
		if hasVpcLinks(region, z.ID) {
			names = append(names, z.Name)
		}
	}
	slices.Sort(names)
	for _, name := range named {
		if !slices.Contains(names, name) {
			problems.Add("availabilityZones", name, "zones of %s that have VPC links for this account: %s", region, setting.Join(names))
		}
	}
	if len(named) > 0 {
		return named, known, problems
	}
	if len(names) < count {
		problems.Add("availabilityZoneCount", count, "as many zones as %s has with VPC links for this account, which is %d; lower it, or choose another region", region, len(names))
		return nil, known, problems
	}
	return names[:count], known, nil
}
