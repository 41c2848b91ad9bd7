package setting

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Declarer is what holds settings. Declare names each of them once, by calls of [Var] and [Object], as package flag
// does it.
type Declarer interface{ Declare(*Set) }

// Set is one pass over the declarations: it fills the fields with defaults or with the configuration, or checks what
// they hold, or only lists them.
type Set struct {
	prefix   string                   // of an object's fields: "cors."
	lookup   func(string) (any, bool) // the configured value, a [Raw] or decoded JSON
	keep     bool                     // fields keep what they hold
	declared []Declaration            // in the order of the calls
	problems Problems
}

// Declaration is what is known about one setting.
type Declaration struct {
	Key      string
	Type     string // in the schema of a Pulumi project: string, integer, boolean, array or object
	Default  any
	Value    any // what the field holds; nil of an object
	Meaning  string
	Allowed  string        // "" if every value of the type is
	OnChange string        // what a change does to a stack that is up
	Fields   []Declaration // of an object
}

// Raw is a top-level value as Pulumi hands it over: plain text, or JSON for everything but a text.
type Raw string

// Allowed is a check of one setting. Refused returns the value to complain about, which may be a part of the whole, and
// whether there is one.
type Allowed[T any] struct {
	Text    string
	Refused func(T) (any, bool)
}

// Var declares one setting: the field that holds it, its key and default, what it means, what a change of it does to a
// stack that is up, and what is allowed. A field without a default may stay empty; whatever is configured is checked.
func Var[T any](s *Set, field *T, key string, fallback T, meaning, onChange string, allowed ...Allowed[T]) {
	d := Declaration{Key: s.prefix + key, Type: kinds[reflect.TypeFor[T]().Kind()].schema, Default: fallback, Meaning: meaning, OnChange: onChange}
	if !s.keep {
		*field = fallback
	}
	value, configured := s.lookup(key)
	if decoded := *field; configured { // a malformed value leaves the default
		if configured = s.decode(d.Key, value, reflect.ValueOf(&decoded).Elem()); configured {
			*field = decoded
		}
	}
	for _, a := range allowed {
		d.Allowed = a.Text
		value, refused := a.Refused(*field)
		text := d.Type == "string"
		switch empty := reflect.ValueOf(*field).IsZero(); {
		case !refused, empty && reflect.ValueOf(fallback).IsZero() && (text || !configured):
		case empty && text:
			s.problems.Add(d.Key, nil, "%s", a.Text)
		default:
			s.problems.Add(d.Key, value, "%s", a.Text)
		}
	}
	d.Value = *field
	s.declared = append(s.declared, d)
}

// Object declares a setting that is an object. Each call of [Var] in fields declares one of its fields, whose default
// holds where the field is absent.
func Object(s *Set, key, meaning string, fields func(*Set)) {
	d := Declaration{Key: s.prefix + key, Type: "object", Default: map[string]any{}, Meaning: meaning}
	values := map[string]any{}
	if value, ok := s.lookup(key); ok {
		s.decode(d.Key, value, reflect.ValueOf(&values).Elem())
	}
	inner := &Set{prefix: d.Key + ".", keep: s.keep, lookup: func(key string) (any, bool) { v, ok := values[key]; return v, ok }}
	fields(inner)
	d.Fields = inner.declared
	var keys []string
	for _, field := range d.Fields {
		keys = append(keys, field.Key)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if key := inner.prefix + name; !slices.Contains(keys, key) {
			inner.problems.Unknown(key, keys)
		}
	}
	s.problems = append(s.problems, inner.problems...)
	s.declared = append(s.declared, d)
}

// Defaults gives every declared field its default, and returns the declarations.
func Defaults(d Declarer) []Declaration {
	s := &Set{lookup: func(string) (any, bool) { return nil, false }}
	d.Declare(s)
	return s.declared
}

// Read fills the declared fields from the configuration; an absent key takes its default. It returns what is malformed
// or not allowed.
func Read(d Declarer, lookup func(key string) (any, bool)) Problems {
	s := &Set{lookup: lookup}
	d.Declare(s)
	return s.problems
}

// Check returns what is not allowed in the declared fields.
func Check(d Declarer) Problems { return held(d).problems }

// held passes over the declarations and changes no field.
func held(d Declarer) *Set {
	s := &Set{lookup: func(string) (any, bool) { return nil, false }, keep: true}
	d.Declare(s)
	return s
}

// Changed returns the settings of after that hold another value than those of before, each once. Fields of objects count
// one by one.
func Changed(before, after Declarer) []Declaration {
	values, changed := map[string]any{}, []Declaration(nil)
	for _, d := range leaves(held(before).declared) {
		values[d.Key] = d.Value
	}
	for _, d := range leaves(held(after).declared) {
		if value, known := values[d.Key]; !known || !equal(value, d.Value) {
			changed = append(changed, d)
		}
		values[d.Key] = d.Value
	}
	return changed
}

