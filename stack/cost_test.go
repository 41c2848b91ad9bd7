package stack

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"private-api/internal/cost"
	"private-api/internal/fakeaws"
	"private-api/internal/testkit"
	"private-api/producer"
)

// stackFile are the settings of a file Pulumi.<stack>.yaml.
func stackFile(t *testing.T, name string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "Pulumi."+name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Config map[string]any }
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for key, value := range file.Config {
		settings[strings.TrimPrefix(key, readProject(t).Name+":")] = text(t, value)
	}
	return settings
}

// with are settings, and some that go before.
func with(settings map[string]string, more ...string) map[string]string {
	all := maps.Clone(settings)
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// services are so many of them, all alike.
func services(n int) (all []producer.Service) {
	for i := range n {
		name := fmt.Sprintf("service-%02d", i+1)
		all = append(all, producer.Service{Name: name, Path: "/" + name, Priority: i + 1})
	}
	return all
}

// What stacks cost, by hand: the price, times 730 for each hour of a month, times how many there are.
func TestCost(t *testing.T) {
	dev, prod := stackFile(t, "dev"), stackFile(t, "prod")
	const (
		nat     = 32.85 + 3.65 // 730 * 0.045, and an address: 730 * 0.005
		alb     = 16.43        // 730 * 0.0225 = 16.425
		bastion = 11.88        // 730 * 0.0104 = 7.592, 8 GB of disk for 0.08 each, an address for 730 * 0.005
		zone    = 0.5
		// Tasks of a quarter of a vCPU and half a GB.
		arm     = 7.20875   // 730 * (0.25*0.03238 + 0.5*0.00356)
		armSpot = 2.162625  // 730 * (0.25*0.009714 + 0.5*0.001068)
		x86     = 9.010025  // 730 * (0.25*0.04048 + 0.5*0.004445)
		x86Spot = 2.7030075 // 730 * (0.25*0.012144 + 0.5*0.0013335)
	)
	own := func(settings map[string]string, n int) func() (*testkit.Recorder, error) {
		return func() (*testkit.Recorder, error) {
			r, names := &testkit.Recorder{}, []string(nil)
			for _, s := range services(n) {
				names = append(names, s.Name)
			}
			return r, deployOn(r, Program{Root: testkit.Apps(t, names...), Services: services(n)}, settings)
		}
	}
	seen := map[string]bool{}
	network := func(settings map[string]string) func() (*testkit.Recorder, error) {
		return func() (*testkit.Recorder, error) { return deployInNetwork(t, existing(settings)) }
	}
	for name, test := range map[string]struct {
		deploy func() (*testkit.Recorder, error)
		total  float64
		load   float64 // a million requests; 0: as in dev
		most   float64 // total with the most tasks; 0: as total
	}{
		"dev":               {own(dev, 2), nat + alb + bastion + zone + cents(4*armSpot), 0, 0},
		"prod":              {own(prod, 2), 2*nat + alb + zone + cents(4*arm) + 18.60 /* (12+2*25) * 0.30 */ + 1 /* key */, 0, 0},
		"endpoints":         {own(with(dev, "egress", "endpoints"), 2), 43.80 /* 3 in 2 zones: 6 * 730 * 0.01 */ + alb + bastion + zone + cents(4*armSpot), 1.95, 0},
		"secrets, 3 zones":  {own(with(dev, "egress", "endpoints", "availabilityZoneCount", "3", "services", `{"service-01":{"secrets":{"A":"arn:aws:ssm:us-west-2:123456789012:parameter/a"}}}`), 2), 87.60 /* 4 in 3 zones */ + alb + bastion + zone + cents(4*armSpot), 1.95, 0},
		"25 services":       {own(dev, 25), nat + alb + bastion + zone + cents(50*armSpot), 0, 0},
		"25 with metrics":   {own(with(dev, "containerInsights", "true"), 25), nat + alb + bastion + zone + cents(50*armSpot) + 191.10 /* (12+25*25) * 0.30 */, 0, 0},
		"x86, Spot":         {own(with(dev, "architecture", "x86_64"), 2), nat + alb + bastion + zone + cents(4*x86Spot), 0, 0},
		"x86":               {own(with(dev, "architecture", "x86_64", "spot", "false"), 2), nat + alb + bastion + zone + cents(4*x86), 0, 0},
		"scaling":           {own(with(dev, "spot", "false", "scaling", `{"min":2,"max":5}`), 2), nat + alb + bastion + zone + cents(4*arm) + 0.40 /* 4 alarms */, 0, nat + alb + bastion + zone + cents(10*arm) + 0.40},
		"base of 1":         {own(with(dev, "onDemandBase", "1"), 2), nat + alb + bastion + zone + cents(2*arm) + cents(2*armSpot), 0, 0},
		"base of all":       {own(with(dev, "onDemandBase", "5"), 2), nat + alb + bastion + zone + cents(4*arm), 0, 0},
		"sizes":             {own(with(dev, "spot", "false", "services", `{"service-01":{"cpu":1024,"memory":2048,"desiredCount":3}}`), 2), nat + alb + bastion + zone + cents(3*28.835 /* 730 * (0.03238 + 2*0.00356) */ +2*arm), 0, 0},
		"existing network":  {network(nil), alb + zone + cents(4*arm) + 18.60, 1.95, 0},
		"all in a network":  {network(map[string]string{"bastion": "true", "customerManagedKey": "true", "domain": onDomain}), alb + bastion + zone + cents(4*arm) + 18.60 + 1, 1.95, 0},
		"adopted listener":  {func() (*testkit.Recorder, error) { return adopt(nil, nil) }, 0, 1.69, 0},
		"behind a balancer": {func() (*testkit.Recorder, error) { return goBehind(t, behind(""), 30, nil) }, zone + cents(4*arm) + 18.60, 1.95, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := test.deploy()
			if err != nil {
				t.Fatal(err)
			}
			got := r.Exports["estimatedMonthlyCost"].(map[string]any)
			if want := (cost.Range{Min: test.total, Max: cmp.Or(test.most, test.total)}).String(); got["total"] != want {
				t.Errorf("%v a month, want %s: %v", got["total"], want, got["lines"])
			}
			// $1.00 for the requests, $0.36 for 4 GB to the internet and, but for an adopted listener, $0.50 for a GB of logs, $0.09
			// for 11.1 LCU-hours and, but for an existing network, $0.02 for 0.35 GB of logs through NAT.
			if want := fmt.Sprintf("$%.2f", cmp.Or(test.load, 1.97)); got["perMillionRequests"] != want {
				t.Errorf("%v for a million requests, want %s", got["perMillionRequests"], want)
			}
			want, err := cost.New(fakeaws.Default.Region, charged(t, r))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := fmt.Sprint(got["lines"]), fmt.Sprint(want.Lines); got != want {
				t.Errorf("estimated are\n\t%s\nthe resources cost\n\t%s", got, want)
			}
			for _, made := range r.Resources {
				seen[made.Short()] = true
			}
		})
	}
	for _, token := range fakeaws.Types() { // of which charged has not seen
		kind := (&testkit.Resource{Type: token}).Short()
		if strings.HasPrefix(token, "aws:") && !seen[kind] && !slices.Contains(slices.Concat(free, byUse), kind) {
			t.Errorf("%s is not listed as free, and no stack here has it", kind)
		}
	}
}

