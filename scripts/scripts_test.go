// Package scripts tests the shell scripts behind the Makefile, on stand-ins for
// pulumi, docker and aws that write down how they were called.
package scripts

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// needed are the ordinary tools that the scripts may use; nothing else is on their PATH.
var needed = []string{"basename", "bash", "cat", "curl", "dirname", "env", "grep", "head", "jq", "mkdir", "mktemp", "rm", "sed", "sleep", "sort"}

// standIns answer as the real commands do, as far as the scripts look.
var standIns = map[string]string{
	"pulumi": `
case "$*" in
  version) echo "${FAKE_VERSION:-v3.230.0}" ;;
  "login --local "*) mkdir -p "$HOME/.pulumi"; echo '{"current": "file://~"}' > "$HOME/.pulumi/credentials.json" ;;
  whoami*) if [[ -n ${FAKE_LOGIN_EXPIRED:-} ]]; then echo "error: invalid access token" >&2; exit 1; fi
    echo "User: someone"; echo "Backend URL: ${FAKE_BACKEND:-file://~}" ;;
  "config get --path services."*) [[ " ${FAKE_IMAGES:-} " == *" $4 "* ]] ;;
  "config get deletionProtection"*) echo "${FAKE_PROTECTION:-false}" ;;
  "stack select"*) [[ -z ${FAKE_NO_STACK:-} || $* == *--create* ]] || { echo "error: no stack named 'dev' found" >&2; exit 1; } ;;
  "stack output bastionConnect"*) [[ -n ${FAKE_CONNECT:-} ]] && echo "$FAKE_CONNECT" ;;
  "stack output"*) echo "${FAKE_OUTPUTS:-{\}}" ;;
esac`,
	"docker":                 `[[ -z ${FAKE_ENGINE_DOWN:-} ]] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }`,
	"go":                     ``,
	"session-manager-plugin": ``,
	"moto_server":            ``,
	"aws": `
case "$*" in
  "sts get-caller-identity"*) [[ -z ${FAKE_CREDENTIALS_EXPIRED:-} ]] || { echo "The SSO session has expired" >&2; exit 255; }
    echo arn:aws:iam::123456789012:user/someone ;;
  "configure export-credentials"*) [[ -n ${FAKE_EXPORT:-} ]] && echo "$FAKE_EXPORT" ;;
esac`,
}