// equal compares two values. An empty list or map is as good as none: the CLI hands over [] and {} for those by default.
func equal(a, b any) bool {
	none := func(v any) bool {
		switch r := reflect.ValueOf(v); r.Kind() {
		case reflect.Slice, reflect.Map:
			return r.Len() == 0
		}
		return false
	}
	return none(a) && none(b) || reflect.DeepEqual(a, b)
}

// leaves returns the declarations and, of objects, their fields instead.
func leaves(declared []Declaration) (all []Declaration) {
	for _, d := range declared {
		if len(d.Fields) > 0 {
			all = append(all, leaves(d.Fields)...)
		} else {
			all = append(all, d)
		}
	}
	return all
}

// decode puts a configured value into a field, or records why it cannot.
func (s *Set) decode(key string, configured any, into reflect.Value) bool {
	value := configured
	if raw, top := configured.(Raw); top {
		value = string(raw)
		if into.Kind() != reflect.String {
			d := json.NewDecoder(strings.NewReader(string(raw)))
			d.UseNumber()
			if d.Decode(&value) != nil || d.More() {
				value = string(raw)
			}
		}
		configured = string(raw)
	}
	switch v := value.(type) {
	case string:
		if into.Kind() == reflect.String {
			into.SetString(v)
			return true
		}
	case json.Number:
		if n, err := v.Int64(); into.Kind() == reflect.Int && err == nil {
			into.SetInt(n)
			return true
		}
		if into.Kind() == reflect.String {
			// The CLI stores a text of digits as a whole number, and changes none. Of any other number it keeps a float64,
			// which may have lost some.
			if strings.ContainsAny(v.String(), ".eE") {
				s.problems.Add(key, v, "a text; put a number such as this one in quotes")
				return false
			}
			into.SetString(v.String())
			return true
		}
	case bool:
		if into.Kind() == reflect.Bool {
			into.SetBool(v)
			return true
		}
		if into.Kind() == reflect.String {
			into.SetString(strconv.FormatBool(v))
			return true
		}
	case []any:
		if into.Kind() == reflect.Slice {
			out, ok := reflect.MakeSlice(into.Type(), len(v), len(v)), true
			for i, element := range v {
				ok = s.decode(fmt.Sprintf("%s[%d]", key, i), element, out.Index(i)) && ok
			}
			into.Set(out)
			return ok
		}
	case map[string]any:
		if into.Kind() == reflect.Map { // added to what is there
			out, ok := reflect.MakeMap(into.Type()), true
			for _, name := range into.MapKeys() {
				out.SetMapIndex(name, into.MapIndex(name))
			}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				element := reflect.New(into.Type().Elem()).Elem()
				ok = s.decode(key+"."+name, v[name], element) && ok
				out.SetMapIndex(reflect.ValueOf(name), element)
			}
			into.Set(out)
			return ok
		}
	}
	if into.Kind() == reflect.Interface { // a field of an object, which is decoded where it is declared
		if value != nil {
			into.Set(reflect.ValueOf(value))
		}
		return true
	}
	s.problems.Add(key, configured, "%s", kinds[into.Kind()].text)
	return false
}

// kinds are the types that settings have: the name in a schema, and what a value looks like.
var kinds = map[reflect.Kind]struct{ schema, text string }{
	reflect.String: {"string", "a text"},
	reflect.Int:    {"integer", "a whole number"},
	reflect.Bool:   {"boolean", "true or false"},
	reflect.Slice:  {"array", "a list of texts"},
	reflect.Map:    {"object", "an object"},
}

// Between allows the numbers from lowest to highest. The unit is part of the text ("seconds"); it may be empty.
func Between(lowest, highest int, unit string) Allowed[int] {
	return Must(strings.TrimSpace(fmt.Sprintf("%d to %d %s", lowest, highest, unit)), func(n int) bool { return lowest <= n && n <= highest })
}

// OneOf allows certain values.
func OneOf[T comparable](values ...T) Allowed[T] {
	return Must("one of "+Join(values), func(v T) bool { return slices.Contains(values, v) })
}

// Must allows the values for which ok is true.
func Must[T any](text string, ok func(T) bool) Allowed[T] {
	return Allowed[T]{text, func(v T) (any, bool) { return v, !ok(v) }}
}

// Each allows a list of which each element is allowed and none is there twice.
func Each(element Allowed[string]) Allowed[[]string] {
	return Allowed[[]string]{element.Text, func(list []string) (any, bool) {
		for i, e := range list {
			if value, refused := element.Refused(e); refused {
				return value, true
			}
			if slices.Contains(list[:i], e) {
				return e, true
			}
		}
		return nil, false
	}}
}

// Join writes values as a list: "1, 3, 5".
func Join[T any](values []T) string {
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprint(v))
	}
	return strings.Join(out, ", ")
}
