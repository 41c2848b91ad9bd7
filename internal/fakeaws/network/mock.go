package network

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Mock is for mocks of the whole program: it answers the registration of the component by registering its children in
// the run that ctx belongs to, where they reach the same mocks. It returns the component's outputs.
//
//	func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
//		if args.TypeToken == network.Token && args.RegisterRPC.GetRemote() {
//			outputs, err := network.Mock(r.ctx, args)
//			return "", outputs, err
//		}
//
// The mocks also see the component itself, not remote: nothing is to be returned for it.
func Mock(ctx *pulumi.Context, args pulumi.MockResourceArgs) (resource.PropertyMap, error) {
	in, err := decode(args.Inputs)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", Token, args.Name, err)
	}
	var opts []pulumi.ResourceOption
	if urn := args.RegisterRPC.GetParent(); urn != "" {
		parent := &pulumi.ResourceState{}
		u := resource.URN(urn)
		if err := ctx.RegisterResource(string(u.Type()), u.Name(), nil, parent, pulumi.URN_(urn)); err != nil {
			return nil, err
		}
		opts = append(opts, pulumi.Parent(parent))
	}
	vpc, err := New(ctx, args.Name, in, opts...)
	if err != nil {
		return nil, err
	}
	return vpc.await()
}

// decode reads arguments that are all known.
func decode(in resource.PropertyMap) (*Args, error) {
	str := func(m resource.PropertyMap, key resource.PropertyKey) string {
		if v := m[key]; v.IsString() {
			return v.StringValue()
		}
		return ""
	}
	args := &Args{CidrBlock: str(in, "cidrBlock"), SubnetStrategy: str(in, "subnetStrategy")}
	if v := in["availabilityZoneNames"]; v.IsArray() {
		for _, zone := range v.ArrayValue() {
			args.AvailabilityZoneNames = append(args.AvailabilityZoneNames, zone.StringValue())
		}
	}
	if v := in["subnetSpecs"]; v.IsArray() {
		for _, spec := range v.ArrayValue() {
			s := SubnetSpec{Type: str(spec.ObjectValue(), "type")}
			if mask := spec.ObjectValue()["cidrMask"]; mask.IsNumber() {
				n := int(mask.NumberValue())
				s.CidrMask = &n
			}
			args.SubnetSpecs = append(args.SubnetSpecs, s)
		}
	}
	if v := in["natGateways"]; v.IsObject() {
		args.NatGateways = &NatGateways{Strategy: str(v.ObjectValue(), "strategy")}
	}
	if v := in["enableDnsHostnames"]; v.IsBool() {
		args.EnableDnsHostnames = pulumi.BoolPtr(v.BoolValue())
	}
	if v := in["enableDnsSupport"]; v.IsBool() {
		args.EnableDnsSupport = pulumi.BoolPtr(v.BoolValue())
	}
	return args, args.validate()
}

// await returns the outputs once they are all known.
func (v *Vpc) await() (resource.PropertyMap, error) {
	references := func(rs []child) resource.PropertyValue {
		all := []resource.PropertyValue{}
		for _, r := range rs {
			all = append(all, reference(r))
		}
		return resource.NewProperty(all)
	}
	ids := func(out pulumi.StringArrayOutput) resource.PropertyValue {
		done := make(chan resource.PropertyValue)
		out.ApplyT(func(ids []string) error {
			all := []resource.PropertyValue{}
			for _, id := range ids {
				all = append(all, resource.NewProperty(id))
			}
			done <- resource.NewProperty(all)
			return nil
		})
		return <-done
	}
	vpc := reference(v.made.vpc)
	id, _ := vpc.ResourceReferenceValue().IDString()
	return resource.PropertyMap{
		"vpcId":             resource.NewProperty(id),
		"vpc":               vpc,
		"internetGateway":   reference(v.made.gateway),
		"publicSubnetIds":   ids(v.PublicSubnetIDs),
		"privateSubnetIds":  ids(v.PrivateSubnetIDs),
		"isolatedSubnetIds": resource.NewProperty([]resource.PropertyValue{}),
		"subnets":           references(v.made.subnets),
		"routeTables":       references(v.made.tables),
		"natGateways":       references(v.made.nat),
	}, nil
}

func reference(r pulumi.CustomResource) resource.PropertyValue {
	done := make(chan resource.PropertyValue)
	pulumi.All(r.URN(), r.ID()).ApplyT(func(v []any) error {
		done <- resource.MakeCustomResourceReference(resource.URN(v[0].(pulumi.URN)), resource.ID(v[1].(pulumi.ID)), "")
		return nil
	})
	return <-done
}
