package setting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Declarer is what holds settings. Declare names each of them once, by calls of
// [Var] and [Object], as package flag does it.
type Declarer interface{ Declare(*Set) }

// Set is one pass over the declarations: it fills the fields with defaults or
// with the configuration, or checks what they hold, or only lists them.
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
	Meaning  string
	Allowed  string        // "" if every value of the type is
	OnChange string        // what a change does to a stack that is up
	Fields   []Declaration // of an object
}

// Raw is a top-level value as Pulumi hands it over: plain text, or JSON for
// everything but a text.
type Raw string

// Allowed is a check of one setting. Refused returns the value to complain
// about, which may be a part of the whole, and whether there is one.
type Allowed[T any] struct {
	Text    string
	Refused func(T) (any, bool)
}

// Var declares one setting: the field that holds it, its key and default, what
// it means, what a change of it does to a stack that is up, and what is allowed.
// A field without a default may stay empty; whatever is configured is checked.
func Var[T any](s *Set, field *T, key string, fallback T, meaning, onChange string, allowed ...Allowed[T]) {
	d := Declaration{Key: s.prefix + key, Type: schemaType(reflect.TypeFor[T]()), Default: fallback, Meaning: meaning, OnChange: onChange}
	if !s.keep {
		*field = fallback
	}
	value, configured := s.find(key)
	if configured {
		// Into a copy, as a malformed value must leave the default.
		decoded := reflect.ValueOf(field).Elem()
		fresh := reflect.New(decoded.Type()).Elem()
		fresh.Set(decoded)
		if configured = s.decode(d.Key, value, fresh); configured {
			decoded.Set(fresh)
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
	s.declared = append(s.declared, d)
}

// Object declares a setting that is an object. Each call of [Var] in fields
// declares one of its fields, whose default holds where the field is absent.
func Object(s *Set, key, meaning string, fields func(*Set)) {
	d := Declaration{Key: s.prefix + key, Type: "object", Default: map[string]any{}, Meaning: meaning}
	values := map[string]any{}
	if value, ok := s.find(key); ok {
		s.decode(d.Key, value, reflect.ValueOf(&values).Elem())
	}
	inner := &Set{prefix: d.Key + ".", keep: s.keep, lookup: func(key string) (any, bool) { v, ok := values[key]; return v, ok }}
	fields(inner)
	d.Fields = inner.declared
	var keys []string
	for _, field := range d.Fields {
		keys = append(keys, strings.TrimPrefix(field.Key, inner.prefix))
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(keys, name) {
			inner.problems.Add(inner.prefix+name, values[name], "no such setting; %s has %s", d.Key, strings.Join(keys, ", "))
		}
	}
	s.problems = append(s.problems, inner.problems...)
	s.declared = append(s.declared, d)
}

func (s *Set) find(key string) (any, bool) {
	if s.lookup == nil {
		return nil, false
	}
	return s.lookup(key)
}

// SetDefaults gives every declared field its default.
func SetDefaults(d Declarer) { d.Declare(&Set{}) }

// Read fills the declared fields from the configuration, with the defaults
// where a key is absent. It returns what is malformed or not allowed.
func Read(d Declarer, lookup func(key string) (any, bool)) Problems {
	s := &Set{lookup: lookup}
	d.Declare(s)
	return s.problems
}

// Check returns what is not allowed in the declared fields.
func Check(d Declarer) Problems {
	s := &Set{keep: true}
	d.Declare(s)
	return s.problems
}

// List returns the declarations. It gives every field its default.
func List(d Declarer) []Declaration {
	s := &Set{}
	d.Declare(s)
	return s.declared
}

// decode puts a configured value into a field, or records why it cannot.
func (s *Set) decode(key string, value any, into reflect.Value) bool {
	raw, top := value.(Raw)
	if top && into.Kind() != reflect.String {
		d := json.NewDecoder(bytes.NewBufferString(string(raw)))
		d.UseNumber()
		if d.Decode(&value) != nil || d.More() {
			value = string(raw)
		}
	}
	switch into.Kind() {
	case reflect.String:
		switch v := value.(type) {
		case Raw:
			into.SetString(string(v))
			return true
		case string:
			into.SetString(v)
			return true
		}
	case reflect.Int:
		if n, ok := value.(json.Number); ok {
			if i, err := n.Int64(); err == nil {
				into.SetInt(i)
				return true
			}
		}
	case reflect.Bool:
		if v, ok := value.(bool); ok {
			into.SetBool(v)
			return true
		}
	case reflect.Interface:
		if value != nil {
			into.Set(reflect.ValueOf(value))
		}
		return true
	case reflect.Slice:
		if list, ok := value.([]any); ok {
			out := reflect.MakeSlice(into.Type(), len(list), len(list))
			for i, element := range list {
				ok = s.decode(fmt.Sprintf("%s[%d]", key, i), element, out.Index(i)) && ok
			}
			into.Set(out)
			return ok
		}
	case reflect.Map: // into what is there, key by key
		if object, ok := value.(map[string]any); ok {
			out := reflect.MakeMap(into.Type())
			for _, old := range into.MapKeys() {
				out.SetMapIndex(old, into.MapIndex(old))
			}
			for _, name := range slices.Sorted(maps.Keys(object)) {
				element := reflect.New(into.Type().Elem()).Elem()
				ok = s.decode(key+"."+name, object[name], element) && ok
				out.SetMapIndex(reflect.ValueOf(name), element)
			}
			into.Set(out)
			return ok
		}
	}
	if top {
		value = string(raw)
	}
	s.problems.Add(key, value, "%s", kindOf(into.Type()))
	return false
}

// kindOf says what a value of a type looks like.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list of texts"
	case reflect.Map:
		if t.Elem().Kind() == reflect.String {
			return "an object of texts"
		}
		return "an object"
	}
	return "a text"
}

func schemaType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int:
		return "integer"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "array"
	case reflect.Map:
		return "object"
	}
	return "string"
}

// Between allows the numbers from lowest to highest. The unit is part of the
// text ("seconds"); it may be empty.
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
