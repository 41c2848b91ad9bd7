package consumer

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/testkit"
)

func valid() *Args {
	return &Args{
		Region: "us-west-2", LogRetentionDays: 7, IntegrationTimeout: 29,
		VpcLinkID: pulumi.String("link"), ListenerArn: pulumi.String("listener"),
		Services:      []Service{{Name: "book-club", Path: "/api/clubs"}},
		Throttle:      Throttle{Burst: 10, Rate: 10},
		Authorization: Authorization{Type: AuthorizationNone},
		Bastion:       Bastion{Enabled: true, VpcCidr: "10.1.0.0/16", AvailabilityZones: []string{"us-west-2a", "us-west-2b"}},
	}
}

// The component stands alone: it needs a link and a listener, not this stack.
func TestNew(t *testing.T) {
	r := &testkit.Recorder{}
	args := valid()
	args.Profile = "work"
	err := r.Run(func(ctx *pulumi.Context) error {
		c, err := New(ctx, "front", args)
		if err == nil {
			ctx.Export("connect", c.BastionConnect)
			ctx.Export("urls", c.ServiceURLs)
		}
		return err
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	integration := r.Get(t, "apigatewayv2.Integration front")
	for input, want := range map[string]any{
		"integrationType": "HTTP_PROXY", "integrationMethod": "ANY", "connectionType": "VPC_LINK", "payloadFormatVersion": "1.0",
		"connectionId": "link", "integrationUri": "listener", "timeoutMilliseconds": 29000.,
	} {
		if got := integration.Input(input); got != want {
			t.Errorf("integration: %s is %v, want %v", input, got, want)
		}
	}
	if connect := r.Exports["connect"].(string); !strings.Contains(connect, "--region us-west-2 --profile work --target i-") {
		t.Errorf("connect command: %s", connect)
	}
	script := r.Get(t, "ec2.Instance front-bastion").Input("userData").(string)
	url := r.Exports["urls"].(map[string]string)["book-club"]
	if want := "export BOOK_CLUB_API_URL='" + url + "'\n"; !strings.Contains(script, want) || !strings.HasSuffix(url, "/api/clubs") {
		t.Errorf("user data has no %q:\n%s", want, script)
	}
}

func TestBadArgumentsRegisterNothing(t *testing.T) {
	args := valid()
	args.IntegrationTimeout, args.Throttle.Rate, args.Bastion.VpcCidr = 31, 0, "10.1.0.0/28"
	r := &testkit.Recorder{}
	err := r.Run(func(ctx *pulumi.Context) error {
		_, err := New(ctx, "front", args)
		return err
	}, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"integrationTimeoutSeconds: 31", "throttleRate: 0", `vpcCidr: "10.1.0.0/28"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message has no %q: %v", want, err)
		}
	}
	for _, made := range r.Resources {
		if made.Type != "pulumi:pulumi:Stack" {
			t.Errorf("%s was made", made)
		}
	}
}
