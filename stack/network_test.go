package stack

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"private-api/internal/fakeaws"
	"private-api/internal/testkit"
)

// existing are the settings of the network that exists in the stand-in's account.
func existing(more map[string]string) map[string]string {
	all := map[string]string{"network": fmt.Sprintf(`{"vpcId":%q,"privateSubnetIds":[%q,%q]}`, fakeaws.ExistingVpc, fakeaws.ExistingSubnets[0].ID, fakeaws.ExistingSubnets[1].ID)}
	maps.Copy(all, more)
	return all
}

// deployInNetwork runs the program where that network exists.
func deployInNetwork(t *testing.T, settings map[string]string) (*testkit.Recorder, error) {
	t.Helper()
	return deployWhere(t, &testkit.Recorder{}, fakeaws.EC2, settings)
}

// deployWhere runs the program where aws answers its own calls.
func deployWhere(t *testing.T, r *testkit.Recorder, aws http.HandlerFunc, settings map[string]string) (*testkit.Recorder, error) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"} {
		t.Setenv(name, value)
	}
	server := httptest.NewServer(aws)
	defer server.Close()
	p := fixture(t)
	p.Endpoint = server.URL
	return r, deployOn(r, p, settings)
}

// Everything that a stack of its own VPC has, less the VPC and all that is in it alone; and no bastion, which would bring
// another VPC.
func TestNetwork(t *testing.T) {
	r, err := deployInNetwork(t, existing(nil))
	if err != nil {
		t.Fatal(err)
	}
	vpcs := []string{
		"awsx.Vpc", "ec2.Vpc", "ec2.InternetGateway", "ec2.Subnet", "ec2.RouteTable", "ec2.RouteTableAssociation", "ec2.Route",
		"ec2.Eip", "ec2.NatGateway", "ec2.VpcEndpoint", "ec2.DefaultSecurityGroup",
	}
	want := slices.DeleteFunc(deploy(t, map[string]string{"bastion": "false"}).List(), func(line string) bool {
		short, _, _ := strings.Cut(line, " ")
		return slices.Contains(vpcs, short)
	})
	same(t, "resources", r.List(), want)

	subnets := []any{fakeaws.ExistingSubnets[0].ID, fakeaws.ExistingSubnets[1].ID}
	for name, input := range map[string]string{
		"lb.LoadBalancer producer": "subnets", "apigatewayv2.VpcLink producer": "subnetIds", "ecs.Service producer-alpha": "networkConfiguration.subnets",
	} {
		if got := r.Get(t, name).Input(input); fmt.Sprint(got) != fmt.Sprint(subnets) {
			t.Errorf("%s is in %v, want %v", name, got, subnets)
		}
	}
	for _, group := range r.All("ec2.SecurityGroup") {
		if got := group.Input("vpcId"); got != fakeaws.ExistingVpc {
			t.Errorf("%s is in %v", group, got)
		}
	}
	if got := r.Get(t, "servicediscovery.PrivateDnsNamespace producer").Input("vpc"); got != fakeaws.ExistingVpc {
		t.Errorf("the namespace is in %v", got)
	}
}

// The schema's defaults, as the CLI hands them over, count as set by nobody, also behind a load balancer.
func TestNetworkWithDefaults(t *testing.T) {
	defaults := map[string]string{}
	for key, d := range readProject(t).Config {
		if d.Value != nil {
			defaults[key] = text(t, d.Value)
		} else {
			defaults[key] = text(t, d.Default)
		}
	}
	with, without := maps.Clone(defaults), existing(nil)
	maps.Copy(with, without)
	got, err := deployInNetwork(t, with)
	if err != nil {
		t.Fatal(err)
	}
	want, err := deployInNetwork(t, without)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "resources", got.List(), want.List())
	maps.Copy(defaults, behind(""))
	if _, err := goBehind(t, defaults, 30, nil); err != nil {
		t.Error(err)
	}
}

// Another subnet moves what is in subnets, and makes a new VPC link.
func TestNetworkSettings(t *testing.T) {
	before, err := deployInNetwork(t, existing(nil))
	if err != nil {
		t.Fatal(err)
	}
	after, err := deployInNetwork(t, map[string]string{"network": fmt.Sprintf(`{"vpcId":%q,"privateSubnetIds":[%q,%q]}`, fakeaws.ExistingVpc, fakeaws.ExistingSubnets[0].ID, fakeaws.ExistingSubnets[2].ID)})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "changed", changes(t, before, after), []string{
		"apigatewayv2.VpcLink producer subnetIds", "ecs.Service producer-alpha networkConfiguration", "ecs.Service producer-beta networkConfiguration", "lb.LoadBalancer producer subnets",
	})
}

func TestNetworkWithBastion(t *testing.T) {
	r, err := deployInNetwork(t, existing(map[string]string{"bastion": "true"}))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "VPCs", []string{fmt.Sprint(r.All("awsx.Vpc"))}, []string{"[awsx.Vpc consumer]"})
	if got := r.Get(t, "ec2.Subnet consumer-public-2").Input("availabilityZone"); got != "us-west-2b" {
		t.Errorf("the second zone of the bastion is %v", got)
	}
}

