package producer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"private-api/internal/fakeaws"
	"private-api/internal/rollout"
	"private-api/internal/testkit"
)

func zone(name, id string) Zone { return Zone{Name: name, ID: id} }

func TestChooseZones(t *testing.T) {
	// In this account us-east-1a is the zone without VPC links.
	virginia := []Zone{zone("us-east-1c", "use1-az2"), zone("us-east-1a", "use1-az3"), zone("us-east-1b", "use1-az1"), zone("us-east-1d", "use1-az4")}
	for _, test := range []struct {
		name      string
		region    string
		available []Zone
		named     []string
		count     int
		want      []string
		known     bool
		refused   string
	}{
		{"by id, not by name", "us-east-1", virginia, nil, 2, []string{"us-east-1b", "us-east-1c"}, true, ""},
		{"three", "us-east-1", virginia, nil, 3, []string{"us-east-1b", "us-east-1c", "us-east-1d"}, true, ""},
		{"too few", "us-east-1", virginia, nil, 4, nil, true, "availabilityZoneCount: 4 is not allowed: as many zones as us-east-1 has with VPC links for this account, which is 3"},
		{"named, in the order given", "us-east-1", virginia, []string{"us-east-1d", "us-east-1b"}, 2, []string{"us-east-1d", "us-east-1b"}, true, ""},
		{"named, without links", "us-east-1", virginia, []string{"us-east-1a", "us-east-1b"}, 2, nil, true,
			`availabilityZones: "us-east-1a" is not allowed: zones of us-east-1 that have VPC links for this account: us-east-1b, us-east-1c, us-east-1d`},
		{"named, of another region", "us-east-1", virginia, []string{"us-east-1b", "us-west-2a"}, 2, nil, true, `availabilityZones: "us-west-2a" is not allowed`},
		{"named by id", "us-east-1", virginia, []string{"use1-az1", "use1-az2"}, 2, nil, true, `availabilityZones: "use1-az1" is not allowed`},
		{"named, region not in the list", "xx-west-9", []Zone{zone("xx-west-9b", "xxw9-az1")}, []string{"xx-west-9c"}, 2, nil, false, `availabilityZones: "xx-west-9c" is not allowed`},
		{"not in the list", "xx-west-9", []Zone{zone("xx-west-9b", "xxw9-az1"), zone("xx-west-9a", "xxw9-az2")}, nil, 2, []string{"xx-west-9a", "xx-west-9b"}, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, known, problems := ChooseZones(test.region, test.available, test.named, test.count)
			err := problems.Err()
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || !slices.Equal(got, test.want) || known != test.known {
				t.Errorf("%v known %v, error %v", got, known, err)
			}
		})
	}
}

// A target group's name holds producer and service, and what Pulumi puts behind.
func TestNamesFitIntoATargetGroup(t *testing.T) {
	for _, producer := range []string{"producer", "p"} {
		name := producer + "-" + strings.Repeat("x", maxServiceName(producer)) + "-1234567"
		if len(name) != 32 {
			t.Errorf("%s: the longest name has %d characters, want 32", producer, len(name))
		}
	}
	if got := maxServiceName("producer"); got != 15 {
		t.Errorf("a service of the producer may have %d characters, want 15", got)
	}
}

