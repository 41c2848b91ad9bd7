// Package network is awsx:ec2:Vpc, a component that comes as a plugin of its own, for the arguments that the program
// uses: the same children, with the same names and parents, as awsx v2 makes.
// Source: https://github.com/pulumi/pulumi-awsx/blob/main/awsx/ec2/vpc.ts
package network

import (
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Token is the type token of the component.
const Token = "awsx:ec2:Vpc"

// Args are the arguments that are understood.
type Args struct {
	CidrBlock             string              `pulumi:"cidrBlock"`
	AvailabilityZoneNames []string            `pulumi:"availabilityZoneNames"`
	SubnetStrategy        string              `pulumi:"subnetStrategy"` // Auto
	SubnetSpecs           []SubnetSpec        `pulumi:"subnetSpecs"`
	NatGateways           *NatGateways        `pulumi:"natGateways"`
	EnableDnsHostnames    pulumi.BoolPtrInput `pulumi:"enableDnsHostnames"`
	EnableDnsSupport      pulumi.BoolPtrInput `pulumi:"enableDnsSupport"`
}

// SubnetSpec asks for one subnet of that type (Public or Private) in each zone.
type SubnetSpec struct {
	Type     string `pulumi:"type"`
	CidrMask *int   `pulumi:"cidrMask"` // bits; nil: the zone's range is shared out evenly
}

// NatGateways says where they go: None, Single or OnePerAz.
type NatGateways struct {
	Strategy string `pulumi:"strategy"`
}

// Vpc is the component, with the outputs that the program reads.
type Vpc struct {
	pulumi.ResourceState

	VpcID            pulumi.StringOutput      `pulumi:"vpcId"`
	Vpc              *ec2.Vpc                 `pulumi:"vpc"`
	InternetGateway  *ec2.InternetGateway     `pulumi:"internetGateway"`
	PublicSubnetIDs  pulumi.StringArrayOutput `pulumi:"publicSubnetIds"`
	PrivateSubnetIDs pulumi.StringArrayOutput `pulumi:"privateSubnetIds"`
	Subnets          pulumi.ArrayOutput       `pulumi:"subnets"`
	RouteTables      pulumi.ArrayOutput       `pulumi:"routeTables"`
	NatGateways      pulumi.ArrayOutput       `pulumi:"natGateways"`

	made made
}

// made is every child that an output refers to.
type made struct {
	vpc                  *ec2.Vpc
	gateway              *ec2.InternetGateway
	public, private      pulumi.StringArray
	subnets, tables, nat []child
	natIDs               []pulumi.IDOutput
}

// child is a resource that an output can refer to.
type child interface {
	pulumi.CustomResource
	pulumi.Input
}

// validate refuses what is not understood, so that nothing passes here that awsx would build otherwise.
func (a *Args) validate() error {
	switch {
	case a.CidrBlock == "" || len(a.AvailabilityZoneNames) == 0 || len(a.SubnetSpecs) == 0:
		return fmt.Errorf("the stand-in for awsx needs cidrBlock, availabilityZoneNames and subnetSpecs")
	case a.SubnetStrategy != "Auto":
		return fmt.Errorf("the stand-in for awsx knows the subnet strategy Auto alone, not %q", a.SubnetStrategy)
	case a.NatGateways == nil:
		return fmt.Errorf("the stand-in for awsx needs natGateways.strategy")
	}
	for _, s := range a.SubnetSpecs {
		if s.Type != "Public" && s.Type != "Private" {
			return fmt.Errorf("the stand-in for awsx knows Public and Private subnets, not %q", s.Type)
		}
	}
	return nil
}

// New registers the component and its children.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Vpc, error) {
	if err := args.validate(); err != nil {
		return nil, err
	}
	block, err := netip.ParsePrefix(args.CidrBlock)
	if err != nil {
		return nil, fmt.Errorf("cidrBlock: %w", err)
	}
	ranges, err := layout(block, len(args.AvailabilityZoneNames), args.SubnetSpecs)
	if err != nil {
		return nil, err
	}
	self := &Vpc{}
	if err := ctx.RegisterComponentResource(Token, name, self, opts...); err != nil {
		return nil, err
	}
	m := &self.made
	m.vpc, err = ec2.NewVpc(ctx, name, &ec2.VpcArgs{
		CidrBlock:          pulumi.String(args.CidrBlock),
		EnableDnsHostnames: args.EnableDnsHostnames,
		EnableDnsSupport:   args.EnableDnsSupport,
		Tags:               tags(name),
	}, pulumi.Parent(self))
	if err != nil {
		return nil, err
	}
	m.gateway, err = ec2.NewInternetGateway(ctx, name, &ec2.InternetGatewayArgs{VpcId: m.vpc.ID(), Tags: tags(name)}, under(m.vpc)...)
	if err != nil {
		return nil, err
	}
	for zone, zoneName := range args.AvailabilityZoneNames {
		for _, kind := range []string{"Public", "Private"} { // public first: the NAT gateways live there
			for i, spec := range args.SubnetSpecs {
				if spec.Type != kind {
					continue
				}
				if err := m.addSubnet(ctx, name, args, zone, zoneName, kind, ranges[zone][i]); err != nil {
					return nil, err
				}
			}
		}
	}
	self.Vpc, self.VpcID, self.InternetGateway = m.vpc, m.vpc.ID().ToStringOutput(), m.gateway
	self.PublicSubnetIDs, self.PrivateSubnetIDs = m.public.ToStringArrayOutput(), m.private.ToStringArrayOutput()
	self.Subnets, self.RouteTables, self.NatGateways = array(m.subnets), array(m.tables), array(m.nat)
	return self, ctx.RegisterResourceOutputs(self, pulumi.Map{"vpcId": self.VpcID})
}

