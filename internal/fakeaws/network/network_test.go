package network_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	awsx "github.com/pulumi/pulumi-awsx/sdk/v2/go/awsx/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/fakeaws"
	"private-api/internal/fakeaws/network"
)

type recorder struct {
	sync.Mutex
	ctx  *pulumi.Context
	made []string
}

func (r *recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return fakeaws.Invoke(args.Token, args.Args)
}

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.TypeToken == network.Token && args.RegisterRPC.GetRemote() {
		outputs, err := network.Mock(r.ctx, args)
		return "", outputs, err
	}
	if args.TypeToken == "test:index:Group" {
		return "", nil, nil
	}
	line := args.TypeToken[strings.LastIndex(args.TypeToken, ":")+1:] + " " + args.Name + " in " + string(resource.URN(args.RegisterRPC.GetParent()).Name())
	for _, key := range []resource.PropertyKey{"cidrBlock", "availabilityZone", "gatewayId", "natGatewayId"} {
		if v := args.Inputs[key]; v.IsString() {
			value, _, _ := strings.Cut(v.StringValue(), "-")
			line += " " + value
		}
	}
	r.Lock()
	defer r.Unlock()
	r.made = append(r.made, line)
	if !args.Custom {
		return "", nil, nil
	}
	return fakeaws.Create(args.TypeToken, args.Name, args.Inputs)
}

type group struct{ pulumi.ResourceState }

func run(t *testing.T, nat awsx.NatGatewayStrategy, specs []awsx.SubnetSpecArgs) (made []string, routeTables, private int, err error) {
	t.Helper()
	r := &recorder{}
	cidr, auto := "10.0.0.0/16", awsx.SubnetAllocationStrategyAuto
	err = pulumi.RunErr(func(ctx *pulumi.Context) error {
		r.ctx = ctx
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
		vpc.RouteTables.ApplyT(func(tables []*ec2.RouteTable) pulumi.StringArrayOutput {
			ids := pulumi.StringArray{}
			for _, table := range tables {
				ids = append(ids, table.ID())
			}
			return ids.ToStringArrayOutput()
		}).(pulumi.StringArrayOutput).ApplyT(func(ids []string) int {
			for _, id := range ids {
				if strings.HasPrefix(id, "rtb-") {
					routeTables++
				}
			}
			return 0
		})
		vpc.PrivateSubnetIds.ApplyT(func(ids []string) int { private = len(ids); return 0 })
		return nil
	}, pulumi.WithMocks("project", "stack", r))
	slices.Sort(r.made)
	return r.made, routeTables, private, err
}

func TestChildren(t *testing.T) {
	made, routeTables, private, err := run(t, awsx.NatGatewayStrategySingle,
		[]awsx.SubnetSpecArgs{{Type: awsx.SubnetTypePublic}, {Type: awsx.SubnetTypePrivate}})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(`
Vpc net in group
Eip net-1 in net-public-1
InternetGateway net in net
NatGateway net-1 in net-public-1
Route net-private-1 in net-private-1 nat
Route net-private-2 in net-private-2 nat
Route net-public-1 in net-public-1 igw
Route net-public-2 in net-public-2 igw
RouteTable net-private-1 in net-private-1
RouteTable net-private-2 in net-private-2
RouteTable net-public-1 in net-public-1
RouteTable net-public-2 in net-public-2
RouteTableAssociation net-private-1 in net-private-1
RouteTableAssociation net-private-2 in net-private-2
RouteTableAssociation net-public-1 in net-public-1
RouteTableAssociation net-public-2 in net-public-2
Subnet net-private-1 in net 10.0.64.0/18 us
Subnet net-private-2 in net 10.0.192.0/18 us
Subnet net-public-1 in net 10.0.0.0/18 us
Subnet net-public-2 in net 10.0.128.0/18 us
Vpc net in net 10.0.0.0/16`), "\n")
	slices.Sort(want)
	if !slices.Equal(made, want) {
		t.Errorf("made\n%s\nwant\n%s", strings.Join(made, "\n"), strings.Join(want, "\n"))
	}
	if routeTables != 4 || private != 2 {
		t.Errorf("%d route tables and %d private subnets in the outputs, want 4 and 2", routeTables, private)
	}
}

func TestRefusals(t *testing.T) {
	mask := 15
	for want, specs := range map[string][]awsx.SubnetSpecArgs{
		"not \"Isolated\"":               {{Type: awsx.SubnetTypeIsolated}},
		"a subnet of /15 does not fit":   {{Type: awsx.SubnetTypePublic, CidrMask: &mask}},
		"needs cidrBlock, availabilityZ": nil,
	} {
		if _, _, _, err := run(t, awsx.NatGatewayStrategyNone, specs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
