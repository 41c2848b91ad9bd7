package deployed

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"private-api/trace"
)

// answers say by type where answers of AWS have resources, and which of their fields are the id and the name, all in the
// provider's names. Without a list, the answer is the resource; without a name, it is the tag Name, or the id.
var answers = map[string]struct{ list, id, name string }{
	trace.RouteType:       {"items", "routeId", "routeKey"},
	trace.IntegrationType: {"items", "integrationId", ""},
	trace.LinkType:        {"", "vpcLinkId", "name"},
	trace.CertificateType: {"certificate", "arn", ""},
	trace.ListenerType:    {"listeners", "arn", ""},
	trace.BalancerType:    {"loadBalancers", "arn", "loadBalancerName"},
	trace.ListedType:      {"certificates", "id", "certificateArn"},
	trace.RuleType:        {"rules", "arn", "name"},
	trace.TargetGroupType: {"targetGroups", "arn", "targetGroupName"},
	trace.SubnetType:      {"subnets", "subnetId", ""},
	trace.GroupType:       {"securityGroups", "securityGroupId", "groupName"},
	trace.EgressType:      {"securityGroupRules", "securityGroupRuleId", ""},
	trace.IngressType:     {"securityGroupRules", "securityGroupRuleId", ""},
	trace.RouteTableType:  {"routeTables", "routeTableId", ""},
	trace.NetworkAclType:  {"networkAcls", "networkAclId", ""},
	trace.VpcEndpointType: {"vpcEndpoints", "vpcEndpointId", ""},
	trace.TaskType:        {"tasks", "arn", "name"},
	trace.DeploymentType:  {"serviceDeployments", "arn", "name"},
}

// list asks an operation for resources, unless all is known of the one that is meant. of is what is the same for all.
func list[In, Out, Option any](r *reader, m missing, call func(context.Context, *In, ...func(*Option)) (*Out, error), in *In, of trace.Values) {
	if m.id == "" || !r.done(m.of, m.id) {
		r.ask(m, func(ctx context.Context) error {
			return pages(ctx, call, in, func(page trace.Values) { r.found(m.of, page, of) })
		})
	}
}

// pages asks an operation, page by page. What Elastic Load Balancing calls Marker is NextToken elsewhere.
func pages[In, Out, Option any](ctx context.Context, call func(context.Context, *In, ...func(*Option)) (*Out, error), in *In, take func(page trace.Values)) error {
	for {
		out, err := call(ctx, in)
		if err != nil {
			return err
		}
		page := shape(out)
		take(page)
		next := cmp.Or(page.Text("nextToken"), page.Text("nextMarker"))
		if next == "" {
			return nil
		}
		text, _ := json.Marshal(map[string]string{"NextToken": next, "Marker": next})
		if err := json.Unmarshal(text, in); err != nil {
			return err
		}
	}
}

// found takes the resources of an answer.
func (r *reader) found(typ string, page, of trace.Values) {
	at := answers[typ]
	all := page.Objects(at.list)
	if one := page.Object(at.list); one != nil {
		all = []trace.Values{one}
	} else if at.list == "" {
		all = []trace.Values{page}
	}
	for _, v := range all {
		if maps.Copy(v, of); convert(typ, v) {
			id, tag := v.Text(at.id), ""
			for _, t := range v.Objects("tags") {
				if t.Text("key") == "Name" {
					tag = t.Text("value")
				}
			}
			r.put(typ, id, cmp.Or(v.Text(at.name), tag, id), v)
		}
	}
}

// convert adds to a resource what the provider has at another place than AWS. It returns false for what is none of the type:
// the default rule, which is part of the listener, and the rules of security groups for the other direction.
func convert(typ string, v trace.Values) bool {
	switch typ {
	case trace.ListenerType:
		if certificates := v.Objects("certificates"); len(certificates) > 0 {
			v["certificateArn"] = certificates[0]["arn"]
		}
	case trace.BalancerType:
		v["subnets"] = fields(v, "availabilityZones", "subnetId")
	case trace.ListedType:
		v["id"], v["certificateArn"] = v.Text("listenerArn")+"_"+v.Text("arn"), v["arn"]
		delete(v, "arn")
	case trace.RuleType:
		priority, err := strconv.ParseFloat(v.Text("priority"), 64)
		v["name"], v["priority"] = "priority "+v.Text("priority"), priority
		return err == nil
	case trace.EgressType, trace.IngressType:
		v["referencedSecurityGroupId"] = v.Object("referencedGroupInfo")["securityGroupId"]
		return v.Is("isEgress") == (typ == trace.EgressType)
	case trace.RouteTableType:
		v["subnetIds"] = fields(v, "associations", "subnetId")
		v["main"] = slices.Contains(fields(v, "associations", "main"), any(true))
	case trace.NetworkAclType:
		v["subnetIds"] = fields(v, "associations", "subnetId")
		entries := map[bool][]any{}
		for _, e := range v.Objects("entries") {
			e["fromPort"], e["toPort"] = e.Object("portRange")["from"], e.Object("portRange")["to"]
			entries[e.Is("egress")] = append(entries[e.Is("egress")], map[string]any(e))
		}
		v["ingress"], v["egress"] = entries[false], entries[true]
	case trace.DeploymentType:
		revision := v.Object("targetServiceRevision")
		v["running"], v["requested"] = revision["runningTaskCount"], revision["requestedTaskCount"]
	}
	return true
}

// fields returns a field of each object in a list that has it.
func fields(v trace.Values, list, field string) (all []any) {
	for _, object := range v.Objects(list) {
		if value, there := object[field]; there {
			all = append(all, value)
		}
	}
	return all
}

// shape gives an answer of AWS the names and types that the provider's outputs have.
func shape(answer any) trace.Values {
	var doc any
	text, err := json.Marshal(answer)
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	values, ok := rename(doc, "").(map[string]any)
	if err != nil || !ok { // of types of the SDK only
		panic(fmt.Sprintf("%T has no shape: %v", answer, err))
	}
	return values
}

// renamed are the fields that have another name in the provider, or in a fact.
var renamed = map[string]string{
	"timeoutInMillis": "timeoutMilliseconds", "tls": "tlsConfig", "groupId": "securityGroupId", "destinationCidrBlock": "cidrBlock",
	"ruleNumber": "ruleNo", "ruleAction": "action", "lastStatus": "status", "availabilityZone": "zone",
}

// rename turns the SDK's names of fields into the provider's: FixedResponseConfig is fixedResponse there, and what is the
// targetGroupArn of one of the targetGroups is its arn.
func rename(doc any, of string) any {
	switch doc := doc.(type) {
	case map[string]any:
		object := map[string]any{}
		for name, value := range doc {
			if value == nil {
				continue
			}
			name = strings.TrimSuffix(strings.ToLower(name[:1])+name[1:], "Config")
			if name = cmp.Or(renamed[name], name); name == strings.TrimSuffix(of, "s")+"Arn" {
				name = "arn"
			}
			object[name] = rename(value, name)
		}
		return object
	case []any:
		for i := range doc {
			doc[i] = rename(doc[i], of)
		}
	}
	return doc
}
