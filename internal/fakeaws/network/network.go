// Package network stands in for awsx:ec2:Vpc, a component that is a plugin of its own. It makes the same children as awsx
// v2, with the same names and parents, and refuses arguments that this program does not use.
// Source: https://github.com/pulumi/pulumi-awsx/blob/main/awsx/ec2/vpc.ts
package network

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Token is the type token of the component.
const Token = "awsx:ec2:Vpc"

// args are the arguments that are understood.
type args struct {
	CidrBlock                            string
	AvailabilityZoneNames                []string
	SubnetStrategy                       string // Auto
	SubnetSpecs                          []subnetSpec
	NatGateways                          struct{ Strategy string } // None
	EnableDnsHostnames, EnableDnsSupport *bool
}

// subnetSpec asks for one subnet in each zone.
type subnetSpec struct {
	Type     string // Public, Private, or Unused for a range without a subnet
	CidrMask *int   // nil: the zone's range is shared out evenly
}

// Vpc is the component, with the outputs that the program reads.
type Vpc struct {
	pulumi.ResourceState

	VpcID                  pulumi.IDOutput          `pulumi:"vpcId"`
	PublicSubnetIDs        pulumi.StringArrayOutput `pulumi:"publicSubnetIds"`
	PrivateSubnetIDs       pulumi.StringArrayOutput `pulumi:"privateSubnetIds"`
	RouteTableAssociations pulumi.ArrayOutput       `pulumi:"routeTableAssociations"`

	vpc             *ec2.Vpc
	gateway         *ec2.InternetGateway
	public, private pulumi.StringArray
	associations    pulumi.Array
}

// parse reads the inputs of the component. Nothing passes that awsx would understand and this package does not.
func parse(inputs resource.PropertyMap) (*args, [][]netip.Prefix, error) {
	text, err := json.Marshal(inputs.Mappable())
	if err != nil {
		return nil, nil, err
	}
	a := &args{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(a); err != nil {
		return nil, nil, err
	}
	switch {
	case a.CidrBlock == "" || len(a.AvailabilityZoneNames) == 0 || len(a.SubnetSpecs) == 0 || a.NatGateways.Strategy == "":
		return nil, nil, errors.New("the stand-in for awsx needs cidrBlock, availabilityZoneNames, subnetSpecs and natGateways.strategy")
	case a.SubnetStrategy != "Auto":
		return nil, nil, fmt.Errorf("the stand-in for awsx has only the subnet strategy Auto, not %q", a.SubnetStrategy)
	case a.NatGateways.Strategy != "None":
		return nil, nil, fmt.Errorf("the stand-in for awsx makes no NAT gateways, so natGateways.strategy can only be None, not %q", a.NatGateways.Strategy)
	}
	for i, s := range a.SubnetSpecs {
		if kinds := [][]string{{"Public", "Unused"}, {"Private"}}; i >= len(kinds) || !slices.Contains(kinds[i], s.Type) {
			return nil, nil, fmt.Errorf("the stand-in for awsx makes a Public subnet or leaves its range unused, then maybe a Private one, not %q", s.Type)
		}
	}
	ranges, err := layout(a.CidrBlock, len(a.AvailabilityZoneNames), a.SubnetSpecs)
	return a, ranges, err
}

// New registers the component and its children.
func New(ctx *pulumi.Context, name string, inputs resource.PropertyMap, opts ...pulumi.ResourceOption) (*Vpc, error) {
	a, ranges, err := parse(inputs)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", Token, name, err)
	}
	v := &Vpc{}
	if err := ctx.RegisterComponentResource(Token, name, v, opts...); err != nil {
		return nil, err
	}
	v.vpc, err = ec2.NewVpc(ctx, name, &ec2.VpcArgs{
		CidrBlock:          pulumi.String(a.CidrBlock),
		EnableDnsHostnames: pulumi.BoolPtrFromPtr(a.EnableDnsHostnames),
		EnableDnsSupport:   pulumi.BoolPtrFromPtr(a.EnableDnsSupport),
		Tags:               tags(name),
	}, pulumi.Parent(v))
	if err != nil {
		return nil, err
	}
	v.gateway, err = ec2.NewInternetGateway(ctx, name, &ec2.InternetGatewayArgs{VpcId: v.vpc.ID(), Tags: tags(name)}, under(v.vpc)...)
	if err != nil {
		return nil, err
	}
	for zone, zoneName := range a.AvailabilityZoneNames {
		for i, spec := range a.SubnetSpecs {
			if spec.Type == "Unused" {
				continue
			}
			if err := v.addSubnet(ctx, name, zone, zoneName, spec.Type, ranges[zone][i]); err != nil {
				return nil, err
			}
		}
	}
	v.VpcID, v.PublicSubnetIDs, v.PrivateSubnetIDs = v.vpc.ID(), v.public.ToStringArrayOutput(), v.private.ToStringArrayOutput()
	v.RouteTableAssociations = v.associations.ToArrayOutput()
	return v, ctx.RegisterResourceOutputs(v, pulumi.Map{"vpcId": v.VpcID})
}

