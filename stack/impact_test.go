package stack

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"private-api/internal/fakeaws"
	"private-api/internal/setting"
)

const interruptsNothing = "This change interrupts nothing.\n"

// What recorded previews of one stack would do to it, each with another change. Of each step they have what is read.
func TestImpactOfPreviews(t *testing.T) {
	for name, want := range map[string][]string{
		"harmless": nil, // other cpu and memory
		"egress":   nil, // endpoints instead of NAT
		"priority": nil,
		"port": {
			"replaces `lb/targetGroup producer-book`: requests fail until the new tasks are healthy",
			"replaces `ec2/instance consumer-bastion`: sessions on the bastion end", // for another bastionAmi
		},
		"path": {
			"replaces `ec2/instance consumer-bastion`: sessions on the bastion end",
			"updates `lb/listenerRule producer-book`: requests for the old path get a 404",
		},
		"gone": { // the service author
			"deletes `lb/listenerRule producer-author`: requests that need it fail",
			"replaces `ec2/instance consumer-bastion`: sessions on the bastion end",
			"deletes `ecr/repository producer-author`, `cloudwatch/logGroup producer-author`: what is in it is lost",
		},
		"bastion": {"deletes `ec2/instance consumer-bastion`: sessions on the bastion end"},
	} {
		file, err := os.Open(filepath.Join("testdata", "previews", name+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		text := interruptsNothing
		if want != nil {
			text = "**What this change may interrupt:**\n\n- " + strings.Join(want, "\n- ") + "\n"
		}
		if got, err := Impact(nil, nil, file); got != text || err != nil {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, text)
		}
	}
}

// Steps that no recording has.
func TestImpactOfSteps(t *testing.T) {
	const urn = "urn:pulumi:dev::private-api::private-api:"
	for _, test := range []struct {
		name, op, urn, want string
		more                string // another step
	}{
		{name: "caller goes", op: "delete", urn: urn + "producer:Producer$private-api:producer:Service$aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule::producer-author-to-producer-book", want: "cut off"},
		{name: "rule goes with its group", op: "delete", urn: urn + "producer:Producer$aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule::producer-book-to-producer-endpoints",
			more: `{"op":"delete","urn":"` + urn + `producer:Producer$aws:ec2/securityGroup:SecurityGroup::producer-endpoints"}`},
		{name: "subnet", op: "replace", urn: urn + "producer:Producer$awsx:ec2:Vpc$aws:ec2/vpc:Vpc$aws:ec2/subnet:Subnet::producer-private-1", want: "connections through it are cut"},
		{name: "subnet of the bastion", op: "replace", urn: urn + "consumer:Consumer$awsx:ec2:Vpc$aws:ec2/vpc:Vpc$aws:ec2/subnet:Subnet::consumer-public-1"},
		{name: "VPC link after its successor", op: "replace", urn: urn + "producer:Producer$aws:apigatewayv2/vpcLink:VpcLink::producer"},
		{name: "listener after its successor", op: "delete", urn: urn + "producer:Producer$aws:lb/listener:Listener::producer",
			more: `{"op":"create","urn":"` + urn + `producer:Producer$aws:lb/listener:Listener::producer-https"}`},
		{name: "listener rule after its successor", op: "replace", urn: urn + "producer:Producer$aws:lb/listenerRule:ListenerRule::producer-book",
			more: `{"op":"create","urn":"` + urn + `producer:Producer$aws:lb/listener:Listener::producer-https"}`},
		{name: "listener", op: "delete", urn: urn + "producer:Producer$aws:lb/listener:Listener::producer", want: "requests that need it fail"},
		{name: "access logs", op: "delete", urn: urn + "producer:Producer$aws:s3/bucket:Bucket::producer-access-logs", want: "what is in it is lost"},
		{name: "domain", op: "delete", urn: urn + "consumer:Consumer$aws:route53/record:Record::consumer-a", want: "requests to the domain fail"},
		{name: "VPC link", op: "delete", urn: urn + "producer:Producer$aws:apigatewayv2/vpcLink:VpcLink::producer", want: "requests that need it fail"},
		{name: "step of a replacement", op: "create-replacement", urn: urn + "producer:Producer$aws:lb/loadBalancer:LoadBalancer::producer"},
		{name: "update", op: "update", urn: urn + "producer:Producer$aws:lb/loadBalancer:LoadBalancer::producer"},
		{name: "the stack itself", op: "delete", urn: "urn:pulumi:dev::private-api::pulumi:pulumi:Stack::private-api-dev"},
	} {
		log := `{"resourcePreEvent":{"metadata":{"op":"` + test.op + `","urn":"` + test.urn + `"}}}`
		if test.more != "" {
			log += `{"resourcePreEvent":{"metadata":` + test.more + `}}`
		}
		got, err := Impact(nil, nil, strings.NewReader(log))
		if quiet := got == interruptsNothing; err != nil || quiet != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %v\n%s", test.name, err, got)
		}
	}
	if _, err := Impact(nil, nil, strings.NewReader(`{"resourcePreEvent":`)); err == nil {
		t.Error("half a log is taken for a whole one")
	}
}

