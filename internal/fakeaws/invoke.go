package fakeaws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// lookups says what AWS answers to each lookup that the program uses.
var lookups = map[string]func(in Account, args resource.PropertyMap) map[string]any{
	"aws:ecr/getAuthorizationToken:getAuthorizationToken": func(in Account, args resource.PropertyMap) map[string]any {
		return map[string]any{
			"authorizationToken": "QVdTOnBhc3N3b3Jk",
			"expiresAt":          "2026-01-01T12:00:00Z",
			"id":                 in.Region,
			"password":           "password",
			"proxyEndpoint":      fmt.Sprintf("https://%s.dkr.ecr.%s.amazonaws.com", in.ID, in.Region),
			"userName":           "AWS",
		}
	},
	"aws:index/getAvailabilityZones:getAvailabilityZones": func(in Account, args resource.PropertyMap) map[string]any {
		var names, ids []any
		for i, letter := range []string{"a", "b", "c"} {
			names = append(names, in.Region+letter)
			ids = append(ids, fmt.Sprintf("%s-az%d", regionCode(in.Region), i+1))
		}
		return map[string]any{
			"groupNames": []any{in.Region}, "id": in.Region, "names": names, "zoneIds": ids,
		}
	},
	"aws:index/getCallerIdentity:getCallerIdentity": func(in Account, args resource.PropertyMap) map[string]any {
		return map[string]any{
			"accountId": in.ID, "arn": fmt.Sprintf("arn:aws:iam::%s:user/local", in.ID), "id": in.ID, "userId": "AIDALOCAL",
		}
	},
	"aws:ssm/getParameter:getParameter": func(in Account, args resource.PropertyMap) map[string]any {
		name := args["name"].StringValue()
		const value = "ami-00000000000000001" // the public parameters that the program reads hold images
		return map[string]any{
			"arn": fmt.Sprintf("arn:aws:ssm:%s::parameter%s", in.Region, name), "id": name, "insecureValue": value,
			"name": name, "type": "String", "value": value, "version": 1,
		}
	},
}

// Invoke answers a lookup in the default account: what mocks of the whole program return.
func Invoke(token string, args resource.PropertyMap) (resource.PropertyMap, error) {
	return Default.Invoke(token, args)
}

// Invoke answers a lookup; the error of one that is not known names it. What was asked is in the answer too.
func (in Account) Invoke(token string, args resource.PropertyMap) (resource.PropertyMap, error) {
	answer, ok := lookups[token]
	if !ok {
		return nil, fmt.Errorf("the stand-in for AWS has no lookup %s; internal/fakeaws/invoke.go lists those it has", token)
	}
	if token == "aws:ssm/getParameter:getParameter" && !args["name"].IsString() {
		return nil, fmt.Errorf("%s: name is not set", token)
	}
	result := args.Copy()
	if result == nil {
		result = resource.PropertyMap{}
	}
	for key, value := range answer(in, args) {
		result[resource.PropertyKey(key)] = resource.NewPropertyValue(value)
	}
	return result, nil
}

// regionCode shortens a region as zone ids do: us-west-2 is usw2, ap-southeast-1 is apse1.
// Source: https://docs.aws.amazon.com/ram/latest/userguide/working-with-az-ids.html
func regionCode(region string) string {
	parts := strings.Split(region, "-")
	if len(parts) < 3 {
		return region
	}
	for i, part := range parts[1 : len(parts)-1] {
		short := ""
		for _, side := range []string{"north", "south", "east", "west", "central", "gov"} {
			if strings.Contains(part, side) {
				short += side[:1]
			}
		}
		parts[i+1] = short
	}
	return strings.Join(parts, "")
}
