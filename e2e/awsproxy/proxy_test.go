package awsproxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"private-api/e2e/awsproxy"
)

// upstream answers every call with an empty success in the caller's protocol and counts them.
func upstream(t *testing.T) (*awsproxy.Proxy, aws.Config, *atomic.Int32) {
	t.Helper()
	var count atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		count.Add(1)
		if strings.Contains(string(body), "Action=CreateVpc") {
			_, _ = io.WriteString(w, "<CreateVpcResponse><vpc><vpcId>vpc-1</vpcId></vpc></CreateVpcResponse>")
			return
		}
		if strings.Contains(string(body), "Action=DescribeAlarms") {
			describeAlarms(w, body)
			return
		}
		if strings.Contains(string(body), "Action=") {
			_, _ = io.WriteString(w, "<Response><DeleteRuleResult/></Response>")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"service":{"serviceArn":"arn:aws:ecs:us-west-2:1:service/c/book"},"services":[{"serviceName":"book","clusterArn":"arn:aws:ecs:us-west-2:1:cluster/c"}]}`)
	}))
	t.Cleanup(server.Close)
	p, err := awsproxy.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	url := p.URL()
	return p, aws.Config{
		Region: "us-west-2", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}, &count
}

// calls are one call of each protocol, with the name under which the proxy must record it.
func calls(cfg aws.Config) map[string]func() error {
	ctx := context.Background()
	return map[string]func() error{
		"ec2:CreateVpc": func() error {
			_, err := ec2.NewFromConfig(cfg).CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
			return err
		},
		"elasticloadbalancing:DeleteRule": func() error {
			_, err := elasticloadbalancingv2.NewFromConfig(cfg).DeleteRule(ctx, &elasticloadbalancingv2.DeleteRuleInput{RuleArn: aws.String("arn:rule")})
			return err
		},
		"iam:DeleteRole": func() error {
			_, err := iam.NewFromConfig(cfg).DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("role")})
			return err
		},
		"ecs:CreateService": func() error {
			_, err := ecs.NewFromConfig(cfg).CreateService(ctx, &ecs.CreateServiceInput{ServiceName: aws.String("book")})
			return err
		},
		"logs:CreateLogGroup": func() error {
			_, err := cloudwatchlogs.NewFromConfig(cfg).CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/ecs/book")})
			return err
		},
		"apigateway:CreateApi": func() error {
			_, err := apigatewayv2.NewFromConfig(cfg).CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("api"), ProtocolType: types.ProtocolTypeHttp})
			return err
		},
		"apigateway:DeleteRoute": func() error {
			_, err := apigatewayv2.NewFromConfig(cfg).DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: aws.String("a1"), RouteId: aws.String("r1")})
			return err
		},
		"s3:PutBucketPolicy": func() error {
			_, err := s3.NewFromConfig(cfg).PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("b"), Policy: aws.String(`{"Version":"2012-10-17"}`)})
			return err
		},
		"apigateway:GetIntegrations": func() error {
			_, err := apigatewayv2.NewFromConfig(cfg).GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: aws.String("a1")})
			return err
		},
	}
}

func TestRecordsServiceOperationAndOrder(t *testing.T) {
	p, cfg, _ := upstream(t)
	for name, call := range calls(cfg) {
		mark := p.Mark()
		if err := call(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := p.Since(mark)
		if len(got) != 1 || got[0].String() != name || !got[0].Took || got[0].Status != 200 {
			t.Errorf("%s: recorded %+v", name, got)
		}
		if mutates := name != "apigateway:GetIntegrations"; got[0].Mutates() != mutates {
			t.Errorf("%s: Mutates() = %t", name, !mutates)
		}
	}
	all := p.Calls()
	for i := 1; i < len(all); i++ {
		if !all[i-1].Before(all[i]) || all[i].Before(all[i-1]) {
			t.Errorf("%v is not before %v", all[i-1], all[i])
		}
	}
}

func TestRecordsParametersAndAnswers(t *testing.T) {
	p, cfg, _ := upstream(t)
	for _, name := range []string{"ec2:CreateVpc", "ecs:CreateService", "apigateway:DeleteRoute"} {
		if err := calls(cfg)[name](); err != nil {
			t.Fatal(err)
		}
	}
	got := p.Calls()
	for _, want := range []struct{ what, got, want string }{
		{"form parameter", got[0].Params.Get("CidrBlock"), "10.0.0.0/16"},
		{"XML answer", got[0].Answer.Get("vpcId"), "vpc-1"},
		{"JSON parameter", got[1].Params.Get("serviceName"), "book"},
		{"JSON answer", got[1].Answer.Get("serviceArn"), "arn:aws:ecs:us-west-2:1:service/c/book"},
		{"path parameter", got[2].Params.Get("RouteId"), "r1"},
	} {
		if want.got != want.want {
			t.Errorf("%s: %q, want %q", want.what, want.got, want.want)
		}
	}
}

// What is logged is what was sent: nothing flattened, no number a text.
func TestLogsCallsAsTheyWereSent(t *testing.T) {
	p, cfg, _ := upstream(t)
	ctx := context.Background()
	for _, send := range []func() error{
		func() error {
			_, err := ec2.NewFromConfig(cfg).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-1"}})
			return err
		},
		func() error {
			_, err := ecs.NewFromConfig(cfg).UpdateService(ctx, &ecs.UpdateServiceInput{Service: aws.String("book"), DesiredCount: aws.Int32(2)})
			return err
		},
		func() error {
			_, err := apigatewayv2.NewFromConfig(cfg).CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
				ApiId: aws.String("a1"), RouteKey: aws.String("$default"), AuthorizationScopes: []string{"s"},
			})
			return err
		},
		func() error {
			_, err := apigatewayv2.NewFromConfig(cfg).UntagResource(ctx, &apigatewayv2.UntagResourceInput{
				ResourceArn: aws.String("arn:aws:apigateway:us-west-2::/apis/a1"), TagKeys: []string{"a b"},
			})
			return err
		},
		func() error {
			_, err := cloudwatch.NewFromConfig(cfg).PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
				AlarmName: aws.String("12"), ComparisonOperator: cwtypes.ComparisonOperatorLessThanThreshold, EvaluationPeriods: aws.Int32(10), Threshold: aws.Float64(1.5),
				Dimensions: []cwtypes.Dimension{{Name: aws.String("a"), Value: aws.String("1")}, {Name: aws.String("b"), Value: aws.String("2")}},
			})
			return err
		},
		calls(cfg)["s3:PutBucketPolicy"],
		func() error {
			_, err := s3.NewFromConfig(cfg).PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: aws.String("b"), Tagging: &s3types.Tagging{
				TagSet: []s3types.Tag{{Key: aws.String("Stack"), Value: aws.String("dev")}},
			}})
			return err
		},
		func() error {
			_, err := s3.NewFromConfig(cfg).PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: aws.String("b"), LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{Rules: []s3types.LifecycleRule{{
					Status: s3types.ExpirationStatusEnabled, Expiration: &s3types.LifecycleExpiration{Days: aws.Int32(7)},
				}}},
			})
			return err
		},
	} {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	if err := p.Log(&log); err != nil {
		t.Fatal(err)
	}
	want := `{"service":"ec2","op":"DescribeVpcs","params":{"Action":"DescribeVpcs","Version":"2016-11-15","VpcId.1":"vpc-1"}}
{"service":"ecs","op":"UpdateService","params":{"desiredCount":2,"service":"book"}}
{"service":"apigateway","op":"POST /v2/apis/a1/routes","params":{"_path":"/v2/apis/a1/routes","authorizationScopes":["s"],"routeKey":"$default"}}
{"service":"apigateway","op":"UntagResource","params":{"_path":"/v2/tags/arn%3Aaws%3Aapigateway%3Aus-west-2%3A%3A%2Fapis%2Fa1?tagKeys=a%20b","resource-arn":"arn:aws:apigateway:us-west-2::/apis/a1","tagKeys":["a b"]}}
{"service":"monitoring","op":"PutMetricAlarm","params":{"AlarmName":"12","ComparisonOperator":"LessThanThreshold","Dimensions":[{"Name":"a","Value":"1"},{"Name":"b","Value":"2"}],"EvaluationPeriods":10,"Threshold":1.5}}
{"service":"s3","op":"PutBucketPolicy","params":{"Bucket":"b","Policy":"{\"Version\":\"2012-10-17\"}"}}
{"service":"s3","op":"PutBucketTagging","params":{"Bucket":"b","Tagging":{"TagSet":[{"Key":"Stack","Value":"dev"}]}}}
{"service":"s3","op":"PutBucketLifecycleConfiguration","params":{"Bucket":"b","LifecycleConfiguration":{"Rule":[{"Expiration":{"Days":"7"},"Status":"Enabled"}]}}}
`
	if log.String() != want {
		t.Errorf("logged:\n%swant:\n%s", log.String(), want)
	}
}

// A fault is only worth something if the client takes it for the real one.
func TestThrottlingIsThrottlingToTheSDK(t *testing.T) {
	p, cfg, count := upstream(t)
	throttles := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	for name, call := range calls(cfg) {
		p.Clear()
		p.Inject(&awsproxy.Fault{Kind: awsproxy.Throttle})
		if err := call(); throttles.IsErrorThrottle(err) != aws.TrueTernary {
			t.Errorf("%s: not taken for throttling: %v", name, err)
		}
	}
	if n := count.Load(); n != 0 {
		t.Errorf("%d throttled calls reached the simulator", n)
	}
}

func TestFailuresReachTheClient(t *testing.T) {
	p, cfg, count := upstream(t)
	for _, kind := range []awsproxy.Kind{awsproxy.ServerError, awsproxy.Reset, awsproxy.LoseAnswer} {
		for name, call := range calls(cfg) {
			p.Clear()
			mark, before := p.Mark(), count.Load()
			fault := &awsproxy.Fault{Kind: kind}
			p.Inject(fault)
			err := call()
			var api smithy.APIError
			if isAPI := errors.As(err, &api); err == nil || isAPI != (kind == awsproxy.ServerError) {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
			if took := kind == awsproxy.LoseAnswer; (count.Load() > before) != took || p.Since(mark)[0].Took != took {
				t.Errorf("%s, %s: took effect: %t", name, kind, !took)
			}
			if p.Hits(fault) != 1 {
				t.Errorf("%s, %s: hits = %d", name, kind, p.Hits(fault))
			}
			if err := call(); err != nil {
				t.Errorf("%s after %s: %v", name, kind, err)
			}
		}
	}
}

func TestFaultHitsCallsOfItsKind(t *testing.T) {
	p, cfg, _ := upstream(t)
	p.Inject(&awsproxy.Fault{Kind: awsproxy.ServerError, Service: "ec2", Operation: "CreateVpc", Times: 2})
	for i, fails := range []bool{true, true, false, false} {
		if err := calls(cfg)["iam:DeleteRole"](); err != nil {
			t.Errorf("a call of another kind: %v", err)
		}
		if err := calls(cfg)["ec2:CreateVpc"](); (err != nil) != fails {
			t.Errorf("call %d: %v", i+1, err)
		}
	}
}

// What happens at the call (Then) has happened when the answer arrives, and a late answer is recorded as such.
func TestDelayedCallIsAnsweredLate(t *testing.T) {
	p, cfg, _ := upstream(t)
	then := false
	p.Inject(&awsproxy.Fault{Kind: awsproxy.Delay, Operation: "CreateVpc", Delay: 200 * time.Millisecond, Then: func() { then = true }})
	done := make(chan error, 1)
	go func() { done <- calls(cfg)["ec2:CreateVpc"]() }()
	for p.Mark() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := calls(cfg)["iam:DeleteRole"](); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || !then {
		t.Fatalf("delayed call: %v, then called: %t", err, then)
	}
	if all := p.Calls(); all[0].Before(all[1]) || !all[0].Took {
		t.Errorf("the delayed call was over before the next was asked: %+v", all)
	}
}

func TestRepeatedClientTokenGetsTheFirstAnswer(t *testing.T) {
	p, cfg, count := upstream(t)
	for range 2 {
		if _, err := ec2.NewFromConfig(cfg).CreateNatGateway(context.Background(),
			&ec2.CreateNatGatewayInput{SubnetId: aws.String("subnet-1"), ClientToken: aws.String("t1")}); err != nil {
			t.Fatal(err)
		}
	}
	if n := count.Load(); n != 1 || len(p.Calls()) != 2 {
		t.Errorf("%d calls reached the simulator, %d recorded", n, len(p.Calls()))
	}
}

// The simulator forgets part of what an ECS service was given; AWS does not.
func TestServiceKeepsWhatItWasGiven(t *testing.T) {
	p, cfg, _ := upstream(t)
	c := ecs.NewFromConfig(cfg)
	if _, err := c.CreateService(context.Background(), &ecs.CreateServiceInput{
		Cluster: aws.String("arn:aws:ecs:us-west-2:1:cluster/c"), ServiceName: aws.String("book"), HealthCheckGracePeriodSeconds: aws.Int32(60),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateService(context.Background(), &ecs.UpdateServiceInput{
		Cluster: aws.String("c"), Service: aws.String("book"), PropagateTags: "SERVICE",
	}); err != nil {
		t.Fatal(err)
	}
	out, err := c.DescribeServices(context.Background(), &ecs.DescribeServicesInput{Cluster: aws.String("c"), Services: []string{"book"}})
	if err != nil {
		t.Fatal(err)
	}
	if s := out.Services[0]; aws.ToInt32(s.HealthCheckGracePeriodSeconds) != 60 || s.PropagateTags != "SERVICE" {
		t.Errorf("DescribeServices: %+v", s)
	}
	if got := p.Calls()[2].Answer.Get("healthCheckGracePeriodSeconds"); got != "60" {
		t.Errorf("recorded answer: %q", got)
	}
}
