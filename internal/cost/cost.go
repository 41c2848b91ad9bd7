// Package cost estimates what a stack costs a month: from what its components say that they make, in their methods Cost,
// and from the prices in prices.yaml.
package cost

import (
	_ "embed"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"
)

// Line is a part of the bill.
type Line struct {
	What     string  // for people; lines with the same name are added up
	Price    string  // key in prices.yaml
	Min, Max float64 // units, while the fewest tasks run and while the most do
	// Load tells that it comes with requests, a million of them a month. Other lines are there without any.
	Load bool
}

// A million requests a month, as the lines of the load count them.
const (
	Answers    = 4.0  // GB: 4 KB each
	APILog     = 0.65 // GB: a line of about 650 bytes each in the log of the API
	ServiceLog = 0.35 // GB: a line of about 350 bytes each in the log of a service
	// LCUHours is what a load balancer counts for as many new connections, which is more than for their bytes or rules.
	// Source: https://aws.amazon.com/elasticloadbalancing/pricing/ (25 a second)
	LCUHours = 1_000_000 / 25.0 / 3600
)

// Of is a line that does not depend on how many tasks run.
func Of(what, price string, units int) Line {
	return Line{what, price, float64(units), float64(units), false}
}

// OfLoad is a line of the load.
func OfLoad(what, price string, units float64) Line { return Line{what, price, units, units, true} }

// Price is what AWS asks for one unit. The file prices.yaml says what the fields mean.
type Price struct {
	USD                     float64
	Per, Source, Date, Note string
}

//go:embed prices.yaml
var file []byte

// Prices returns the prices of a region by their keys, none if they are not known.
func Prices(region string) (map[string]Price, error) {
	var regions map[string]map[string]Price
	err := yaml.Unmarshal(file, &regions)
	return regions[region], err
}

// hoursPerMonth are the 8,760 of a year, by twelve.
const hoursPerMonth = 730

// Range is an amount in US dollars a month, while the fewest tasks run and while the most do.
type Range struct{ Min, Max float64 }

func (r Range) String() string {
	from, to := fmt.Sprintf("$%.2f", r.Min), fmt.Sprintf("$%.2f", r.Max)
	if from == to {
		return from
	}
	return from + " to " + to
}

// Estimate is what lines cost, without taxes and without what AWS gives away for free. Amounts are rounded to cents.
type Estimate struct {
	Region string
	Known  bool             // else there are no prices of the region
	Total  Range            // without load
	Load   Range            // of a million requests
	Lines  map[string]Range // of Total, by name; what costs nothing is not in it
	Loads  map[string]Range // of Load, by name
}

// New estimates what lines cost in a region. A line whose price is missing is an error.
func New(region string, lines []Line) (*Estimate, error) {
	prices, err := Prices(region)
	if err != nil {
		return nil, err
	}
	e := &Estimate{Region: region, Known: prices != nil, Lines: map[string]Range{}, Loads: map[string]Range{}}
	if !e.Known {
		return e, nil
	}
	for _, line := range lines {
		price, ok := prices[line.Price]
		if !ok {
			return nil, fmt.Errorf("the price %s of %s is not in internal/cost/prices.yaml", line.Price, line.What)
		}
		usd := price.USD
		if price.Per == "hour" {
			usd *= hoursPerMonth
		}
		parts := e.Lines
		if line.Load {
			parts = e.Loads
		}
		if line.Max > 0 {
			parts[line.What] = parts[line.What].plus(Range{line.Min * usd, line.Max * usd})
		}
	}
	e.Total, e.Load = sum(e.Lines), sum(e.Loads)
	return e, nil
}

func (r Range) plus(other Range) Range { return Range{r.Min + other.Min, r.Max + other.Max} }

// sum rounds parts to cents, so that what people add up is what they read.
func sum(parts map[string]Range) (total Range) {
	for _, what := range slices.Sorted(maps.Keys(parts)) {
		parts[what] = Range{math.Round(100*parts[what].Min) / 100, math.Round(100*parts[what].Max) / 100}
		total = total.plus(parts[what])
	}
	return total
}

// Output is the estimate as an output of the stack.
func (e *Estimate) Output() pulumi.Map {
	if !e.Known {
		return pulumi.Map{"total": pulumi.String("not known, as internal/cost/prices.yaml has no prices of " + e.Region)}
	}
	lines := pulumi.StringMap{}
	for what, part := range e.Lines {
		lines[what] = pulumi.String(part.String())
	}
	return pulumi.Map{"total": pulumi.String(e.Total.String()), "lines": lines, "perMillionRequests": pulumi.String(e.Load.String())}
}