// addSubnet makes a subnet with its route table. A public one has a route to the internet.
func (v *Vpc) addSubnet(ctx *pulumi.Context, vpc string, zone int, zoneName, kind string, block netip.Prefix) error {
	name := fmt.Sprintf("%s-%s-%d", vpc, strings.ToLower(kind), zone+1)
	both := pulumi.StringMap{"Name": pulumi.String(name), "SubnetType": pulumi.String(kind)}
	subnet, err := ec2.NewSubnet(ctx, name, &ec2.SubnetArgs{
		VpcId:               v.vpc.ID(),
		AvailabilityZone:    pulumi.String(zoneName),
		CidrBlock:           pulumi.String(block.String()),
		MapPublicIpOnLaunch: pulumi.Bool(kind == "Public"),
		Tags:                both,
	}, under(v.vpc)...)
	if err != nil {
		return err
	}
	table, err := ec2.NewRouteTable(ctx, name, &ec2.RouteTableArgs{VpcId: v.vpc.ID(), Tags: both}, under(subnet)...)
	if err != nil {
		return err
	}
	association, err := ec2.NewRouteTableAssociation(ctx, name, &ec2.RouteTableAssociationArgs{RouteTableId: table.ID(), SubnetId: subnet.ID()}, under(table)...)
	if err != nil {
		return err
	}
	v.associations = append(v.associations, association)
	if kind == "Private" {
		v.private = append(v.private, subnet.ID().ToStringOutput())
		return nil
	}
	v.public = append(v.public, subnet.ID().ToStringOutput())
	_, err = ec2.NewRoute(ctx, name, &ec2.RouteArgs{
		RouteTableId: table.ID(), DestinationCidrBlock: pulumi.String("0.0.0.0/0"), GatewayId: v.gateway.ID(),
	}, under(table)...)
	return err
}

func under(r pulumi.Resource) []pulumi.ResourceOption {
	return []pulumi.ResourceOption{pulumi.Parent(r), pulumi.DependsOn([]pulumi.Resource{r})}
}

func tags(name string) pulumi.StringMap { return pulumi.StringMap{"Name": pulumi.String(name)} }

// layout shares the block out: one range a zone, in it one a spec, in the order of the specs.
func layout(cidrBlock string, zones int, specs []subnetSpec) ([][]netip.Prefix, error) {
	block, err := netip.ParsePrefix(cidrBlock)
	if err != nil {
		return nil, fmt.Errorf("cidrBlock: %w", err)
	}
	base := binary.BigEndian.Uint32(block.Addr().AsSlice())
	zoneMask := block.Bits() + bits.Len(uint(zones-1))
	all := make([][]netip.Prefix, zones)
	for zone := range zones {
		start, end := zone<<(32-zoneMask), (zone+1)<<(32-zoneMask) // addresses from the begin of the block
		for _, s := range specs {
			mask := zoneMask + bits.Len(uint(len(specs)-1))
			if s.CidrMask != nil {
				mask = *s.CidrMask
			}
			if mask < zoneMask || mask > 28 {
				return nil, fmt.Errorf("a subnet of /%d does not fit into the /%d of a zone", mask, zoneMask)
			}
			size := 1 << (32 - mask)
			start = (start + size - 1) / size * size // a boundary of its own size
			if start+size > end {
				return nil, fmt.Errorf("the subnets of a zone do not fit into its /%d", zoneMask)
			}
			address, _ := netip.AddrFromSlice(binary.BigEndian.AppendUint32(nil, base+uint32(start)))
			all[zone] = append(all[zone], netip.PrefixFrom(address, mask))
			start += size
		}
	}
	return all, nil
}
