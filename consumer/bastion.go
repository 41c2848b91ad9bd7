package consumer

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigatewayv2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ssm"
	awsxec2 "github.com/pulumi/pulumi-awsx/sdk/v2/go/awsx/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
	"private-api/internal/securitygroup"
)

const (
	// amiParameter always names the newest Amazon Linux 2023.
	// Source: https://docs.aws.amazon.com/linux/al2023/ug/ec2.html#launch-via-aws-cli
	amiParameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
	// instanceType has 1 GiB: with half of that, dnf is killed.
	instanceType = "t3.micro"
	// rootVolume is in GiB, the size of the AMI's own snapshot.
	rootVolume   = 8
	subnetPrefix = 24
	// maxUserData is in bytes: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
	maxUserData = 16 << 10
)

// newBastion makes the instance and the VPC around it.
func newBastion(ctx *pulumi.Context, name string, args *Args, api *apigatewayv2.Api, parent pulumi.ResourceOrInvokeOption) (*ec2.Instance, error) {
	network, err := newNetwork(ctx, name, &args.Bastion, parent)
	if err != nil {
		return nil, err
	}
	group, rules, err := newBastionGroup(ctx, name+"-bastion", &args.Bastion, network.VpcId, parent)
	if err != nil {
		return nil, err
	}
	profile, managed, err := newProfile(ctx, name+"-bastion", args, api, parent)
	if err != nil {
		return nil, err
	}
	ami, unchanged := args.Bastion.AMI, []string(nil)
	if ami == "" {
		newest, err := ssm.LookupParameter(ctx, &ssm.LookupParameterArgs{Name: amiParameter}, parent)
		if err != nil {
			return nil, fmt.Errorf("reading the id of the newest Amazon Linux: %w", err)
		}
		// The parameter moves every few weeks; that is no reason to replace a running bastion.
		ami, unchanged = newest.InsecureValue, []string{"ami"}
	}
	instance := &ec2.InstanceArgs{
		Ami:                 pulumi.String(ami),
		InstanceType:        pulumi.String(instanceType),
		SubnetId:            network.PublicSubnetIds.Index(pulumi.Int(0)),
		VpcSecurityGroupIds: pulumi.StringArray{group.ID()},
		// Its VPC has no NAT gateway, so it reaches Systems Manager by an address of its own.
		AssociatePublicIpAddress: pulumi.Bool(true),
		IamInstanceProfile:       profile.Name,
		EbsOptimized:             pulumi.Bool(true),
		MetadataOptions: ec2.InstanceMetadataOptionsArgs{
			HttpEndpoint: pulumi.String("enabled"), HttpTokens: pulumi.String("required"), HttpPutResponseHopLimit: pulumi.Int(1),
		},
		RootBlockDevice: ec2.InstanceRootBlockDeviceArgs{
			Encrypted: pulumi.Bool(true), VolumeType: pulumi.String("gp3"), VolumeSize: pulumi.Int(rootVolume),
		},
		UserData: api.ApiEndpoint.ApplyT(args.userData).(pulumi.StringOutput),
		// cloud-init runs it once: other URLs need another instance.
		UserDataReplaceOnChange: pulumi.Bool(true),
		Tags:                    pulumi.StringMap{"Name": pulumi.String(name + "-bastion")},
	}
	if args.Bastion.SSH.enabled() {
		instance.KeyName = pulumi.String(args.Bastion.SSH.KeyName)
	}
	bastion, err := ec2.NewInstance(ctx, name+"-bastion", instance, parent,
		// Without its route, rules and role the first boot could neither install nor register.
		pulumi.DependsOn(append(rules, network, managed)),
		pulumi.IgnoreChanges(unchanged),
	)
	if err != nil {
		return nil, fmt.Errorf("creating bastion: %w", err)
	}
	return bastion, nil
}

