// Package trace follows the way of a request through deployed resources. It holds the graph of the resources and the rules
// by which AWS takes a request from one to the next, and comes to a verdict: the request arrives, or where and why it stops.
// It works on facts, such as the outputs in a stack's state, and does no I/O.
package trace

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Resource is one that is deployed.
type Resource struct {
	Type, ID string
	Name     string // the logical one, by which the program calls it; of a resource that it did not make, that on AWS
	Outputs  Values
	// Expected are the outputs that the last up recorded; nil if it did not record the resource, or nobody knows.
	Expected Values
	// Gone tells that the last up recorded the resource, and that it is no longer there. It has no Outputs then, and
	// neither Find nor Of return it.
	Gone bool
}

// Values are outputs by name, as they come from JSON: string, float64, bool, []any, map[string]any.
type Values map[string]any

// Text returns a string output, "" if there is none.
func (v Values) Text(name string) string { s, _ := v[name].(string); return s }

// Number returns a whole number, 0 if there is none.
func (v Values) Number(name string) int { n, _ := v[name].(float64); return int(n) }

// Is tells whether a boolean output is true.
func (v Values) Is(name string) bool { b, _ := v[name].(bool); return b }

// Texts returns a list of strings.
func (v Values) Texts(name string) []string { return list[string](v, name) }

// Objects returns a list of objects.
func (v Values) Objects(name string) []Values {
	var all []Values
	for _, object := range list[map[string]any](v, name) {
		all = append(all, object)
	}
	return all
}

// list returns the elements of a list that have one type.
func list[T any](v Values, name string) []T {
	var all []T
	elements, _ := v[name].([]any)
	for _, element := range elements {
		if e, ok := element.(T); ok {
			all = append(all, e)
		}
	}
	return all
}

// Object returns a nested object, empty if there is none.
func (v Values) Object(name string) Values { m, _ := v[name].(map[string]any); return m }

// Set is all resources that are deployed. Several goroutines may use it at once. The zero value is empty.
type Set struct {
	// Around are resources that the program did not make. Find finds them too.
	Around []Resource `json:"-"`
	// Stack and Region are the names that commands to copy need, and ReadAt is when the facts were read. In a local run,
	// they are empty.
	Stack     string    `json:"stack"`
	Region    string    `json:"region"`
	ReadAt    time.Time `json:"readAt"`
	resources sync.Map  // of Resource, by key
}

// key tells two resources apart. The revisions of a task definition share an id, not an ARN.
func key(typ, id string, outputs Values) string {
	return typ + " " + cmp.Or(outputs.Text("arn"), id)
}

// Put adds a resource or its new outputs.
func (s *Set) Put(r Resource) { s.resources.Store(key(r.Type, r.ID, r.Outputs), r) }

// Remove removes a resource.
func (s *Set) Remove(typ, id string, outputs Values) { s.resources.Delete(key(typ, id, outputs)) }

// Len is the number of resources.
func (s *Set) Len() int { return len(s.Of("")) }

// Of returns the resources of a type, by name. Of "" are all resources.
func (s *Set) Of(typ string) []Resource {
	var all []Resource
	for _, r := range s.resources.Range {
		if r := r.(Resource); (typ == "" || r.Type == typ) && !r.Gone {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Resource) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID)) })
	return all
}

// where returns the resources of a type that have a text as an output.
func (s *Set) where(typ, output, text string) []Resource {
	return slices.DeleteFunc(s.Of(typ), func(r Resource) bool { return r.Outputs.Text(output) != text })
}

// Find returns the resource of a type by id or ARN.
func (s *Set) Find(typ, reference string) (Resource, bool) {
	for _, r := range append(s.Of(typ), s.Around...) {
		if r.Type == typ && reference != "" && (r.ID == reference || r.Outputs.Text("arn") == reference) {
			return r, true
		}
	}
	return Resource{}, false
}

// all returns those of the resources with these ids or ARNs that there are, each once.
func (s *Set) all(typ string, references []string) (all []Resource) {
	for _, reference := range references {
		if r, ok := s.Find(typ, reference); ok {
			all = with(all, r)
		}
	}
	return all
}

// with adds a resource to a list once.
func with(all []Resource, r Resource) []Resource {
	if slices.ContainsFunc(all, func(other Resource) bool { return other.ID == r.ID }) {
		return all
	}
	return append(all, r)
}

// deployed tells whether the set is of a stack on AWS.
func (s *Set) deployed() bool { return !s.ReadAt.IsZero() }

// unread says that a resource or fact could not be read, "" if it could. With no id, it is about all of the type.
func (s *Set) unread(typ, id string) string {
	for _, r := range s.Of(UnknownType) {
		if of := r.Outputs.Text("id"); r.Outputs.Text("of") == typ && (of == "" || id == "" || of == id) {
			return r.Outputs.Text("name") + " could not be read: " + r.Outputs.Text("reason")
		}
	}
	return ""
}