// fakes is the folder of the stand-ins. They are written before any test starts a
// process: a file that another process may still be writing cannot be executed.
var fakes string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	var err error
	if fakes, err = os.MkdirTemp("", "stand-ins"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(fakes)
	for name, body := range standIns {
		text := "#!/usr/bin/env bash\necho \"" + name + " $*${PULUMI_CONFIG_PASSPHRASE+ [passphrase]}\" >> \"$CALLS\"\n" + body + "\n"
		if err := os.WriteFile(filepath.Join(fakes, name), []byte(text), 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// sandbox is a small project with the scripts, and a PATH of stand-ins.
type sandbox struct {
	root, calls string
	env         []string
}

func newSandbox(t *testing.T, without ...string) *sandbox {
	t.Helper()
	bin := t.TempDir()
	s := &sandbox{root: t.TempDir(), calls: filepath.Join(t.TempDir(), "calls")}
	s.env = []string{"PATH=" + bin, "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "CALLS=" + s.calls}
	for _, name := range needed {
		real, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not on this machine", name)
		}
		link(t, real, filepath.Join(bin, name))
	}
	for name := range standIns {
		if !slices.Contains(without, name) {
			link(t, filepath.Join(fakes, name), filepath.Join(bin, name))
		}
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lib.sh", "stack", "smoke", "e2e"} {
		link(t, filepath.Join(here, name), filepath.Join(s.root, "scripts", name))
	}
	for name, text := range map[string]string{
		"Pulumi.yaml":          "name: private-api\nrequiredPulumiVersion: \">=3.230.0\"\n",
		"Pulumi.dev.yaml":      "config:\n  aws:region: us-west-2\n",
		"Pulumi.profile.yaml":  "config:\n  aws:profile: work\n",
		"Pulumi.kms.yaml":      "secretsprovider: awskms://alias/pulumi\n",
		"go.mod":               "module private-api\n\ngo 1.26\n",
		"apps/book/main.go":    "package main\n",
		"apps/author/main.go":  "package main\n",
		"apps/internal/x/x.go": "package x\n",
	} {
		name = filepath.Join(s.root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func link(t *testing.T, from, to string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Symlink(from, to)); err != nil {
		t.Fatal(err)
	}
}

// run returns what a person sees, the calls of stand-ins, and whether it went well.
func (s *sandbox) run(t *testing.T, env []string, script string, args ...string) (output, calls string, ok bool) {
	t.Helper()
	cmd := exec.Command(filepath.Join(s.root, "scripts", script), args...)
	cmd.Dir = t.TempDir() // the scripts find the project themselves
	cmd.Env = append(slices.Clone(s.env), env...)
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	log, err2 := os.ReadFile(s.calls)
	if err2 != nil && !os.IsNotExist(err2) {
		t.Fatal(err2)
	}
	return string(out), string(log), err == nil
}

func contains(t *testing.T, what, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if unwanted, not := strings.CutPrefix(want, "!"); not == strings.Contains(text, unwanted) {
			t.Errorf("%s: want %q in\n%s", what, want, text)
		}
	}
}

var keys = []string{"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret"}

func TestStack(t *testing.T) {
	tests := []struct {
		name    string
		args    []string
		without []string
		env     []string
		fails   bool
		output  []string // a leading ! means: not there
		calls   []string
	}{
		{name: "up from nothing", args: []string{"up"},
			output: []string{"AWS: arn:aws:iam::123456789012:user/someone", "encrypted with an empty passphrase", "make smoke STACK=dev"},
			calls: []string{"pulumi login --local", "pulumi stack select dev --create --non-interactive [passphrase]",
				"pulumi up --stack dev [passphrase]", "!--yes"}},
		{name: "up without asking, with arguments", args: []string{"up", "--refresh"}, env: []string{"YES=1", "STACK=test"},
			calls: []string{"pulumi up --stack test --yes --non-interactive --refresh [passphrase]"}},
		{name: "login in the environment stays", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=s3://bucket", "PULUMI_CONFIG_PASSPHRASE=x"},
			output: []string{"!empty passphrase"}, calls: []string{"!pulumi login", "pulumi up --stack dev"}},
		{name: "empty variables are no login", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=", "PULUMI_ACCESS_TOKEN="},
			calls: []string{"pulumi login --local"}},
		{name: "Pulumi Cloud has its own keys", args: []string{"up"}, env: []string{"PULUMI_ACCESS_TOKEN=pul-x", "FAKE_BACKEND=https://app.pulumi.com/someone"},
			calls: []string{"!pulumi login", "pulumi up --stack dev\n"}},
		{name: "shared bucket without passphrase", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=s3://bucket?region=us-west-2"}, fails: true,
			output: []string{"to encrypt the secrets in s3://bucket: set PULUMI_CONFIG_PASSPHRASE"}, calls: []string{"!pulumi up"}},
		{name: "shared bucket with a key service", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=s3://bucket", "STACK=kms"},
			calls: []string{"pulumi up --stack kms\n"}},
		{name: "expired login is not replaced by a local one", args: []string{"up"}, env: []string{"PULUMI_ACCESS_TOKEN=pul-x", "FAKE_LOGIN_EXPIRED=1"}, fails: true,
			output: []string{"access to Pulumi's backend", "invalid access token"}, calls: []string{"!pulumi login", "!pulumi up"}},
		{name: "everything missing at once", args: []string{"up"}, without: []string{"pulumi", "go", "docker", "aws"}, fails: true,
			output: []string{"pulumi 3.230.0 or newer: see", "go 1.26 or newer", "AWS credentials:", "docker, to build the images"}},
		{name: "everything broken at once", args: []string{"up"}, env: []string{"FAKE_VERSION=v3.99.0", "FAKE_CREDENTIALS_EXPIRED=1", "FAKE_ENGINE_DOWN=1"}, fails: true,
			output: []string{"you have 3.99.0", "The SSO session has expired", "Cannot connect to the Docker daemon"}, calls: []string{"!pulumi up"}},
		{name: "newer pulumi", args: []string{"up"}, env: []string{"FAKE_VERSION=v3.1000.0"}, calls: []string{"pulumi up"}},
		{name: "profile of the configuration", args: []string{"up"}, env: []string{"STACK=profile"},
			calls: []string{"aws sts get-caller-identity --query Arn --output text --region us-west-2 --profile work"}},
		{name: "keys without the AWS CLI", args: []string{"up"}, without: []string{"aws"}, env: keys, calls: []string{"pulumi up"}},
		{name: "no Docker where all images are named", args: []string{"up"}, without: []string{"docker"}, env: []string{"FAKE_IMAGES=services.book.image services.author.image"},
			calls: []string{"pulumi up --stack dev"}},
		{name: "no Docker where one image is to be built", args: []string{"up"}, env: []string{"FAKE_ENGINE_DOWN=1", "FAKE_IMAGES=services.book.image"}, fails: true,
			output: []string{"a running Docker engine"}, calls: []string{"!pulumi up"}},
		{name: "preview", args: []string{"preview"}, calls: []string{"pulumi preview --stack dev [passphrase]"}},
		{name: "destroy", args: []string{"destroy"}, env: append(keys, "PULUMI_BACKEND_URL=file:///tmp/x", "YES=1"),
			output: []string{"Everything in stack dev is deleted from AWS"}, calls: []string{"pulumi destroy --stack dev --yes --non-interactive [passphrase]"}},
		{name: "destroy what is protected", args: []string{"destroy"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "FAKE_PROTECTION=true", "YES=1"}, fails: true,
			output: []string{"pulumi config set deletionProtection false --stack dev", "make up STACK=dev"}, calls: []string{"!pulumi destroy"}},
		{name: "destroy before any login", args: []string{"destroy"}, fails: true, output: []string{"not logged in"}, calls: []string{"!pulumi login"}},
		{name: "destroy an unknown stack", args: []string{"destroy"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "FAKE_NO_STACK=1"}, fails: true,
			output: []string{"no stack named 'dev' found"}, calls: []string{"!pulumi destroy"}},
		{name: "outputs", args: []string{"outputs", "--json"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", `FAKE_OUTPUTS={"clusterName":"c"}`},
			output: []string{`{"clusterName":"c"}`}},
		{name: "connect", args: []string{"connect"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", `FAKE_CONNECT=aws ssm start-session --parameters command="bash -l"`},
			calls: []string{"aws ssm start-session --parameters command=bash -l"}},
		{name: "connect without a bastion", args: []string{"connect"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x"}, fails: true, output: []string{"has no bastion"}},
		{name: "connect without the tools", args: []string{"connect"}, without: []string{"aws", "session-manager-plugin"},
			env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "FAKE_CONNECT=true"}, fails: true, output: []string{"the AWS CLI", "the Session Manager plugin"}},
		{name: "unknown command", args: []string{"rm"}, fails: true, output: []string{"usage:"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			output, calls, ok := newSandbox(t, test.without...).run(t, test.env, "stack", test.args...)
			if ok == test.fails {
				t.Errorf("succeeded: %v, want %v\n%s", ok, !test.fails, output)
			}
			contains(t, "output", output, test.output...)
			contains(t, "calls", calls, test.calls...)
		})
	}
}

const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

func TestSmoke(t *testing.T) {
	healthy := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/health") {
			fmt.Fprintf(w, `{"status":"ok","service":"x","version":%q}`, digest)
		} else {
			fmt.Fprint(w, `[{"id":1},{"id":2}]`)
		}
	}
	starting := 0
	tests := []struct {
		name    string
		handler http.HandlerFunc
		env     []string
		without []string
		fails   bool
		output  []string
	}{
		{name: "all is well", handler: healthy, output: []string{"book", "author", "sha256:111111111111 ", "2 entries", "ok"}},
		{name: "another version", handler: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"version":"sha256:2222"}`) }, fails: true,
			output: []string{"sha256:2222", "wrong version", "not every service"}},
		{name: "not JSON", handler: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<html>`) }, fails: true, output: []string{"wrong version"}},
		{name: "late", handler: func(w http.ResponseWriter, r *http.Request) {
			if starting++; starting == 1 { // the requests come one after the other
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			healthy(w, r)
		}, env: []string{"SMOKE_SECONDS=30"}, output: []string{"waiting for author: health: 503: no healthy task", "2 entries"}},
		{name: "wrong path", handler: http.NotFound, fails: true, output: []string{"health: 404: no route or listener rule"}},
		{name: "the list fails", handler: func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/health") {
				healthy(w, r)
				return
			}
			w.WriteHeader(http.StatusInternalServerError)
		}, fails: true, output: []string{"list: 500"}},
		{name: "iam", handler: signed(healthy), env: append(keys, "AWS_SESSION_TOKEN=session"), output: []string{"2 entries"}},
		{name: "iam, credentials of the AWS CLI", handler: signed(healthy), output: []string{"2 entries"},
			env: []string{`FAKE_EXPORT={"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"secret","SessionToken":"session"}`}},
		{name: "iam without credentials", handler: signed(healthy), env: []string{"SMOKE_SECONDS=60"}, fails: true, output: []string{"403: the API needs a signed request"}},
		{name: "jwt", handler: bearer(healthy), env: []string{"TOKEN=header.body.signature"}, output: []string{"2 entries"}},
		{name: "jwt without a token", handler: bearer(healthy), env: []string{"SMOKE_SECONDS=60"}, fails: true, output: []string{"401: the API needs a bearer token: TOKEN="}},
		{name: "not up", env: []string{"FAKE_OUTPUTS={}"}, fails: true, output: []string{"stack dev has no services yet"}},
		{name: "bad bound", env: []string{"SMOKE_SECONDS=soon"}, fails: true, output: []string{"SMOKE_SECONDS=soon is not a number"}},
		{name: "no pulumi", without: []string{"pulumi"}, fails: true, output: []string{"pulumi 3.230.0 or newer: see"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.handler)
			defer server.Close()
			outputs, err := json.Marshal(map[string]map[string]string{
				"serviceUrls":  {"book": server.URL + "/api/books", "author": server.URL + "/api/authors"},
				"imageDigests": {"book": digest, "author": digest},
			})
			if err != nil {
				t.Fatal(err)
			}
			env := append([]string{"PULUMI_BACKEND_URL=file:///tmp/x", "SMOKE_SECONDS=0", "FAKE_OUTPUTS=" + string(outputs)}, test.env...)
			output, _, ok := newSandbox(t, test.without...).run(t, env, "smoke")
			if ok == test.fails {
				t.Errorf("succeeded: %v, want %v", ok, !test.fails)
			}
			contains(t, "output", output, test.output...)
		})
	}
}

