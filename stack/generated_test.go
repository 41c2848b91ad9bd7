package stack

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"private-api/internal/cost"
	"private-api/internal/setting"
	"private-api/internal/testkit"
)

const marker = "\n<!-- make generate writes what follows -->\n"

// What is written from the program is up to date; `make generate` writes it.
func TestGenerated(t *testing.T) {
	schema, err := setting.Schema(slices.DeleteFunc(declarations(), func(d setting.Declaration) bool { return slices.Contains(withoutDefault, d.Key) }))
	if err != nil {
		t.Fatal(err)
	}
	r := &testkit.Recorder{}
	if err := deployOn(r, Program{Root: root}, nil); err != nil {
		t.Fatal(err)
	}
	for _, generated := range []struct{ file, begin, text, end string }{ // where it is, and up to where
		{"Pulumi.yaml", "\nconfig:\n", strings.TrimPrefix(schema, "config:\n"), ""},
		{"docs/settings.md", marker, setting.Table(declarations()), ""},
		{"docs/costs.md", marker, costs(t), ""},
		{"README.md", "\n```mermaid\n", picture(r), "```\n"},
		{"README.md", "\n| what | a month |\n|---|---|\n", parts(estimateOf(t, 2, stackFile(t, "dev"))), "\n\n"},
	} {
		file := filepath.Join(root, generated.file)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, found := strings.Cut(string(b), generated.begin)
		if !found {
			t.Fatalf("%s has no line %q", generated.file, strings.TrimSpace(generated.begin))
		}
		tail := ""
		if generated.end != "" {
			_, tail, _ = strings.Cut(rest, generated.end)
		}
		testkit.Golden(t, file, head+generated.begin+generated.text+generated.end+tail)
	}
}

// estimateOf is what n services with these settings cost.
func estimateOf(t *testing.T, n int, settings map[string]string) *cost.Estimate {
	t.Helper()
	c := newConfiguration(services(n), "")
	if problems := setting.Read(c, func(key string) (any, bool) { value, set := settings[key]; return setting.Raw(value), set }); len(problems) > 0 {
		t.Fatal(problems.Err())
	}
	c.adaptOperations()
	c.producer.AvailabilityZones = make([]string, c.zoneCount())
	e, err := c.estimate()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// parts are the rows of a table, the dearest first.
func parts(e *cost.Estimate) (rows string) {
	for _, what := range dearest(e.Lines) {
		rows += fmt.Sprintf("| %s | %s |\n", what, e.Lines[what])
	}
	return rows + fmt.Sprintf("| **all together** | **%s** |", e.Total)
}

func dearest(lines map[string]cost.Range) []string {
	return slices.SortedFunc(maps.Keys(lines), func(a, b string) int {
		return cmp.Or(cmp.Compare(lines[b].Max, lines[a].Max), strings.Compare(a, b))
	})
}

// costs are the tables of docs/costs.md.
func costs(t *testing.T) string {
	dev, prod := stackFile(t, "dev"), stackFile(t, "prod")
	endpoints := with(dev, "egress", "endpoints")
	var b strings.Builder
	table := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	columns := func(n int) (all []*cost.Estimate) {
		for _, settings := range []map[string]string{dev, prod, endpoints} {
			all = append(all, estimateOf(t, n, settings))
		}
		return all
	}

	table("\n## Dev and prod\n\n[`Pulumi.dev.yaml`](../Pulumi.dev.yaml), [`Pulumi.prod.yaml`](../Pulumi.prod.yaml), and dev with `egress: endpoints`, each with two services:\n")
	table("| what | dev | prod | endpoints |\n|---|---|---|---|")
	two, all := columns(2), map[string]cost.Range{}
	for _, e := range two {
		for what, amount := range e.Lines {
			all[what] = cost.Range{Max: max(all[what].Max, amount.Max)}
		}
	}
	for _, what := range dearest(all) {
		row := "| " + what
		for _, e := range two {
			amount := "–"
			if part, there := e.Lines[what]; there {
				amount = part.String()
			}
			row += " | " + amount
		}
		table("%s |", row)
	}
	table("| **all together** | **%s** | **%s** | **%s** |", two[0].Total, two[1].Total, two[2].Total)

	table("\n## More services\n\nThe same stacks with more services of the default size:\n\n| services | dev | prod | endpoints |\n|---|---|---|---|")
	for _, n := range []int{2, 5, 10, 25} {
		e := columns(n)
		table("| %d | %s | %s | %s |", n, e[0].Total, e[1].Total, e[2].Total)
	}

	table("\n## One setting\n\nWhat one setting changes in dev, with two services:\n\n| setting | a month |\n|---|---|")
	for _, change := range [][2]string{
		{"egress", "nat-per-zone"}, {"egress", "endpoints"}, {"spot", "false"}, {"onDemandBase", "1"}, {"architecture", "x86_64"},
		{"desiredCount", "3"}, {"containerInsights", "true"}, {"customerManagedKey", "true"}, {"bastion", "false"},
	} {
		more := estimateOf(t, 2, with(dev, change[0], change[1])).Total.Max - two[0].Total.Max
		amount := fmt.Sprintf("$%.2f more", more)
		if more < 0 {
			amount = fmt.Sprintf("$%.2f less", -more)
		}
		table("| `%s: %s` | %s |", change[0], change[1], amount)
	}

	table("\n## A million requests\n\nEach with an answer of 4 KB to the internet, 1 KB of logs and a connection of its own to the load balancer:\n\n| what | dev |\n|---|---|")
	for _, what := range dearest(two[0].Loads) {
		table("| %s | %s |", what, two[0].Loads[what])
	}
	table("| **all together** | **%s** |", two[0].Load)

	prices, err := cost.Prices(two[0].Region)
	if err != nil {
		t.Fatal(err)
	}
	table("\n## Prices\n\nThose of %s, from [`internal/cost/prices.yaml`](../internal/cost/prices.yaml):\n\n| price | | for | read | note |\n|---|---|---|---|---|", two[0].Region)
	for _, key := range slices.Sorted(maps.Keys(prices)) {
		p := prices[key]
		table("| [%s](%s) | $%v | %s | %s | %s |", key, p.Source, p.USD, p.Per, p.Date, p.Note)
	}
	return b.String()
}
