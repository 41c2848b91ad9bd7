package setting

import (
	"reflect"
	"strings"
	"testing"
)

// sample has a setting of each type.
type sample struct {
	Name    string
	Count   int
	Size    int
	On      bool
	List    []string
	Labels  map[string]string
	Limit   int
	Parts   []string
	PartOne int
}

func (s *sample) Declare(set *Set) {
	Var(set, &s.Name, "name", "anna", "Name", InPlace, Must("letters", func(v string) bool { return v != "" && !strings.ContainsAny(v, "0123456789") }))
	Var(set, &s.Count, "count", 2, "Count", Nothing, Between(0, 10, "things"))
	Var(set, &s.Size, "size", 0, "Size, none by default", Nothing, OneOf(1, 2))
	Var(set, &s.On, "on", true, "On", Nothing)
	Var(set, &s.List, "list", []string{"a"}, "List", Nothing, Each(OneOf("a", "b")))
	Var(set, &s.Labels, "labels", map[string]string{"x": "1"}, "Labels", Nothing)
	Object(set, "limits", "Limits", func(set *Set) {
		Var(set, &s.Limit, "high", 7, "High", Nothing, Between(1, 9, ""))
		Object(set, "parts", "", func(set *Set) { Var(set, &s.PartOne, "one", 1, "Part", Nothing) })
	})
}

func lookup(values map[string]string) func(string) (any, bool) {
	return func(key string) (any, bool) { v, ok := values[key]; return Raw(v), ok }
}

var defaults = sample{Name: "anna", Count: 2, On: true, List: []string{"a"}, Labels: map[string]string{"x": "1"}, Limit: 7, PartOne: 1}

func TestRead(t *testing.T) {
	for _, test := range []struct {
		name   string
		values map[string]string
		want   func(*sample)
	}{
		{"nothing", nil, func(*sample) {}},
		{"everything", map[string]string{"name": "bert", "count": "0", "size": "2", "on": "false", "list": `["b"]`, "labels": `{"y":"2"}`, "limits": `{"high":9,"parts":{"one":3}}`},
			func(s *sample) {
				*s = sample{Name: "bert", Size: 2, List: []string{"b"}, Labels: map[string]string{"x": "1", "y": "2"}, Limit: 9, PartOne: 3}
			}},
		{"text that looks like a list", map[string]string{"name": "[x]"}, func(s *sample) { s.Name = "[x]" }},
		{"one field of an object", map[string]string{"limits": `{"parts":{"one":3}}`}, func(s *sample) { s.PartOne = 3 }},
		{"empty list", map[string]string{"list": `[]`}, func(s *sample) { s.List = []string{} }},
	} {
		var got sample
		want := defaults
		test.want(&want)
		if problems := Read(&got, lookup(test.values)); len(problems) > 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", test.name, got, problems.Err(), want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for key, values := range map[string]map[string]string{
		"name":   {"a1": `name: "a1" is not allowed: letters`},
		"count":  {"x": `count: "x" is not allowed: a whole number`, "1.5": `count: "1.5" is not allowed: a whole number`, "11": "count: 11 is not allowed: 0 to 10 things", "-1": "count: -1 is not allowed: 0 to 10 things", "1 2": `count: "1 2" is not allowed`, "": `count: "" is not allowed`},
		"size":   {"0": "size: 0 is not allowed: one of 1, 2"},
		"on":     {"yes": `on: "yes" is not allowed: true or false`, "1": `on: "1" is not allowed: true or false`},
		"list":   {"a": `list: "a" is not allowed: a list of texts`, `["c"]`: `list: "c" is not allowed: one of a, b`, `["a","a"]`: `list: "a" is not allowed`, `[["a"]]`: `list[0]: ["a"] is not allowed: a text`},
		"labels": {`{"y":{"z":1}}`: `labels.y: {"z":1} is not allowed: a text`, "[]": `labels: "[]" is not allowed: an object`},
		"limits": {
			`{"high":0}`: "limits.high: 0 is not allowed: 1 to 9", `{"high":"9"}`: `limits.high: "9" is not allowed: a whole number`, `{"high":null}`: "limits.high: is missing: a whole number",
			`{"hihg":1}`: "limits.hihg: no such setting; the nearest is limits.high", `{"parts":{"two":2}}`: "limits.parts.two: no such setting; the nearest is limits.parts.one",
			`{"parts":1}`: "limits.parts: 1 is not allowed: an object", "5": `limits: "5" is not allowed: an object`,
		},
	} {
		for value, want := range values {
			var got sample
			err := Read(&got, lookup(map[string]string{key: value})).Err()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s=%s: %v, want %s", key, value, err, want)
			}
			if strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("%s=%s: more than one problem: %v", key, value, err)
			}
		}
	}
}