func TestE2E(t *testing.T) {
	for _, test := range []struct {
		name    string
		args    []string
		without []string
		env     []string
		fails   bool
		output  []string
	}{
		{name: "all is there", args: []string{"env"}, output: []string{"E2E_REQUIRED=1"}},
		{name: "only the check"},
		{name: "everything missing at once", args: []string{"env"}, without: []string{"pulumi", "moto_server"}, fails: true,
			output: []string{"pulumi 3.230.0 or newer", "moto_server, an AWS simulator", "!E2E_REQUIRED=1"}},
		{name: "only the check, nothing there", without: []string{"pulumi", "moto_server"}, fails: true},
		{name: "a simulator that is running", args: []string{"env"}, without: []string{"moto_server"},
			env: []string{"E2E_ENDPOINT_URL=http://127.0.0.1:5555"}, output: []string{"E2E_REQUIRED=1"}},
		{name: "a real account", args: []string{"env"}, without: []string{"moto_server"}, env: []string{"E2E_AWS=1"}, output: []string{"E2E_REQUIRED=1"}},
		{name: "the exit code of the command", args: []string{"bash", "-c", "exit 3"}, fails: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			output, _, ok := newSandbox(t, test.without...).run(t, test.env, "e2e", test.args...)
			if ok == test.fails {
				t.Errorf("succeeded: %v, want %v\n%s", ok, !test.fails, output)
			}
			contains(t, "output", output, test.output...)
		})
	}
}

