package fakeaws

import (
	"fmt"
	"maps"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// lookups says what AWS answers to each lookup of the program. What was asked is in the answer too.
var lookups = map[string]func(in Account, args resource.PropertyMap) map[string]any{
	"aws:ec2/getSubnet:getSubnet": existing("id"),
	"aws:ecr/getAuthorizationToken:getAuthorizationToken": func(in Account, _ resource.PropertyMap) map[string]any {
		return map[string]any{
			"authorizationToken": "QVdTOnBhc3N3b3Jk", "expiresAt": "2026-01-01T12:00:00Z", "id": in.Region,
			"password": "password", "proxyEndpoint": fmt.Sprintf("https://%s.dkr.ecr.%s.amazonaws.com", in.ID, in.Region), "userName": "AWS",
		}
	},
	"aws:iam/getRole:getRole": func(in Account, args resource.PropertyMap) map[string]any {
		name, _ := args["name"].V.(string)
		return map[string]any{
			"arn": fmt.Sprintf("arn:aws:iam::%s:role/%s", in.ID, name), "assumeRolePolicy": "{}", "createDate": "2026-01-01T12:00:00Z",
			"description": "", "id": name, "maxSessionDuration": 3600, "path": "/", "permissionsBoundary": "",
			"roleLastUseds": []any{}, "tags": map[string]any{}, "uniqueId": "AROALOCAL",
		}
	},
	"aws:index/getAvailabilityZones:getAvailabilityZones": func(in Account, _ resource.PropertyMap) map[string]any {
		var names, ids []any
		for i, letter := range []string{"a", "b", "c"} {
			names = append(names, in.Region+letter)
			ids = append(ids, fmt.Sprintf("%s-az%d", regionCode(in.Region), i+1))
		}
		return map[string]any{"groupNames": []any{in.Region}, "id": in.Region, "names": names, "zoneIds": ids}
	},
	"aws:index/getCallerIdentity:getCallerIdentity": func(in Account, _ resource.PropertyMap) map[string]any {
		return map[string]any{"accountId": in.ID, "arn": fmt.Sprintf("arn:aws:iam::%s:user/local", in.ID), "id": in.ID, "userId": "AIDALOCAL"}
	},
	"aws:lb/getListener:getListener":         existing("arn"),
	"aws:lb/getLoadBalancer:getLoadBalancer": existing("arn"),
	"aws:ssm/getParameter:getParameter": func(in Account, args resource.PropertyMap) map[string]any {
		name, _ := args["name"].V.(string)
		const value = "ami-00000000000000001" // the public parameters that the program reads hold images
		return map[string]any{
			"arn": fmt.Sprintf("arn:aws:ssm:%s::parameter%s", in.Region, name), "id": name, "insecureValue": value,
			"name": name, "type": "String", "value": value, "version": 1,
		}
	},
}

// existing answers a lookup of a thing that the program did not make, which the argument key names.
func existing(key resource.PropertyKey) func(Account, resource.PropertyMap) map[string]any {
	return func(in Account, args resource.PropertyMap) map[string]any {
		if name, _ := args[key].V.(string); in.Existing != nil {
			return (*in.Existing)[name]
		}
		return nil
	}
}

// Invoke answers a lookup. To ask for what is not there is an error.
func (in Account) Invoke(token string, args resource.PropertyMap) (resource.PropertyMap, error) {
	answer, ok := lookups[token]
	if !ok {
		return nil, fmt.Errorf("the stand-in for AWS has no lookup %s; add it to internal/fakeaws/invoke.go", token)
	}
	found := answer(in, args)
	if found == nil {
		return nil, fmt.Errorf("the stand-in for AWS has nothing that %s finds by %v", token, args.Mappable())
	}
	result := resource.NewPropertyMapFromMap(found)
	maps.Copy(result, args)
	return result, nil
}

// regionCode shortens a region as zone ids do: us-west-2 is usw2, ap-southeast-1 is apse1.
// Source: https://docs.aws.amazon.com/ram/latest/userguide/working-with-az-ids.html
func regionCode(region string) string {
	return strings.NewReplacer(
		"north", "n", "south", "s", "east", "e", "west", "w", "central", "c", "gov", "g", "-", "",
	).Replace(region)
}
