package producer

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/setting"
)

// Listener says which listener of an existing Application Load Balancer to use. Without an Arn it is off.
type Listener struct {
	Arn        string
	ServerName string            // in the certificate of an HTTPS listener; the API verifies it
	Paths      map[string]string // by name: what is behind the load balancer already; see Adopt
	AllowLink  bool              // make the rules in the load balancer's security group
}

// Balancer is the load balancer of a listener that exists, as AWS describes it.
type Balancer struct {
	Arn, ListenerArn string
	ServerName       string // "" for HTTP
	Port             int
	GroupID          string // of the security group that the VPC link is let into
	AllowLink        bool   // as in Listener
	VpcID            string
	SubnetIDs        []string // in two zones or more, all with VPC links
	Zones            []string // names of those that it is in
}

// validate records a load balancer that was not looked up.
func (b *Balancer) validate(p *setting.Problems) {
	if b == nil || b.Arn == "" || b.ListenerArn == "" || b.Port == 0 || b.GroupID == "" || b.VpcID == "" || len(b.SubnetIDs) < 2 {
		p.Add("Balancer", b, "what Listener.Find returns")
	}
}

var (
	// Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html
	// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html (Name)
	listenerArn = regexp.MustCompile(`^arn:(aws[a-z-]*):elasticloadbalancing:([a-z0-9-]+):(\d{12}):listener/app/[A-Za-z0-9-]{1,32}/[0-9a-z]+/[0-9a-z]+$`)
	// Source: https://www.rfc-editor.org/rfc/rfc1123#section-2.1; 253 characters: https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4
	serverName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
)

// Declare declares the settings of an existing load balancer.
func (l *Listener) Declare(s *setting.Set) {
	setting.Object(s, "listener", "Listener of an Application Load Balancer that exists, to use in place of one of the stack's own", func(s *setting.Set) {
		setting.Var(s, &l.Arn, "arn", "", "ARN of the listener", "moves the API there; with listener.paths, deletes services and VPC that the stack has made; without, interrupts the services until their tasks are healthy there",
			setting.Must("the ARN of a listener of an Application Load Balancer, with listener/app/ in it; not of the load balancer itself, nor of a Network (net) or Gateway (gwy) Load Balancer, which know no paths",
				listenerArn.MatchString))
		setting.Var(s, &l.ServerName, "serverName", "", "Name in the certificate of an HTTPS listener, which the API verifies", setting.InPlace+", by a new integration",
			setting.Must("a host name such as orders.example.com, without a wildcard", func(name string) bool { return len(name) <= 253 && serverName.MatchString(name) }))
		setting.Var(s, &l.Paths, "paths", nil, "Paths of services that are behind the load balancer already, by name, such as orders: /orders; the stack makes no others. Without paths, its own go behind it", "in place; replaces the bastion; the first one deletes the services")
		setting.Var(s, &l.AllowLink, "allowLink", true, "Make the rules in the load balancer's security group, from the VPC link and to the tasks; with false, somebody else does", setting.InPlace)
	})
}

// Names returns the names of the paths, sorted.
func (l *Listener) Names() []string { return slices.Sorted(maps.Keys(l.Paths)) }

// Validate returns what is wrong with the settings of a stack in that region; nil if they are valid. What is looked up is
// for Find to check.
func (l *Listener) Validate(region string) setting.Problems {
	p := setting.Check(l)
	if l.Arn == "" && (l.ServerName != "" || len(l.Paths) > 0 || !l.AllowLink) {
		p.Add("listener.arn", nil, "the ARN of a listener, as another field of listener is set")
	}
	if m := listenerArn.FindStringSubmatch(l.Arn); m != nil && m[2] != region {
		p.Add("listener.arn", l.Arn, "a listener in %s, the region of the stack", region)
	}
	for _, name := range l.Names() {
		if !serviceName.MatchString(name) {
			p.Add("listener.paths", name, "names of lower-case letters, digits and inner hyphens, a letter first")
		}
		if path := l.Paths[name]; !servicePath.MatchString(path) {
			p.Add("listener.paths."+name, path, "a path such as /orders: no slash at the end, no wildcards")
		}
	}
	return p
}