func TestNetworkRefusals(t *testing.T) {
	const own = "leave it out with network, as your VPC has its ranges, zones and ways out already"
	for name, test := range map[string]struct {
		settings map[string]string
		want     []string
	}{
		"settings of a VPC that is made": {
			existing(map[string]string{"producerVpcCidr": "10.4.0.0/16", "availabilityZones": `["us-west-2a","us-west-2b"]`, "availabilityZoneCount": "3", "egress": "endpoints"}),
			[]string{
				`availabilityZoneCount: 3 is not allowed: ` + own, `availabilityZones: ["us-west-2a","us-west-2b"] is not allowed: ` + own,
				`egress: "endpoints" is not allowed: ` + own, `producerVpcCidr: "10.4.0.0/16" is not allowed: ` + own,
			},
		},
		"no VPC":      {map[string]string{"network": `{"privateSubnetIds":["subnet-00000001","subnet-00000002"]}`}, []string{"network.vpcId: is missing: the id of the VPC that network.privateSubnetIds are in"}},
		"no subnets":  {map[string]string{"network": `{"vpcId":"vpc-00000001"}`}, []string{"network.privateSubnetIds: is missing: the ids of two private subnets or more of that VPC, each in another zone"}},
		"one subnet":  {map[string]string{"network": `{"vpcId":"vpc-00000001","privateSubnetIds":["subnet-00000001"]}`}, []string{`network.privateSubnetIds: ["subnet-00000001"] is not allowed: two subnets or more`}},
		"same subnet": {map[string]string{"network": `{"vpcId":"vpc-00000001","privateSubnetIds":["subnet-00000001","subnet-00000001"]}`}, []string{`network.privateSubnetIds: "subnet-00000001" is not allowed: different ids of subnets`}},
		"other forms": {map[string]string{"network": `{"vpcId":"main","privateSubnetIds":["subnet-1","subnet-00000002"]}`}, []string{
			`network.vpcId: "main" is not allowed: the id of a VPC, such as vpc-0123456789abcdef0`, `network.privateSubnetIds: "subnet-1" is not allowed: different ids of subnets, such as subnet-0123456789abcdef0`,
		}},
		"services that are there": {existing(map[string]string{"listener": listenerSetting("")}), []string{"network.vpcId: ", "network.privateSubnetIds: "}},
		"no such field":           {map[string]string{"network": `{"vpc":"vpc-00000001"}`}, []string{"network.vpc: no such setting; the nearest is network.vpcId"}},
		// What is looked up, together.
		"range of the bastion": {existing(map[string]string{"bastion": "true", "consumerVpcCidr": "10.8.128.0/20"}), []string{
			`consumerVpcCidr: "10.8.128.0/20" is not allowed: a range that does not overlap network.vpcId (10.8.0.0/16)`,
		}},
		"too many tasks, no such subnet, and the bastion": {map[string]string{
			"network": `{"vpcId":"vpc-00000001","privateSubnetIds":["subnet-00000001","subnet-00000009"]}`, "desiredCount": "200", "bastion": "true", "consumerVpcCidr": "10.8.0.0/16",
		}, []string{
			`network.privateSubnetIds: "subnet-00000001" is not allowed: a subnet with 409 free addresses or more: 8 for the load balancer, 1 for the VPC link, and 400 for tasks, which are twice as many during a deployment; it has 251`,
			`network.privateSubnetIds: "subnet-00000009" is not allowed: a subnet of account 123456789012 in us-west-2, which has none of this id`,
			`consumerVpcCidr: "10.8.0.0/16" is not allowed`,
		}},
		"no such VPC": {map[string]string{"network": `{"vpcId":"vpc-00000009","privateSubnetIds":["subnet-00000001","subnet-00000002"]}`}, []string{
			`network.vpcId: "vpc-00000009" is not allowed: a VPC of account 123456789012 in us-west-2, which has none of this id`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := deployInNetwork(t, test.settings)
			if err == nil {
				t.Fatal("not refused")
			}
			lines := slices.DeleteFunc(strings.Split(err.Error(), "\n"), func(line string) bool { return !strings.HasPrefix(line, "private-api:") })
			for _, want := range test.want {
				if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "private-api:"+want) }) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
			if len(lines) != len(test.want) {
				t.Errorf("%d problems, want %d:\n%v", len(lines), len(test.want), err)
			}
			if got := slices.DeleteFunc(r.List(), func(line string) bool { return line == "providers.aws aws" }); len(got) > 0 {
				t.Errorf("made before it was refused: %v", got)
			}
		})
	}
}

// The domain in which services find each other, and the forms that it can have.
func TestNamespace(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 63)+".", 3) // 192
	for name, allowed := range map[string]bool{
		"shop.internal": true, "a.b": true, "eu-1.shop.internal": true, "1.2": true, long + strings.Repeat("b", 45): true,
		long + strings.Repeat("b", 46): false, strings.Repeat("a", 64) + ".local": false, "internal": false, "Shop.internal": false, "shop.internal.": false, ".internal": false,
		"shop..internal": false, "-shop.internal": false, "shop-.internal": false, "sh_op.internal": false, "shöp.internal": false, "": false,
		"amazonaws.com": false, "ecs.us-west-2.amazonaws.com": false, "amazonaws.com.cn": false, "com.cn": false, "us-west-2.api.aws": false, "notamazonaws.com": true,
	} {
		err := deployOn(&testkit.Recorder{}, fixture(t), map[string]string{"namespace": name})
		if (err == nil) != allowed {
			t.Errorf("namespace %q: %v", name, err)
		}
		if err != nil && name != "" && !strings.Contains(err.Error(), fmt.Sprintf("namespace: %q is not allowed: two labels or more", name)) {
			t.Errorf("namespace %q: %v", name, err)
		}
	}
}