func newNetwork(ctx *pulumi.Context, name string, b *Bastion, opts ...pulumi.ResourceOption) (*awsxec2.Vpc, error) {
	auto, mask := awsxec2.SubnetAllocationStrategyAuto, subnetPrefix
	network, err := awsxec2.NewVpc(ctx, name, &awsxec2.VpcArgs{
		CidrBlock:             &b.VpcCidr,
		AvailabilityZoneNames: b.AvailabilityZones,
		SubnetStrategy:        &auto,
		SubnetSpecs:           []awsxec2.SubnetSpecArgs{{Type: awsxec2.SubnetTypePublic, CidrMask: &mask}},
		NatGateways:           &awsxec2.NatGatewayConfigurationArgs{Strategy: awsxec2.NatGatewayStrategyNone},
		EnableDnsHostnames:    pulumi.Bool(true),
		EnableDnsSupport:      pulumi.Bool(true),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating VPC: %w", err)
	}
	return network, securitygroup.EmptyDefault(ctx, name, network.VpcId, opts...)
}

func newBastionGroup(ctx *pulumi.Context, name string, b *Bastion, vpcID pulumi.StringInput, opts ...pulumi.ResourceOption) (*securitygroup.Group, []pulumi.Resource, error) {
	group, err := securitygroup.New(ctx, name, "bastion, reached through Systems Manager", vpcID, opts...)
	if err != nil {
		return nil, nil, err
	}
	https, err := securitygroup.AllowHTTPS(ctx, group, opts...)
	if err != nil {
		return nil, nil, err
	}
	rules := []pulumi.Resource{https}
	for _, cidr := range b.SSH.Cidrs {
		rule, err := securitygroup.AllowSSH(ctx, group, cidr, opts...)
		if err != nil {
			return nil, nil, err
		}
		rules = append(rules, rule)
	}
	return group, rules, nil
}

// newProfile lets Systems Manager reach the bastion. The bastion may call the API, if that takes a permission, and nothing
// else of AWS.
func newProfile(ctx *pulumi.Context, name string, args *Args, api *apigatewayv2.Api, opts ...pulumi.ResourceOption) (*iam.InstanceProfile, pulumi.Resource, error) {
	partition := policy.PartitionOf(args.Region)
	ec2Service := "ec2.amazonaws.com"
	if partition.Name == "aws-cn" { // the only one where it differs: https://github.com/hashicorp/terraform-provider-aws/pull/47141
		ec2Service = "ec2.amazonaws.com.cn"
	}
	trust, err := policy.Trust(ec2Service, "")
	if err != nil {
		return nil, nil, err
	}
	role, err := iam.NewRole(ctx, name, &iam.RoleArgs{
		AssumeRolePolicy: pulumi.String(trust), Description: pulumi.String("bastion, reached through Systems Manager"),
	}, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("creating role: %w", err)
	}
	managed, err := iam.NewRolePolicyAttachment(ctx, name, &iam.RolePolicyAttachmentArgs{
		Role: role.Name, PolicyArn: pulumi.String(partition.ARN("iam", "", "aws", "policy/AmazonSSMManagedInstanceCore")),
	}, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("attaching policy: %w", err)
	}
	if args.Authorization == AuthorizationIAM {
		_, err := iam.NewRolePolicy(ctx, name, &iam.RolePolicyArgs{Role: role.ID(), Policy: api.ExecutionArn.ApplyT(invokePolicy).(pulumi.StringOutput)}, opts...)
		if err != nil {
			return nil, nil, fmt.Errorf("creating policy: %w", err)
		}
	}
	profile, err := iam.NewInstanceProfile(ctx, name, &iam.InstanceProfileArgs{Role: role.Name}, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("creating instance profile: %w", err)
	}
	return profile, managed, nil
}

// invokePolicy allows every stage, method and path of one API:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
func invokePolicy(executionArn string) (string, error) {
	return policy.JSON(policy.Statement{Action: []string{"execute-api:Invoke"}, Resource: []string{executionArn + "/*"}})
}

//go:embed signed-curl
var signedCurl string

// userData gives every login shell the URLs, and the bastion what the workshop uses and, where the API wants signed
// requests, a command that signs. Every text reaches the shell through quote.
func (a *Args) userData(endpoint string) string {
	var b strings.Builder
	b.WriteString("#!/bin/bash\nset -euo pipefail\n")
	variables, urls := "", a.urls(endpoint)
	for _, service := range slices.Sorted(maps.Keys(urls)) {
		variables += "export " + urlVariable(service) + "=" + quote(urls[service]) + "\n"
	}
	fmt.Fprintf(&b, "printf %%s %s > /etc/profile.d/api.sh\n", quote(variables))
	if a.Authorization == AuthorizationIAM {
		fmt.Fprintf(&b, "printf %%s %s > /usr/local/bin/signed-curl\nchmod 755 /usr/local/bin/signed-curl\n", quote(signedCurl))
	}
	b.WriteString("dnf install -y jq\n")
	return b.String()
}

// urls returns the URL of each service.
func (a *Args) urls(endpoint string) map[string]string {
	urls := map[string]string{}
	for _, s := range a.Services {
		urls[s.Name] = endpoint + s.Path
	}
	return urls
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quote makes text one word of a POSIX shell.
func quote(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// urlVariable names the variable that holds a service's URL: BOOK_API_URL.
func urlVariable(service string) string {
	return strings.ToUpper(strings.ReplaceAll(service, "-", "_")) + "_API_URL"
}

// connectCommand opens a login shell. The plain session is a sh that reads no profile, and so would not know the URLs.
func connectCommand(args *Args, id pulumi.StringInput) pulumi.StringOutput {
	profile := ""
	if args.Profile != "" {
		profile = " --profile " + quote(args.Profile)
	}
	return pulumi.Sprintf(`aws ssm start-session --region %s%s --target %s --document-name AWS-StartInteractiveCommand --parameters command="bash -l"`, args.Region, profile, id)
}
