package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"private-api/e2e/awsproxy"
)

// TestLifecycle is one stack from nothing to nothing: everything that the state names is in the account, a second up from
// another machine's clone changes nothing, and after destroy the account is as it was.
func TestLifecycle(t *testing.T) {
	a := anyAccount(t)
	d := a.newStack(t, "life", nil, base())
	_, outputs := d.up(t)

	for _, name := range []string{"apiEndpoint", "serviceUrls", "bastionId", "bastionConnect", "clusterName", "serviceNames", "imageDigests", "estimatedMonthlyCost"} {
		if outputs[name].Value == nil {
			t.Errorf("no output %s", name)
		}
	}
	for name, url := range outputs["serviceUrls"].Value.(map[string]any) {
		if want := outputs["apiEndpoint"].Value.(string) + "/api/" + name + "s"; url != want {
			t.Errorf("URL of %s is %s, want %s", name, url, want)
		}
	}
	a.compare(t, d)

	d.cloneAgain(t)
	d.unchanged(t)

	if a.proxy != nil {
		a.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Delay, Service: "ecs", Operation: "DeleteService", Times: -1, Delay: 5 * time.Second})
	}
	d.destroy(t)
	if left := d.resources(t); len(left) > 0 {
		t.Errorf("still in the state: %v", left)
	}
	a.sweep(t, "life")
	if a.own {
		waitedForRole(t, a.proxy.Calls())
	}
	if a.proxy != nil {
		keptInsights(t, a.proxy.Calls())
	}
}

// TestWithoutDocker builds images once, and then has no Docker engine any more: a stack can be destroyed all the same,
// and go over to images that exist already.
func TestWithoutDocker(t *testing.T) {
	if !onRig() {
		t.Skip("needs a Docker plugin that can be told that there is no engine")
	}
	a := newAccount(t)
	engine := func(d *deployment, there bool) {
		d.Workspace().UnsetEnvVar("RIG_NO_DOCKER")
		if !there {
			d.Workspace().SetEnvVar("RIG_NO_DOCKER", "1")
		}
	}
	elsewhere := map[string]any{"image": "123456789012.dkr.ecr." + region + ".amazonaws.com/team/any:v1@sha256:" + strings.Repeat("1", 64), "writableFolders": []string{"/tmp"}}
	d := a.newStack(t, "engine", nil, base())
	d.up(t)
	engine(d, false)
	if _, _, err := d.tryUp(); err == nil {
		t.Fatal("images are built without an engine: the rig does not take it away")
	}
	d.configure(t, base().with(settings{"services": map[string]any{"book": elsewhere, "author": elsewhere}}))
	ops, _ := d.up(t)
	for _, op := range []string{"delete docker:index/image producer-book", "update ecs/service producer-author"} {
		if !slices.Contains(ops, op) {
			t.Errorf("the images of others: no %s in %q", op, ops)
		}
	}
	engine(d, true)
	d.configure(t, base())
	d.up(t)
	engine(d, false)
	d.destroy(t)
	a.sweep(t, "engine")
}

// cloneAgain makes the working copy one of a machine with another umask: other modes, other times, no staged files.
func (d *deployment) cloneAgain(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(d.root, "apps"), func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		return errors.Join(os.Chmod(name, info.Mode()^0o020), os.Chtimes(name, time.Time{}, time.Unix(1, 0)))
	})
	if err := errors.Join(err, os.RemoveAll(filepath.Join(d.root, ".build"))); err != nil {
		t.Fatal(err)
	}
}

// unchanged asserts that another up has nothing to do, and makes no call that can change anything.
func (d *deployment) unchanged(t *testing.T) {
	t.Helper()
	proxy, mark := d.account.proxy, 0
	if proxy != nil {
		mark = proxy.Mark()
	}
	ops, _ := d.up(t)
	expect(t, ops, nil)
	if proxy == nil {
		return
	}
	if calls := mutations(proxy.Since(mark)); len(calls) > 0 {
		t.Errorf("an up without a change changed something: %v", calls)
	}
}

// mutations are the calls that can change anything.
func mutations(calls []awsproxy.Call) []string {
	var all []string
	for _, c := range calls {
		if c.Mutates() {
			all = append(all, c.String())
		}
	}
	slices.Sort(all)
	return all
}