// addSubnet makes a subnet with its route table, and in a public one the zone's NAT gateway, if it has one.
func (m *made) addSubnet(ctx *pulumi.Context, vpc string, args *Args, zone int, zoneName, kind string, block netip.Prefix) error {
	public := kind == "Public"
	name := fmt.Sprintf("%s-%s-%d", vpc, map[bool]string{true: "public", false: "private"}[public], zone+1)
	subnet, err := ec2.NewSubnet(ctx, name, &ec2.SubnetArgs{
		VpcId:               m.vpc.ID(),
		AvailabilityZone:    pulumi.String(zoneName),
		CidrBlock:           pulumi.String(block.String()),
		MapPublicIpOnLaunch: pulumi.Bool(public),
		Tags:                pulumi.StringMap{"Name": pulumi.String(name), "SubnetType": pulumi.String(kind)},
	}, under(m.vpc)...)
	if err != nil {
		return err
	}
	m.subnets = append(m.subnets, subnet)
	table, err := ec2.NewRouteTable(ctx, name, &ec2.RouteTableArgs{
		VpcId: m.vpc.ID(),
		Tags:  pulumi.StringMap{"Name": pulumi.String(name), "SubnetType": pulumi.String(kind)},
	}, under(subnet)...)
	if err != nil {
		return err
	}
	m.tables = append(m.tables, table)
	if _, err := ec2.NewRouteTableAssociation(ctx, name, &ec2.RouteTableAssociationArgs{RouteTableId: table.ID(), SubnetId: subnet.ID()}, under(table)...); err != nil {
		return err
	}

	route := &ec2.RouteArgs{RouteTableId: table.ID(), DestinationCidrBlock: pulumi.String("0.0.0.0/0")}
	strategy := args.NatGateways.Strategy
	if public {
		m.public = append(m.public, subnet.ID().ToStringOutput())
		if strategy == "OnePerAz" || strategy == "Single" && zone == 0 {
			if err := m.addNat(ctx, fmt.Sprintf("%s-%d", vpc, zone+1), subnet); err != nil {
				return err
			}
		}
		route.GatewayId = m.gateway.ID()
	} else {
		m.private = append(m.private, subnet.ID().ToStringOutput())
		if len(m.natIDs) == 0 {
			return nil // no way out
		}
		route.NatGatewayId = m.natIDs[len(m.natIDs)-1]
	}
	_, err = ec2.NewRoute(ctx, name, route, under(table)...)
	return err
}

func (m *made) addNat(ctx *pulumi.Context, name string, subnet *ec2.Subnet) error {
	address, err := ec2.NewEip(ctx, name, &ec2.EipArgs{Tags: tags(name)}, under(subnet)...)
	if err != nil {
		return err
	}
	nat, err := ec2.NewNatGateway(ctx, name, &ec2.NatGatewayArgs{
		SubnetId: subnet.ID(), AllocationId: address.AllocationId, Tags: tags(name),
	}, under(subnet)...)
	if err != nil {
		return err
	}
	m.nat, m.natIDs = append(m.nat, nat), append(m.natIDs, nat.ID())
	return nil
}

func under(r pulumi.Resource) []pulumi.ResourceOption {
	return []pulumi.ResourceOption{pulumi.Parent(r), pulumi.DependsOn([]pulumi.Resource{r})}
}

func tags(name string) pulumi.StringMap { return pulumi.StringMap{"Name": pulumi.String(name)} }

func array(rs []child) pulumi.ArrayOutput {
	all := pulumi.Array{}
	for _, r := range rs {
		all = append(all, r)
	}
	return all.ToArrayOutput()
}

// layout shares the block out: one range a zone, in it one a spec, in the order of the specs.
func layout(block netip.Prefix, zones int, specs []SubnetSpec) ([][]netip.Prefix, error) {
	zoneBits := block.Bits() + bits.Len(uint(zones-1))
	all := make([][]netip.Prefix, zones)
	for zone := range zones {
		whole := netip.PrefixFrom(advance(block.Addr(), zone, zoneBits), zoneBits)
		next := whole.Addr()
		for _, s := range specs {
			mask := zoneBits + bits.Len(uint(len(specs)-1))
			if s.CidrMask != nil {
				mask = *s.CidrMask
			}
			if mask < zoneBits || mask > 28 {
				return nil, fmt.Errorf("a subnet of /%d does not fit into %s", mask, whole)
			}
			p := netip.PrefixFrom(next, mask).Masked()
			if p.Addr() != next { // not on a boundary of its own size: the next one
				p = netip.PrefixFrom(advance(p.Addr(), 1, mask), mask)
			}
			if !whole.Contains(p.Addr()) {
				return nil, fmt.Errorf("the subnets of one zone do not fit into %s", whole)
			}
			all[zone] = append(all[zone], p)
			next = advance(p.Addr(), 1, mask)
		}
	}
	return all, nil
}

// advance moves an IPv4 address n blocks of the given mask forward.
func advance(a netip.Addr, n, mask int) netip.Addr {
	b := a.As4()
	x := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	x += uint32(n) << (32 - mask)
	return netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)})
}