// Every form in which an image can be written: which repository the pull policy names, and what ECS is told to pull.
func TestImageReferences(t *testing.T) {
	const account = "123456789012"
	for _, test := range []struct{ name, arn, pulled string }{
		{account + ".dkr.ecr.us-west-2.amazonaws.com/team/book", "arn:aws:ecr:us-west-2:123456789012:repository/team/book", ""},
		{account + ".dkr.ecr.us-west-2.amazonaws.com/team/book:v1", "arn:aws:ecr:us-west-2:123456789012:repository/team/book", account + ".dkr.ecr.us-west-2.amazonaws.com/team/book"},
		{account + ".dkr.ecr.us-west-2.amazonaws.com/a/b.c/d_e/f__g/h--i:V_1.x-Y", "arn:aws:ecr:us-west-2:123456789012:repository/a/b.c/d_e/f__g/h--i", account + ".dkr.ecr.us-west-2.amazonaws.com/a/b.c/d_e/f__g/h--i"},
		{account + ".dkr.ecr-fips.us-west-2.amazonaws.com/book", "arn:aws:ecr:us-west-2:123456789012:repository/book", ""},
		{account + ".dkr-ecr.us-west-2.on.aws/book", "arn:aws:ecr:us-west-2:123456789012:repository/book", ""},
		{account + ".dkr-ecr-fips.us-west-2.on.aws/book:v1", "arn:aws:ecr:us-west-2:123456789012:repository/book", account + ".dkr-ecr-fips.us-west-2.on.aws/book"},
		{account + ".dkr.ecr.us-west-2.amazonaws.com/ecr-public/docker/library/nginx", "arn:aws:ecr:us-west-2:123456789012:repository/ecr-public/docker/library/nginx", ""},
		{account + ".dkr.ecr.us-gov-west-1.amazonaws.com/book", "arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/book", ""},
		{account + ".dkr-ecr.us-gov-east-1.on.aws/book", "arn:aws-us-gov:ecr:us-gov-east-1:123456789012:repository/book", ""},
		{account + ".dkr.ecr.cn-north-1.amazonaws.com.cn/book", "arn:aws-cn:ecr:cn-north-1:123456789012:repository/book", ""},
		{account + ".dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn/book", "arn:aws-cn:ecr:cn-northwest-1:123456789012:repository/book", ""},
		{account + ".dkr.ecr.us-iso-east-1.c2s.ic.gov/book", "arn:aws-iso:ecr:us-iso-east-1:123456789012:repository/book", ""},
		{account + ".dkr.ecr.us-isob-east-1.sc2s.sgov.gov/book", "arn:aws-iso-b:ecr:us-isob-east-1:123456789012:repository/book", ""},
		{account + ".dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk/book", "arn:aws-iso-e:ecr:eu-isoe-west-1:123456789012:repository/book", ""},
		{account + ".dkr.ecr.us-isof-south-1.csp.hci.ic.gov/book", "arn:aws-iso-f:ecr:us-isof-south-1:123456789012:repository/book", ""},
		{"public.ecr.aws/nginx/nginx:1.29", "", "public.ecr.aws/nginx/nginx"},
		{"ecr.example.com/book", "", ""},
		{"localhost:5000/book:v1", "", "localhost:5000/book"},
		{"nginx", "", ""},
		{"evil.example.com/123456789012.dkr.ecr.us-west-2.amazonaws.com/x", "", ""},
	} {
		a := twoServices(t)
		a.Services[0].Image = test.name + "@" + digest
		if m := registryHost.FindStringSubmatch(strings.SplitN(test.name, "/", 2)[0]); m != nil {
			a.Region = m[4]
		}
		r := &testkit.Recorder{Account: fakeaws.Account{ID: account, Region: a.Region}}
		if err := tryDeploy(r, a); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var pull []string
		for _, s := range statements(t, r.Get(t, "iam.RolePolicy producer-alpha-execution").Input("policy")) {
			if s.Sid == "Pull" {
				pull = s.Resource
			}
		}
		want := []string{r.Get(t, "ecr.Repository producer-alpha").Outputs["arn"].StringValue()}
		if test.arn != "" {
			want = append(want, test.arn)
		}
		if !slices.Equal(pull, want) {
			t.Errorf("%s: tasks may pull from %q, want %q", test.name, pull, want)
		}
		if got, want := container(t, r, "alpha").Image, cmp.Or(test.pulled, test.name)+"@"+digest; got != want {
			t.Errorf("%s: ECS is told to pull %s, want %s", test.name, got, want)
		}
	}
}

// container is the container definition of a service.
func container(t *testing.T, r *testkit.Recorder, service string) containerDefinition {
	t.Helper()
	var containers []containerDefinition
	definitions := r.Get(t, "ecs.TaskDefinition producer-"+service).Input("containerDefinitions").(string)
	if err := json.Unmarshal([]byte(definitions), &containers); err != nil || len(containers) != 1 {
		t.Fatalf("%v: %s", err, definitions)
	}
	return containers[0]
}

