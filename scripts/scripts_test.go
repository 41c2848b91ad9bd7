// Package scripts tests the shell scripts behind the Makefile, on stand-ins for
// pulumi, docker and aws that write down how they were called.
package scripts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"gopkg.in/yaml.v3"
)

// needed are the ordinary tools that the scripts may use; nothing else is on their PATH.
var needed = []string{"awk", "basename", "bash", "cat", "chmod", "curl", "dirname", "env", "grep", "head", "id", "jq", "mkdir", "mktemp", "rm", "sed", "sleep", "sort", "tail"}

// standIns answer as the real commands do, as far as the scripts look.
var standIns = map[string]string{
	"pulumi": `
case "$*" in
  version) echo "${FAKE_VERSION:-v3.230.0}" ;;
  "login --local "*) echo '{"current": "file://~"}' > "$PULUMI_HOME/credentials.json" ;;
  whoami*) if [[ -n ${FAKE_LOGIN_EXPIRED:-} ]]; then echo "error: invalid access token" >&2; exit 1; fi
    echo "User: someone"; echo "Backend URL: ${FAKE_BACKEND:-file://~}" ;;
  "config get --path listener.paths "*) [[ -n ${FAKE_ADOPTS:-} ]] ;;
  "config get --path services."*) [[ " ${FAKE_IMAGES:-} " == *" $4 "* ]] ;;
  "config get deletionProtection"*) echo "${FAKE_PROTECTION:-false}" ;;
  "stack select"*) [[ -z ${FAKE_NO_STACK:-} || $* == *--create* ]] || { echo "error: no stack named 'dev' found" >&2; exit 1; }
    [[ $* != *--create* ]] || echo "encryptionsalt: v1" >> Pulumi.dev.yaml ;;
  "preview "*) [[ $* != *--event-log* || ${PULUMI_DEBUG_COMMANDS:-} != true ]] || echo "events" > "${@: -1}"
    echo "would replace ~~~~"; [[ -z ${FAKE_PREVIEW_FAILS:-} ]] || { echo "error: preview failed" >&2; exit 255; } ;;
  "stack output bastionConnect"*) [[ -n ${FAKE_CONNECT:-} ]] && echo "$FAKE_CONNECT" ;;
  "stack output"*) echo "${FAKE_OUTPUTS:-{\}}" ;;
esac`,
	"docker": `
[[ $* == --version || -z ${FAKE_ENGINE_DOWN:-} ]] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }
case "$*" in
  --version) echo "${FAKE_CLIENT:-Docker version 28.2.2, build e6534b4}" ;;
  version) echo "${FAKE_VERSIONS:-Server: Docker Engine - Community}" ;;
  "version --format"*) echo "${FAKE_ENGINE:-28.2.2}" ;;
  "info --format"*) echo "${FAKE_STORE:-[[Backing Filesystem extfs] [Supports d_type true]]}" ;;
esac`,
	"go": `
case "$*" in
  "run ./scripts/impact "*) shift 2; echo "impact of $(cat "$1") to $(cat "$2")${3:+, $(cat "$3")}" ;;
  "build -o .build/trace ./scripts/trace") mkdir -p .build; printf '#!/usr/bin/env bash\nprintf "%%q " trace "$@"' > .build/trace; chmod +x .build/trace ;;
esac`,
	"git": `
case "$*" in
  "show HEAD^1:Pulumi.dev.yaml" | "show main:Pulumi.dev.yaml") echo "config of $2" ;;
  *) echo "fatal: invalid object name" >&2; exit 128 ;;
esac`,
	"session-manager-plugin": ``,
	"gh": `
if [[ $* == *--paginate* ]]; then echo "$FAKE_COMMENT"; else echo "$*"; cat; fi`,
	"moto_server": ``,
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
		text := "#!/usr/bin/env bash\n{ printf " + name + "; (($# == 0)) || printf ' %q' \"$@\"; echo \"${PULUMI_CONFIG_PASSPHRASE+ [passphrase]}\"; } >> \"$CALLS\"\n" + body + "\n"
		if err := os.WriteFile(filepath.Join(fakes, name), []byte(text), 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// sandbox is a small project with the scripts, and a PATH of stand-ins.
type sandbox struct {
	root, home, calls string // home is Pulumi's
	env               []string
}

func newSandbox(t *testing.T, without ...string) *sandbox {
	t.Helper()
	bin := t.TempDir()
	s := &sandbox{root: t.TempDir(), home: t.TempDir(), calls: filepath.Join(t.TempDir(), "calls")}
	s.env = []string{"PATH=" + bin, "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "CALLS=" + s.calls, "PULUMI_HOME=" + s.home}
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
	for _, name := range []string{"lib.sh", "stack", "smoke", "e2e", "comment"} {
		link(t, filepath.Join(here, name), filepath.Join(s.root, "scripts", name))
	}
	for name, text := range map[string]string{
		"Pulumi.yaml":          "name: private-api\nrequiredPulumiVersion: \">=3.230.0\"\n",
		"Pulumi.dev.yaml":      "config:\n  aws:region: us-west-2\n",
		"Pulumi.profile.yaml":  "config:\n  aws:profile: work\n",
		"Pulumi.words.yaml":    "config:\n  aws:profile: my profile # of the team\n  aws:region: 'eu-west-1'\n",
		"Pulumi.signs.yaml":    "config:\n  aws:profile: 'it''s $(touch x) & \"co\": #1'\n",
		"Pulumi.images.yaml":   "config:\n  private-api:services:\n    author:\n      cpu: 512\n      image: repository@sha256:1\n    book:\n      image: repository@sha256:2\n",
		"Pulumi.image.yaml":    "config:\n  private-api:services:\n    author:\n      image: repository@sha256:1\n    book:\n      cpu: 512\n",
		"Pulumi.adopt.yaml":    "config:\n  private-api:listener:\n    arn: arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/a/1/2\n    paths:\n      orders: /orders\n",
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

// files are the project and what Pulumi keeps, by path.
func (s *sandbox) files(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, root := range []string{s.root, s.home} {
		if err := filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			all[name] = string(text)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
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
			output: []string{"to encrypt the secrets in s3://bucket, and not an empty one: set PULUMI_CONFIG_PASSPHRASE"}},
		{name: "shared bucket with the passphrase of a secret that is not set", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=gs://bucket", "PULUMI_CONFIG_PASSPHRASE="}, fails: true,
			output: []string{"to encrypt the secrets in gs://bucket, and not an empty one"}, calls: []string{"!pulumi up"}},
		{name: "shared bucket, destroy with an empty passphrase", args: []string{"destroy"}, env: []string{"PULUMI_BACKEND_URL=s3://bucket", "PULUMI_CONFIG_PASSPHRASE="}, fails: true,
			output: []string{"and not an empty one"}, calls: []string{"!pulumi destroy"}},
		{name: "shared bucket, login of the CLI", args: []string{"preview"}, env: []string{"PULUMI_ACCESS_TOKEN=x", "PULUMI_CONFIG_PASSPHRASE=", "FAKE_BACKEND=azblob://container"}, fails: true,
			output: []string{"to encrypt the secrets in azblob://container"}, calls: []string{"!pulumi preview"}},
		{name: "shared bucket with an empty file", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=s3://bucket", "PULUMI_CONFIG_PASSPHRASE_FILE=/dev/null"}, fails: true,
			output: []string{"and not an empty one"}},
		{name: "shared bucket with a file", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=s3://bucket", "PULUMI_CONFIG_PASSPHRASE_FILE=scripts/stack"}, calls: []string{"pulumi up --stack dev\n"}},
		{name: "an empty variable hides the file", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=s3://bucket", "PULUMI_CONFIG_PASSPHRASE=", "PULUMI_CONFIG_PASSPHRASE_FILE=scripts/stack"}, fails: true,
			output: []string{"and not an empty one"}},
		{name: "an empty passphrase for the local backend", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "PULUMI_CONFIG_PASSPHRASE="},
			output: []string{"!empty passphrase"}, calls: []string{"pulumi up --stack dev [passphrase]"}},
		{name: "an empty passphrase for Pulumi Cloud", args: []string{"up"}, env: []string{"PULUMI_ACCESS_TOKEN=pul-x", "PULUMI_CONFIG_PASSPHRASE=", "FAKE_BACKEND=https://app.pulumi.com/someone"},
			calls: []string{"pulumi up --stack dev"}},
		{name: "no state on a machine of CI", args: []string{"up"}, env: []string{"CI=true", "PULUMI_BACKEND_URL=", "PULUMI_ACCESS_TOKEN="}, fails: true,
			output: []string{"a Pulumi backend that outlives this machine", "set PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN"}, calls: []string{"!pulumi up"}},
		{name: "a state elsewhere, on a machine of CI", args: []string{"up"}, env: []string{"CI=true", "PULUMI_BACKEND_URL=s3://bucket", "PULUMI_CONFIG_PASSPHRASE=x"}, calls: []string{"pulumi up --stack dev"}},
		{name: "shared bucket with a key service", args: []string{"up"}, env: []string{"PULUMI_BACKEND_URL=s3://bucket", "STACK=kms"},
			calls: []string{"pulumi up --stack kms\n"}},
		{name: "expired login is not replaced by a local one", args: []string{"up"}, env: []string{"PULUMI_ACCESS_TOKEN=pul-x", "FAKE_LOGIN_EXPIRED=1"}, fails: true,
			output: []string{"access to Pulumi's backend", "invalid access token"}, calls: []string{"!pulumi up"}},
		{name: "everything missing at once", args: []string{"up"}, without: []string{"pulumi", "go", "docker", "aws"}, fails: true,
			output: []string{"pulumi 3.230.0 or newer: see", "go 1.26 or newer", "AWS credentials:", "docker, to build the images"}},
		{name: "everything broken at once", args: []string{"up"}, env: []string{"FAKE_VERSION=v3.99.0", "FAKE_CREDENTIALS_EXPIRED=1", "FAKE_ENGINE_DOWN=1"}, fails: true,
			output: []string{"you have 3.99.0", "The SSO session has expired", "Cannot connect to the Docker daemon"}, calls: []string{"!pulumi up"}},
		{name: "newer pulumi", args: []string{"up"}, env: []string{"FAKE_VERSION=v3.1000.0"}, calls: []string{"pulumi up"}},
		{name: "profile of the configuration", args: []string{"up"}, env: []string{"STACK=profile"},
			calls: []string{"aws sts get-caller-identity --query Arn --output text --region us-west-2 --profile work"}},
		{name: "keys without the AWS CLI", args: []string{"up"}, without: []string{"aws"}, env: keys, calls: []string{"pulumi up"}},
		{name: "profile of two words", args: []string{"up"}, env: []string{"STACK=words"},
			calls: []string{`--region eu-west-1 --profile my\ profile` + "\n"}},
		{name: "profile of signs", args: []string{"up"}, env: []string{"STACK=signs"},
			calls: []string{`--profile it\'s\ \$\(touch\ x\)\ \&\ \"co\":\ #1` + "\n"}},
		{name: "stack of an organization", args: []string{"up"}, env: []string{"STACK=team/private-api/words"},
			calls: []string{`--profile my\ profile`, "pulumi up --stack team/private-api/words "}},
		{name: "a stack that is none", args: []string{"up"}, env: []string{"STACK=a b"}, fails: true, output: []string{"STACK=a b is not the name of a stack: letters"}},
		{name: "a stack that would be a flag", args: []string{"destroy"}, env: []string{"STACK=--help"}, fails: true, output: []string{"STACK=--help is not"}},
		{name: "a stack that would be a command", args: []string{"up"}, env: []string{"STACK=$(touch x)"}, fails: true, output: []string{"is not the name of a stack"}},
		{name: "arguments of several words", args: []string{"up", "--message", "two words"}, calls: []string{`pulumi up --stack dev --message two\ words`}},

		{name: "no Docker where all images are named", args: []string{"up"}, without: []string{"docker"}, env: []string{"STACK=images"},
			calls: []string{"pulumi up --stack images"}},
		{name: "no Docker where Pulumi knows all images", args: []string{"up"}, without: []string{"docker"},
			env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "FAKE_IMAGES=services.book.image services.author.image"}, calls: []string{"pulumi up --stack dev"}},
		{name: "no Docker where one image is to be built", args: []string{"up"}, env: []string{"FAKE_ENGINE_DOWN=1", "STACK=image"}, fails: true,
			output: []string{"a running Docker engine", "services.<name>.image"}, calls: []string{"!pulumi up"}},
		{name: "no Docker where the services are there already", args: []string{"up"}, without: []string{"docker"}, env: []string{"STACK=adopt"}, calls: []string{"pulumi up --stack adopt"}},
		{name: "no Docker where Pulumi knows of services that are there", args: []string{"up"}, without: []string{"docker"},
			env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "FAKE_ADOPTS=1"}, calls: []string{"pulumi config get --path listener.paths", "pulumi up --stack dev"}},
		{name: "preview without Docker", args: []string{"preview"}, without: []string{"docker"}, fails: true,
			output: []string{"docker, to build the images", "services.<name>.image"}, calls: []string{"!pulumi preview"}},
		{name: "preview without credentials", args: []string{"preview"}, env: []string{"FAKE_CREDENTIALS_EXPIRED=1"}, fails: true, output: []string{"The SSO session has expired"}},
		{name: "preview without Go, logged in", args: []string{"preview"}, without: []string{"go"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x"}, fails: true, output: []string{"go 1.26 or newer"}},
		{name: "preview with an old pulumi", args: []string{"preview"}, env: []string{"FAKE_VERSION=v3.229.0"}, fails: true, output: []string{"you have 3.229.0"}},
		{name: "podman-docker", args: []string{"up"}, env: []string{"FAKE_CLIENT=podman version 4.9.3"}, fails: true, output: []string{"a Docker engine instead of Podman", "docker context use"}},
		{name: "podman by the name of docker", args: []string{"up"}, env: []string{"FAKE_CLIENT=docker version 4.5.0", "FAKE_VERSIONS=Client:       Podman Engine"}, fails: true, output: []string{"instead of Podman"}},
		{name: "podman behind Docker's CLI", args: []string{"up"}, env: []string{"FAKE_VERSIONS=Server: linux/amd64\n Podman Engine:\n  Version: 4.9.3", "FAKE_ENGINE=4.9.3"}, fails: true, output: []string{"instead of Podman"}},
		{name: "podman where all images are named", args: []string{"up"}, env: []string{"FAKE_CLIENT=podman version 4.9.3", "STACK=images"}, calls: []string{"pulumi up --stack images"}},
		{name: "containerd's store in Docker 27.4", args: []string{"up"}, env: []string{"FAKE_ENGINE=27.4.1", "FAKE_STORE=[[driver-type io.containerd.snapshotter.v1]]"}, fails: true,
			output: []string{"Docker 27.5 or newer: 27.4.1", "issues/967", "containerd-snapshotter"}},
		{name: "containerd's store in Docker 9", args: []string{"up"}, env: []string{"FAKE_ENGINE=9.0.1", "FAKE_STORE=[[driver-type io.containerd.snapshotter.v1]]"}, fails: true, output: []string{"Docker 27.5 or newer"}},
		{name: "containerd's store in Docker 27.5", args: []string{"up"}, env: []string{"FAKE_ENGINE=27.5.0", "FAKE_STORE=[[driver-type io.containerd.snapshotter.v1]]"}, calls: []string{"pulumi up"}},
		{name: "Docker's own store in an old Docker", args: []string{"up"}, env: []string{"FAKE_ENGINE=20.10.24+dfsg1"}, calls: []string{"pulumi up"}},
		{name: "preview", args: []string{"preview"}, calls: []string{"pulumi preview --stack dev [passphrase]"}},
		{name: "destroy", args: []string{"destroy"}, env: append(keys, "PULUMI_BACKEND_URL=file:///tmp/x", "YES=1"),
			output: []string{"All resources of stack dev are deleted", "lists what AWS keeps"}, calls: []string{"pulumi destroy --stack dev --yes --non-interactive [passphrase]"}},
		{name: "destroy what is protected", args: []string{"destroy"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "FAKE_PROTECTION=true", "YES=1"}, fails: true,
			output: []string{"pulumi config set deletionProtection false --stack dev", "make up STACK=dev"}, calls: []string{"!pulumi destroy"}},
		{name: "destroy before any login", args: []string{"destroy"}, fails: true, output: []string{"not logged in"}, calls: []string{"!pulumi login"}},
		{name: "destroy an unknown stack", args: []string{"destroy"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "FAKE_NO_STACK=1"}, fails: true,
			output: []string{"no stack named 'dev' found"}, calls: []string{"!pulumi destroy"}},
		{name: "outputs", args: []string{"outputs", "--json"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", `FAKE_OUTPUTS={"clusterName":"c"}`},
			output: []string{`{"clusterName":"c"}`}},
		{name: "connect", args: []string{"connect"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", `FAKE_CONNECT=aws ssm start-session --parameters command="bash -l"`},
			calls: []string{`aws ssm start-session --parameters command=bash\ -l`}},
		{name: "connect with a profile of two words", args: []string{"connect"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", `FAKE_CONNECT=aws ssm start-session --profile 'my profile'`},
			calls: []string{`aws ssm start-session --profile my\ profile [passphrase]`}},
		{name: "connect without a bastion", args: []string{"connect"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x"}, fails: true, output: []string{"has no bastion"}},
		{name: "connect without the tools", args: []string{"connect"}, without: []string{"aws", "session-manager-plugin"},
			env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "FAKE_CONNECT=true"}, fails: true, output: []string{"the AWS CLI", "the Session Manager plugin"}},
		{name: "trace", args: []string{"trace", "-json"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "STACK=prod", "REQUEST=POST /api/books", "SYMPTOM=503"},
			output: []string{`trace -stack prod -request POST\ /api/books -symptom 503 -json`}},
		{name: "trace between services", args: []string{"trace"}, env: []string{"PULUMI_BACKEND_URL=file:///tmp/x", "FROM=book", "TO=author"}, output: []string{"trace -stack dev -from book -to author "}},
		{name: "trace before any login", args: []string{"trace"}, env: []string{"REQUEST=/"}, fails: true, output: []string{"not logged in"}, calls: []string{"!go build"}},
		{name: "unknown command", args: []string{"rm"}, fails: true, output: []string{"usage:"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, test.without...)
			before := s.files(t)
			output, calls, ok := s.run(t, test.env, "stack", test.args...)
			if ok == test.fails {
				t.Errorf("succeeded: %v, want %v\n%s", ok, !test.fails, output)
			}
			if test.fails { // what is refused changes nothing
				contains(t, "calls", calls, "!pulumi login", "!--create")
				if after := s.files(t); !maps.Equal(before, after) {
					t.Errorf("files before: %v, after: %v", before, after)
				}
			}
			contains(t, "output", output, test.output...)
			contains(t, "calls", calls, test.calls...)
		})
	}
}

// The login is looked for where Pulumi's own code has it, whatever HOME says.
func TestCredentialsFile(t *testing.T) {
	for _, env := range [][]string{nil, {"HOME=/elsewhere"}, {"HOME="}, {"HOME=/elsewhere", "PULUMI_HOME=/p"}, {"PULUMI_HOME="}} {
		t.Run(strings.Join(env, " "), func(t *testing.T) {
			t.Setenv("PULUMI_HOME", "")
			for _, variable := range env {
				name, value, _ := strings.Cut(variable, "=")
				t.Setenv(name, value)
			}
			want, err := workspace.GetPulumiPath("credentials.json")
			if err != nil {
				t.Fatal(err)
			}
			s := newSandbox(t)
			cmd := exec.Command("bash", "-c", `source "$1/scripts/lib.sh"; credentials_file`, "bash", s.root)
			if got, err := cmd.Output(); err != nil || strings.TrimSpace(string(got)) != want {
				t.Errorf("%q, %v; Pulumi has it in %q", got, err, want)
			}
		})
	}
}

// A login that Pulumi has written is one, also where HOME is another folder; nothing else is.
func TestLogin(t *testing.T) {
	for text, login := range map[string]bool{`{"current": "https://api.pulumi.com"}`: true, `{"current":"s3://bucket"}`: true, `{"current": ""}`: false, `{}`: false} {
		for _, variable := range []string{"PULUMI_HOME", "PULUMI_CREDENTIALS_PATH"} {
			s, folder := newSandbox(t), t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "credentials.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			output, _, ok := s.run(t, []string{variable + "=" + folder, "HOME=/elsewhere"}, "stack", "outputs")
			if ok != login {
				t.Errorf("%s in %s: %s", text, variable, output)
			}
		}
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
		calls   []string
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
		{name: "iam", handler: signed("us-west-2", healthy), env: append(keys, "AWS_SESSION_TOKEN=session"), output: []string{"2 entries"}},
		{name: "iam, credentials of the AWS CLI, region of the stack", handler: signed("eu-west-1", healthy), output: []string{"2 entries"},
			env:   []string{`FAKE_EXPORT={"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"secret","SessionToken":"session"}`, "STACK=words"},
			calls: []string{`aws configure export-credentials --format process --profile my\ profile`}},
		{name: "iam without credentials", handler: signed("us-west-2", healthy), env: []string{"SMOKE_SECONDS=60"}, fails: true, output: []string{"403: the API needs a signed request"}},
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
			output, calls, ok := newSandbox(t, test.without...).run(t, env, "smoke")
			if ok == test.fails {
				t.Errorf("succeeded: %v, want %v", ok, !test.fails)
			}
			contains(t, "output", output, test.output...)
			contains(t, "calls", calls, test.calls...)
		})
	}
}

// Of what is adopted, nothing is known but that it must answer, and who answers instead.
func TestSmokeOfServicesThatAreAdopted(t *testing.T) {
	for status, says := range map[int]string{
		200: "ok", 204: "ok", 302: "ok", 400: "ok", 405: "ok", 401: "401: the API needs a bearer token", 403: "403: the API needs a signed request",
		404: "404: no route or listener rule has this path", 429: "429: too many requests", 500: "500", 502: "502", 503: "503: no healthy task", 504: "504: the service did not answer in time",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.URL.Path)
				w.WriteHeader(status)
			}))
			defer server.Close()
			output, _, ok := newSandbox(t).run(t, []string{
				"PULUMI_BACKEND_URL=file:///tmp/x", "SMOKE_SECONDS=0", `FAKE_OUTPUTS={"serviceUrls":{"orders":"` + server.URL + `/orders/v2"}}`,
			}, "smoke")
			if ok != (says == "ok") || !slices.Equal(asked, []string{"/orders/v2"}) {
				t.Errorf("succeeded: %v, asked %v", ok, asked)
			}
			if row := fmt.Sprintf("orders           -                    -                    status %d   %s", status, says); !strings.Contains(output, row) {
				t.Errorf("no %q in\n%s", row, output)
			}
		})
	}
}

