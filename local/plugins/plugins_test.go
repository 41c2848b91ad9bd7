package plugins

import (
	"context"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"private-api/local/tasks"
	"private-api/trace"
)

// connect serves the providers and returns a client of the one named.
func connect(t *testing.T, name string, set *trace.Set) pulumirpc.ResourceProviderClient {
	t.Helper()
	runner := tasks.New(t.Context(), set, tasks.Options{WithoutProcesses: true})
	t.Cleanup(runner.Close)
	servers, err := Serve(set, runner, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	for attach := range strings.SplitSeq(servers.Attach, ",") {
		provider, port, _ := strings.Cut(attach, ":")
		if provider != name {
			continue
		}
		conn, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return pulumirpc.NewResourceProviderClient(conn)
	}
	t.Fatalf("%s is not in %s", name, servers.Attach)
	return nil
}

func urn(token, name string) string {
	return "urn:pulumi:local::private-api::" + token + "::" + name
}

func structOf(t *testing.T, m map[string]any) *structpb.Struct {
	t.Helper()
	s, err := encode(resource.NewPropertyMapFromMap(m))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUnknownTypesAndLookupsAreNamed(t *testing.T) {
	client := connect(t, "aws", &trace.Set{})
	ctx := context.Background()
	const queue = "aws:sqs/queue:Queue"
	_, checked := client.Check(ctx, &pulumirpc.CheckRequest{Urn: urn(queue, "q"), News: structOf(t, nil)})
	_, unknown := client.Check(ctx, &pulumirpc.CheckRequest{Urn: urn("aws:ec2/vpc:Vpc", "v"), News: structOf(t, map[string]any{"ipv6CidrBlock": "::/0"})})
	_, invoked := client.Invoke(ctx, &pulumirpc.InvokeRequest{Tok: "aws:ec2/getAmi:getAmi", Args: structOf(t, nil)})
	for want, err := range map[string]error{"no resource type " + queue: checked, "no input ipv6CidrBlock": unknown, "has no lookup aws:ec2/getAmi:getAmi": invoked} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	_, err := connect(t, "awsx", &trace.Set{}).Construct(ctx, &pulumirpc.ConstructRequest{Type: "awsx:ecs:FargateService", Name: "s", Inputs: structOf(t, nil)})
	if err == nil || !strings.Contains(err.Error(), "has no awsx:ecs:FargateService") {
		t.Errorf("component: %v", err)
	}
}

// A resource through its life: named once, changed in place, replaced under another name, deleted.
func TestLife(t *testing.T) {
	set := &trace.Set{}
	client := connect(t, "aws", set)
	ctx := context.Background()
	const group = "aws:ec2/securityGroup:SecurityGroup"
	check := func(olds, news *structpb.Struct, seed string) *structpb.Struct {
		t.Helper()
		checked, err := client.Check(ctx, &pulumirpc.CheckRequest{Urn: urn(group, "g"), Olds: olds, News: news, RandomSeed: []byte(seed)})
		if err != nil {
			t.Fatal(err)
		}
		return checked.Inputs
	}
	first := check(nil, structOf(t, map[string]any{"vpcId": "vpc-1"}), "1-seed")
	again := check(first, structOf(t, map[string]any{"vpcId": "vpc-1", "tags": map[string]any{"a": "b"}}), "2-seed")
	if name := again.Fields["name"].GetStringValue(); name != first.Fields["name"].GetStringValue() || !strings.HasPrefix(name, "g-") {
		t.Errorf("the name was %v, is %v", first.Fields["name"], name)
	}
	const role = "aws:iam/role:Role"
	preview, err := client.Create(ctx, &pulumirpc.CreateRequest{Urn: urn(role, "r"), Properties: structOf(t, map[string]any{"name": "r"}), Preview: true})
	if err != nil || set.Len() != 0 {
		t.Fatalf("a preview made %d: %v", set.Len(), err)
	}
	if m, err := decode(preview.Properties); err != nil || !m["arn"].IsComputed() || m["name"].StringValue() != "r" {
		t.Errorf("a preview tells %v: %v", m, err)
	}
	made, err := client.Create(ctx, &pulumirpc.CreateRequest{Urn: urn(group, "g"), Properties: first})
	if err != nil {
		t.Fatal(err)
	}
	diff := func(news *structpb.Struct) *pulumirpc.DiffResponse {
		t.Helper()
		d, err := client.Diff(ctx, &pulumirpc.DiffRequest{Id: made.Id, Urn: urn(group, "g"), Olds: made.Properties, OldInputs: first, News: news})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := diff(first); d.Changes != pulumirpc.DiffResponse_DIFF_NONE {
		t.Errorf("without a change: %v", d)
	}
	if d := diff(again); strings.Join(d.Diffs, " ") != "tags" || len(d.Replaces) != 0 {
		t.Errorf("other tags: %v", d)
	}
	moved := check(nil, structOf(t, map[string]any{"vpcId": "vpc-2"}), "3-seed")
	if d := diff(moved); strings.Join(d.Replaces, " ") != "name vpcId" {
		t.Errorf("another VPC: %v", d)
	}
	if _, err := client.Update(ctx, &pulumirpc.UpdateRequest{Id: made.Id, Urn: urn(group, "g"), Olds: made.Properties, News: again}); err != nil {
		t.Fatal(err)
	}
	if r, ok := set.Find(group, made.Id); !ok || r.Outputs.Object("tags").Text("a") != "b" {
		t.Errorf("after the update: %v", r)
	}
	second, err := client.Create(ctx, &pulumirpc.CreateRequest{Urn: urn(group, "g"), Properties: moved})
	if err != nil || second.Id == made.Id {
		t.Fatalf("the replacement has id %s, what it replaces %s: %v", second.Id, made.Id, err)
	}
	if _, err := client.Delete(ctx, &pulumirpc.DeleteRequest{Id: made.Id, Urn: urn(group, "g"), Properties: made.Properties}); err != nil {
		t.Fatal(err)
	}
	if _, ok := set.Find(group, second.Id); !ok || set.Len() != 1 {
		t.Errorf("%d are left, among them the replacement: %v", set.Len(), ok)
	}
}

func TestRegion(t *testing.T) {
	client := connect(t, "aws", &trace.Set{})
	ctx := context.Background()
	if _, err := client.Configure(ctx, &pulumirpc.ConfigureRequest{Args: structOf(t, map[string]any{"region": "eu-central-1"})}); err != nil {
		t.Fatal(err)
	}
	zones, err := client.Invoke(ctx, &pulumirpc.InvokeRequest{Tok: "aws:index/getAvailabilityZones:getAvailabilityZones", Args: structOf(t, nil)})
	if err != nil || zones.Return.Fields["id"].GetStringValue() != "eu-central-1" {
		t.Errorf("zones of %v: %v", zones, err)
	}
}