func cents(usd float64) float64 { return math.Round(100*usd) / 100 }

func TestCostInARegionWithoutPrices(t *testing.T) {
	r := &testkit.Recorder{Account: fakeaws.Account{ID: "123456789012", Region: "eu-west-1"}}
	if err := deployOn(r, fixture(t), map[string]string{"aws:region": "eu-west-1"}); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(r.Exports["estimatedMonthlyCost"]), "map[total:not known, as internal/cost/prices.yaml has no prices of eu-west-1]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// What costs nothing, or by use alone, as docs/costs.md says. A type of resource that is new belongs here or in charged, and
// then in a method Cost.
var (
	free = strings.Fields(`acm.Certificate acm.CertificateValidation appautoscaling.Target apigatewayv2.ApiMapping apigatewayv2.Authorizer apigatewayv2.DomainName
		apigatewayv2.Integration apigatewayv2.Route apigatewayv2.Stage apigatewayv2.VpcLink ec2.DefaultSecurityGroup ec2.InternetGateway ec2.Route
		ec2.RouteTable ec2.RouteTableAssociation ec2.SecurityGroup ec2.Subnet ec2.Vpc ecr.LifecyclePolicy ecs.ClusterCapacityProviders
		ecs.TaskDefinition iam.InstanceProfile iam.Role iam.RolePolicy iam.RolePolicyAttachment lb.Listener lb.ListenerCertificate
		lb.ListenerRule lb.TargetGroup route53.Record s3.BucketOwnershipControls s3.BucketPolicy s3.BucketPublicAccessBlock
		servicediscovery.Service vpc.SecurityGroupEgressRule vpc.SecurityGroupIngressRule`)
	byUse = strings.Fields(`apigatewayv2.Api cloudwatch.LogGroup ec2.FlowLog ecr.Repository s3.Bucket`)
)

// charged is what the resources of a run cost, by their inputs, apart from any load: the other book to the methods Cost.
func charged(t *testing.T, r *testkit.Recorder) (lines []cost.Line) {
	t.Helper()
	add := func(what, price string, units float64) {
		lines = append(lines, cost.Line{What: what, Price: price, Min: units, Max: units})
	}
	for _, made := range r.Resources {
		number := func(input string) float64 {
			n, err := strconv.ParseFloat(fmt.Sprint(made.Input(input)), 64)
			if err != nil {
				t.Fatalf("%s: %s: %v", made, input, err)
			}
			return n
		}
		switch kind := made.Short(); kind {
		case "ec2.NatGateway":
			add("NAT gateways and their addresses", "nat-gateway", 1)
		case "ec2.Eip":
			add("NAT gateways and their addresses", "public-ipv4", 1)
		case "ec2.VpcEndpoint": // in each of its subnets; one of type Gateway has none
			subnets, _ := made.Input("subnetIds").([]any)
			add("interface endpoints", "interface-endpoint", float64(len(subnets)))
		case "ec2.Instance":
			add("bastion, its disk and address", made.Input("instanceType").(string), 1)
			add("bastion, its disk and address", made.Input("rootBlockDevice.volumeType").(string), number("rootBlockDevice.volumeSize"))
			if made.Input("associatePublicIpAddress") == true {
				add("bastion, its disk and address", "public-ipv4", 1)
			}
		case "ecs.Cluster":
			if made.Input("settings.0.value") == "enabled" {
				add("Container Insights", "custom-metric", 12+25*float64(len(r.All("ecs.Service"))))
			}
		case "ecs.Service":
			definition := r.All("ecs.TaskDefinition")[slices.IndexFunc(r.All("ecs.TaskDefinition"), func(d *testkit.Resource) bool {
				return d.Outputs["arn"].StringValue() == made.Input("taskDefinition")
			})]
			base := math.Inf(1) // on demand
			switch {
			case made.Input("capacityProviderStrategies.1") != nil: // Spot beyond it
				base = number("capacityProviderStrategies.0.base")
			case made.Input("capacityProviderStrategies.0.capacityProvider") == "FARGATE_SPOT":
				base = 0
			}
			fewest, most := number("desiredCount"), number("desiredCount")
			for _, target := range r.All("appautoscaling.Target") {
				if strings.HasSuffix(target.Input("resourceId").(string), "/"+made.Outputs["name"].StringValue()) {
					fewest, _ = target.Input("minCapacity").(float64)
					most, _ = target.Input("maxCapacity").(float64)
				}
			}
			architecture := strings.ToLower(definition.Input("runtimePlatform.cpuArchitecture").(string))
			cpu, _ := strconv.ParseFloat(definition.Input("cpu").(string), 64)
			memory, _ := strconv.ParseFloat(definition.Input("memory").(string), 64)
			for _, on := range []struct {
				what, price  string
				fewest, most float64
			}{
				{"tasks on Fargate", "fargate-", min(fewest, base), min(most, base)},
				{"tasks on Fargate Spot", "fargate-spot-", max(fewest-base, 0), max(most-base, 0)},
			} {
				lines = append(lines, cost.Line{What: on.what, Price: on.price + architecture + "-vcpu", Min: on.fewest * cpu / 1024, Max: on.most * cpu / 1024},
					cost.Line{What: on.what, Price: on.price + architecture + "-gb", Min: on.fewest * memory / 1024, Max: on.most * memory / 1024})
			}
		case "cloudwatch.Dashboard":
			add("dashboard", "dashboard", 1)
		case "cloudwatch.MetricAlarm": // for each metric that it reads
			metrics := 0.
			for i := range 10 {
				if made.Input(fmt.Sprintf("metricQueries.%d.metric", i)) != nil {
					metrics++
				}
			}
			add("alarms", "alarm-metric", max(metrics, 1))
		case "appautoscaling.Policy": // an alarm for more tasks and one for fewer
			add("alarms", "alarm-metric", 2)
		case "kms.Key":
			add("KMS key", "kms-key", 1)
		case "lb.LoadBalancer":
			add("load balancer", "load-balancer", 1)
		case "servicediscovery.PrivateDnsNamespace":
			add("hosted zone of Cloud Map", "hosted-zone", 1)
		default:
			if strings.HasPrefix(made.Type, "aws:") && !slices.Contains(free, kind) && !slices.Contains(byUse, kind) {
				t.Errorf("%s has no price, and is not listed as free", made)
			}
		}
	}
	return lines
}
