package trace

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// endpoint is one side of a connection: what is attached to the network, and how.
type endpoint struct {
	name    string // for messages
	groups  []string
	subnets []string
	of      []Resource // that say where it is
}

// connect adds a connection to a way, or ends it where there is none. Both sides must be in one VPC, a group of the first
// must let it out, and a group of the second must let it in. Security groups are stateful, so answers need no rule. Network
// ACLs and route tables count where they are known. It returns false where the way ends.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
func (s *Set) connect(w *Way, side string, from, to endpoint, port int, by Responder, status int) bool {
	w.step.side = side
	defer func() { w.step.side = "" }()
	w.at("security groups")
	fromGroups, toGroups := s.groupNames(from.groups), s.groupNames(to.groups)
	egress, out, outTo := s.findRule(EgressType, from, to, port)
	ingress, in, inFrom := s.findRule(IngressType, to, from, port)
	noOut, noIn := !out && outTo == "", !in && inFrom == ""
	switch a, b := s.vpcs(from.subnets), s.vpcs(to.subnets); {
	case !slices.Equal(a, b) || len(a) != 1:
		w.lacks("", by, status, "%s is in VPC %v, %s in VPC %v", from.name, a, to.name, b)
	case (noOut || noIn) && w.unread(""):
	case noOut:
		w.fault(by, status, "security group %s of %s has no egress rule to %s on tcp %d", fromGroups, from.name, toGroups, port).used = s.all(GroupType, from.groups)
	case noIn:
		w.fault(by, status, "security group %s of %s has no ingress rule from %s on tcp %d", toGroups, to.name, fromGroups, port).used = s.all(GroupType, to.groups)
	case !out || !in:
		w.unknown(cmp.Or(outTo, inFrom))
	case !w.over:
		w.hop(fromGroups+" to "+toGroups, []Resource{egress, ingress}, "tcp %d: egress rule %s, ingress rule %s", port, egress.Name, ingress.Name)
		w.Hops[len(w.Hops)-1].ends = append(slices.Clone(from.of), to.of...)
	}
	crossings := s.crossings(from, to, port)
	s.acls(w, crossings, by, status)
	s.routes(w, crossings, by, status)
	return !w.over
}

// findRule returns a rule of one side's groups that allows the other side: of several that do so together, the last. If there
// is none, perhaps says of which prefix list nobody knows whether it has the other side.
func (s *Set) findRule(typ string, of, peer endpoint, port int) (rule Resource, found bool, perhaps string) {
	left := slices.Clone(peer.subnets) // that no rule has covered
	for _, r := range s.Of(typ) {
		if !allows(r, of.groups, port) {
			continue
		}
		v := r.Outputs
		left = slices.DeleteFunc(left, func(id string) bool { return s.covers(v.Text("cidrIpv4"), id) })
		if slices.Contains(peer.groups, v.Text("referencedSecurityGroupId")) || len(peer.subnets) > 0 && len(left) == 0 {
			return r, true, ""
		}
		if list := v.Text("prefixListId"); list != "" {
			perhaps = fmt.Sprintf("whether prefix list %s in rule %s of security group %s has the addresses of %s", list, r.Name, s.groupNames(of.groups), peer.name)
		}
	}
	return Resource{}, false, perhaps
}

// allows tells whether a rule is of one of the groups, and for a port. With protocol -1 the ports do not count.
// Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
func allows(rule Resource, groups []string, port int) bool {
	v := rule.Outputs
	protocol, inRange := v.Text("ipProtocol"), v.Number("fromPort") <= port && port <= v.Number("toPort")
	return slices.Contains(groups, v.Text("securityGroupId")) && (protocol == "-1" || protocol == "tcp" && inRange)
}

// covers tells whether all addresses that a subnet can give are in a range.
func (s *Set) covers(cidr, id string) bool {
	whole, err := netip.ParsePrefix(cidr)
	subnet, _ := s.Find(SubnetType, id)
	block, err2 := netip.ParsePrefix(subnet.Outputs.Text("cidrBlock"))
	return err == nil && err2 == nil && whole.Bits() <= block.Bits() && whole.Contains(block.Addr())
}

// vpcs returns the VPCs that the subnets are in.
func (s *Set) vpcs(subnets []string) []string {
	var all []string
	for _, subnet := range s.all(SubnetType, subnets) {
		all = append(all, subnet.Outputs.Text("vpcId"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// exampleAddress returns an address that a network interface in the first of the subnets could have.
func (s *Set) exampleAddress(subnets []string) string {
	subnet, _ := s.Find(SubnetType, subnets[0])
	block, _ := netip.ParsePrefix(subnet.Outputs.Text("cidrBlock"))
	address := block.Addr()
	for range 10 { // after those that AWS keeps for itself
		address = address.Next()
	}
	return address.String()
}

func (s *Set) groupNames(ids []string) string { return cmp.Or(names(s.all(GroupType, ids)), "(none)") }
