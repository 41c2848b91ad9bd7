package trace

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// asked returns the set as the last up recorded it. What AWS alone knows is not in it.
func (s *Set) asked() *Set {
	asked := &Set{Around: s.Around, Stack: s.Stack, Region: s.Region, ReadAt: s.ReadAt}
	for _, r := range s.resources.Range {
		switch r := r.(Resource); {
		case r.Expected != nil:
			asked.Put(Resource{Type: r.Type, ID: r.ID, Name: r.Name, Outputs: r.Expected, Expected: r.Expected})
		case kindOf(r.Type).counts != "" && !kindOf(r.Type).anyone:
			asked.Put(r)
		}
	}
	return asked
}

// explain follows a way, and on AWS beside it the one that the last up asked for. The first is marked with what differs.
func (s *Set) explain(follow func(*Set, *Way), survey bool) *Way {
	w := &Way{set: s, survey: survey}
	if follow(s, w); !s.deployed() {
		return w
	}
	asked := &Way{set: s.asked(), survey: survey}
	follow(asked.set, asked)
	for i, hop := range w.Hops {
		inPlace := slices.ContainsFunc(asked.Hops, func(h Hop) bool { return h.step == hop.step })
		for _, r := range hop.used {
			changed := s.drift(r)
			if r.Expected == nil && inPlace && kindOf(r.Type).anyone {
				changed = []string{Word(r.Type) + " " + r.Name + " is not of the program"}
			}
			for _, text := range changed {
				w.Hops[i].Notes = append(w.Hops[i].Notes, Note{Drift, text})
			}
		}
	}
	for _, stop := range w.stops {
		i := slices.IndexFunc(asked.Hops, func(h Hop) bool { return h.step == stop.step })
		if i < 0 {
			s.advise(stop)
			continue
		}
		hop := asked.Hops[i]
		stop.used = append(stop.used, hop.used...)
		stop.Changed = append(stop.Changed, s.drift(append(hop.used, hop.ends...)...)...)
		passed := slices.ContainsFunc(w.Hops, func(h Hop) bool { return h.step == hop.step && h.Resource == hop.Resource })
		if hop.Detail != "" && (len(stop.Changed) > 0 || !passed) {
			stop.Asked = hop.Kind + " " + hop.Resource + ": " + hop.Detail
		}
		s.advise(stop)
		for _, behind := range asked.Hops[i+1:] {
			if !survey { // which shows these itself
				stop.Changed = append(stop.Changed, s.drift(behind.used...)...)
			}
		}
		slices.Sort(stop.Changed)
		stop.Changed = slices.Compact(stop.Changed)
	}
	return w
}

// drift says how resources differ from what the last up recorded.
func (s *Set) drift(resources ...Resource) (all []string) {
	for _, r := range resources {
		all = append(all, s.differs(r)...)
	}
	return all
}

// differs is drift of one resource.
func (s *Set) differs(r Resource) (all []string) {
	name := fmt.Sprintf("%s %s", Word(r.Type), r.Name)
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
	case is.Expected == nil:
		return nil
	}
	a, b := map[string]string{}, map[string]string{}
	for _, field := range strings.Fields(kindOf(r.Type).counts) {
		leaves(field, is.Outputs[field], a)
		leaves(field, is.Expected[field], b)
	}
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if a[k] != b[k] {
			all = append(all, fmt.Sprintf("%s: %s is %s, the last up left %s", name, k, cmp.Or(a[k], "not set"), cmp.Or(b[k], "not set")))
		}
	}
	return all
}

// leaves writes down what is in a value, by path. Nothing is the same as an empty value, and lists of texts have no order.
func leaves(path string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, element := range v {
			leaves(path+"."+k, element, into)
		}
	case []any:
		if texts := list[string](Values{"": v}, ""); len(texts) == len(v) {
			slices.Sort(texts)
			into[path] = strings.Join(texts, ", ")
			return
		}
		for i, element := range v {
			leaves(fmt.Sprintf("%s[%d]", path, i), element, into)
		}
	case float64:
		into[path] = strconv.FormatFloat(v, 'f', -1, 64)
	case nil, bool:
		if v == true {
			into[path] = "true"
		}
	default:
		into[path] = fmt.Sprint(v)
	}
}