// Find looks the load balancer up, and returns what is wrong with it, all at once. It changes nothing. The error is that AWS
// could not be asked.
func (l *Listener) Find(ctx *pulumi.Context, region string, opts ...pulumi.InvokeOption) (*Balancer, setting.Problems, error) {
	p := l.Validate(region)
	if len(p) > 0 {
		return nil, p, nil
	}
	refuse := func(allowed string, args ...any) { p.Add("listener.arn", l.Arn, allowed, args...) }
	account, err := aws.GetCallerIdentity(ctx, nil, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the AWS account: %w", err)
	}
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-private.html
	if owner := listenerArn.FindStringSubmatch(l.Arn)[3]; owner != account.AccountId {
		refuse("a listener in account %s, as VPC link, API and load balancer must be in the same account", account.AccountId)
		return nil, p, nil
	}
	listener, err := lb.LookupListener(ctx, &lb.LookupListenerArgs{Arn: &l.Arn}, opts...)
	if err != nil {
		refuse("a listener that exists and can be read (%v)", err)
		return nil, p, nil
	}
	// Of all that is known of it, what counts: if one field is not as its type says, the SDK leaves out those after it.
	var balancer struct {
		Name           string   `pulumi:"name"`
		IdleTimeout    int      `pulumi:"idleTimeout"`
		Internal       bool     `pulumi:"internal"`
		SecurityGroups []string `pulumi:"securityGroups"`
		Subnets        []string `pulumi:"subnets"`
		VpcID          string   `pulumi:"vpcId"`
	}
	if err := ctx.Invoke("aws:lb/getLoadBalancer:getLoadBalancer", &lb.LookupLoadBalancerArgs{Arn: &listener.LoadBalancerArn}, &balancer, opts...); err != nil {
		return nil, nil, fmt.Errorf("reading load balancer %s: %w", listener.LoadBalancerArn, err)
	}
	found := &Balancer{
		Arn: listener.LoadBalancerArn, ListenerArn: l.Arn, ServerName: l.ServerName, Port: listener.Port, AllowLink: l.AllowLink, VpcID: balancer.VpcID,
	}

	if !balancer.Internal {
		refuse("a listener of an internal load balancer; %s faces the internet, so that callers could go round the API", balancer.Name)
	}
	if len(l.Paths) == 0 && balancer.IdleTimeout > idleTimeout {
		refuse("a listener of a load balancer with an idle timeout of at most %d seconds, as the services keep connections open for little longer; %s has %d", idleTimeout, balancer.Name, balancer.IdleTimeout)
	}
	var linked []string
	for _, id := range slices.Sorted(slices.Values(balancer.Subnets)) {
		subnet, err := ec2.LookupSubnet(ctx, &ec2.LookupSubnetArgs{Id: &id}, opts...)
		if err != nil {
			return nil, nil, fmt.Errorf("reading subnet %s of load balancer %s: %w", id, balancer.Name, err)
		}
		found.Zones = append(found.Zones, subnet.AvailabilityZone)
		if hasVpcLinks(region, subnet.AvailabilityZoneId) {
			linked, found.SubnetIDs = append(linked, subnet.AvailabilityZone), append(found.SubnetIDs, id)
		}
	}
	if linked = slices.Compact(slices.Sorted(slices.Values(linked))); len(linked) < 2 {
		slices.Sort(found.Zones)
		refuse("a load balancer in two zones or more that have VPC links; %s is in %s, and %d of them have VPC links", balancer.Name, setting.Join(found.Zones), len(linked))
	}
	if len(balancer.SecurityGroups) == 0 {
		refuse("a load balancer with a security group, to let the VPC link in; %s has none", balancer.Name)
	} else {
		found.GroupID = slices.Min(balancer.SecurityGroups) // one is enough, and AWS has no order for them
	}
	switch https := listener.Protocol == "HTTPS"; {
	case https && l.ServerName == "":
		p.Add("listener.serverName", nil, "the name in the listener's certificate, which the API verifies, as the listener's protocol is HTTPS")
	case !https && l.ServerName != "":
		p.Add("listener.serverName", l.ServerName, "nothing, as the listener's protocol is %s, which has no certificate", listener.Protocol)
	}
	for _, mutual := range listener.MutualAuthentications {
		// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vs-rest.html ("Certificates for backend authentication")
		if mutual.Mode == "verify" {
			refuse("a listener that asks for no client certificate, as an HTTP API has none")
		}
	}
	return found, p, nil
}