// What the stack costs is in its outputs, of which the last event has the new ones.
func TestImpactOnCost(t *testing.T) {
	state := func(total string) string {
		if total == "" {
			return `{"outputs":{}}`
		}
		return `{"outputs":{"estimatedMonthlyCost":{"total":"` + total + `"}}}`
	}
	for _, test := range []struct{ name, before, after, want string }{
		{"more", "$73.96", "$110.46", "\nEstimated cost a month: $73.96, then **$110.46**\n"},
		{"the same", "$73.96", "$73.96", "\nEstimated cost a month: $73.96\n"},
		{"a new stack", "", "$73.96 to $91.26", "\nEstimated cost a month: $73.96 to $91.26\n"},
		{"a preview that fails on the way", "$73.96", "", ""},
	} {
		log := ""
		for _, after := range []string{"", test.after} {
			log += `{"resOutputsEvent":{"metadata":{"op":"same","type":"pulumi:pulumi:Stack","old":` + state(test.before) + `,"new":` + state(after) + `}}}`
		}
		log += `{"resOutputsEvent":{"metadata":{"op":"same","type":"private-api:producer:Producer","new":{"outputs":{}}}}}`
		if got, err := Impact(nil, nil, strings.NewReader(log)); err != nil || got != interruptsNothing+test.want {
			t.Errorf("%s: %v\n%s", test.name, err, got)
		}
	}
}

// Each type of resource either interrupts something when it goes, or it is known that it does not.
func TestImpactKnowsAllTypes(t *testing.T) {
	quiet := strings.Fields(`acm/certificate acm/certificateValidation apigatewayv2/authorizer appautoscaling/policy appautoscaling/target ec2/defaultSecurityGroup ec2/eip ec2/flowLog ec2/internetGateway ec2/route ec2/routeTable
		ec2/routeTableAssociation ec2/vpcEndpoint ecr/lifecyclePolicy ecs/clusterCapacityProviders ecs/taskDefinition
		iam/instanceProfile iam/role iam/rolePolicy iam/rolePolicyAttachment lb/listenerCertificate
		s3/bucketOwnershipControls s3/bucketPolicy s3/bucketPublicAccessBlock vpc/securityGroupEgressRule`)
	known, all := slices.Clone(quiet), []string(nil)
	for _, interruption := range interruptions {
		known = append(known, strings.Fields(interruption.types)...)
	}
	for _, token := range fakeaws.Types() {
		if _, kind, aws := strings.Cut(token, "aws:"); aws {
			kind, _, _ = strings.Cut(kind, ":")
			all = append(all, kind)
		}
	}
	same(t, "types", slices.Compact(slices.Sorted(slices.Values(known))), all)
}

func TestImpactOfSettings(t *testing.T) {
	for _, test := range []struct{ name, before, after, want string }{
		{"nothing", "", "", ""},
		{"a file that only says the defaults", "", "config:\n  private-api:bastion: \"true\"\n  private-api:desiredCount: 2\n  aws:region: us-west-2\n", ""},
		{"rolling deployment", "config:\n  private-api:cpu: 256\n", "config:\n  private-api:cpu: \"512\"\n", ""},
		{"port of one service", "config:\n  private-api:services:\n    book:\n      cpu: 512\n", "config:\n  private-api:services:\n    book:\n      port: 9090\n",
			"setting `services.book.port`: interrupts that service until its new tasks are healthy"},
		{"an object as the CLI writes it", "", "config:\n  services: '{\"author\":{\"port\":9090}}'\n", "setting `services.author.port`: interrupts"},
		{"region", "config:\n  aws:region: us-west-2\n", "config:\n  aws:region: eu-west-1\n", "setting `aws:region`: another stack"},
		{"list", "", "config:\n  private-api:availabilityZones: [us-west-2a, us-west-2c]\n", "setting `availabilityZones`: fixed by the first up"},
		{"another project's", "config:\n  docker:host: a\n", "config:\n  docker:host: b\n", ""},
	} {
		got, err := Impact([]byte(test.before), []byte(test.after), strings.NewReader(""))
		if quiet := got == interruptsNothing; err != nil || quiet != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %v\n%s", test.name, err, got)
		}
	}
	if got, err := Impact(nil, nil, nil); err != nil || got == interruptsNothing {
		t.Errorf("without a preview nothing is known of resources: %v\n%s", err, got)
	}
	if _, err := Impact(nil, []byte("config: ["), nil); err == nil {
		t.Error("half a file is taken for a whole one")
	}
}

// Which changes of settings count as an interruption. A new setting belongs here, or what it does begins like that of
// those that do not.
func TestInterruptingSettings(t *testing.T) {
	var got []string
	var collect func([]setting.Declaration)
	collect = func(all []setting.Declaration) {
		for _, d := range all {
			if collect(d.Fields); len(d.Fields) == 0 && setting.Interrupts(d.OnChange) {
				got = append(got, d.Key)
			}
		}
	}
	collect(declarations())
	same(t, "settings", got, []string{"aws:region", "aws:profile", "producerVpcCidr", "network.vpcId", "namespace", "services.<name>.port", "authorization", "consumerVpcCidr",
		"bastionAmi", "ssh.keyName", "listener.arn", "availabilityZones", "availabilityZoneCount", "customerManagedKey"})
}