// Every form in which ECS takes a secret, and the resources by which IAM knows it; none: the form is refused.
func TestSecretForms(t *testing.T) {
	const secret = "arn:aws:secretsmanager:us-west-2:123456789012:secret:"
	for value, want := range map[string][]string{
		secret + "db":        {secret + "db", secret + "db-??????"},
		secret + "db-AbCdEf": {secret + "db-AbCdEf", secret + "db-AbCdEf-??????"},
		secret + "prod/db_1+x=.@y!z-AbCdEf:password::":       {secret + "prod/db_1+x=.@y!z-AbCdEf", secret + "prod/db_1+x=.@y!z-AbCdEf-??????"},
		secret + "db:password:AWSPREVIOUS:":                  {secret + "db", secret + "db-??????"},
		secret + "db:::9d4cb84b-ad69-40c0-a0ab-cead36b967e8": {secret + "db", secret + "db-??????"},
		secret + "db::AWSCURRENT:":                           {secret + "db", secret + "db-??????"},
		"arn:aws:ssm:us-west-2:123456789012:parameter/a/b.c": {"arn:aws:ssm:us-west-2:123456789012:parameter/a/b.c"},
		"arn:aws:ssm:eu-west-1:123456789012:parameter/a":     {"arn:aws:ssm:eu-west-1:123456789012:parameter/a"},
		"token":            {"arn:aws:ssm:us-west-2:123456789012:parameter/token"},
		"/app/db_password": {"arn:aws:ssm:us-west-2:123456789012:parameter/app/db_password"},
		"arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a": nil, // of another partition
		secret + "db:password":                               nil, // ECS wants all three colons or none
		secret + "db:a:b:c:d":                                nil,
		secret + "":                                          nil,
		secret + "*":                                         nil,
		"arn:aws:ssm:us-west-2:123456789012:secret:db":       nil,
		"arn:aws:secretsmanager:us-west-2:123456789012:parameter/": nil,
		"arn:aws:ssm:us-west-2:123456789012:parameter/a:3":         nil,
		"/aws/reference/secretsmanager/db":                         nil,
		"SSMtoken":                                                 nil,
		"hunter2!":                                                 nil,
		"":                                                         nil,
	} {
		a := twoServices(t)
		a.Services[0].Secrets = map[string]string{"TOKEN": value}
		if err := a.Validate("producer", 2).Err(); (err != nil) != (want == nil) || err != nil && value != "" && strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", value, err)
		}
		if want == nil {
			continue
		}
		r := deploy(t, a)
		if got := container(t, r, "alpha").Secrets[0].ValueFrom; got != value {
			t.Errorf("%s: ECS is told to read %s", value, got)
		}
		var got []string
		for _, s := range statements(t, r.Get(t, "iam.RolePolicy producer-alpha-execution").Input("policy")) {
			if s.Sid == "Secrets" || s.Sid == "Parameters" {
				got = append(got, s.Resource...)
			}
			if slices.Contains(s.Action, "kms:Decrypt") {
				t.Errorf("%s: a key that nobody named", value)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: tasks may read %q, want %q", value, got, want)
		}
	}
}

