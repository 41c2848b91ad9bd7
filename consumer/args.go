package consumer

import (
	"net/url"
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/setting"
)

// Args says what to make. Start from DefaultArgs. Declare says what each setting means and allows; the comments here
// give the units.
type Args struct {
	Region, Profile    string
	LogRetentionDays   int
	FlowLogs           bool
	IntegrationTimeout int // seconds
	Throttle           Throttle
	CORS               CORS
	Authorization      string // AuthorizationNone, AuthorizationIAM or AuthorizationJWT
	JWT                JWT
	PublicHealth       bool
	Bastion            Bastion

	VpcLinkID   pulumi.StringInput // from the producer
	ListenerArn pulumi.StringInput // from the producer
	ServerName  string             // from the producer: that the certificate of the listener covers; "": it takes plain HTTP
	// KmsKeyArn is the ARN of the key that encrypts log groups; nil: AWS's own.
	KmsKeyArn pulumi.StringPtrInput
	Domain    *Domain // nil: the API has its execute-api endpoint alone
	Services  []Service
}

// Service is one path of the API. Its health is at Path and /health.
type Service struct{ Name, Path string }

// Throttle limits all callers together; a request over the limit gets a 429.
type Throttle struct {
	Burst int // requests at once
	Rate  int // requests per second
}

// CORS lets browsers on other origins call the API. Without an origin it is off.
type CORS struct {
	AllowOrigins, AllowMethods, AllowHeaders []string
	MaxAge                                   int // seconds
}

func (c *CORS) enabled() bool { return len(c.AllowOrigins) > 0 }

// JWT says which tokens AuthorizationJWT accepts.
type JWT struct {
	Issuer    string
	Audiences []string
}

// Kinds of authorization.
const (
	AuthorizationNone = "none" // anyone
	AuthorizationIAM  = "iam"  // requests signed by a principal that may execute-api:Invoke
	AuthorizationJWT  = "jwt"  // a bearer token of an issuer
)

// Bastion is the instance from which the API can be tried. It has no inbound rule unless SSH is enabled.
type Bastion struct {
	Enabled           bool
	VpcCidr           string
	AMI               string // "" for the newest Amazon Linux 2023 when the bastion is made
	SSH               SSH
	AvailabilityZones []string // names of two zones
}

// SSH opens SSH to the bastion. It needs both fields.
type SSH struct {
	KeyName string // an EC2 key pair of the region
	Cidrs   []string
}

func (s *SSH) enabled() bool { return s.KeyName != "" }

// DefaultArgs has each setting at its default. VpcLinkID, ListenerArn, Services and Bastion.AvailabilityZones have
// none.
func DefaultArgs() *Args {
	a := &Args{}
	setting.Defaults(a)
	return a
}

// Limits of AWS, and one of our own.
const (
	maxIntegrationTimeout = 30    // seconds: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
	maxBurst              = 5000  // requests, the account's default: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	maxRate               = 10000 // requests per second, the account's default: as maxBurst
	maxCORSAge            = 86400 // seconds: https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html
	widestSSH             = 8     // bits of a range; "almost everyone" is as bad as everyone
)

