package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"

	"private-api/e2e/awsproxy"
)

// operations has, for every AWS service in use, a call of each phase of a stack's life.
var operations = map[string]map[string]string{
	"ec2":                  {"create": "CreateSecurityGroup", "read": "DescribeSubnets", "update": "CreateTags", "delete": "DeleteVpc"},
	"ecs":                  {"create": "CreateService", "read": "DescribeTaskDefinition", "update": "UpdateService", "delete": "DeleteService"},
	"elasticloadbalancing": {"create": "CreateTargetGroup", "read": "DescribeTargetGroups", "update": "ModifyTargetGroup", "delete": "DeleteRule"},
	"apigateway":           {"create": "CreateVpcLink", "read": "GetRoute", "update": "UpdateIntegration", "delete": "DeleteApi"},
	"servicediscovery":     {"create": "CreateService", "read": "GetNamespace", "update": "TagResource", "delete": "DeleteService"},
	"ecr":                  {"create": "CreateRepository", "read": "DescribeRepositories", "update": "TagResource", "delete": "DeleteRepository"},
	"iam":                  {"create": "CreateRole", "read": "GetRolePolicy", "update": "TagRole", "delete": "DeleteRolePolicy"},
	"logs":                 {"create": "CreateLogGroup", "read": "DescribeLogGroups", "update": "PutRetentionPolicy", "delete": "DeleteLogGroup"},
	"ssm":                  {"create": "GetParameter", "update": "GetParameter"},
	"sts":                  {"create": "GetCallerIdentity", "read": "GetCallerIdentity", "update": "GetCallerIdentity", "delete": "GetCallerIdentity"},
}

// runbook has, for what a lost answer or a kill can leave outside the state, the command that removes it. What has none
// goes with what it belongs to.
var runbook = map[string]string{
	"ec2/security-group":   "aws ec2 delete-security-group --group-id %s",
	"ec2/vpc":              "aws ec2 delete-vpc --vpc-id %s",
	"ec2/subnet":           "aws ec2 delete-subnet --subnet-id %s",
	"elb/balancer":         "aws elbv2 delete-load-balancer --load-balancer-arn %s",
	"elb/listener":         "aws elbv2 delete-listener --listener-arn %s",
	"elb/target-group":     "aws elbv2 delete-target-group --target-group-arn %s",
	"api/vpc-link":         "aws apigatewayv2 delete-vpc-link --vpc-link-id %s",
	"ecr/repository":       "aws ecr delete-repository --force --repository-name %s",
	"iam/role":             "aws iam delete-role --role-name %s",
	"logs/group":           "aws logs delete-log-group --log-group-name %s",
	"ecs/service":          "aws ecs delete-service --force --cluster %[2]s --service %[1]s",
	"ecs/task-definition":  "aws ecs deregister-task-definition --task-definition %s",
	"names/service":        "aws servicediscovery delete-service --id %s",
	"ec2/address":          "aws ec2 release-address --allocation-id %s",
	"ec2/internet-gateway": "aws ec2 delete-internet-gateway --internet-gateway-id %s",
}

// life is a stack's whole life with faults in it.
type life struct {
	name     string
	kind     awsproxy.Kind
	services []string
	victim   string   // process that is killed in mid-up and in mid-destroy
	lost     []string // kinds of things that a plain rerun can leave behind, outside the state
}

// forgotten are the kinds of things that a lost answer to the service's create call leaves outside the state: the
// provider asks again, and is refused, or makes a second one.
var forgotten = map[string][]string{
	"apigateway":           {"api/vpc-link"},
	"ec2":                  {"ec2/security-group", "ec2/security-group-rule"}, // a new group has a rule of its own, which goes with it
	"ecr":                  {"ecr/repository"},
	"elasticloadbalancing": {"elb/target-group"},
	"iam":                  {"iam/role"},
	"logs":                 {"logs/group"},
}

// sample is what runs in every test run. Each service, each kind of fault and each kind of process occurs.
var sample = []life{
	{name: "throttled", kind: awsproxy.Throttle, services: []string{"iam", "ecs", "sts"}},
	{name: "500", kind: awsproxy.ServerError, services: []string{"apigateway", "ec2"}},
	{name: "reset", kind: awsproxy.Reset, services: []string{"logs", "elasticloadbalancing", "ssm"}},
	{name: "lost answer", kind: awsproxy.LoseAnswer, services: []string{"servicediscovery", "ecr"}, lost: forgotten["ecr"]},
	{name: "engine killed", victim: "pulumi", lost: []string{"elb/listener"}},
	{name: "plugin killed", victim: "terraform-provider-aws", lost: []string{"elb/listener"}},
}

// everything is each kind of fault for each service, and the kills.
func everything() []life {
	var all []life
	for _, kind := range []awsproxy.Kind{awsproxy.Throttle, awsproxy.ServerError, awsproxy.Reset, awsproxy.LoseAnswer} {
		for _, service := range slices.Sorted(maps.Keys(operations)) {
			l := life{name: string(kind) + " " + service, kind: kind, services: []string{service}}
			if kind == awsproxy.LoseAnswer {
				l.lost = forgotten[service]
			}
			all = append(all, l)
		}
	}
	return append(all, sample[len(sample)-2:]...)
}