// The policies, the endpoints and the parameter's ARN in the partitions of other regions.
func TestPartitions(t *testing.T) {
	for region, want := range map[string]struct{ partition, suffix, ecr string }{
		"us-gov-west-1": {"aws-us-gov", "amazonaws.com", "com.amazonaws.us-gov-west-1.ecr.dkr"},
		"cn-north-1":    {"aws-cn", "amazonaws.com.cn", "cn.com.amazonaws.cn-north-1.ecr.dkr"},
		"eu-west-1":     {"aws", "amazonaws.com", "com.amazonaws.eu-west-1.ecr.dkr"},
	} {
		a := twoServices(t)
		a.Region, a.Egress = region, EgressEndpoints
		a.Services[0].Secrets = map[string]string{"TOKEN": "token"}
		a.Services[0].KmsKey = "arn:" + want.partition + ":kms:" + region + ":123456789012:key/mrk-1"
		r := &testkit.Recorder{Account: fakeaws.Account{ID: "123456789012", Region: region}}
		if err := tryDeploy(r, a); err != nil {
			t.Fatal(err)
		}
		for _, s := range statements(t, r.Get(t, "iam.RolePolicy producer-alpha-execution").Input("policy")) {
			switch s.Sid {
			case "Parameters":
				if got, want := s.Resource[0], "arn:"+want.partition+":ssm:"+region+":123456789012:parameter/token"; got != want {
					t.Errorf("%s: tasks may read %s, want %s", region, got, want)
				}
			case "ParametersKey":
				if got, want := s.Condition["StringEquals"]["kms:ViaService"], "ssm."+region+"."+want.suffix; got != want || !slices.Equal(s.Resource, []string{a.Services[0].KmsKey}) {
					t.Errorf("%s: the key may be used by %s, want %s", region, got, want)
				}
			}
		}
		for name, want := range map[string]string{"producer-ecr-dkr": want.ecr, "producer-ssm": "com.amazonaws." + region + ".ssm"} {
			if got := r.Get(t, "ec2.VpcEndpoint "+name).Input("serviceName"); got != want {
				t.Errorf("%s: endpoint of %v, want %s", region, got, want)
			}
		}
	}
}

// What an image that is made elsewhere gets, by default and as the service says.
func TestImagesMadeElsewhere(t *testing.T) {
	a := twoServices(t)
	a.Services[1].Image = "registry.example.com/nginx@" + digest
	r := deploy(t, a)
	if c := container(t, r, "beta"); c.HealthCheck != nil || c.User != "65532:65532" || !c.ReadonlyRootFilesystem || c.MountPoints != nil {
		t.Errorf("by default: %+v", c)
	}
	if c := container(t, r, "alpha"); c.HealthCheck == nil || !slices.Equal(c.HealthCheck.Command, []string{"CMD", "/service", "-health"}) {
		t.Errorf("built here: %+v", c)
	}

	r = deploy(t, everythingOn(t))
	c := container(t, r, "gamma")
	if c.HealthCheck == nil || c.HealthCheck.Command[0] != "CMD-SHELL" || c.User != "101:101" || !c.ReadonlyRootFilesystem || c.PortMappings[0].ContainerPort != 8081 {
		t.Errorf("as set: %+v", c)
	}
	task := r.Get(t, "ecs.TaskDefinition producer-gamma")
	for i, folder := range []string{"/tmp", "/var/cache/nginx"} {
		if mount := c.MountPoints[i]; mount.ContainerPath != folder || mount.ReadOnly || mount.SourceVolume != task.Input(fmt.Sprintf("volumes.%d.name", i)) {
			t.Errorf("%s: %+v", folder, mount)
		}
	}
	if got := r.Get(t, "lb.TargetGroup producer-gamma").Input("port"); got != 8081. {
		t.Errorf("the load balancer sends to port %v", got)
	}
}

// Something else than a digest fails the update, and no task definition is registered.
func TestPushedImageWithoutADigest(t *testing.T) {
	for _, reported := range []string{"<none>@<none>", "", "repository:tag", "repository@", "repository@sha256:", "repository@sha256:" + strings.Repeat("C", 64), "repository@sha512:" + strings.Repeat("c", 64)} {
		r := &testkit.Recorder{Replace: func(made *testkit.Resource, outputs resource.PropertyMap) {
			if made.String() == "docker.Image producer-alpha" {
				outputs["repoDigest"] = resource.NewStringProperty(reported)
			}
		}}
		err := tryDeploy(r, twoServices(t))
		if err == nil {
			t.Fatalf("%q: the update succeeded", reported)
		}
		for _, want := range []string{"service alpha", fmt.Sprintf("%q", reported), "Podman", "services.alpha.image"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: the message does not say %q: %v", reported, want, err)
			}
		}
		if slices.Contains(r.List(), "ecs.TaskDefinition producer-alpha") {
			t.Errorf("%q: a task definition is registered", reported)
		}
	}
}

