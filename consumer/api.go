package consumer

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigatewayv2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// requestIDHeader tells a service the id under which the API logs a request, in the place of what the caller says it is.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
const requestIDHeader = "x-request-id"

// newAPI makes the HTTP API and all that belongs to it. It returns the name of its log group too.
func newAPI(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (_ *apigatewayv2.Api, logs pulumi.StringOutput, _ error) {
	settings := &apigatewayv2.ApiArgs{
		ProtocolType:      pulumi.String("HTTP"),
		Description:       pulumi.Sprintf("private services of %s", ctx.Stack()),
		CorsConfiguration: corsConfiguration(&args.CORS, args.Authorization),
	}
	if args.Domain != nil && !args.Domain.KeepExecuteAPI {
		settings.DisableExecuteApiEndpoint = pulumi.Bool(true)
	}
	api, err := apigatewayv2.NewApi(ctx, name, settings, opts...)
	if err != nil {
		return nil, logs, fmt.Errorf("creating API: %w", err)
	}
	draining, err := drain(ctx, name, args)
	if err != nil {
		return nil, logs, err
	}
	integration, err := apigatewayv2.NewIntegration(ctx, name, &apigatewayv2.IntegrationArgs{
		ApiId:                api.ID(),
		IntegrationType:      pulumi.String("HTTP_PROXY"),
		IntegrationMethod:    pulumi.String("ANY"),
		IntegrationUri:       args.ListenerArn.ToStringOutput().ToStringPtrOutput(),
		ConnectionType:       pulumi.String("VPC_LINK"),
		ConnectionId:         args.VpcLinkID.ToStringOutput().ToStringPtrOutput(),
		PayloadFormatVersion: pulumi.String("1.0"),
		TimeoutMilliseconds:  pulumi.Int(args.IntegrationTimeout * 1000),
		TlsConfig:            tlsConfig(args.ServerName),
		RequestParameters:    pulumi.StringMap{"overwrite:header." + requestIDHeader: pulumi.String("$context.requestId")},
		// With or without TLS it is another integration, and the routes move. The provider takes TLS off by an empty
		// tlsConfig, with which AWS says that it speaks HTTPS:
		// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid.html
	}, append(opts, draining, pulumi.ReplaceOnChanges([]string{"tlsConfig"}))...)
	if err != nil {
		return nil, logs, fmt.Errorf("creating integration: %w", err)
	}
	if err := newRoutes(ctx, name, args, api, integration, append(opts, draining)...); err != nil {
		return nil, logs, err
	}
	stage, logs, err := newStage(ctx, name, args, api, opts...)
	if err != nil {
		return nil, logs, err
	}
	if args.Domain != nil {
		err = newDomain(ctx, name, args.Domain, api, stage, opts...)
	}
	return api, logs, err
}

func newRoutes(ctx *pulumi.Context, name string, args *Args, api *apigatewayv2.Api, integration *apigatewayv2.Integration, opts ...pulumi.ResourceOption) error {
	target := pulumi.Sprintf("integrations/%s", integration.ID())
	route := &apigatewayv2.RouteArgs{ApiId: api.ID(), RouteKey: pulumi.String("ANY /{proxy+}"), Target: target}
	switch args.Authorization {
	case AuthorizationNone:
		route.AuthorizationType = pulumi.String("NONE")
	case AuthorizationIAM:
		route.AuthorizationType = pulumi.String("AWS_IAM")
	case AuthorizationJWT:
		authorizer, err := apigatewayv2.NewAuthorizer(ctx, name, &apigatewayv2.AuthorizerArgs{
			ApiId:           api.ID(),
			AuthorizerType:  pulumi.String("JWT"),
			IdentitySources: pulumi.ToStringArray([]string{"$request.header.Authorization"}),
			JwtConfiguration: apigatewayv2.AuthorizerJwtConfigurationArgs{
				Issuer:    pulumi.String(args.JWT.Issuer),
				Audiences: pulumi.ToStringArray(args.JWT.Audiences),
			},
		}, opts...)
		if err != nil {
			return fmt.Errorf("creating authorizer: %w", err)
		}
		route.AuthorizationType, route.AuthorizerId = pulumi.String("JWT"), authorizer.ID()
	}
	if _, err := apigatewayv2.NewRoute(ctx, name, route, opts...); err != nil {
		return fmt.Errorf("creating route: %w", err)
	}
	if args.Authorization == AuthorizationNone {
		return nil
	}
	// Other routes to the same integration, which ask for nothing. Of all that match, the most specific one is taken:
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
	open := func(suffix, key string) error {
		_, err := apigatewayv2.NewRoute(ctx, name+"-"+suffix, &apigatewayv2.RouteArgs{
			ApiId: api.ID(), RouteKey: pulumi.String(key), Target: target, AuthorizationType: pulumi.String("NONE"),
		}, opts...)
		if err != nil {
			return fmt.Errorf("creating route %s: %w", key, err)
		}
		return nil
	}
	if args.PublicHealth {
		for _, s := range args.Services {
			if err := open(s.Name+"-health", "GET "+s.Path+"/health"); err != nil {
				return err
			}
		}
	}
	if !args.CORS.enabled() {
		return nil
	}
	// ANY catches the preflight too, which carries no credentials: without a route of its own it would be refused.
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
	return open("preflight", "OPTIONS /{proxy+}")
}

func newStage(ctx *pulumi.Context, name string, args *Args, api *apigatewayv2.Api, opts ...pulumi.ResourceOption) (_ *apigatewayv2.Stage, group pulumi.StringOutput, _ error) {
	logs, err := cloudwatch.NewLogGroup(ctx, name, &cloudwatch.LogGroupArgs{
		// Below this prefix AWS does not let the policy of log delivery outgrow its limit:
		// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-V2-CloudWatchLogs.html
		NamePrefix:      pulumi.Sprintf("/aws/vendedlogs/%s-%s/api-", ctx.Project(), ctx.Stack()),
		RetentionInDays: pulumi.Int(args.LogRetentionDays),
		KmsKeyId:        args.KmsKeyArn,
	}, opts...)
	if err != nil {
		return nil, group, fmt.Errorf("creating log group: %w", err)
	}
	format, err := accessLogFormat()
	if err != nil {
		return nil, group, err
	}
	stage, err := apigatewayv2.NewStage(ctx, name, &apigatewayv2.StageArgs{
		ApiId:             api.ID(),
		Name:              pulumi.String("$default"),
		AutoDeploy:        pulumi.Bool(true),
		AccessLogSettings: apigatewayv2.StageAccessLogSettingsArgs{DestinationArn: logs.Arn, Format: pulumi.String(format)},
		// Always both: with one alone the other counts as 0, and every request gets a 429.
		DefaultRouteSettings: apigatewayv2.StageDefaultRouteSettingsArgs{
			ThrottlingBurstLimit: pulumi.Int(args.Throttle.Burst),
			ThrottlingRateLimit:  pulumi.Float64(args.Throttle.Rate),
		},
	}, opts...)
	if err != nil {
		return nil, group, fmt.Errorf("creating stage: %w", err)
	}
	return stage, logs.Name, nil
}

// tlsConfig has the integration speak HTTPS and verify that the certificate of the listener covers a name; "" is HTTP.
func tlsConfig(serverName string) apigatewayv2.IntegrationTlsConfigPtrInput {
	if serverName == "" {
		return nil
	}
	return apigatewayv2.IntegrationTlsConfigArgs{ServerNameToVerify: pulumi.String(serverName)}
}

func corsConfiguration(c *CORS, authorization string) apigatewayv2.ApiCorsConfigurationPtrInput {
	if !c.enabled() {
		return nil
	}
	return apigatewayv2.ApiCorsConfigurationArgs{
		AllowOrigins: pulumi.ToStringArray(c.origins()),
		AllowMethods: pulumi.ToStringArray(c.AllowMethods),
		AllowHeaders: pulumi.ToStringArray(c.headers(authorization)),
		MaxAge:       pulumi.Int(c.MaxAge),
	}
}

// accessLogFormat is one JSON object a request, with what it takes to say which hop failed: the API, the authorizer,
// the link or the service.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
func accessLogFormat() (string, error) {
	b, err := json.Marshal(map[string]string{
		"requestId":            "$context.requestId",
		"requestTime":          "$context.requestTime",
		"sourceIp":             "$context.identity.sourceIp",
		"userAgent":            "$context.identity.userAgent",
		"caller":               "$context.identity.caller",
		"httpMethod":           "$context.httpMethod",
		"path":                 "$context.path",
		"routeKey":             "$context.routeKey",
		"protocol":             "$context.protocol",
		"status":               "$context.status",
		"responseLength":       "$context.responseLength",
		"responseLatency":      "$context.responseLatency",
		"integrationStatus":    "$context.integration.status",
		"integrationLatency":   "$context.integration.latency",
		"integrationError":     "$context.integration.error",
		"integrationRequestId": "$context.integration.requestId",
		"authorizerError":      "$context.authorizer.error",
		"error":                "$context.error.message",
	})
	return string(b), err
}