// validateBalancer records a load balancer that the services cannot go behind, as it is in another VPC.
func (a *Args) validateBalancer(p *setting.Problems) {
	if a.Balancer.VpcID != a.Network.VpcID {
		p.Add("network.vpcId", a.Network.VpcID, "%s, the VPC of the load balancer", a.Balancer.VpcID)
	}
}

// CheckBalancer looks up what is wrong with services behind Balancer: its VPC, priorities that rules of others have, and
// paths that rules of others take first. A rule of this project and stack, from an earlier update, is told by its tags.
func (a *Args) CheckBalancer(ctx context.Context, project, stack string) (p setting.Problems, err error) {
	a.validateBalancer(&p)
	listener := a.Balancer.ListenerArn
	cfg, err := a.awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := elasticloadbalancingv2.NewFromConfig(cfg)
	pages := elasticloadbalancingv2.NewDescribeRulesPaginator(client, &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: &listener})
	refused := map[string]setting.Problems{} // by the ARN of the rule, if it is not the stack's own
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the rules of listener %s: %w", listener, err)
		}
		for _, rule := range page.Rules {
			priority, err := strconv.Atoi(*rule.Priority)
			if err != nil {
				continue // "default", which comes last
			}
			var found setting.Problems
			for _, s := range a.Services {
				switch pattern := takes(rule.Conditions, s.Path); {
				case priority == s.Priority:
					found.Add("services."+s.Name+".priority", s.Priority, "a priority that no rule of the listener has; %s has it", *rule.RuleArn)
				case priority < s.Priority && pattern != "":
					found.Add("services."+s.Name+".priority", s.Priority, "less than %d, as the rule of that priority takes all requests for %s (%s); or another path", priority, s.Path, pattern)
				}
			}
			if len(found) > 0 {
				refused[*rule.RuleArn] = found
			}
		}
	}
	// AWS takes 20 at once: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html
	for arns := range slices.Chunk(slices.Sorted(maps.Keys(refused)), 20) {
		out, err := client.DescribeTags(ctx, &elasticloadbalancingv2.DescribeTagsInput{ResourceArns: arns})
		if err != nil {
			return nil, fmt.Errorf("reading the tags of rules of listener %s: %w", listener, err)
		}
		for _, described := range out.TagDescriptions {
			tags := map[string]string{}
			for _, tag := range described.Tags {
				tags[*tag.Key] = *tag.Value
			}
			if tags["Project"] != project || tags["Stack"] != stack {
				p = append(p, refused[*described.ResourceArn]...)
			}
		}
	}
	return p, nil
}

// takes returns the path pattern by which a rule takes a path and all that starts with it; "" if it does not. A rule with
// another condition takes a part at most.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
func takes(conditions []types.RuleCondition, path string) string {
	if len(conditions) != 1 || conditions[0].PathPatternConfig == nil {
		return ""
	}
	for _, pattern := range conditions[0].PathPatternConfig.Values {
		start, open := strings.CutSuffix(pattern, "*")
		if open && !strings.ContainsAny(start, "*?") && strings.HasPrefix(path, start) {
			return pattern
		}
	}
	return ""
}
