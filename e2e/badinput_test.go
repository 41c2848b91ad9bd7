package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"private-api/e2e/awsproxy"
)

// refusal is something that a user gets wrong, and what must be said about it.
type refusal struct {
	name string
	set  settings
	env  map[string]string // "" takes a variable away
	says []string          // words of the message, all on the terminal
	asks bool              // only AWS can tell: it is asked, and nothing is changed
}

var refusals = []refusal{
	{
		name: "several settings at once",
		set: settings{
			"cpu": 300, "producerVpcCidr": "10.1.0.0/16", "logRetentionDays": 31, "healthCheckTimeoutSeconds": 30,
			"integrationTimeoutSeconds": 31, "authorization": "jwt", "ssh": map[string]any{"keyName": "key", "cidrs": []string{"0.0.0.0/0"}},
		},
		says: []string{
			"the configuration of stack refused was refused, and nothing was changed",
			"cpu", "300", "consumerVpcCidr", "10.1.0.0/16", "logRetentionDays", "31", "healthCheckTimeoutSeconds",
			"integrationTimeoutSeconds", "jwt.issuer", "ssh.cidrs", "0.0.0.0/0",
		},
	},
	{name: "text for a number", set: settings{"desiredCount": "many"}, says: []string{"desiredCount", "must be of type 'integer'"}},
	{name: "no such way out", set: settings{"egress": "nta"}, says: []string{"egress", "nta", "nat-per-zone", "endpoints"}},
	{name: "no such service", set: settings{"services": map[string]any{"boook": map[string]any{"cpu": 512}}}, says: []string{project + ":services.boook", "services.book"}},
	{name: "open production", set: settings{"production": true}, says: []string{"authorization", "allowUnauthenticated"}},
	{name: "no such region", set: settings{"aws:region": "west"}, says: []string{"aws:region", "west", "us-west-2"}},
	{name: "misspelt region", set: settings{"aws:region": "us-wset-2"}, says: []string{"us-wset-2"}},
	{name: "other account", set: settings{"aws:allowedAccountIds": []string{"999999999999"}}, says: []string{"123456789012", "not allowed"}, asks: true},
	{name: "zone without VPC links", set: settings{"aws:region": "eu-west-3", "availabilityZones": []string{"eu-west-3a", "eu-west-3b"}},
		says: []string{project + ":availabilityZones", "eu-west-3b", "eu-west-3a, eu-west-3c"}, asks: true},
	{name: "zone that is not there", set: settings{"availabilityZones": []string{region + "a", region + "x"}}, says: []string{"availabilityZones", region + "x"}, asks: true},
	{name: "range that no VPC may have", set: settings{"producerVpcCidr": "127.0.0.0/16"}, says: []string{"producerVpcCidr", "127.0.0.0/16"}},
	{name: "no role", set: settings{"aws:assumeRole": map[string]any{"roleArn": "deploy"}}, says: []string{"aws:assumeRole.roleArn", "deploy"}},
	{name: "no credentials", env: map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, says: []string{"credential"}},
}

// TestBadInput asserts that what a user gets wrong is refused by name, with an exit code, before anything is made.
func TestBadInput(t *testing.T) {
	a := newAccount(t)
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			b := *a
			b.env, b.attempts = maps.Clone(a.env), 1
			for name, value := range r.env {
				b.env[name] = value
			}
			config := base().with(r.set)
			d := b.newStack(t, "refused", nil, config)
			mark := a.proxy.Mark()
			_, err := d.tryPreview(t, config)
			refused(t, "preview", err, r.says)
			_, _, err = d.tryUp()
			refused(t, "up", err, r.says)
			calls := a.proxy.Since(mark)
			if changing := mutations(calls); len(changing) > 0 || !r.asks && len(calls) > 0 {
				t.Errorf("refused, and yet called: %v", calls)
			}
			for name := range d.resources(t) {
				if !strings.HasPrefix(name, "pulumi:") {
					t.Errorf("refused, and yet made: %s", name)
				}
			}
			a.sweep(t, "refused")
		})
	}
}

// TestValuesOfTheCLI asserts that what the CLI stores for a text is taken, and that a secret is refused: its value is in
// no message and not in the state.
func TestValuesOfTheCLI(t *testing.T) {
	a := newAccount(t)
	d := a.newStack(t, "values", nil, base())
	defer d.reap()
	set := func(path, value string, secret bool) {
		t.Helper()
		if err := d.SetConfigWithOptions(t.Context(), path, auto.ConfigValue{Value: value, Secret: secret}, &auto.ConfigOptions{Path: true}); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{"POOL": "5", "BIG": "18446744073709551615", "ON": "true", "CODE": "007"} {
		set("services.book.environment."+name, value, false)
	}
	if result, err := d.Preview(t.Context()); err != nil {
		t.Errorf("whole numbers and booleans are refused: %v\n%s", err, result.StdOut)
	}
	const value = `hunter2"\`
	set("services.author.environment.DB_PASSWORD", value, true)
	set("services.author.environmnt", "x", false) // refused too
	result, err := d.Up(t.Context())
	refused(t, "up", err, []string{project + ":services: holds a secret", "services.<name>.secrets"})
	state, exportErr := d.Export(t.Context())
	if exportErr != nil {
		t.Fatal(exportErr)
	}
	for what, text := range map[string]string{"message": fmt.Sprint(err), "output": result.StdOut + result.StdErr, "state": string(state.Deployment)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the secret is in the %s:\n%s", what, text)
		}
	}
	a.sweep(t, "values")
}

// refused asserts that an operation failed and what it said.
func refused(t *testing.T, operation string, err error, says []string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s is not refused", operation)
		return
	}
	if !strings.Contains(err.Error(), "code: ") || strings.Contains(err.Error(), "code: 0") {
		t.Errorf("%s: no exit code: %v", operation, err)
	}
	for _, word := range says {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s does not say %q:\n%v", operation, word, err)
		}
	}
}

// TestLockedStack: while one up runs, another says that the stack is locked and how to free it, and harms nothing.
func TestLockedStack(t *testing.T) {
	a := newAccount(t)
	d := a.newStack(t, "locked", nil, base())
	running := make(chan struct{})
	a.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Delay, Operation: "DescribeAvailabilityZones", Delay: 20 * time.Second, Then: func() { close(running) }})
	first := make(chan error, 1)
	go func() {
		_, _, err := d.tryUp()
		first <- err
	}()
	select {
	case <-running:
	case err := <-first:
		t.Fatalf("the first up never asked for zones: %v", err)
	}
	second := a.stackIn(t, d.root, strings.TrimPrefix(d.env["PULUMI_BACKEND_URL"], "file://"), d.Name(), nil, base())
	_, err := second.Up(t.Context())
	if !auto.IsConcurrentUpdateError(err) {
		t.Errorf("the second up is not refused for the lock: %v", err)
	}
	refused(t, "the second up", err, []string{"locked", "pulumi cancel"})
	if err := <-first; err != nil {
		t.Errorf("the first up: %v", err)
	}
	a.compare(t, d)
	d.destroy(t)
	a.sweep(t, "locked")
}
