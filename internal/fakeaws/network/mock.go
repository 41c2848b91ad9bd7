package network

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"
)

// Mock answers the registration of the component in mocks of a whole program: it makes the component in the run that ctx
// belongs to, where its children reach the same mocks, and returns its outputs. The mocks see the component itself too,
// not remote, and answer nothing.
func Mock(ctx *pulumi.Context, args pulumi.MockResourceArgs) (resource.PropertyMap, error) {
	var opts []pulumi.ResourceOption
	if urn := resource.URN(args.RegisterRPC.GetParent()); urn != "" {
		parent := &pulumi.ResourceState{}
		if err := ctx.RegisterResource(string(urn.Type()), urn.Name(), nil, parent, pulumi.URN_(string(urn))); err != nil {
			return nil, err
		}
		opts = append(opts, pulumi.Parent(parent))
	}
	vpc, err := New(ctx, args.Name, args.Inputs, opts...)
	if err != nil {
		return nil, err
	}
	result, err := internals.UnsafeAwaitOutput(context.Background(),
		pulumi.All(vpc.VpcID, vpc.PublicSubnetIDs, vpc.PrivateSubnetIDs, references(vpc.associations)))
	if err != nil {
		return nil, err
	}
	outputs := resource.PropertyMap{}
	for i, name := range []resource.PropertyKey{"vpcId", "publicSubnetIds", "privateSubnetIds", "routeTableAssociations"} {
		outputs[name] = resource.NewPropertyValueRepl(result.Value.([]any)[i], nil, func(v any) (resource.PropertyValue, bool) {
			reference, ok := v.(resource.PropertyValue)
			return reference, ok
		})
	}
	return outputs, nil
}

// references returns resources as the outputs of a component hold them.
func references(resources pulumi.Array) pulumi.ArrayOutput {
	all := pulumi.Array{}
	for _, input := range resources {
		made := input.(pulumi.CustomResource)
		all = append(all, pulumi.All(made.URN(), made.ID()).ApplyT(func(v []any) any {
			return resource.MakeCustomResourceReference(resource.URN(v[0].(pulumi.URN)), resource.ID(v[1].(pulumi.ID)), "")
		}))
	}
	return all.ToArrayOutput()
}