// TestFaults takes stacks through their lives while calls fail, answers are lost and processes die. After each failure
// it does what a person would: refresh where Pulumi asks for it, and the same command again. In the end the account
// must hold what the state says, each thing once, and after destroy nothing.
func TestFaults(t *testing.T) {
	t.Parallel()
	lives := sample
	if os.Getenv("E2E_FAULTS") == "all" {
		lives = everything()
	}
	for _, l := range lives {
		t.Run(l.name, func(t *testing.T) {
			a := newAccount(t)
			a.attempts = 2 // what the provider would sit out for minutes becomes an error at once
			d := a.newStack(t, "faults", nil, base())
			p := patient{t, d, l}

			p.through("create", func() error { _, _, err := d.tryUp(); return err })
			p.complete()
			p.through("read", func() error { _, err := d.tryRefresh(); return err })
			expect(t, d.refresh(t), nil)
			d.configure(t, base().with(settings{
				"tags": map[string]any{"Team": "books"}, "logRetentionDays": 7, "integrationTimeoutSeconds": 20,
				"healthCheckTimeoutSeconds": 5, "desiredCount": 3,
			}))
			p.through("update", func() error { _, _, err := d.tryUp(); return err })
			p.complete()
			ops, _ := d.up(t)
			expect(t, ops, nil)
			p.through("delete", func() error { return d.tryDestroy() })
			a.sweep(t, "faults")
		})
	}
}

// patient is a stack in trouble.
type patient struct {
	*testing.T
	d *deployment
	l life
}

// through runs an operation in which calls go wrong, again and again until it is through.
func (p patient) through(phase string, run func() error) {
	p.Helper()
	armed := p.arm(phase)
	err := run()
	for try := 0; err != nil; try++ {
		if try > len(armed)+2 {
			p.Fatalf("%s is not through after %d tries: %v", phase, try, err)
		}
		p.Logf("%s: %s", phase, reason(err))
		p.recover()
		if try > 0 {
			// A plain rerun was not enough: what is gone already cannot be deleted. So look first.
			p.Logf("%s: refresh", phase)
			if _, err := p.d.tryRefresh(); err != nil {
				p.Logf("refresh: %s", reason(err))
			}
		}
		err = run()
	}
	for name, f := range armed {
		if p.d.account.proxy.Hits(f) == 0 {
			p.Errorf("%s: no call %s was made, so that none could fail", phase, name)
		}
	}
	p.d.account.proxy.Clear()
}

// arm sets the faults of a phase.
func (p patient) arm(phase string) map[string]*awsproxy.Fault {
	armed := map[string]*awsproxy.Fault{}
	for _, service := range p.l.services {
		operation := operations[service][phase]
		if operation == "" {
			continue
		}
		f := &awsproxy.Fault{Kind: p.l.kind, Service: service, Operation: operation, Times: 2}
		if p.l.kind == awsproxy.LoseAnswer {
			f.Times = 1 // the second attempt meets what the first one did
		}
		armed[service+":"+operation] = f
	}
	if operation := map[string]string{"create": "CreateListener", "delete": "DeleteListener"}[phase]; p.l.victim != "" && operation != "" {
		armed[operation] = &awsproxy.Fault{Kind: awsproxy.LoseAnswer, Operation: operation, Then: func() {
			p.d.kill(p.T, p.l.victim)
			if p.l.victim == "pulumi" {
				p.d.reap() // its plugins go with it
			}
		}}
	}
	for _, f := range armed {
		p.d.account.proxy.Inject(f)
	}
	return armed
}

// reason is the first line of an engine's output that says what went wrong.
func reason(err error) string {
	for line := range strings.Lines(err.Error()) {
		if strings.Contains(line, "error:") {
			return strings.TrimSpace(line)
		}
	}
	return err.Error()
}

// recover does what the runbook says after a failure: free the lock that a killed engine left, remove by hand what was
// made and is not in the state, and let Pulumi forget the creations of which it does not know the end.
func (p patient) recover() {
	p.Helper()
	if p.l.victim != "" {
		if err := p.d.Cancel(context.Background()); err != nil {
			p.Logf("cancel: %v", err) // no lock: only the engine's own death leaves one
		}
	}
	_, stray := p.d.account.difference(p.T, p.d)
	p.remove(stray)
	if len(p.d.state(p.T).PendingOperations) > 0 {
		p.d.refresh(p.T, optrefresh.ClearPendingCreates())
	}
}

// complete removes what is known to be left behind, and asserts that the account then holds what the state says.
func (p patient) complete() {
	p.Helper()
	_, stray := p.d.account.difference(p.T, p.d)
	p.remove(stray)
	p.d.account.compare(p.T, p.d)
}

// remove runs the runbook on what the life may leave behind.
func (p patient) remove(stray []string) {
	p.Helper()
	for _, have := range stray {
		kind, id, _ := strings.Cut(have, " ")
		if !slices.Contains(p.l.lost, kind) {
			p.Errorf("%s was made and forgotten", have)
		}
		if command := runbook[kind]; command != "" {
			p.shell(command, id)
		}
	}
}

// shell runs a command of the runbook on the thing with the id, past the proxy.
func (p patient) shell(command, id string) {
	p.Helper()
	if parts := strings.Split(id, "/"); strings.Contains(command, "--cluster") {
		command = fmt.Sprintf(command, id, parts[1])
	} else {
		command = fmt.Sprintf(command, id)
	}
	p.Logf("runbook: %s", command)
	words := append(strings.Fields(command), "--endpoint-url", *p.d.account.aws.BaseEndpoint)
	cmd := exec.Command(words[0], words[1:]...)
	for name, value := range p.d.env {
		if !strings.HasPrefix(name, "AWS_ENDPOINT") {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(os.Environ(), cmd.Env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.Errorf("%s: %v\n%s", command, err, out)
	}
}