// Declare declares the settings of the consumer.
func (a *Args) Declare(s *setting.Set) {
	setting.Region(s, &a.Region)
	setting.Profile(s, &a.Profile)
	setting.LogRetentionDays(s, &a.LogRetentionDays)
	setting.FlowLogs(s, &a.FlowLogs)
	setting.Var(s, &a.IntegrationTimeout, "integrationTimeoutSeconds", 29, "Seconds that the API waits for a service", setting.InPlace,
		setting.Between(1, maxIntegrationTimeout, "seconds"))
	setting.Object(s, "throttle", "Limit for all callers of the API together; a request over it gets a 429", func(s *setting.Set) {
		setting.Var(s, &a.Throttle.Burst, "burst", 200, "Requests at once", setting.InPlace, setting.Between(1, maxBurst, "requests"))
		setting.Var(s, &a.Throttle.Rate, "rate", 100, "Requests per second", setting.InPlace, setting.Between(1, maxRate, "requests per second"))
	})
	setting.Object(s, "cors", "Lets pages of other origins call the API; off without an origin", func(s *setting.Set) {
		setting.Var(s, &a.CORS.AllowOrigins, "allowOrigins", nil, "Origins whose pages may call the API", setting.InPlace,
			allowedOrigins)
		setting.Var(s, &a.CORS.AllowMethods, "allowMethods", []string{"GET", "HEAD"}, "Methods that those pages may use", setting.InPlace,
			setting.Each(setting.OneOf("*", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")))
		setting.Var(s, &a.CORS.AllowHeaders, "allowHeaders", nil, "Headers that those pages may send, besides those that the authorization needs",
			setting.InPlace, setting.Each(setting.Must(`different names of headers such as content-type, or "*"`, headerName.MatchString)))
		setting.Var(s, &a.CORS.MaxAge, "maxAgeSeconds", 300, "Seconds that a browser keeps the answer to a preflight", setting.InPlace,
			setting.Between(0, maxCORSAge, "seconds"))
	})
	setting.Var(s, &a.Authorization, "authorization", AuthorizationNone,
		"Who may call the API: anyone, who signs requests with IAM credentials, or who sends a bearer token",
		"at once: callers need what the new value asks for; `iam` also replaces the bastion", setting.OneOf(AuthorizationNone, AuthorizationIAM, AuthorizationJWT))
	setting.Object(s, "jwt", "The tokens that authorization jwt accepts", func(s *setting.Set) {
		setting.Var(s, &a.JWT.Issuer, "issuer", "", "URL of the token's issuer", setting.InPlace, setting.Must("the https URL of the token's issuer", isHTTPS))
		setting.Var(s, &a.JWT.Audiences, "audiences", nil, "What the token must be for, one of them", setting.InPlace)
	})
	setting.Var(s, &a.PublicHealth, "publicHealth", false,
		"With authorization iam or jwt: let anyone GET the health of each service, at its path and /health; with none, anyone can", setting.InPlace)
	setting.Var(s, &a.Bastion.Enabled, "bastion", true, "Make the bastion and the VPC around it", "in place: makes or removes it and its VPC")
	setting.Var(s, &a.Bastion.VpcCidr, "consumerVpcCidr", "10.1.0.0/16", "IPv4 range of the bastion's VPC, /16 to /23, apart from producerVpcCidr",
		"two ups: bastion false, then the new range; interrupts the bastion alone")
	setting.Var(s, &a.Bastion.AMI, "bastionAmi", "", "Amazon Linux 2023 AMI of the bastion, for x86_64; if not set, the newest one when the bastion is made, and then always that one",
		"replaces the bastion", setting.Must("the id of an AMI, such as ami-0123456789abcdef0", amiID.MatchString))
	setting.Object(s, "ssh", "Opens SSH to the bastion; needs both fields. Without it, Session Manager is the only way in", func(s *setting.Set) {
		setting.Var(s, &a.Bastion.SSH.KeyName, "keyName", "", "Name of an EC2 key pair", "replaces the bastion")
		setting.Var(s, &a.Bastion.SSH.Cidrs, "cidrs", nil, "IPv4 ranges that may open SSH", setting.InPlace,
			setting.Each(setting.Must("different IPv4 ranges of /8 or smaller without host bits, such as 203.0.113.7/32; never the whole internet, nor addresses that no machine has", isSSHRange)))
	})
}

var (
	serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	// amiID has 17 digits, or 8 if it is old: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
	amiID = regexp.MustCompile(`^ami-([0-9a-f]{8}|[0-9a-f]{17})$`)
)

func isHTTPS(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

func isSSHRange(text string) bool {
	_, ok := setting.Range(text, widestSSH, 32)
	return ok
}

// Validate returns what is wrong with the settings; nil if they are valid. What comes from the producer or is looked up
// is for New to check.
func (a *Args) Validate() setting.Problems {
	p := setting.Check(a)
	if a.Authorization == AuthorizationJWT {
		if a.JWT.Issuer == "" {
			p.Add("jwt.issuer", nil, "the https URL of the token's issuer, as authorization is %q", a.Authorization)
		}
		if len(a.JWT.Audiences) == 0 {
			p.Add("jwt.audiences", nil, "one audience or more, as authorization is %q", a.Authorization)
		}
	} else {
		if a.JWT.Issuer != "" {
			p.Add("jwt.issuer", a.JWT.Issuer, "nothing while authorization is %q", a.Authorization)
		}
		if len(a.JWT.Audiences) > 0 {
			p.Add("jwt.audiences", a.JWT.Audiences, "nothing while authorization is %q", a.Authorization)
		}
	}
	if !a.Bastion.Enabled && a.Bastion.AMI != "" {
		p.Add("bastion", false, "true, as bastionAmi is set")
	}
	ssh := a.Bastion.SSH
	switch {
	case !a.Bastion.Enabled && (ssh.enabled() || len(ssh.Cidrs) > 0):
		p.Add("bastion", false, "true, as ssh.keyName or ssh.cidrs is set")
	case ssh.enabled() && len(ssh.Cidrs) == 0:
		p.Add("ssh.cidrs", nil, "the ranges that may open SSH, as ssh.keyName is %q; leave both out to use Session Manager alone", ssh.KeyName)
	case !ssh.enabled() && len(ssh.Cidrs) > 0:
		p.Add("ssh.keyName", nil, "the name of an EC2 key pair, as ssh.cidrs is set; leave both out to use Session Manager alone")
	}
	if a.Bastion.Enabled { // two subnets of the size that newNetwork asks for
		p.VpcCidr("consumerVpcCidr", a.Bastion.VpcCidr, subnetPrefix-1)
		// The endpoint is not known yet, but none that AWS makes is longer.
		endpoint := "https://0123456789.execute-api." + a.Region + ".amazonaws.com.cn"
		if a.Domain != nil {
			endpoint = "https://" + a.Domain.Name
		}
		if size := len(a.userData(endpoint)); size > maxUserData {
			p.Add("bastion", true, "false, as the URLs of %d services make its user data %d bytes long, and EC2 takes %d", len(a.Services), size, maxUserData)
		}
	}
	return p
}

func (a *Args) validateInputs() (p setting.Problems) {
	if a.VpcLinkID == nil {
		p.Add("VpcLinkID", nil, "the VPC link of a producer")
	}
	if a.ListenerArn == nil {
		p.Add("ListenerArn", nil, "the listener of a load balancer that the VPC link reaches")
	}
	for _, s := range a.Services {
		if !serviceName.MatchString(s.Name) {
			p.Add("Services", s.Name, "names of lower-case letters, digits and hyphens, as shell variables are named after them")
		}
	}
	if a.Bastion.Enabled && (len(a.Bastion.AvailabilityZones) != 2 || a.Bastion.AvailabilityZones[0] == a.Bastion.AvailabilityZones[1]) {
		p.Add("Bastion.AvailabilityZones", a.Bastion.AvailabilityZones, "two different zones for the VPC of the bastion")
	}
	return p
}
