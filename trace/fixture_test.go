package trace_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"private-api/internal/fakeaws"
	"private-api/internal/testkit"
	"private-api/producer"
	"private-api/stack"
	"private-api/trace"
)

// healthy is a stack as the program makes it, with facts of AWS that show nothing wrong.
func healthy(t *testing.T, config map[string]string) *fixture {
	t.Helper()
	values := map[string]string{"aws:region": fakeaws.Default.Region, "private-api:bastion": "false"}
	for key, value := range config {
		values["private-api:"+key] = value
	}
	program := stack.Program{Root: testkit.Apps(t, "book", "author"), Services: []producer.Service{
		{Name: "book", Path: "/api/books", Priority: 100},
		{Name: "author", Path: "/api/authors", Priority: 200, AllowFrom: []string{"book"}},
	}}
	r := &testkit.Recorder{Stack: "prod"}
	if err := r.Run(program.Deploy, values); err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, Set: &trace.Set{Stack: "prod", Region: fakeaws.Default.Region, ReadAt: time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)}}
	for _, made := range r.Resources {
		if made.ID != "" { // neither a component nor a provider
			outputs := made.Outputs.Mappable()
			f.Put(trace.Resource{Type: made.Type, ID: made.ID, Name: made.Name, Outputs: copied(t, outputs), Expected: copied(t, outputs)})
		}
	}
	for _, link := range f.Of(trace.LinkType) {
		f.set(link, "vpcLinkStatus", "AVAILABLE")
	}
	for _, certificate := range f.Of(trace.CertificateType) {
		f.set(certificate, "status", "ISSUED")
		f.set(certificate, "notAfter", "2027-06-01T00:00:00Z")
	}
	for _, domain := range f.Of(trace.DomainType) {
		f.fact(trace.DNSType, domain.ID, trace.Values{"addresses": []any{"192.0.2.1"}, "targetAddresses": []any{"192.0.2.2", "192.0.2.1"}})
	}
	var vpc string
	var subnets []any
	local := map[string]any{"cidrBlock": "10.0.0.0/16", "gatewayId": "local", "state": "active"}
	for _, subnet := range f.Of(trace.SubnetType) {
		vpc, subnets = subnet.Outputs.Text("vpcId"), append(subnets, subnet.ID)
		table := f.one(trace.RouteTableType, subnet.Name)
		route := f.one(trace.VPCRouteType, subnet.Name).Outputs
		out := map[string]any{"cidrBlock": route["destinationCidrBlock"], "gatewayId": route["gatewayId"], "natGatewayId": route["natGatewayId"], "state": "active"}
		f.set(table, "subnetIds", []any{subnet.ID})
		f.set(table, "routes", []any{local, out})
	}
	all := func(number float64, action string) any {
		return map[string]any{"ruleNo": number, "action": action, "protocol": "-1", "cidrBlock": "0.0.0.0/0"}
	}
	rules := []any{all(32767, "deny"), all(100, "allow")}
	f.fact(trace.NetworkAclType, "acl-1", trace.Values{"vpcId": vpc, "subnetIds": subnets, "ingress": rules, "egress": rules})
	f.fact(trace.RouteTableType, "rtb-main", trace.Values{"vpcId": vpc, "main": true, "routes": []any{local}})
	for i, service := range f.Of(trace.ServiceType) {
		var targets []any
		for _, zone := range []string{"a", "b"} {
			address := "10.0." + map[string]string{"a": "96", "b": "224"}[zone] + ".1" + string(rune('0'+i))
			targets = append(targets, map[string]any{"id": address, "port": 8080.0, "zone": "us-west-2" + zone, "state": "healthy"})
			f.fact(trace.TaskType, "arn:aws:ecs:us-west-2:123456789012:task/c/"+service.Name+zone, trace.Values{"service": service.ID, "status": "RUNNING", "address": address})
		}
		group := service.Outputs.Objects("loadBalancers")[0].Text("targetGroupArn")
		f.fact(trace.TargetHealthType, group, trace.Values{"targets": targets})
		f.fact(trace.DeploymentType, service.ID+"/d", trace.Values{"service": service.ID, "status": "SUCCESSFUL", "running": 2.0, "requested": 2.0})
	}
	return f
}

func copied(t *testing.T, v map[string]any) (out trace.Values) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fixture is a set that a test breaks.
type fixture struct {
	*testing.T
	*trace.Set
}

func (f *fixture) fact(typ, id string, outputs trace.Values) {
	f.Put(trace.Resource{Type: typ, ID: id, Name: id, Outputs: outputs})
}

// one returns the resource of a type and a logical name.
func (f *fixture) one(typ, name string) trace.Resource {
	f.Helper()
	for _, r := range f.Of(typ) {
		if r.Name == name {
			return r
		}
	}
	f.Fatalf("no %s %s", typ, name)
	return trace.Resource{}
}

// set changes an output behind the program's back.
func (f *fixture) set(r trace.Resource, output string, value any) {
	now, _ := f.Find(r.Type, r.ID)
	now.Outputs = maps.Clone(now.Outputs)
	now.Outputs[output] = value
	f.Put(now)
}

// lose deletes a resource behind the program's back.
func (f *fixture) lose(r trace.Resource) {
	f.Remove(r.Type, r.ID, r.Outputs)
	r.Outputs, r.Gone = nil, true
	f.Put(r)
}

// health changes the targets of a service.
func (f *fixture) health(service string, targets ...any) {
	group := f.one(trace.ServiceType, service).Outputs.Objects("loadBalancers")[0].Text("targetGroupArn")
	f.fact(trace.TargetHealthType, group, trace.Values{"targets": targets})
}

// target is one in the shape of its fact.
func target(address, state, reason, description string) map[string]any {
	return map[string]any{"id": address, "port": 8080.0, "zone": "us-west-2a", "state": state, "reason": reason, "description": description}
}

// tasks takes the tasks of a service away and puts one there that has stopped.
func (f *fixture) stopped(service, reason, container string) {
	s := f.one(trace.ServiceType, service)
	for _, task := range f.Of(trace.TaskType) {
		if task.Outputs.Text("service") == s.ID {
			f.Remove(task.Type, task.ID, task.Outputs)
		}
	}
	f.health(service)
	f.fact(trace.DeploymentType, s.ID+"/d", trace.Values{"service": s.ID, "status": "IN_PROGRESS", "running": 0.0, "requested": 2.0})
	for _, id := range []string{"x", "y"} {
		f.fact(trace.TaskType, "arn:aws:ecs:us-west-2:123456789012:task/c/"+service+id, trace.Values{
			"service": s.ID, "status": "STOPPED", "stopCode": "TaskFailedToStart", "stoppedReason": reason,
			"containers": []any{map[string]any{"name": "book", "reason": container}},
		})
	}
}
