package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"private-api/e2e/awsproxy"
)

const region = "us-west-2"

// TestMain points the AWS SDK of this process at nothing, so that a test on a simulator can never reach a real account
// where the program is not told to ask the proxy.
func TestMain(m *testing.M) {
	if os.Getenv("E2E_AWS") == "" {
		for _, variable := range os.Environ() {
			if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
				_ = os.Unsetenv(name)
			}
		}
		for name, value := range simulated("http://127.0.0.1:9") {
			_ = os.Setenv(name, value)
		}
	}
	os.Exit(m.Run())
}

// simulated is the environment of a client of the simulator at url.
func simulated(url string) map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED": "true",
	}
}

// skip ends the test because this machine lacks something.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("E2E_REQUIRED") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// onRig reports whether the plugins are the rig's, whose docker plugin builds nothing.
func onRig() bool { return os.Getenv("RIG_BRIDGE") != "" && os.Getenv("RIG_TERRAFORM_PROVIDER") != "" }

func needEngine(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes minutes, and make test is to be quick: make e2e runs it")
	}
	if _, err := os.Stat("../../shared/rig/setup"); err == nil && !onRig() && os.Getenv("E2E_ENDPOINT_URL")+os.Getenv("E2E_AWS") == "" {
		skip(t, `the rig is there but not set up; in the folder that holds go.mod run: eval "$(../shared/rig/setup)"`)
	}
	if _, err := exec.LookPath("pulumi"); err != nil {
		skip(t, "no pulumi on the PATH; install the CLI (https://www.pulumi.com/docs/install/)")
	}
}

// account is what a stack is made in: a simulator behind a proxy, or the real thing.
type account struct {
	env      map[string]string
	attempts int             // how often the provider tries a call; 0: as often as it likes
	aws      aws.Config      // past the proxy: what the tests ask is not recorded
	proxy    *awsproxy.Proxy // nil on a real account
	own      bool            // nobody else uses it: all that appears in it is the test's
	start    inventory       // what was there before the test
}

// newAccount is an account for a test that then runs in parallel with others.
func newAccount(t *testing.T) *account {
	t.Helper()
	t.Parallel()
	return newAccountAlone(t)
}