// kinds are the inventory's names for Pulumi's types. What AWS has no list of, or what is a part of something listed,
// is left out.
var kinds = map[string]string{
	"ec2/vpc": "ec2/vpc", "ec2/subnet": "ec2/subnet", "ec2/internetGateway": "ec2/internet-gateway", "ec2/routeTable": "ec2/route-table",
	"ec2/natGateway": "ec2/nat-gateway", "ec2/eip": "ec2/address", "ec2/securityGroup": "ec2/security-group", "ec2/instance": "ec2/instance",
	"ec2/vpcEndpoint": "ec2/endpoint", "vpc/securityGroupIngressRule": "ec2/security-group-rule", "vpc/securityGroupEgressRule": "ec2/security-group-rule",
	"ecs/cluster": "ecs/cluster", "ecs/service": "ecs/service", "ecs/taskDefinition": "ecs/task-definition",
	"appautoscaling/target": "scaling/target", "appautoscaling/policy": "scaling/policy",
	"servicediscovery/privateDnsNamespace": "names/namespace", "servicediscovery/service": "names/service",
	"ecr/repository": "ecr/repository", "cloudwatch/logGroup": "logs/group", "ec2/flowLog": "ec2/flow-log", "kms/key": "kms/key", "s3/bucket": "s3/bucket",
	"iam/role": "iam/role", "iam/instanceProfile": "iam/instance-profile",
	"lb/loadBalancer": "elb/balancer", "lb/listener": "elb/listener", "lb/listenerRule": "elb/rule", "lb/targetGroup": "elb/target-group",
	"apigatewayv2/api": "api/api", "apigatewayv2/integration": "api/integration", "apigatewayv2/route": "api/route",
	"apigatewayv2/stage": "api/stage", "apigatewayv2/vpcLink": "api/vpc-link",
	"apigatewayv2/domainName": "api/domain-name", "apigatewayv2/apiMapping": "api/mapping",
	"acm/certificate": "acm/certificate", "route53/record": "route53/record",
}

// compare asserts that the account holds what the stacks' states say, each thing once, and nothing besides.
func (a *account) compare(t *testing.T, stacks ...*deployment) {
	t.Helper()
	for _, d := range stacks {
		d.settled(t)
	}
	missing, unclaimed := a.difference(t, stacks...)
	for _, name := range missing {
		t.Errorf("%s is in the state, not in the account", name)
	}
	for _, have := range unclaimed {
		t.Errorf("%s is in the account, not in the state", have)
	}
}

// difference returns what the stacks' states name and the account does not hold, and the reverse.
func (a *account) difference(t *testing.T, stacks ...*deployment) (missing, unclaimed []string) {
	t.Helper()
	all := a.inventory(t)
	now := inventory{}
	if a.own {
		now = all.since(a.start)
	}
	for _, d := range stacks {
		if !a.own {
			maps.Copy(now, all.of(d.Name()))
		}
	}
	for _, d := range stacks {
		for name, r := range d.resources(t) {
			if !now.take(kinds[strings.Fields(name)[0]], r) {
				missing = append(missing, fmt.Sprintf("%s (%s) of %s", name, r.ID, d.Name()))
			}
		}
	}
	counted := slices.Collect(maps.Values(kinds))
	maps.DeleteFunc(now, func(have string, _ map[string]string) bool {
		kind, _, _ := strings.Cut(have, " ")
		return !slices.Contains(counted, kind)
	})
	return missing, now.keys()
}

// take removes a resource of the state, and reports whether it was there. What has no kind counts as there.
func (i inventory) take(kind string, r apitype.ResourceV3) bool {
	found := kind == ""
	for _, id := range []any{string(r.ID), r.Outputs["arn"], fmt.Sprintf("%v/%s", r.Outputs["apiId"], r.ID),
		fmt.Sprintf("%v_%v_%v", r.Outputs["zoneId"], r.Outputs["fqdn"], r.Outputs["type"])} {
		if key := fmt.Sprintf("%s %v", kind, id); i[key] != nil {
			found = true
			delete(i, key)
		}
	}
	return found
}
