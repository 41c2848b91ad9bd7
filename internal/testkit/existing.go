package testkit

import "private-api/internal/fakeaws"

// The load balancer of Existing.
const (
	ListenerArn = "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2"
	BalancerArn = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/shop/50dc6c495c0c9188"
)

// Existing returns an account that holds an internal Application Load Balancer with an HTTP listener on port 8080, in
// three subnets of which each has VPC links.
func Existing() *fakeaws.Existing {
	all := fakeaws.Existing{
		ListenerArn: {"loadBalancerArn": BalancerArn, "port": 8080, "protocol": "HTTP", "mutualAuthentications": []any{map[string]any{"mode": "off"}}},
		BalancerArn: {
			"name": "shop", "idleTimeout": 60, "internal": true, "loadBalancerType": "application", "vpcId": "vpc-1", "securityGroups": []any{"sg-2", "sg-1"},
			"subnets": []any{"subnet-c", "subnet-a", "subnet-b"},
		},
	}
	for i, letter := range []string{"a", "b", "c"} {
		all["subnet-"+letter] = map[string]any{"vpcId": "vpc-1", "availabilityZone": "us-west-2" + letter, "availabilityZoneId": "usw2-az" + string(rune('1'+i))}
	}
	return &all
}
