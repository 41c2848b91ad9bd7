package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
)

// scale sets the count of service book, as scaling does it or a person.
func (r rollout) scale(t *testing.T, count int32) {
	t.Helper()
	_, err := r.ecs.UpdateService(context.Background(), &ecs.UpdateServiceInput{
		Cluster: aws.String(r.output(t, "book", "cluster")), Service: aws.String(r.output(t, "book", "name")), DesiredCount: &count,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// count asserts how many tasks ECS is asked to run of service book.
func (r rollout) count(t *testing.T, want int32) {
	t.Helper()
	out, err := r.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{
		Cluster: aws.String(r.output(t, "book", "cluster")), Services: []string{r.output(t, "book", "name")},
	})
	if err != nil || len(out.Services) != 1 {
		t.Fatalf("DescribeServices: %v", err)
	}
	if got := out.Services[0].DesiredCount; got != want {
		t.Errorf("the count is %d, want %d", got, want)
	}
}

// counts are what calls set counts to, since the mark.
func (r rollout) counts(mark int) (all []string) {
	for _, c := range r.proxy.Since(mark) {
		if c.Operation == "UpdateService" && c.Params["desiredCount"] != "" {
			all = append(all, c.Params["desiredCount"])
		}
	}
	return all
}

// TestScaling changes the count behind Pulumi's back: with scaling, no up sets it, whatever else it changes. The up that
// switches scaling off does, also where the state knows nothing of the change. Without scaling, a count that somebody set
// stays until a refresh, as anything else does.
func TestScaling(t *testing.T) {
	a := newAccount(t)
	behind := a.aws
	behind.BaseEndpoint = aws.String(a.proxy.URL())
	off := base().with(settings{"waitForSteadyState": false, "bastion": false, "containerInsights": false})
	scaling := func(version string) settings {
		return off.with(services(env(version).with(settings{"scaling": map[string]any{"min": 1, "max": 9, "requestsPerTarget": 600}}), nil))
	}
	r := rollout{a.newStack(t, "scaling", nil, off), a.proxy, ecs.NewFromConfig(behind)}
	r.up(t)
	refresh := []optup.Option{optup.Refresh()}
	scalingOn := []string{"create appautoscaling/target producer-book", "create appautoscaling/policy producer-book-{cpu,requests}", "update ecs/service producer-book"}
	scalingOff := []string{"delete appautoscaling/target producer-book", "delete appautoscaling/policy producer-book-{cpu,requests}", "update ecs/service producer-book"}
	newDefinition := []string{"replace ecs/taskDefinition producer-book", "update ecs/service producer-book"}
	otherSetting := []string{"update lb/targetGroup producer-{book,author}", deploy}

	for _, step := range []struct {
		name   string
		behind int32 // what the count is set to before the up; 0: it stays
		known  int32 // what the state then says
		set    settings
		opts   []optup.Option
		want   []string
		sets   []string // what the up sets counts to
		count  int32    // after the up
	}{
		{name: "on", known: 2, set: scaling("1"), want: append(scalingOn, newDefinition...), count: 2},
		{name: "off, and the state knows no other count", behind: 6, known: 2, set: off.with(services(env("1"), nil)), want: scalingOff, sets: []string{"2"}, count: 2},
		{name: "count of somebody", behind: 3, known: 2, set: off.with(services(env("2"), nil)), want: newDefinition, count: 3},
		{name: "on again", behind: 4, known: 3, set: scaling("2"), want: scalingOn, count: 4},
		{name: "another definition", behind: 5, known: 4, set: scaling("3"), want: newDefinition, count: 5},
		{name: "other settings", behind: 6, known: 5, set: scaling("3").with(settings{"healthCheckIntervalSeconds": 20, "desiredCount": 3}),
			want: otherSetting, sets: []string{"3"}, count: 6}, // of the other service
		{name: "another definition, with refresh", behind: 7, known: 6, set: scaling("4").with(settings{"healthCheckIntervalSeconds": 20, "desiredCount": 3}),
			opts: refresh, want: newDefinition, count: 7},
		{name: "another setting, with refresh", behind: 8, known: 7, set: scaling("4").with(settings{"desiredCount": 3}), opts: refresh, want: otherSetting, count: 8},
		{name: "off, with refresh", behind: 9, known: 8, set: off.with(services(env("4"), nil)).with(settings{"desiredCount": 3}),
			opts: refresh, want: scalingOff, sets: []string{"3", "3"}, count: 3}, // by the program, and by the provider
	} {
		if !t.Run(step.name, func(t *testing.T) {
			if step.behind > 0 {
				r.scale(t, step.behind)
			}
			if known := r.resources(t)["ecs/service producer-book"].Outputs["desiredCount"]; fmt.Sprint(known) != fmt.Sprint(step.known) {
				t.Fatalf("the state has the count %v, want %d", known, step.known)
			}
			r.configure(t, step.set)
			mark := r.proxy.Mark()
			ops, _ := r.up(t, step.opts...)
			expect(t, ops, step.want)
			if got := r.counts(mark); fmt.Sprint(got) != fmt.Sprint(step.sets) {
				t.Errorf("counts were set to %v, want %v", got, step.sets)
			}
			r.count(t, step.count)
			a.compare(t, r.deployment)
			if step.want[0] == scalingOff[0] {
				calls := record{t, r.proxy.Since(mark)}
				calls.before(calls.first("ecs", "UpdateService", step.sets[0]), "scaling changes the count again", calls.some("application-autoscaling", "DeregisterScalableTarget")...)
			}
		}) {
			break // the steps after it would start from something else
		}
	}
	r.destroy(t)
	a.sweep(t, "scaling")
}

// unscaled asserts that policies go before their targets, and targets before their services.
func (r record) unscaled() {
	for _, target := range r.some("application-autoscaling", "DeregisterScalableTarget") {
		id := target.Params["ResourceId"]
		r.before(target, "ObjectNotFoundException: the policies are gone", r.some("application-autoscaling", "DeleteScalingPolicy", id)...)
		for _, c := range r.some("ecs", "DeleteService") {
			if tail(c.Params["service"], "/") == tail(id, "/") {
				r.before(c, "the target stays behind", target)
			}
		}
	}
}
