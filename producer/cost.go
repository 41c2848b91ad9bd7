package producer

import "private-api/internal/cost"

// Metrics of Container Insights, of the cluster and of each service: those whose dimensions have ClusterName alone, and those
// with the service or its task definition.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html
const (
	clusterMetrics = 12
	serviceMetrics = 25
)

// metricsOfAlarms are those that the alarms of a service read: two alarms, of two each.
const metricsOfAlarms = 4

// Cost lists what AWS charges for the producer, as it has the settings.
func (a *Args) Cost() []cost.Line {
	zones, gateways, endpoints, balancers, metrics := len(a.AvailabilityZones), 0, 0, 0, 0
	out, data := "data through NAT gateways", "nat-gateway-data"
	switch {
	case a.Network.VpcID != "": // its ways out are not the stack's
	case a.Egress == EgressEndpoints:
		endpoints = zones * len(endpointServices(a.Services))
		out, data = "data through interface endpoints", "interface-endpoint-data"
	case a.Egress == EgressNatPerZone:
		gateways = zones
	default:
		gateways = 1
	}
	if a.Balancer == nil {
		balancers = 1
	}
	if a.ContainerInsights {
		metrics = clusterMetrics + serviceMetrics*len(a.Services)
	}
	lines := []cost.Line{
		cost.Of("NAT gateways and their addresses", "nat-gateway", gateways),
		cost.Of("NAT gateways and their addresses", "public-ipv4", gateways),
		cost.Of("interface endpoints", "interface-endpoint", endpoints),
		cost.Of("load balancer", "load-balancer", balancers),
		cost.Of("Container Insights", "custom-metric", metrics),
		// Tasks that ECS registers cost nothing more: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-discovery.html
		cost.Of("hosted zone of Cloud Map", "hosted-zone", 1),
		cost.OfLoad("load balancer", "lcu", cost.LCUHours),
		cost.OfLoad("logs", "logs", cost.ServiceLog),
	}
	if gateways+endpoints > 0 {
		lines = append(lines, cost.OfLoad(out, data, cost.ServiceLog))
	}
	if a.Alarms {
		lines = append(lines, cost.Of("alarms", "alarm-metric", len(a.Services)*metricsOfAlarms))
	}
	for _, s := range a.Services {
		lines = append(lines, a.costOfTasks(withDefaults(s, a))...)
	}
	return lines
}

// costOfTasks counts the tasks of a service. Fargate rounds nothing: a task costs what its vCPUs and its GB cost.
// Source: https://aws.amazon.com/fargate/pricing/
func (a *Args) costOfTasks(s Service) (lines []cost.Line) {
	fewest, scaled := a.Tasks(s)
	most := s.mostTasks()
	if scaled > 0 {
		policies := 1 // each has an alarm for more tasks and one for fewer
		if s.Scaling.RequestsPerTarget > 0 {
			policies = 2
		}
		lines = append(lines, cost.Of("alarms", "alarm-metric", 2*policies))
	}
	onDemand := most // how many at most run there; the rest is on Spot
	if a.Spot {
		onDemand = a.OnDemandBase
	}
	for _, on := range []struct {
		what, price  string
		fewest, most int
	}{
		{"tasks on Fargate", "fargate-", min(fewest, onDemand), min(most, onDemand)},
		{"tasks on Fargate Spot", "fargate-spot-", max(fewest-onDemand, 0), max(most-onDemand, 0)},
	} {
		vCPU, gb := float64(s.CPU)/1024, float64(s.Memory)/1024
		lines = append(lines,
			cost.Line{What: on.what, Price: on.price + a.Architecture + "-vcpu", Min: vCPU * float64(on.fewest), Max: vCPU * float64(on.most)},
			cost.Line{What: on.what, Price: on.price + a.Architecture + "-gb", Min: gb * float64(on.fewest), Max: gb * float64(on.most)})
	}
	return lines
}
