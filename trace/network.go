package trace

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ephemeral are the ports that answers go to.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/custom-network-acl.html#nacl-ephemeral-ports
var ephemeral = ports{1024, 65535}

type ports struct{ from, to int }

func (p ports) String() string {
	if p.from == p.to {
		return strconv.Itoa(p.from)
	}
	return fmt.Sprintf("%d-%d", p.from, p.to)
}

// crossing is traffic out of a subnet or into one.
type crossing struct {
	subnet, direction string
	peer              netip.Prefix // other end
	ports             ports
}

func (c crossing) String() string {
	return fmt.Sprintf("tcp %v %s %v", c.ports, map[string]string{"egress": "to", "ingress": "from"}[c.direction], c.peer)
}

// crossings are those of a connection and its answers, between each two subnets whose ranges are known. Neither network ACLs
// nor route tables count within a subnet.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
func (s *Set) crossings(from, to endpoint, port int) (all []crossing) {
	block := func(id string) netip.Prefix {
		subnet, _ := s.Find(SubnetType, id)
		block, _ := netip.ParsePrefix(subnet.Outputs.Text("cidrBlock"))
		return block.Masked()
	}
	there := ports{port, port}
	for _, a := range from.subnets {
		for _, b := range to.subnets {
			if aBlock, bBlock := block(a), block(b); a != b && aBlock.IsValid() && bBlock.IsValid() {
				all = append(all, crossing{a, "egress", bBlock, there}, crossing{b, "ingress", aBlock, there},
					crossing{b, "egress", aBlock, ephemeral}, crossing{a, "ingress", bBlock, ephemeral})
			}
		}
	}
	return all
}

// acls adds the network ACLs of both sides, if they are known. They are stateless: answers need rules too. The subnet of
// each is the first that has it.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
func (s *Set) acls(w *Way, all []crossing, by Responder, status int) {
	w.at("network ACLs")
	var used []Resource
	var partly []string
	for _, c := range all {
		i := slices.IndexFunc(s.Of(NetworkAclType), func(r Resource) bool { return slices.Contains(r.Outputs.Texts("subnetIds"), c.subnet) })
		if i < 0 {
			continue
		}
		acl := s.Of(NetworkAclType)[i]
		used = with(used, acl)
		rule, whole := deniedBy(acl.Outputs.Objects(c.direction), c.peer, c.ports)
		text := fmt.Sprintf("%s rule %s of subnet %s denies", c.direction, rule, s.nameOfSubnet(c.subnet))
		if whole {
			w.fault(by, status, "network ACL %s: %s %v", acl.Name, text, c).used = []Resource{acl}
			return
		}
		if rule != "" {
			partly = append(partly, fmt.Sprintf("%s some of %v", text, c))
		}
	}
	if len(used) > 0 {
		w.hop(names(used), used, "allow tcp %v, and answers on tcp %v", all[0].ports, ephemeral)
	}
	for _, text := range partly {
		w.note(Warning, "%s", text)
	}
	s.tellUnread(w, NetworkAclType, len(used) > 0)
}

// tellUnread notes that facts of a type could not be read, on a hop of their own if there is none.
func (s *Set) tellUnread(w *Way, typ string, there bool) {
	if text := s.unread(typ, ""); text != "" {
		if !there {
			w.hop("", nil, "")
		}
		w.note(Unknown, "%s", text)
	}
}

// deniedBy returns the rule of a network ACL that denies TCP with addresses of a range on some of the ports, "" if none does;
// whole tells that all of it is denied. The lowest number that matches decides. The last rule, *, denies.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html
func deniedBy(rules []Values, peer netip.Prefix, p ports) (rule string, whole bool) {
	rules = slices.Clone(rules)
	slices.SortFunc(rules, func(a, b Values) int { return a.Number("ruleNo") - b.Number("ruleNo") })
	whole = true
	for _, v := range rules {
		block, err := netip.ParsePrefix(v.Text("cidrBlock"))
		from, to := v.Number("fromPort"), v.Number("toPort")
		switch v.Text("protocol") {
		case "-1", "all": // the ports do not count then
			from, to = p.from, p.to
		case "6", "tcp": // https://www.iana.org/assignments/protocol-numbers
		default:
			continue
		}
		if err != nil || !block.Overlaps(peer) || to < p.from || p.to < from || v.Number("ruleNo") == lastRule {
			continue
		}
		allows := v.Text("action") == "allow"
		if !allows && rule == "" {
			rule = strconv.Itoa(v.Number("ruleNo"))
		}
		whole = whole && !allows
		if block.Bits() <= peer.Bits() && from <= p.from && p.to <= to { // no later rule matters
			return rule, whole
		}
	}
	return cmp.Or(rule, "*"), whole
}

// lastRule is the number that AWS gives the rule *.
// Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkAclEntry.html
const lastRule = 32767

// tableOf returns the route table of a subnet: that which it is associated with, or the main one of its VPC. One without
// routes is not known: AWS's always have the local one.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html
func (s *Set) tableOf(subnet string) (table Resource, found bool) {
	vpc := s.vpcs([]string{subnet})
	for _, r := range s.Of(RouteTableType) {
		explicit := slices.Contains(r.Outputs.Texts("subnetIds"), subnet)
		isMain := r.Outputs.Is("main") && slices.Contains(vpc, r.Outputs.Text("vpcId"))
		if len(r.Outputs.Objects("routes")) > 0 && (explicit || isMain && !found) {
			table, found = r, true
			if explicit {
				break
			}
		}
	}
	return table, found
}

