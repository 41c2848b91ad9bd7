package tasks

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minute is a minute of CloudWatch.
const minute = time.Minute / Speed

// keptMinutes bounds the memory of a long run. CloudWatch keeps those of 15 days.
const keptMinutes = 60

// requests are those of one minute and target group.
type requests struct {
	count, errors int
	seconds       []float64 // until the headers of each answer
}

func thisMinute() int64 { return time.Now().UnixNano() / int64(minute) }

// counted returns the requests of this minute, to be counted on. The runner's mutex is locked.
func (r *Runner) counted(targetGroup string) *requests {
	now, minutes := thisMinute(), r.requests[targetGroup]
	if minutes == nil {
		minutes = map[int64]*requests{}
		r.requests[targetGroup] = minutes
	}
	if minutes[now] == nil {
		minutes[now] = &requests{}
		for at := range minutes {
			if at <= now-keptMinutes {
				delete(minutes, at)
			}
		}
	}
	return minutes[now]
}

// answered counts the answer of a task.
func (r *Runner) answered(targetGroup string, status int, took time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	counted := r.counted(targetGroup)
	counted.count++
	counted.seconds = append(counted.seconds, took.Seconds())
	if status >= 500 {
		counted.errors++
	}
}

// metrics are those of a load balancer that this program's alarms read. A load balancer reports none in a minute without
// requests, and no number of errors in one without errors.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
var metrics = map[string]func(*requests, string) (value float64, ok bool){
	"RequestCount Sum":              func(r *requests, _ string) (float64, bool) { return float64(r.count), r.count > 0 },
	"HTTPCode_Target_5XX_Count Sum": func(r *requests, _ string) (float64, bool) { return float64(r.errors), r.errors > 0 },
	"TargetResponseTime p": func(r *requests, stat string) (float64, bool) {
		percent, _ := strconv.ParseFloat(stat[1:], 64)
		if len(r.seconds) == 0 {
			return 0, false
		}
		sorted := slices.Sorted(slices.Values(r.seconds))
		return sorted[max(0, int(math.Ceil(percent/100*float64(len(sorted))))-1)], true
	},
}

// metric returns how a metric is computed, nil if it is none that is there.
func metric(name, stat string) func(*requests, string) (float64, bool) {
	if percent, err := strconv.ParseFloat(strings.TrimPrefix(stat, "p"), 64); strings.HasPrefix(stat, "p") && err == nil && percent > 0 && percent <= 100 {
		return metrics[name+" p"]
	}
	return metrics[name+" "+stat]
}
