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

// blocks returns the IPv4 ranges of subnets, by id. What is not known of is left out.
func (s *Set) blocks(subnets []string) map[string]netip.Prefix {
	all := map[string]netip.Prefix{}
	for _, id := range subnets {
		subnet, _ := s.Find(subnetType, id)
		if block, err := netip.ParsePrefix(subnet.Outputs.Text("cidrBlock")); err == nil {
			all[id] = block.Masked()
		}
	}
	return all
}

// pairs calls a function with each subnet of one side and each of the other, until it returns false. Neither network ACLs
// nor route tables count within a subnet.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
func (s *Set) pairs(from, to endpoint, do func(from, to string, fromBlock, toBlock netip.Prefix) bool) {
	fromBlocks, toBlocks := s.blocks(from.subnets), s.blocks(to.subnets)
	for _, a := range from.subnets {
		for _, b := range to.subnets {
			if a != b && fromBlocks[a].IsValid() && toBlocks[b].IsValid() && !do(a, b, fromBlocks[a], toBlocks[b]) {
				return
			}
		}
	}
}

// acls adds the network ACLs of both sides, if they are known. They are stateless: answers need rules too.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
func (s *Set) acls(w *Way, from, to endpoint, port int, by Responder, status int) {
	w.at("network ACLs")
	var used []Resource
	var partly []string
	before := len(w.stops)
	s.pairs(from, to, func(a, b string, fromBlock, toBlock netip.Prefix) bool {
		there := ports{port, port}
		for _, crossing := range []struct {
			subnet, direction, preposition string
			peer                           netip.Prefix
			ports
		}{
			{a, "egress", "to", toBlock, there}, {b, "ingress", "from", fromBlock, there},
			{b, "egress", "to", fromBlock, ephemeral}, {a, "ingress", "from", toBlock, ephemeral},
		} {
			acl, ok := s.aclOf(crossing.subnet)
			if !ok {
				continue
			}
			if !slices.ContainsFunc(used, func(r Resource) bool { return r.ID == acl.ID }) {
				used = append(used, acl)
			}
			rule, whole := deniedBy(acl.Outputs.Objects(crossing.direction), crossing.peer, crossing.ports)
			if rule == "" {
				continue
			}
			text := fmt.Sprintf("%s rule %s of subnet %s denies %%stcp %v %s %v",
				crossing.direction, rule, s.nameOfSubnet(crossing.subnet), crossing.ports, crossing.preposition, crossing.peer)
			if whole {
				w.stop(by, status, "network ACL %s: %s", acl.Name, fmt.Sprintf(text, "")).about(acl)
				return false
			}
			partly = append(partly, fmt.Sprintf(text, "some of "))
		}
		return true
	})
	if len(used) > 0 && len(w.stops) == before {
		w.hop(names(used), used, "allow tcp %d, and answers on tcp %v", port, ephemeral)
		for _, text := range partly {
			w.note(Warning, "%s", text)
		}
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

func (s *Set) aclOf(subnet string) (Resource, bool) {
	for _, acl := range s.Of(NetworkAclType) {
		if slices.Contains(acl.Outputs.Texts("subnetIds"), subnet) {
			return acl, true
		}
	}
	return Resource{}, false
}

// deniedBy returns the rule of a network ACL that denies TCP between any address of a range and any of the ports, "" if
// none does; whole tells that it is all of them. The lowest number that matches decides. The last rule, *, denies.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html
func deniedBy(rules []Values, peer netip.Prefix, p ports) (denied string, whole bool) {
	rules = slices.DeleteFunc(slices.Clone(rules), func(v Values) bool {
		block, err := netip.ParsePrefix(v.Text("cidrBlock"))
		// AWS names protocols by number, the provider takes both: https://www.iana.org/assignments/protocol-numbers
		protocol := strings.ToLower(v.Text("protocol"))
		return err != nil || !block.Overlaps(peer) || !slices.Contains([]string{"-1", "all", "6", "tcp"}, protocol)
	})
	slices.SortStableFunc(rules, func(a, b Values) int { return cmp.Compare(a.Number("ruleNo"), b.Number("ruleNo")) })
	all := func(v Values) bool { return v.Text("protocol") == "-1" || v.Text("protocol") == "all" }
	// The verdict changes only where a rule begins, or behind where it ends.
	addresses, numbers := []netip.Addr{peer.Addr()}, []int{p.from}
	for _, v := range rules {
		block := netip.MustParsePrefix(v.Text("cidrBlock")).Masked()
		for _, address := range []netip.Addr{block.Addr(), last(block).Next()} {
			if address.IsValid() && peer.Contains(address) {
				addresses = append(addresses, address)
			}
		}
		for _, n := range []int{v.Number("fromPort"), v.Number("toPort") + 1} {
			if !all(v) && p.from <= n && n <= p.to {
				numbers = append(numbers, n)
			}
		}
	}
	whole = true
	for _, address := range addresses {
		for _, n := range numbers {
			i := slices.IndexFunc(rules, func(v Values) bool {
				return netip.MustParsePrefix(v.Text("cidrBlock")).Contains(address) && (all(v) || v.Number("fromPort") <= n && n <= v.Number("toPort"))
			})
			switch {
			case i >= 0 && rules[i].Text("action") == "allow":
				whole = false
			case denied != "":
			case i < 0 || rules[i].Number("ruleNo") == lastRule:
				denied = "*"
			default:
				denied = strconv.Itoa(rules[i].Number("ruleNo"))
			}
		}
	}
	return denied, whole
}

// lastRule is the number that AWS gives the rule *.
// Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkAclEntry.html
const lastRule = 32767

// last returns the last address of an IPv4 range.
func last(block netip.Prefix) netip.Addr {
	b := block.Addr().As4()
	for i := block.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b)
}

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
func (s *Set) routes(w *Way, from, to endpoint, by Responder, status int) {
	w.at("route tables")
	var used []Resource
	var around []string
	before := len(w.stops)
	s.pairs(from, to, func(a, b string, fromBlock, toBlock netip.Prefix) bool {
		for _, crossing := range []struct {
			subnet string
			peer   netip.Prefix
		}{{a, toBlock}, {b, fromBlock}} {
			table, ok := s.tableOf(crossing.subnet)
			route, found := routeTo(table, crossing.peer)
			if !ok || !found {
				continue
			}
			if !slices.ContainsFunc(used, func(r Resource) bool { return r.ID == table.ID }) {
				used = append(used, table)
			}
			switch target := targetOf(route); {
			case route.Text("state") == "blackhole":
				w.stop(by, status, "route table %s of subnet %s sends %s to %s, which is not there", table.Name, s.nameOfSubnet(crossing.subnet), route.Text("cidrBlock"), target)
				w.about(table)
				return false
			case target != "local":
				around = append(around, fmt.Sprintf("whether %s lets it through: %s sends %s there", target, table.Name, route.Text("cidrBlock")))
			}
		}
		return true
	})
	if len(used) > 0 && len(w.stops) == before {
		if w.hop(names(used), used, "by the local route"); len(around) > 0 {
			w.Hops[len(w.Hops)-1].Detail = "not by the local route"
		}
		slices.Sort(around)
		for _, text := range slices.Compact(around) {
			w.note(Unknown, "%s", text)
		}
	}
	s.tellUnread(w, RouteTableType, len(used) > 0)
}

// needed are the services that tasks need an endpoint for, where no default route leads to AWS.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
var needed = []string{"ecr.api", "ecr.dkr", "logs"}

// wayOut says what keeps tasks in subnets from reaching AWS for images and logs, "" if nothing does or nobody knows.
// changed is what is not as the last up left it.
func (s *Set) wayOut(subnets []string) (problem string, changed []string, used []Resource) {
	for _, subnet := range subnets {
		table, ok := s.tableOf(subnet)
		if !ok {
			continue
		}
		used = append(used, table)
		route, found := routeTo(table, netip.PrefixFrom(netip.IPv4Unspecified(), 0))
		target, where := targetOf(route), fmt.Sprintf("route table %s of subnet %s ", table.Name, s.nameOfSubnet(subnet))
		switch {
		case found && route.Text("state") == "blackhole":
			problem = where + "sends 0.0.0.0/0 to " + target + ", which is not there"
		case found && strings.HasPrefix(target, "igw-"): // tasks have no public address
			problem = where + "sends 0.0.0.0/0 to an internet gateway, which tasks without a public address cannot use"
		case !found:
			if missing := s.withoutEndpoint(table); len(missing) > 0 && s.unread(VpcEndpointType, "") == "" {
				problem = where + "has no default route, and the VPC has no endpoint for " + strings.Join(missing, ", ")
			}
		}
		if problem != "" {
			for _, r := range append(s.gone(routeResourceType), s.gone(associationType)...) {
				if r.Expected.Text("routeTableId") == table.ID || r.Expected.Text("subnetId") == subnet {
					changed = append(changed, s.drift(r)...)
				}
			}
			return problem, changed, []Resource{table}
		}
	}
	return "", nil, used
}

// withoutEndpoint returns what has no endpoint in the VPC of a route table, and is needed.
func (s *Set) withoutEndpoint(table Resource) (missing []string) {
	for _, name := range needed {
		if !slices.ContainsFunc(s.Of(VpcEndpointType), func(r Resource) bool {
			return r.Outputs.Text("vpcId") == table.Outputs.Text("vpcId") && strings.HasSuffix(r.Outputs.Text("serviceName"), "."+name) && r.Outputs.Is("privateDnsEnabled")
		}) {
			missing = append(missing, name)
		}
	}
	return missing
}

func (s *Set) nameOfSubnet(id string) string {
	if r, ok := s.Find(subnetType, id); ok && r.Name != "" {
		return r.Name
	}
	return id
}

// names joins the names of resources.
func names(resources []Resource) string {
	var all []string
	for _, r := range resources {
		all = append(all, cmp.Or(r.Name, r.ID))
	}
	return strings.Join(all, ", ")
}
