package operations

import "private-api/internal/cost"

// Cost lists what AWS charges for operations, as it has the settings. The request through the VPC link costs less than a cent.
func (a *Args) Cost() (lines []cost.Line) {
	if a.Alarms {
		metrics := 4 // two alarms on the API, of two each
		if !a.Existing {
			metrics += len(a.Services)
		}
		lines = append(lines, cost.Of("alarms", "alarm-metric", metrics))
	}
	if a.Dashboard {
		lines = append(lines, cost.Of("dashboard", "dashboard", 1))
	}
	return lines
}