// What runs, and what ran before it, outlives any time and 31 pushes, of which each may leave three images.
func TestImagesThatMayRunAreKept(t *testing.T) {
	var p struct {
		Rules []struct {
			Selection struct {
				TagStatus, CountType string
				CountNumber          int
			}
		}
	}
	if err := json.Unmarshal([]byte(lifecyclePolicy), &p); err != nil || len(p.Rules) == 0 {
		t.Fatalf("%v: %s", err, lifecyclePolicy)
	}
	for _, rule := range p.Rules {
		if s := rule.Selection; s.CountType != "imageCountMoreThan" || s.CountNumber < 3*(31+2) {
			t.Errorf("the rule %+v can let an image expire that runs", s)
		}
	}
}

// No two stacks share a name that AWS or people use, even where both have the same name.
func TestNamesOfOneStackAlone(t *testing.T) {
	r := deploy(t, twoServices(t))
	cluster := r.Get(t, "ecs.Cluster producer").Outputs["name"].StringValue()
	for _, group := range r.All("cloudwatch.LogGroup") {
		if name := group.Input("name"); name != nil && !strings.Contains(name.(string), "/"+cluster+"/") {
			t.Errorf("%s has the fixed name %v", group, name)
		}
	}
	if got := r.Get(t, "ecs.TaskDefinition producer-alpha").Input("family"); got != cluster+"-alpha" {
		t.Errorf("the family is %v, want one that begins with the cluster's name, %s", got, cluster)
	}
}

func TestContainerDefinitionsRefuseATag(t *testing.T) {
	_, err := containerDefinitions(&Service{Name: "book"}, &Args{}, "registry/book:latest", "/ecs/book")
	if err == nil || !strings.Contains(err.Error(), "registry/book:latest") {
		t.Errorf("error %v", err)
	}
}

// With a role, the program's own calls are made as that role: its credentials sign them.
func TestAssumesTheRole(t *testing.T) {
	var assumed, signed string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			signed = r.Header.Get("Authorization")
			fmt.Fprint(w, `{"serviceDeployments":[]}`)
			return
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		assumed = r.PostForm.Encode()
		fmt.Fprint(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	}))
	defer api.Close()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	args := &Args{Region: "us-west-2", Endpoint: api.URL}
	ask := func() {
		cfg, err := args.awsConfig(t.Context())
		if err == nil {
			_, err = rollout.New(cfg).Newest(t.Context(), "cluster-1", "book-1")
		}
		if err != nil {
			t.Error(err)
		}
	}
	if ask(); assumed != "" || !strings.Contains(signed, "Credential=AKIAOWN/") {
		t.Errorf("without a role: assumed %q, signed %q", assumed, signed)
	}
	args.AssumeRole = AssumeRole{RoleArn: "arn:aws:iam::123456789012:role/deploy", SessionName: "ci", ExternalID: "ours", Duration: "1h", SourceIdentity: "me"}
	if ask(); !strings.Contains(signed, "Credential=ASIAROLE/") {
		t.Errorf("with a role: signed %q", signed)
	}
	for _, want := range []string{"RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdeploy", "RoleSessionName=ci", "ExternalId=ours", "DurationSeconds=3600", "SourceIdentity=me"} {
		if !strings.Contains(assumed, want) {
			t.Errorf("STS is not asked for %s: %s", want, assumed)
		}
	}
}

func TestFargateTable(t *testing.T) {
	pairs := 0
	for cpu, memory := range fargateMemory {
		pairs += len(memory)
		if memory[0] < cpu*2 || memory[len(memory)-1] > cpu*8 {
			t.Errorf("%d CPU units with %v: Fargate gives 2 to 8 GiB a vCPU", cpu, memory)
		}
	}
	if pairs != 3+4+7+13+23+12+12 {
		t.Errorf("%d pairs", pairs)
	}
}
