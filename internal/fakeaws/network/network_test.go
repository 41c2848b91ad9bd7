package network_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	awsx "github.com/pulumi/pulumi-awsx/sdk/v2/go/awsx/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/fakeaws/network"
	"private-api/internal/testkit"
)

type group struct{ pulumi.ResourceState }

// run makes a VPC in a component. It returns what was made, and of the outputs the route table of each private subnet, by
// the association.
func run(nat awsx.NatGatewayStrategy, specs []awsx.SubnetSpecArgs) (made []string, tables []string, err error) {
	r := &testkit.Recorder{}
	cidr, auto := "10.0.0.0/16", awsx.SubnetAllocationStrategyAuto
	err = r.Run(func(ctx *pulumi.Context) error {
		parent := &group{}
		if err := ctx.RegisterComponentResource("test:index:Group", "group", parent); err != nil {
			return err
		}
		vpc, err := awsx.NewVpc(ctx, "net", &awsx.VpcArgs{
			CidrBlock: &cidr, AvailabilityZoneNames: []string{"us-west-2a", "us-west-2b"}, SubnetStrategy: &auto,
			SubnetSpecs: specs, NatGateways: &awsx.NatGatewayConfigurationArgs{Strategy: nat},
		}, pulumi.Parent(parent))
		if err != nil {
			return err
		}
		vpc.RouteTableAssociations.ApplyT(func(associations []*ec2.RouteTableAssociation) pulumi.StringArrayOutput {
			ids := pulumi.StringArray{}
			for _, a := range associations {
				ids = append(ids, a.SubnetId.Elem(), a.RouteTableId)
			}
			return ids.ToStringArrayOutput()
		}).(pulumi.StringArrayOutput).ApplyT(func(ids []string) pulumi.StringArrayOutput {
			return vpc.PrivateSubnetIds.ApplyT(func(private []string) []string {
				for i := 0; i < len(ids); i += 2 {
					if slices.Contains(private, ids[i]) {
						tables = append(tables, ids[i+1])
					}
				}
				return tables
			}).(pulumi.StringArrayOutput)
		})
		return nil
	}, nil)
	for _, child := range r.Resources {
		if strings.HasPrefix(child.Type, "test:") {
			continue
		}
		line := child.String() + " in " + resource.URN(child.Parent).Name()
		for _, input := range []string{"cidrBlock", "availabilityZone", "gatewayId"} {
			if text, ok := child.Input(input).(string); ok && child.Type != network.Token {
				value, _, _ := strings.Cut(text, "-")
				line += " " + value
			}
		}
		made = append(made, line)
	}
	slices.Sort(made)
	return made, tables, err
}

func TestChildren(t *testing.T) {
	made, tables, err := run(awsx.NatGatewayStrategyNone,
		[]awsx.SubnetSpecArgs{{Type: awsx.SubnetTypePublic}, {Type: awsx.SubnetTypePrivate}})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(`
awsx.Vpc net in group
ec2.InternetGateway net in net
ec2.Route net-public-1 in net-public-1 igw
ec2.Route net-public-2 in net-public-2 igw
ec2.RouteTable net-private-1 in net-private-1
ec2.RouteTable net-private-2 in net-private-2
ec2.RouteTable net-public-1 in net-public-1
ec2.RouteTable net-public-2 in net-public-2
ec2.RouteTableAssociation net-private-1 in net-private-1
ec2.RouteTableAssociation net-private-2 in net-private-2
ec2.RouteTableAssociation net-public-1 in net-public-1
ec2.RouteTableAssociation net-public-2 in net-public-2
ec2.Subnet net-private-1 in net 10.0.64.0/18 us
ec2.Subnet net-private-2 in net 10.0.192.0/18 us
ec2.Subnet net-public-1 in net 10.0.0.0/18 us
ec2.Subnet net-public-2 in net 10.0.128.0/18 us
ec2.Vpc net in net 10.0.0.0/16`), "\n")
	slices.Sort(want)
	if !slices.Equal(made, want) {
		t.Errorf("made\n%s\nwant\n%s", strings.Join(made, "\n"), strings.Join(want, "\n"))
	}
	if len(tables) != 2 || tables[0] == tables[1] || !strings.HasPrefix(tables[0], "rtb-") {
		t.Errorf("the private subnets have the route tables %q, want one each", tables)
	}
}

func TestRefusals(t *testing.T) {
	mask := 15
	for want, asked := range map[string]struct {
		nat   awsx.NatGatewayStrategy
		specs []awsx.SubnetSpecArgs
	}{
		"not \"Isolated\"":               {awsx.NatGatewayStrategyNone, []awsx.SubnetSpecArgs{{Type: awsx.SubnetTypeIsolated}}},
		"a subnet of /15 does not fit":   {awsx.NatGatewayStrategyNone, []awsx.SubnetSpecArgs{{Type: awsx.SubnetTypePublic, CidrMask: &mask}}},
		"needs cidrBlock, availabilityZ": {awsx.NatGatewayStrategyNone, nil},
		"only be None, not \"Single\"":   {awsx.NatGatewayStrategySingle, []awsx.SubnetSpecArgs{{Type: awsx.SubnetTypePublic}}},
	} {
		if _, _, err := run(asked.nat, asked.specs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	_, err := network.New(nil, "net", resource.NewPropertyMapFromMap(map[string]any{"instanceTenancy": "dedicated"}))
	if err == nil || !strings.Contains(err.Error(), `unknown field "instanceTenancy"`) {
		t.Errorf("an argument that is not known: %v", err)
	}
}
