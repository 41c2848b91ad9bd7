package consumer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"private-api/internal/testkit"
)

// signed are valid arguments with authorization iam.
func signed() *Args {
	a := valid()
	a.Authorization = AuthorizationIAM
	return a
}

// boot runs user data in a shell, with everything that it writes below a folder of the test, and returns that folder.
func boot(t *testing.T, script string) string {
	t.Helper()
	folder := t.TempDir()
	for _, path := range []string{"/etc/profile.d", "/usr/local/bin"} {
		if err := os.MkdirAll(folder+path, 0o755); err != nil {
			t.Fatal(err)
		}
		script = strings.ReplaceAll(script, " "+path+"/", " "+folder+path+"/")
	}
	installs := filepath.Join(folder, "dnf")
	if err := os.WriteFile(installs, []byte("#!/bin/sh\necho \"$*\" >"+quote(folder)+"/installed\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	first := exec.Command("bash")
	first.Env = []string{"PATH=" + folder + ":" + os.Getenv("PATH")}
	first.Stdin = strings.NewReader(script)
	if output, err := first.CombinedOutput(); err != nil || len(output) > 0 {
		t.Fatalf("%v: %s\n%s", err, output, script)
	}
	if installed, err := os.ReadFile(folder + "/installed"); err != nil || string(installed) != "install -y jq\n" {
		t.Errorf("installed: %q %v", installed, err)
	}
	return folder
}

// login returns the value of a variable in a login shell of the bastion; sh is what has to read the profile.
func login(t *testing.T, folder, sh, variable string) string {
	t.Helper()
	output, err := exec.Command(sh, "-euc", `. "$0" && printf %s "$`+variable+`"`, folder+"/etc/profile.d/api.sh").CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %s", sh, err, output)
	}
	return string(output)
}

func TestBastionKnowsTheURLs(t *testing.T) {
	r := deploy(t, everythingOn())
	folder := boot(t, r.Get(t, "ec2.Instance front-bastion").Input("userData").(string))
	url := r.Exports["urls"].(map[string]string)["book-club"]
	if got := login(t, folder, "bash", "BOOK_CLUB_API_URL"); got != url || !strings.HasPrefix(url, "https://") || !strings.HasSuffix(url, "/api/clubs") {
		t.Errorf("BOOK_CLUB_API_URL is %q, want %q", got, url)
	}
	if _, err := os.Stat(folder + "/usr/local/bin/signed-curl"); err == nil {
		t.Error("the bastion can sign, although nothing asks it to")
	}
}

// Whatever a path holds, the shells take it for text.
func TestUserDataIsQuoted(t *testing.T) {
	for _, path := range []string{"/it's", `/"`, "/$(touch x)", "/`touch x`", "/a b", "/\\", "/\nEND\ntouch x\n", "/%s%d", "/é", "/~", "/'; touch x; '"} {
		a := signed()
		a.Services = []Service{{Name: "odd", Path: path}}
		folder := boot(t, a.userData("https://abc"))
		for _, sh := range []string{"bash", "sh"} {
			if got := login(t, folder, sh, "ODD_API_URL"); got != "https://abc"+path {
				t.Errorf("%s reads %q as %q", sh, path, got)
			}
		}
		if command, err := os.ReadFile(folder + "/usr/local/bin/signed-curl"); string(command) != signedCurl {
			t.Errorf("signed-curl is %q %v", command, err)
		}
	}
}

func TestUserDataFits(t *testing.T) {
	a := signed()
	a.Region, a.Services = "us-gov-west-1", nil
	for i := range 120 {
		a.Services = append(a.Services, Service{Name: fmt.Sprintf("service-%07d", i), Path: fmt.Sprintf("/api/service-%07d", i)})
	}
	if err := a.Validate().Err(); err != nil {
		t.Errorf("120 services: %v", err)
	}
	for range 4 {
		a.Services = append(a.Services, a.Services...)
	}
	for i := range a.Services {
		a.Services[i].Name = fmt.Sprintf("service-%07d", i)
	}
	if err := a.Validate().Err(); err == nil || !strings.Contains(err.Error(), "bastion: true is not allowed: false, as the URLs of 1920 services make") {
		t.Errorf("1920 services: %v", err)
	}
	a.Bastion.Enabled = false
	if err := a.Validate().Err(); err != nil {
		t.Errorf("without a bastion: %v", err)
	}
}

func TestServiceNamesBecomeVariables(t *testing.T) {
	for _, name := range []string{"", "a b", "a=b", "Book", "1st", "a;b", "é"} {
		a := valid()
		a.Services = []Service{{Name: name, Path: "/"}}
		if err := tryDeploy(&testkit.Recorder{}, a); err == nil || !strings.Contains(err.Error(), "Services: ") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The output is one command line for a shell: each value is one word of it.
func TestConnectCommand(t *testing.T) {
	for _, profile := range []string{"", "work", "my profile", "it's", "$HOME", "`id`", "a;b", "é", `a"b`, `a\b`} {
		a := valid()
		a.Profile, a.Region = profile, "eu-central-1"
		r := deploy(t, a)
		folder := t.TempDir()
		if err := os.WriteFile(folder+"/aws", []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		connect := exec.Command("bash", "-c", r.Exports["connect"].(string))
		connect.Env = []string{"PATH=" + folder + ":" + os.Getenv("PATH")}
		got, err := connect.CombinedOutput()
		want := []string{"ssm", "start-session", "--region", "eu-central-1", "--profile", profile, "--target", r.Get(t, "ec2.Instance front-bastion").ID,
			"--document-name", "AWS-StartInteractiveCommand", "--parameters", "command=bash -l", ""}
		if profile == "" {
			want = append(want[:4], want[6:]...)
		}
		if err != nil || string(got) != strings.Join(want, "\n") {
			t.Errorf("profile %q: %v\n%s", profile, err, got)
		}
	}
}

// What the bastion may do besides registering, and only where the API asks for a signature.
func TestBastionMayCallTheAPI(t *testing.T) {
	for _, a := range []*Args{valid(), everythingOn()} {
		if made := deploy(t, a).List(); slices.Contains(made, "iam.RolePolicy front-bastion") {
			t.Errorf("authorization %s: the bastion has a policy of its own", a.Authorization)
		}
	}
	r := deploy(t, signed())
	made := r.Get(t, "iam.RolePolicy front-bastion")
	want := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["execute-api:Invoke"],"Resource":["arn:aws:execute-api:us-west-2:123456789012:%s/*"]}]}`,
		r.Get(t, "apigatewayv2.Api front").ID)
	if made.Input("policy") != want || made.Input("role") != r.Get(t, "iam.Role front-bastion").ID {
		t.Errorf("policy of %v: %v, want %s", made.Input("role"), made.Input("policy"), want)
	}
	a := signed()
	a.Bastion.Enabled = false
	if policies := deploy(t, a).All("iam.RolePolicy"); len(policies) > 0 {
		t.Errorf("without a bastion: %v", policies)
	}
}

func TestPartitions(t *testing.T) {
	for region, want := range map[string]struct{ partition, service string }{
		"us-west-2":       {"aws", "ec2.amazonaws.com"},
		"us-gov-west-1":   {"aws-us-gov", "ec2.amazonaws.com"},
		"us-gov-east-1":   {"aws-us-gov", "ec2.amazonaws.com"},
		"cn-north-1":      {"aws-cn", "ec2.amazonaws.com.cn"},
		"cn-northwest-1":  {"aws-cn", "ec2.amazonaws.com.cn"},
		"us-iso-east-1":   {"aws-iso", "ec2.amazonaws.com"},
		"us-isob-east-1":  {"aws-iso-b", "ec2.amazonaws.com"},
		"eu-isoe-west-1":  {"aws-iso-e", "ec2.amazonaws.com"},
		"us-isof-south-1": {"aws-iso-f", "ec2.amazonaws.com"},
	} {
		a := valid()
		a.Region = region
		r := deploy(t, a)
		if got := r.Get(t, "iam.RolePolicyAttachment front-bastion").Input("policyArn"); got != "arn:"+want.partition+":iam::aws:policy/AmazonSSMManagedInstanceCore" {
			t.Errorf("%s: policy %v", region, got)
		}
		if trust := r.Get(t, "iam.Role front-bastion").Input("assumeRolePolicy").(string); !strings.Contains(trust, `"`+want.service+`"`) {
			t.Errorf("%s: trusts %s", region, trust)
		}
	}
}

// The real command, with the real curl: a server stands for the metadata of the instance and for the API, and checks the
// signature with AWS's own SDK.
func TestSignedCurl(t *testing.T) {
	for _, tool := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	const url, region = "http://abc.execute-api.eu-central-1.amazonaws.com/api/books/1", "eu-central-1"
	key := aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "wJalr/XUtn+FEMI==", SessionToken: "IQoJb3/Jp+Z2lu=="}
	metadata := map[string]string{
		"/latest/meta-data/placement/region":                 region,
		"/latest/meta-data/iam/security-credentials/":        "my-role",
		"/latest/meta-data/iam/security-credentials/my-role": fmt.Sprintf(`{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q}`, key.AccessKeyID, key.SecretAccessKey, key.SessionToken),
	}
	called := 0
	var refuse string // path of the metadata
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Host == "169.254.169.254" && r.URL.Path == refuse:
			w.WriteHeader(http.StatusNotFound)
		case r.URL.Host == "169.254.169.254" && r.Method == "PUT" && r.URL.Path == "/latest/api/token" && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "":
			fmt.Fprint(w, "session")
		case r.URL.Host == "169.254.169.254" && r.Method == "GET" && r.Header.Get("X-aws-ec2-metadata-token") == "session":
			fmt.Fprint(w, metadata[r.URL.Path])
		case r.URL.String() == url:
			called++
			empty := sha256.Sum256(nil)
			date, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
			if err != nil || time.Since(date).Abs() > time.Minute {
				t.Errorf("X-Amz-Date: %v", r.Header.Get("X-Amz-Date"))
			}
			want, _ := http.NewRequest(r.Method, url, nil)
			if err := v4.NewSigner().SignHTTP(context.Background(), key, want, hex.EncodeToString(empty[:]), "execute-api", region, date); err != nil {
				t.Error(err)
			}
			if got := r.Header.Get("Authorization"); got != want.Header.Get("Authorization") || r.Header.Get("X-Amz-Security-Token") != key.SessionToken {
				t.Errorf("Authorization %s, want %s; headers %v", got, want.Header.Get("Authorization"), r.Header)
			}
			fmt.Fprint(w, "[]")
		default:
			w.WriteHeader(http.StatusBadGateway)
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
	}))
	defer server.Close()
	command := filepath.Join(boot(t, signed().userData("https://abc")), "usr/local/bin/signed-curl")
	run := func() (string, error) {
		c := exec.Command(command, "-s", "-A", "it's me", url)
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "http_proxy=" + server.URL}
		output, err := c.CombinedOutput()
		return string(output), err
	}
	if output, err := run(); err != nil || called != 1 {
		t.Errorf("%d calls: %v: %s", called, err, output)
	}
	for path := range maps.Keys(metadata) {
		refuse = path
		if output, err := run(); err == nil || called != 1 {
			t.Errorf("without %s: %v, %d calls: %s", path, err, called, output)
		}
	}
}