// newAccountAlone starts a simulator and a proxy in front of it.
func newAccountAlone(t *testing.T) *account {
	t.Helper()
	needEngine(t)
	if os.Getenv("E2E_AWS") != "" {
		t.Skip("needs a simulator's recorded calls; E2E_AWS is set")
	}
	url, own := os.Getenv("E2E_ENDPOINT_URL"), false
	if url == "" {
		url, own = startSimulator(t), true
	}
	proxy, err := awsproxy.New(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	t.Cleanup(func() { validate(t, proxy) })
	a := &account{env: simulated(proxy.URL()), proxy: proxy, own: own, aws: aws.Config{
		Region: region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}}
	a.start = a.inventory(t)
	return a
}

// validator holds recorded calls against the models that AWS publishes with its SDK. It comes with the rig.
const validator = "../../shared/rig/validate"

// validate asserts that AWS would take every call that passed the proxy, as far as its models tell: a simulator takes
// more. Without the rig there is nothing that could tell.
func validate(t *testing.T, proxy *awsproxy.Proxy) {
	t.Helper()
	if _, err := os.Stat(validator); err != nil {
		return
	}
	report, err := validation(t, proxy)
	if err != nil {
		t.Errorf("AWS would refuse these calls (%v):\n%s", err, report)
		return
	}
	t.Logf("calls held against AWS's models: %s", report)
}

// validation returns what the validator says of the calls so far, and an error if it refuses one.
func validation(t *testing.T, proxy *awsproxy.Proxy) (report []byte, err error) {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "*.jsonl")
	if err == nil {
		err = errors.Join(proxy.Log(log), log.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	report, err = exec.Command(validator, log.Name()).CombinedOutput()
	if rest := misread.ReplaceAll(report, nil); len(rest) < len(report) && bytes.HasPrefix(rest, []byte("{")) {
		return report, nil // and nothing else
	}
	return report, err
}

// misread is what the validator refuses and AWS takes: it reads the pattern of printable characters as one of a word and a space.
var misread = regexp.MustCompile(`(?m)^ *\d+ \S+: '[[:print:]]+' does not match '\\\\p\{Print\}\+'\n`)

// anyAccount is newAccount, or the real account where that is asked for: for tests that assert on the account alone.
func anyAccount(t *testing.T) *account {
	t.Helper()
	if os.Getenv("E2E_AWS") == "" {
		return newAccount(t)
	}
	needEngine(t)
	t.Parallel()
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(region))
	if err != nil {
		t.Fatal(err)
	}
	a := &account{aws: cfg}
	a.start = a.inventory(t)
	return a
}

// startSimulator starts an empty AWS account on a free port.
func startSimulator(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("moto_server"); err != nil {
		skip(t, "no moto_server on the PATH, and neither E2E_ENDPOINT_URL nor E2E_AWS is set; install moto (pip install 'moto[server]')")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "moto.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("moto_server", "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	// Without TestMain's settings: the simulator is a client of AWS's library too.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }), "MOTO_IAM_LOAD_MANAGED_POLICIES=true", "MOTO_ACM_VALIDATION_WAIT=1")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // moto_server may be a wrapper: end it with its children
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = log.Close()
	})
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	for deadline := time.Now().Add(time.Minute); ; {
		if answer, err := http.Get(url + "/moto-api/data.json"); err == nil {
			_ = answer.Body.Close()
			return url
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("moto_server does not answer at %s:\n%s", url, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// A call of each wire format that AWS refuses, and no simulator, is refused by name; one that it takes is not.
func TestValidation(t *testing.T) {
	_, err := os.Stat(validator)
	if _, noSimulator := exec.LookPath("moto_server"); err != nil || noSimulator != nil {
		t.Skip("no rig, or no simulator, whose models the validator reads")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer server.Close()
	for name, call := range map[string]struct {
		headers map[string]string
		path    string
		body    [2]string // taken, refused
		says    string
	}{
		"logs":                 {map[string]string{"X-Amz-Target": "Logs_20140328.CreateLogGroup"}, "/", [2]string{`{"logGroupName": "/ecs/book"}`, `{"logGroupName": "a b"}`}, "logs.CreateLogGroup.logGroupName: 'a b' does not match"},
		"elasticloadbalancing": {nil, "/", [2]string{"Action=SetRulePriorities&RulePriorities.member.1.Priority=1", "Action=SetRulePriorities&RulePriorities.member.1.Priority=0"}, "Priority: 0: 0 is less than 1"},
		"s3":                   {nil, "/bucket?delete", [2]string{"<Delete><Object><Key>a</Key></Object></Delete>", "<Delete><Object><VersionId>1</VersionId></Object></Delete>"}, "lacks Key"},
		"application-autoscaling": {map[string]string{"X-Amz-Target": "AnyScaleFrontendService.DeleteScalingPolicy"}, "/", [2]string{
			`{"PolicyName": "book-cpu", "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "ResourceId": "service/c/book"}`,
			`{"PolicyName": "book-cpu", "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:Count", "ResourceId": "service/c/book"}`,
		}, "'ecs:service:Count' is none of"},
		"apigateway": {nil, "/v2/apis/a1/integrations", [2]string{`{"integrationType": "HTTP_PROXY", "timeoutInMillis": 50}`, `{"integrationType": "HTTP_PROXY", "timeoutInMillis": 49}`}, "49 is less than 50"},
	} {
		for i, body := range call.body {
			proxy, err := awsproxy.New(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer proxy.Close()
			r, err := http.NewRequest(http.MethodPost, proxy.URL()+call.path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/"+region+"/"+name+"/aws4_request")
			for header, value := range call.headers {
				r.Header.Set(header, value)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			report, err := validation(t, proxy)
			if refused := i == 1; (err != nil) != refused || refused && !strings.Contains(string(report), call.says) {
				t.Errorf("%s, %s: %v\n%s", name, body, err, report)
			}
		}
	}
}
