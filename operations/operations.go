// Package operations watches a stack: alarms that somebody is told of, a dashboard, saved queries, and a request a day that
// keeps the VPC link. Everything in it is off by default. It makes nothing that requests need.
package operations

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Operations is the component.
type Operations struct {
	pulumi.ResourceState

	DashboardURL pulumi.StringOutput // in the console; set if there is a dashboard
}

// New makes what the arguments turn on. It checks them first; if one is refused, it makes nothing, and the error holds every
// problem.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Operations, error) {
	problems := append(args.Validate(), args.validateInputs()...)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	o := &Operations{}
	if err := ctx.RegisterComponentResource("private-api:operations:Operations", name, o, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(o)

	outputs := pulumi.Map{}
	var alarms pulumi.StringArray
	var err error
	if args.Alarms {
		if alarms, err = newAlarms(ctx, name, args, parent); err != nil {
			return nil, err
		}
	}
	if args.Dashboard {
		if o.DashboardURL, err = newDashboard(ctx, name, args, alarms, parent); err != nil {
			return nil, err
		}
		outputs["dashboardUrl"] = o.DashboardURL
	}
	if args.SavedQueries {
		if err := newQueries(ctx, name, args, parent); err != nil {
			return nil, err
		}
	}
	if args.KeepLinkWarm {
		if err := newWarmLink(ctx, name, args, parent); err != nil {
			return nil, err
		}
	}
	return o, ctx.RegisterResourceOutputs(o, outputs)
}