func TestCheckKeepsWhatFieldsHold(t *testing.T) {
	s := defaults
	s.Count, s.Size, s.Limit = 0, 0, 9
	want := s
	if problems := Check(&s); len(problems) > 0 || !reflect.DeepEqual(s, want) {
		t.Errorf("%+v: %v", s, problems.Err())
	}
	s.Name, s.Count, s.Limit, s.List = "", 11, 0, []string{"c"}
	err := Check(&s).Err()
	for _, want := range []string{"name: is missing: letters", "count: 11", "limits.high: 0", `list: "c"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the message has no %q: %v", want, err)
		}
	}
}

func TestChanged(t *testing.T) {
	before, after := defaults, defaults
	after.Count, after.List, after.PartOne = 3, []string{"b"}, 2
	var keys []string
	for _, d := range Changed(&before, &after) {
		keys = append(keys, d.Key)
	}
	if want := []string{"count", "list", "limits.parts.one"}; !reflect.DeepEqual(keys, want) {
		t.Errorf("changed: %v, want %v", keys, want)
	}
	if changed := Changed(&before, &before); len(changed) > 0 || before.Count != defaults.Count {
		t.Errorf("nothing changed, and yet %v", changed)
	}
	none, empty := defaults, defaults
	none.List, empty.List = nil, []string{}
	if changed := Changed(&none, &empty); len(changed) > 0 {
		t.Errorf("an empty list for none changes %v", changed)
	}
}

func TestErrorsAreSortedAndSaidOnce(t *testing.T) {
	var p Problems
	p.Add("b", 1, "two")
	p.Add("a", 1, "two")
	p.Add("b", 1, "two")
	if got := p.Err().Error(); got != "a: 1 is not allowed: two\nb: 1 is not allowed: two" {
		t.Error(got)
	}
	if (Problems{}).Err() != nil {
		t.Error("no problem, and yet an error")
	}
}

func TestGenerate(t *testing.T) {
	declarations := Defaults(&sample{})
	schema, err := Schema(append(declarations, Declaration{Key: "aws:region", Type: "string", Default: "here"}, Declaration{Key: "aws:profile", Type: "string", Default: ""}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"config:\n  name:\n    type: string\n    description: Name (letters)\n    default: anna\n",
		"  on:\n    type: boolean\n    description: \"On\"\n    default: true\n",
		"  list:\n    type: array\n    items:\n      type: string\n",
		"  limits:\n    type: object\n    description: 'Limits. Fields: high, parts.one'\n    default: {}\n",
		"  aws:region:\n    value: here\n",
	} {
		if !strings.Contains(schema, want) {
			t.Errorf("the schema has no\n%s\n%s", want, schema)
		}
	}
	if strings.Contains(schema, "aws:profile") {
		t.Errorf("a key without a value is in the schema:\n%s", schema)
	}
	table := Table(declarations)
	for _, want := range []string{
		"| `name` | `anna` | Name | letters | in place |\n", "| `size` | – | Size, none by default | one of 1, 2 | nothing |\n",
		"| `list` | `[\"a\"]` |", "| `limits` | – | Limits |  |  |\n| `limits.high` | `7` | High | 1 to 9 | nothing |\n| `limits.parts.one` | `1` |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("the table has no\n%s\n%s", want, table)
		}
	}
}
