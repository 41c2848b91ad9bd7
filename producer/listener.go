package producer

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
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
	AllowLink  bool              // make the rule that lets the VPC link in
}

// Balancer is the load balancer of a listener that exists, as AWS describes it.
type Balancer struct {
	ListenerArn string
	ServerName  string // "" for HTTP
	Port        int
	GroupID     string // of the security group that the VPC link is let into
	AllowLink   bool   // as in Listener
	VpcID       string
	SubnetIDs   []string // in two zones or more, all with VPC links
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
		setting.Var(s, &l.Arn, "arn", "", "ARN of the listener", "moves the API there; deletes services and VPC that the stack has made; replaces the VPC link if the subnets are others",
			setting.Must("the ARN of a listener of an Application Load Balancer, with listener/app/ in it; not of the load balancer itself, nor of a Network (net) or Gateway (gwy) Load Balancer, which know no paths",
				listenerArn.MatchString))
		setting.Var(s, &l.ServerName, "serverName", "", "Name in the certificate of an HTTPS listener, which the API verifies", setting.InPlace,
			setting.Must("a host name such as orders.example.com, without a wildcard", func(name string) bool { return len(name) <= 253 && serverName.MatchString(name) }))
		setting.Var(s, &l.Paths, "paths", nil, "Paths of the services behind the load balancer, by name, such as orders: /orders; the stack makes no others", "in place; replaces the bastion")
		setting.Var(s, &l.AllowLink, "allowLink", true, "Make the rule that lets the VPC link into the load balancer's security group; with false, somebody else does", setting.InPlace)
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
	if l.Arn != "" && len(l.Paths) == 0 {
		p.Add("listener.paths", nil, "the paths of what is behind that load balancer, by name, such as orders: /orders")
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

// Find looks the load balancer up, and returns what is wrong with it, all at once. It changes nothing.
func (l *Listener) Find(ctx *pulumi.Context, region string, opts ...pulumi.InvokeOption) (*Balancer, setting.Problems, error) {
	var p setting.Problems
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
	balancer, err := lb.LookupLoadBalancer(ctx, &lb.LookupLoadBalancerArgs{Arn: &listener.LoadBalancerArn}, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("reading load balancer %s: %w", listener.LoadBalancerArn, err)
	}
	found := &Balancer{ListenerArn: l.Arn, ServerName: l.ServerName, Port: listener.Port, AllowLink: l.AllowLink, VpcID: balancer.VpcId}

	if !balancer.Internal {
		refuse("a listener of an internal load balancer; %s faces the internet, so that callers could go round the API", balancer.Name)
	}
	var zones, linked []string
	for _, id := range slices.Sorted(slices.Values(balancer.Subnets)) {
		subnet, err := ec2.LookupSubnet(ctx, &ec2.LookupSubnetArgs{Id: &id}, opts...)
		if err != nil {
			return nil, nil, fmt.Errorf("reading subnet %s of load balancer %s: %w", id, balancer.Name, err)
		}
		zones = append(zones, subnet.AvailabilityZone)
		if hasVpcLinks(region, subnet.AvailabilityZoneId) {
			linked, found.SubnetIDs = append(linked, subnet.AvailabilityZone), append(found.SubnetIDs, id)
		}
	}
	if linked = slices.Compact(slices.Sorted(slices.Values(linked))); len(linked) < 2 {
		slices.Sort(zones)
		refuse("a load balancer in two zones or more that have VPC links; %s is in %s, and %d of them have VPC links", balancer.Name, setting.Join(zones), len(linked))
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

// CheckPriorities returns the priorities of services that rules of others have on the listener. A rule of this project
// and stack, from an earlier update, is told by its tags.
func (a *Args) CheckPriorities(ctx context.Context, listener, project, stack string) (p setting.Problems, err error) {
	cfg, err := a.awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := elasticloadbalancingv2.NewFromConfig(cfg)
	pages := elasticloadbalancingv2.NewDescribeRulesPaginator(client, &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: &listener})
	taken := map[string]Service{} // by the ARN of the rule
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the rules of listener %s: %w", listener, err)
		}
		for _, rule := range page.Rules {
			for _, s := range a.Services {
				if *rule.Priority == strconv.Itoa(s.Priority) {
					taken[*rule.RuleArn] = s
				}
			}
		}
	}
	// AWS takes 20 at once: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html
	for arns := range slices.Chunk(slices.Sorted(maps.Keys(taken)), 20) {
		out, err := client.DescribeTags(ctx, &elasticloadbalancingv2.DescribeTagsInput{ResourceArns: arns})
		if err != nil {
			return nil, fmt.Errorf("reading the tags of rules of listener %s: %w", listener, err)
		}
		for _, described := range out.TagDescriptions {
			tags := map[string]string{}
			for _, tag := range described.Tags {
				tags[*tag.Key] = *tag.Value
			}
			if s := taken[*described.ResourceArn]; tags["Project"] != project || tags["Stack"] != stack {
				p.Add("services."+s.Name+".priority", s.Priority, "a priority that no rule of the listener has; %s has it", *described.ResourceArn)
			}
		}
	}
	return p, nil
}
