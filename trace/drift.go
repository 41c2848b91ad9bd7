package trace

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// counted are the outputs by type that decide on the way of a request. Others, such as tags, are no drift here. The count
// of tasks is not among them: with scaling, it is not the program's.
var counted = map[string][]string{
	RecordType:      {"type", "aliases"},
	domainType:      {"domainName", "domainNameConfiguration"},
	mappingType:     {"apiId", "stage", "apiMappingKey"},
	certificateType: {"domainName", "subjectAlternativeNames"},
	apiType:         {"disableExecuteApiEndpoint", "corsConfiguration"},
	stageType:       {"autoDeploy", "defaultRouteSettings", "routeSettings"},
	routeType:       {"routeKey", "target", "authorizationType", "authorizerId"},
	authorizerType:  {"authorizerType", "identitySources", "jwtConfiguration"},
	integrationType: {"integrationType", "integrationUri", "connectionType", "connectionId", "timeoutMilliseconds", "tlsConfig"},
	linkType:        {"subnetIds", "securityGroupIds"},
	egressType:      {"ipProtocol", "fromPort", "toPort", "cidrIpv4", "referencedSecurityGroupId"},
	ingressType:     {"ipProtocol", "fromPort", "toPort", "cidrIpv4", "referencedSecurityGroupId"},
	balancerType:    {"securityGroups", "subnets", "idleTimeout", "dropInvalidHeaderFields"},
	listenerType:    {"port", "protocol", "certificateArn", "defaultActions"},
	ruleType:        {"priority", "conditions", "actions"},
	TargetGroupType: {"port", "protocol", "healthCheck"},
	ServiceType:     {"taskDefinition", "networkConfiguration", "loadBalancers", "serviceRegistries"},
	nameType:        {"dnsConfig"},
	namespaceType:   {"vpc"},
	NetworkAclType:  {"ingress", "egress", "subnetIds"},
	VpcEndpointType: {"privateDnsEnabled", "subnetIds", "routeTableIds"},
}

// matched are the types of which any resource may decide, not only one that another resource names. What the program did
// not make of these is not what it asked for.
var matched = []string{routeType, ruleType, egressType, ingressType, mappingType}

// asked returns the set as the last up recorded it. What AWS alone knows is not in it.
func (s *Set) asked() *Set {
	asked := &Set{Around: s.Around, Stack: s.Stack, Region: s.Region, ReadAt: s.ReadAt}
	for _, r := range s.resources.Range {
		switch r := r.(Resource); {
		case r.Expected != nil:
			asked.Put(Resource{Type: r.Type, ID: r.ID, Name: r.Name, Outputs: r.Expected, Expected: r.Expected})
		case counted[r.Type] != nil && !slices.Contains(matched, r.Type) && r.Type != NetworkAclType || r.Type == subnetType || r.Type == groupType:
			asked.Put(r)
		}
	}
	return asked
}

// gone returns what the last up recorded of a type, and is no longer there.
func (s *Set) gone(typ string) (all []Resource) {
	for _, r := range s.resources.Range {
		if r := r.(Resource); r.Gone && r.Type == typ {
			all = append(all, r)
		}
	}
	return all
}

// explain follows a way, and beside it the one that the last up asked for. The first is marked with what differs.
func (s *Set) explain(follow func(*Set, *Way), survey bool) *Way {
	w, asked := &Way{survey: survey}, &Way{survey: survey}
	follow(s, w)
	follow(s.asked(), asked)
	for i, hop := range w.Hops {
		for _, r := range hop.used {
			for _, text := range s.drift(r) {
				w.Hops[i].Notes = append(w.Hops[i].Notes, Note{Drift, text})
			}
		}
	}
	for _, stop := range w.stops {
		for i, hop := range asked.Hops {
			if hop.step != stop.step {
				continue
			}
			for _, r := range append(hop.used, hop.ends...) {
				stop.Changed = append(stop.Changed, s.drift(r)...)
			}
			passed := slices.ContainsFunc(w.Hops, func(h Hop) bool { return h.step == hop.step && h.Resource == hop.Resource })
			if hop.Detail != "" && (len(stop.Changed) > 0 || !passed) {
				stop.Asked = hop.Kind + " " + hop.Resource + ": " + hop.Detail
			}
			stop.used = append(stop.used, hop.used...)
			if stop == w.Stop {
				w.Beyond = s.beyond(asked.Hops[i+1:], stop)
			}
			break
		}
		s.advise(stop)
	}
	return w
}

// beyond returns what differs on the hops of the way that was asked for, behind a stop.
func (s *Set) beyond(hops []Hop, stop *Stop) (all []string) {
	for _, hop := range hops {
		for _, r := range hop.used {
			for _, text := range s.drift(r) {
				if !slices.Contains(append(all, stop.Changed...), text) {
					all = append(all, text)
				}
			}
		}
	}
	return all
}

// drift says how a resource differs from what the last up recorded.
func (s *Set) drift(r Resource) (all []string) {
	name := fmt.Sprintf("%s %s", words[r.Type], r.Name)
	now, there := s.resources.Load(key(r.Type, r.ID, r.Outputs))
	if !there { // a gone one has no ARN
		now, there = s.resources.Load(key(r.Type, r.ID, nil))
	}
	if !there {
		return nil
	}
	is := now.(Resource)
	switch {
	case is.Gone:
		return []string{name + ", which the last up made, is gone"}
	case is.Expected == nil && s.deployed() && slices.Contains(matched, r.Type):
		return []string{name + foreign}
	case is.Expected == nil:
		return nil
	}
	for _, field := range counted[r.Type] {
		for _, text := range differences(field, is.Outputs[field], is.Expected[field]) {
			all = append(all, name+": "+text)
		}
	}
	return all
}

// foreign ends what is said of a resource that the program did not make.
const foreign = " is not of the program"

// differences compares two values, and names what differs by path. Nothing is the same as an empty value, and lists of
// texts have no order.
func differences(path string, is, was any) (all []string) {
	if a, ok := is.(map[string]any); ok {
		b, _ := was.(map[string]any)
		keys := maps.Clone(a)
		maps.Copy(keys, b)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			all = append(all, differences(path+"."+k, a[k], b[k])...)
		}
		return all
	}
	a, isList := is.([]any)
	b, wasList := was.([]any)
	texts := func(v []any) (all []string) { return slices.Sorted(slices.Values(list[string](Values{"": v}, ""))) }
	switch {
	case isList && wasList && len(a) == len(b) && len(texts(a)) == 0:
		for i := range a {
			all = append(all, differences(path+"["+strconv.Itoa(i)+"]", a[i], b[i])...)
		}
		return all
	case isList && wasList && len(texts(a)) == len(a) && slices.Equal(texts(a), texts(b)):
		return nil
	case reflect.DeepEqual(is, was) || empty(is) && empty(was):
		return nil
	}
	return []string{fmt.Sprintf("%s is %s, the last up left %s", path, short(is), short(was))}
}

func empty(v any) bool {
	if v == nil {
		return true
	}
	value := reflect.ValueOf(v)
	return value.IsZero() || (value.Kind() == reflect.Slice || value.Kind() == reflect.Map) && value.Len() == 0
}

// short is a value on a line.
func short(v any) string {
	switch text := v.(type) {
	case nil:
		return "not set"
	case string:
		return cmp.Or(text, "empty")
	}
	b, _ := json.Marshal(v)
	return string(b)
}
