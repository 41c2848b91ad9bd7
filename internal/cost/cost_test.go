package cost

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// Each number has a page of AWS that it is from, and the day. Each region has all of them.
func TestPrices(t *testing.T) {
	var regions map[string]map[string]Price
	if err := yaml.Unmarshal(file, &regions); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(maps.Keys(regions["us-west-2"]))
	for region, prices := range regions {
		if got := slices.Sorted(maps.Keys(prices)); !slices.Equal(got, want) {
			t.Errorf("%s has prices of %v, want %v", region, got, want)
		}
		for key, price := range prices {
			day, err := time.Parse(time.DateOnly, price.Date)
			if price.USD <= 0 || price.Per == "" || err != nil || day.After(time.Now()) ||
				!strings.HasPrefix(price.Source, "https://aws.amazon.com/") || !strings.Contains(price.Source, "/pricing/") {
				t.Errorf("%s: %s: %+v", region, key, price)
			}
		}
	}
}

// An hourly price counts 730 times, a monthly one once. Parts are rounded before they are added up.
func TestEstimate(t *testing.T) {
	lines := []Line{
		Of("ways out", "nat-gateway", 1), // 0.045 * 730 = 32.85
		Of("ways out", "public-ipv4", 1), // 0.005 * 730 = 3.65
		Of("interface endpoints", "interface-endpoint", 0),
		{What: "disks", Price: "gp3", Min: 50, Max: 150}, // 0.08 * 50 = 4, 0.08 * 150 = 12
		{What: "alarms", Price: "alarm-metric", Min: 0, Max: 0.125},
		OfLoad("requests", "http-api", 1),
		OfLoad("answers", "transfer-out", 4), // 0.09 * 4 = 0.36
	}
	e, err := New("us-west-2", lines)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, parts := range []map[string]Range{e.Lines, e.Loads, {"total": e.Total, "load": e.Load}} {
		for _, what := range slices.Sorted(maps.Keys(parts)) {
			got = append(got, what+" "+parts[what].String())
		}
	}
	want := []string{"alarms $0.00 to $0.01", "disks $4.00 to $12.00", "ways out $36.50", "answers $0.36", "requests $1.00", "load $1.36", "total $40.50 to $48.51"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEstimateOfWhatIsNotKnown(t *testing.T) {
	e, err := New("mars-west-1", []Line{Of("ways out", "nat-gateway", 1)})
	if err != nil || e.Known || len(e.Lines) > 0 {
		t.Errorf("a region without prices: %+v, %v", e, err)
	}
	if _, err := New("us-west-2", []Line{Of("a moon", "moon", 1)}); err == nil || !strings.Contains(err.Error(), "price moon of a moon") {
		t.Errorf("a price that is not there: %v", err)
	}
}