func TestComment(t *testing.T) {
	state := []string{"CI=true", "PULUMI_BACKEND_URL=s3://bucket", "PULUMI_CONFIG_PASSPHRASE=x"}
	for _, test := range []struct {
		name   string
		env    []string
		fails  bool
		output []string
	}{
		{name: "preview", env: state, output: []string{
			"## Preview of stack dev\n", "impact of config of HEAD^1:Pulumi.dev.yaml to config:\n  aws:region: us-west-2, events\n",
			"~~~~\nwould replace ~~~\n", "!arn:aws:iam", "!failed",
		}},
		{name: "another base", env: append(state, "BASE=main"), output: []string{"impact of config of main:Pulumi.dev.yaml to"}},
		{name: "a new file", env: append(state, "STACK=profile"), output: []string{"impact of  to config:\n  aws:profile: work, events\n"}},
		{name: "a stack without a file", env: append(state, "STACK=team/private-api/new"), output: []string{"## Preview of stack team/private-api/new\n", "impact of  to , events\n"}},
		{name: "failed preview", env: append(state, "FAKE_PREVIEW_FAILS=1"), fails: true, output: []string{
			"**The preview failed.**", "impact of config of HEAD^1:Pulumi.dev.yaml to config:\n  aws:region: us-west-2\n", "error: preview failed", "!events",
		}},
		{name: "no state", env: []string{"CI=true"}, fails: true, output: []string{"**The preview failed.**", "a Pulumi backend that outlives this machine"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			output, _, ok := newSandbox(t).run(t, test.env, "comment")
			if ok == test.fails {
				t.Errorf("succeeded: %v, want %v\n%s", ok, !test.fails, output)
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

// signed refuses what an API with authorization iam in a region refuses, as far as a look at the header tells.
func signed(region string, next http.HandlerFunc) http.HandlerFunc {
	valid := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/` + region + `/execute-api/aws4_request, *SignedHeaders=[a-z0-9;-]*x-amz-security-token[a-z0-9;-]*, *Signature=[0-9a-f]{64}$`)
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

// workflow is what the tests read of a workflow, or of an action that is made of steps.
type workflow struct {
	Jobs map[string]struct {
		Environment any               `yaml:"environment"`
		Permissions map[string]string `yaml:"permissions"`
		Steps       []map[string]any  `yaml:"steps"`
	} `yaml:"jobs"`
	Inputs map[string]any `yaml:"inputs"`
	Runs   struct {
		Steps []map[string]any `yaml:"steps"`
	} `yaml:"runs"`
}

// workflows returns the files below .github that match, parsed and as text.
func workflows(t *testing.T, pattern string) (map[string]workflow, map[string]string) {
	t.Helper()
	files, err := filepath.Glob("../.github/" + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	all, texts := map[string]workflow{}, map[string]string{}
	for _, file := range files {
		var w workflow
		text, err := os.ReadFile(file)
		if err == nil {
			err = yaml.Unmarshal(text, &w)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[file], texts[file] = w, string(text)
	}
	return all, texts
}

// A tag can be moved to other code by whoever owns the action; a commit cannot.
func TestActionsArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^\s*(- )?uses: (\./\.github/actions/[\w-]+|[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$`)
	for _, pattern := range []string{"workflows/*.yml", "actions/*/action.yml"} {
		_, texts := workflows(t, pattern)
		for file, text := range texts {
			for i, line := range strings.Split(text, "\n") {
				if strings.Contains(line, "uses:") && !pinned.MatchString(line) {
					t.Errorf("%s:%d: want owner/action@commit # version:\n%s", file, i+1, line)
				}
			}
		}
	}
}

// Who may push a branch can run any code in these workflows. So secrets belong to environments, which have rules of their
// own, and a job that can write to the repository runs no code of a branch.
func TestJobsAreLimited(t *testing.T) {
	all, _ := workflows(t, "workflows/*.yml")
	for file, w := range all {
		for name, job := range w.Jobs {
			text, err := yaml.Marshal(job.Steps)
			if err != nil {
				t.Fatal(err)
			}
			secret, checkout := strings.Contains(string(text), "secrets."), strings.Contains(string(text), "actions/checkout@")
			if secret && job.Environment == nil {
				t.Errorf("%s: job %s uses secrets without an environment", file, name)
			}
			if job.Permissions == nil {
				t.Errorf("%s: job %s does not say its permissions", file, name)
			}
			for permission, level := range job.Permissions {
				if level == "write" && permission != "id-token" && (checkout || secret) {
					t.Errorf("%s: job %s may write %s, and runs code or has secrets", file, name, permission)
				}
			}
		}
	}
}

// The steps of an action are held to what workflows are held to: actionlint itself reads no more of it than its inputs.
func TestActionsAreLinted(t *testing.T) {
	all, _ := workflows(t, "actions/*/action.yml")
	for file, action := range all {
		inputs := map[string]any{}
		for name := range action.Inputs {
			inputs[name] = map[string]any{"type": "string"}
		}
		text, err := yaml.Marshal(map[string]any{
			"on":   map[string]any{"workflow_call": map[string]any{"inputs": inputs}},
			"jobs": map[string]any{"steps": map[string]any{"runs-on": "ubuntu-24.04", "steps": action.Runs.Steps}},
		})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("go", "tool", "-modfile=tools/go.mod", "actionlint", "-")
		cmd.Stdin = bytes.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}

// step runs a step of a workflow that has a command, by what its command contains.
func step(t *testing.T, s *sandbox, file, contains string, env ...string) (output string, ok bool) {
	t.Helper()
	all, _ := workflows(t, "workflows/"+file)
	for _, job := range all["../.github/workflows/"+file].Jobs {
		for _, step := range job.Steps {
			if run, _ := step["run"].(string); strings.Contains(run, contains) {
				cmd := exec.Command("bash", "-e", "-c", run) // as GitHub runs it
				cmd.Dir, cmd.Env = s.root, append(slices.Clone(s.env), env...)
				out, err := cmd.CombinedOutput()
				return string(out), err == nil
			}
		}
	}
	t.Fatalf("%s has no step with %q", file, contains)
	return "", false
}

// The comment goes from one job to the other as an output, also of a preview that failed.
func TestCommentIsHandedOver(t *testing.T) {
	for _, failure := range []string{"", "1"} {
		s := newSandbox(t)
		outputs, summary := filepath.Join(t.TempDir(), "outputs"), filepath.Join(t.TempDir(), "summary")
		output, ok := step(t, s, "preview.yml", "scripts/comment", "CI=true", "PULUMI_BACKEND_URL=s3://bucket", "PULUMI_CONFIG_PASSPHRASE=x",
			"FAKE_PREVIEW_FAILS="+failure, "GITHUB_OUTPUT="+outputs, "GITHUB_STEP_SUMMARY="+summary)
		if ok != (failure == "") {
			t.Errorf("preview fails: %q, step succeeds: %v\n%s", failure, ok, output)
		}
		text, err := os.ReadFile(outputs)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := os.ReadFile(summary)
		if err != nil {
			t.Fatal(err)
		}
		name, rest, _ := strings.Cut(string(text), "<<")
		end, rest, _ := strings.Cut(rest, "\n")
		if comment, found := strings.CutSuffix(rest, end+"\n"); name != "text" || !found || comment != string(shown) || !strings.HasPrefix(comment, "## Preview of stack dev\n") {
			t.Errorf("the output is\n%s\nand the summary\n%s", text, shown)
		}
	}
}

// A second run changes the comment of the first one.
func TestCommentIsPosted(t *testing.T) {
	for old, want := range map[string]string{"": "--method POST repos/o/n/issues/1/comments", "https://api/comments/7": "--method PATCH https://api/comments/7"} {
		s := newSandbox(t)
		output, ok := step(t, s, "preview.yml", "gh api", "COMMENTS=repos/o/n/issues/1/comments", "COMMENT=$(touch x) `x`\nsecond line", "FAKE_COMMENT="+old)
		if !ok || !strings.Contains(output, want) || !strings.Contains(output, "\n<!-- preview -->\n$(touch x) `x`\nsecond line\n") {
			t.Errorf("%v\n%s", ok, output)
		}
	}
}

// What a person gives to make reaches the commands as one word each.
func TestMakeQuotes(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not on this machine")
	}
	made := filepath.Join(t.TempDir(), "made")
	for _, name := range []string{"a b", "a;touch " + made, "`touch " + made + "`", "'", "$(touch " + made + ")"} {
		out, err := exec.Command("make", "-s", "-C", "..", "run", "SERVICE="+strings.ReplaceAll(name, "$", "$$")).CombinedOutput()
		if want := "There is no service " + name + ", only:"; err == nil || !strings.Contains(string(out), want) {
			t.Errorf("want %q, have %v\n%s", want, err, out)
		}
		if out, err := exec.Command("make", "-s", "-C", "..", "help", "STACK="+strings.ReplaceAll(name, "$", "$$")).CombinedOutput(); err != nil || !strings.Contains(string(out), "[STACK="+name+"]") {
			t.Errorf("make help, STACK=%s: %v\n%s", name, err, out)
		}
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("a part of a name was run as a command")
	}
}

// A request that somebody has copied from a log reaches the trace as it is: make neither runs nor replaces parts of it.
func TestMakeKeepsRequests(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not on this machine")
	}
	folder := t.TempDir()
	made, show := filepath.Join(folder, "made"), filepath.Join(folder, "show.mk")
	if err := os.WriteFile(show, []byte("show:\n\t@printf '[%s]' \"$$REQUEST\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, request := range []string{"/api/books", "POST /api/books?a=b c&d='e'", "/?$filter=a&$(HOME)", "/$(shell touch " + made + ")", "/`touch " + made + "`"} {
		for _, how := range []string{"argument", "environment"} {
			c := exec.Command("make", "-s", "-C", "..", "-f", "Makefile", "-f", show, "show")
			if how == "argument" {
				c.Args = append(c.Args, "REQUEST="+request)
			} else {
				c.Env = append(os.Environ(), "REQUEST="+request)
			}
			if out, err := c.CombinedOutput(); err != nil || string(out) != "["+request+"]" {
				t.Errorf("%s as an %s: %v, %s", request, how, err, out)
			}
		}
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("a part of a request was run as a command")
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
