// Package consumer makes the half of the stack that calls services: an HTTP API
// that reaches a producer through its VPC link, and a VPC with a bastion from
// which a person can try the API.
package consumer

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args says what to make. VpcLinkID and ListenerArn come from the producer.
type Args struct {
	Region           string
	Profile          string // profile of the AWS configuration files, for the connect command; may be empty
	LogRetentionDays int    // how long CloudWatch keeps the API's access logs

	VpcLinkID   pulumi.StringInput
	ListenerArn pulumi.StringInput
	Services    []Service

	IntegrationTimeout int // seconds that the API waits for a service; 1 to 30
	Throttle           Throttle
	CORS               CORS
	Authorization      Authorization

	Bastion Bastion
}

// Service is one path of the API, for the URLs that people are given.
type Service struct{ Name, Path string }

// Throttle limits all callers together; what is over it gets a 429.
type Throttle struct {
	Burst int // requests at once
	Rate  int // requests per second
}

// CORS lets browsers on other origins call the API. Without an origin it is off.
type CORS struct {
	AllowOrigins, AllowMethods, AllowHeaders []string
	MaxAge                                   int // seconds that a browser keeps the answer to a preflight
}

func (c *CORS) enabled() bool { return len(c.AllowOrigins) > 0 }

// Authorization says who may call the API.
type Authorization struct {
	Type      string   // AuthorizationNone, AuthorizationIAM or AuthorizationJWT
	Issuer    string   // jwt: the https URL of the issuer
	Audiences []string // jwt: what the token must be for, one of them
}

// Kinds of authorization.
const (
	AuthorizationNone = "none" // anyone
	AuthorizationIAM  = "iam"  // requests signed by a principal that may execute-api:Invoke
	AuthorizationJWT  = "jwt"  // a bearer token of an issuer
)

// Bastion is the instance from which the API can be tried. It has no inbound
// rule unless both a key and ranges for SSH are given.
type Bastion struct {
	Enabled           bool
	VpcCidr           string   // IPv4 range of its VPC
	AvailabilityZones []string // names of two zones
	SSHKeyName        string   // an EC2 key pair of the region
	SSHCidrs          []string // IPv4 ranges that may open SSH, never the whole internet
}

func (b *Bastion) ssh() bool { return b.SSHKeyName != "" }

// Consumer is the component.
type Consumer struct {
	pulumi.ResourceState

	APIEndpoint     pulumi.StringOutput    // https URL of the API, without a slash at the end
	ServiceURLs     pulumi.StringMapOutput // per service
	BastionID       pulumi.StringOutput    // instance id
	BastionConnect  pulumi.StringOutput    // the command that opens a login shell on the bastion
	BastionPublicIP pulumi.StringOutput    // set where SSH is
}

// New makes the consumer. It validates the arguments first and makes nothing
// where one is refused; the error then holds every problem.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Consumer, error) {
	if err := args.Validate().Err(); err != nil {
		return nil, err
	}
	c := &Consumer{}
	if err := ctx.RegisterComponentResource("private-api:consumer:Consumer", name, c, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(c)

	endpoint, err := newAPI(ctx, name, args, parent)
	if err != nil {
		return nil, err
	}
	urls := pulumi.StringMap{}
	for _, s := range args.Services {
		urls[s.Name] = pulumi.Sprintf("%s%s", endpoint, s.Path)
	}
	c.APIEndpoint, c.ServiceURLs = endpoint, urls.ToStringMapOutput()
	outputs := pulumi.Map{"apiEndpoint": c.APIEndpoint, "serviceUrls": c.ServiceURLs}

	if args.Bastion.Enabled {
		bastion, err := newBastion(ctx, name, args, urls, parent)
		if err != nil {
			return nil, err
		}
		c.BastionID = bastion.ID().ToStringOutput()
		c.BastionConnect = connectCommand(args, c.BastionID)
		outputs["bastionId"], outputs["bastionConnect"] = c.BastionID, c.BastionConnect
		if args.Bastion.ssh() {
			c.BastionPublicIP = bastion.PublicIp
			outputs["bastionPublicIp"] = c.BastionPublicIP
		}
	}
	return c, ctx.RegisterResourceOutputs(c, outputs)
}