// signed refuses what an API with authorization iam refuses, as far as a look at the header tells.
func signed(next http.HandlerFunc) http.HandlerFunc {
	valid := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/us-west-2/execute-api/aws4_request, *SignedHeaders=[a-z0-9;-]*x-amz-security-token[a-z0-9;-]*, *Signature=[0-9a-f]{64}$`)
	return func(w http.ResponseWriter, r *http.Request) {
		if !valid.MatchString(r.Header.Get("Authorization")) || r.Header.Get("X-Amz-Security-Token") != "session" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

func bearer(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer header.body.signature" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

// A tag can be moved to other code by whoever owns the action; a commit cannot.
// The one exception is by the vendor of the program that gets the credentials anyway.
func TestActionsArePinned(t *testing.T) {
	const exception = "uses: pulumi/actions@v6"
	pinned := regexp.MustCompile(`^\s*(- )?uses: [\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if strings.Contains(line, "uses:") && !pinned.MatchString(line) && !strings.HasSuffix(line, exception) {
				t.Errorf("%s:%d: want owner/action@commit # version:\n%s", file, i+1, line)
			}
		}
	}
}

// Every command is in the list that a newcomer gets.
func TestMakeHelp(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not on this machine")
	}
	text, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, phony, _ := strings.Cut(string(text), ".PHONY: ")
	phony, _, _ = strings.Cut(phony, "\n")
	out, err := exec.Command("make", "-s", "-C", "..").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, target := range strings.Fields(phony) {
		if !regexp.MustCompile(`(?m)^  ` + target + ` +\S`).Match(out) {
			t.Errorf("make help does not list %s:\n%s", target, out)
		}
	}
}