// routeTo returns the most specific route of a table that takes all of a range.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html
func routeTo(table Resource, block netip.Prefix) (route Values, found bool) {
	best := -1
	for _, v := range table.Outputs.Objects("routes") {
		to, err := netip.ParsePrefix(v.Text("cidrBlock"))
		if err == nil && to.Bits() <= block.Bits() && to.Contains(block.Addr()) && to.Bits() > best {
			route, best = v, to.Bits()
		}
	}
	return route, best >= 0
}

// targetOf returns where a route leads.
func targetOf(route Values) string {
	for _, key := range []string{"gatewayId", "natGatewayId", "transitGatewayId", "vpcEndpointId", "networkInterfaceId", "vpcPeeringConnectionId"} {
		if target := route.Text(key); target != "" {
			return target
		}
	}
	return "an unknown target"
}

// routes adds the route tables of both sides, if they are known. Within a VPC the local route leads everywhere. A route
// to a whole subnet goes before it, and so may one that has taken its place. What such a route leads to decides then.
// Sources: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html
// https://docs.aws.amazon.com/vpc/latest/userguide/replace-local-route-target.html
func (s *Set) routes(w *Way, all []crossing, by Responder, status int) {
	w.at("route tables")
	var used []Resource
	var around []string
	for _, c := range all {
		table, ok := s.tableOf(c.subnet)
		route, found := routeTo(table, c.peer)
		if c.direction != "egress" || !ok || !found {
			continue
		}
		used = with(used, table)
		switch target := targetOf(route); {
		case route.Text("state") == "blackhole":
			w.fault(by, status, "route table %s of subnet %s sends %s to %s, which is not there", table.Name, s.nameOfSubnet(c.subnet), route.Text("cidrBlock"), target).used = []Resource{table}
			return
		case target != "local":
			around = append(around, fmt.Sprintf("whether %s lets it through: %s sends %s there", target, table.Name, route.Text("cidrBlock")))
		}
	}
	if len(used) > 0 && len(around) == 0 {
		w.hop(names(used), used, "by the local route")
	} else if len(used) > 0 {
		w.hop(names(used), used, "not by the local route")
	}
	slices.Sort(around)
	for _, text := range slices.Compact(around) {
		w.note(Unknown, "%s", text)
	}
	s.tellUnread(w, RouteTableType, len(used) > 0)
}

// needed are the services that tasks need an endpoint for, where no default route leads to AWS.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
var needed = []string{"ecr.api", "ecr.dkr", "logs"}

// wayOut says what keeps tasks from reaching AWS for images and logs, "" if nothing does or nobody knows. changed is what is
// not as the last up left it, and used what was looked at.
func (s *Set) wayOut(t Target) (problem string, changed []string, used []Resource) {
	out := func(r Resource) bool { return allows(r, t.Groups, 443) }
	if !slices.ContainsFunc(s.Of(EgressType), out) && s.unread(EgressType, "") == "" {
		return "security group " + s.groupNames(t.Groups) + " has no egress rule on tcp 443", s.lost(EgressType, "securityGroupId", t.Groups...), s.all(GroupType, t.Groups)
	}
	for _, subnet := range t.Subnets {
		table, ok := s.tableOf(subnet)
		route, found := routeTo(table, netip.PrefixFrom(netip.IPv4Unspecified(), 0))
		if !ok || !found && slices.ContainsFunc(table.Outputs.Objects("routes"), elsewhere) {
			continue // nobody knows whether anything there leads to AWS
		}
		if problem = s.noWayOut(table, route, found); problem != "" {
			changed = append(s.lost(VPCRouteType, "routeTableId", table.ID), s.lost(AssociationType, "subnetId", subnet)...)
			return fmt.Sprintf("route table %s of subnet %s %s", table.Name, s.nameOfSubnet(subnet), problem), changed, []Resource{table}
		}
		used = with(used, table)
	}
	return "", nil, used
}

// noWayOut says what keeps subnets with a route table from reaching AWS, by its default route if that is found.
func (s *Set) noWayOut(table Resource, route Values, found bool) string {
	switch target := targetOf(route); {
	case found && route.Text("state") == "blackhole":
		return "sends 0.0.0.0/0 to " + target + ", which is not there"
	case found && strings.HasPrefix(target, "igw-"):
		return "sends 0.0.0.0/0 to an internet gateway, which tasks without a public address cannot use"
	case found || s.unread(VpcEndpointType, "") != "":
		return ""
	}
	missing := slices.Clone(needed)
	for _, r := range s.where(VpcEndpointType, "vpcId", table.Outputs.Text("vpcId")) {
		missing = slices.DeleteFunc(missing, func(name string) bool {
			private := r.Outputs.Is("privateDnsEnabled") || r.Expected == nil // others may have a zone of their own for it
			return private && strings.HasSuffix(r.Outputs.Text("serviceName"), "."+name)
		})
	}
	if len(missing) == 0 {
		return ""
	}
	return "has no default route, and the VPC has no endpoint for " + strings.Join(missing, ", ")
}

// elsewhere tells whether a route leads out of the VPC, and not to an endpoint of it.
func elsewhere(route Values) bool {
	target := targetOf(route)
	return target != "local" && !strings.HasPrefix(target, "vpce-") && route.Text("ipv6CidrBlock") == ""
}

// lost tells of resources of a type that belonged to others, and are gone.
func (s *Set) lost(typ, output string, of ...string) (all []string) {
	for _, id := range of {
		all = append(all, s.drift(s.asked().where(typ, output, id)...)...)
	}
	return all
}

func (s *Set) nameOfSubnet(id string) string {
	r, _ := s.Find(SubnetType, id)
	return cmp.Or(r.Name, id)
}

// names joins the names of resources.
func names(resources []Resource) string {
	var all []string
	for _, r := range resources {
		all = append(all, cmp.Or(r.Name, r.ID))
	}
	return strings.Join(all, ", ")
}
