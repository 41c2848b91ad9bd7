package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"private-api/internal/buildcontext"
	"private-api/internal/testkit"
)

func TestImagesAreBuiltFromTheStagedContext(t *testing.T) {
	p, r := fixture(t), &testkit.Recorder{}
	if err := deployOn(r, p, nil); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Services {
		image := r.Get(t, "docker.Image producer-"+s.Name)
		folder := ".build/images/dev/" + s.Name
		for key, want := range map[string]any{"build.context": folder, "build.dockerfile": folder + "/Dockerfile", "build.args.SERVICE": s.Name, "build.platform": "linux/arm64"} {
			if got := image.Input(key); got != want {
				t.Errorf("%s of %s is %v, want %v", key, s.Name, got, want)
			}
		}
		want, err := buildcontext.ReadService(p.Root, s.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := buildcontext.Read(filepath.Join(p.Root, folder)); err != nil || got.Hash() != want.Hash() {
			t.Errorf("%s holds something else than what the image is built from (%v)", folder, err)
		}
		if name := image.Input("imageName").(string); !strings.HasSuffix(name, ":"+want.Hash("linux/arm64")[:20]) {
			t.Errorf("the image's tag does not follow the content: %s", name)
		}
	}
}

// DS-0002, DS-0026: every image runs as the user of its container, and has a health check.
func TestImageControls(t *testing.T) {
	for _, s := range Services() {
		files, err := buildcontext.ReadService(root, s.Name)
		if s.Image != "" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nUSER 65532:65532\n", "\nHEALTHCHECK "} {
			if !strings.Contains(string(files["Dockerfile"].Content), want) {
				t.Errorf("the image of %s has no %q", s.Name, strings.TrimSpace(want))
			}
		}
	}
}

// TestImages builds the images with a Docker engine, for both architectures, and runs those for this machine as ECS does.
func TestImages(t *testing.T) {
	if os.Getenv("IMAGES") == "" {
		t.Skip("make images runs it")
	}
	e := newEngine(t)
	// By hand, as the Dockerfile says.
	if out, err := e.try("build", "--network", "none", filepath.Join(root, buildcontext.Folder)); err == nil || !strings.Contains(out, "SERVICE") {
		t.Errorf("a build without SERVICE: %v", err)
	}
	architecture := e.docker(t, "version", "--format", "{{.Server.Arch}}")
	for _, s := range Services() {
		if s.Image != "" {
			continue
		}
		files, err := buildcontext.ReadService(root, s.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, arch := range []string{"arm64", "amd64"} {
			// One after the other, for the times.
			tag := fmt.Sprintf("private-api-test/%s:%s", s.Name, arch)
			first := e.build(t, files, s.Name, arch, tag)
			main := files[s.Name+"/main.go"]
			main.Content = fmt.Appendf(nil, "%s\nvar built = %d\n", main.Content, time.Now().UnixNano())
			changed := maps.Clone(files)
			changed[s.Name+"/main.go"] = main
			second := e.build(t, changed, s.Name, arch, tag)
			t.Logf("%s for %s: built in %.1f s, after a change in %.1f s", s.Name, arch, first.Seconds(), second.Seconds())
			if e.own && second > first/2 && first > 5*time.Second {
				t.Errorf("%s for %s: the second build took %v, the first %v: the cache is not used", s.Name, arch, second, first)
			}
			e.inspect(t, tag, arch)
		}
		e.docker(t, "build", "--network", "none", "--build-arg", "SERVICE="+s.Name, filepath.Join(root, buildcontext.Folder))
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			e.run(t, "private-api-test/"+s.Name+":"+architecture, s.Path)
		})
	}
}

// engine is a Docker engine: the one that answers on this machine, else one that the test starts.
type engine struct {
	client string
	env    []string
	own    bool // has no network
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{client: "docker", env: append(os.Environ(), "DOCKER_BUILDKIT=1")}
	if _, err := e.try("version"); err == nil {
		return e
	}
	missing := t.Skipf
	if os.Getenv("CI") != "" {
		missing = t.Fatalf
	}
	daemon, err := exec.LookPath("dockerd")
	if err != nil || os.Getuid() != 0 {
		missing("No Docker engine answers, and none can be started: that takes dockerd and root.")
	}
	// The daemon's own client: another one may lack what builds with BuildKit.
	if client := filepath.Join(filepath.Dir(filepath.Dir(daemon)), "bin", "docker"); exec.Command(client, "--version").Run() == nil {
		e.client = client
	}
	// Not t.TempDir, whose long name would not fit into the name of a socket.
	folder, err := os.MkdirTemp("", "docker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("umount", folder+"/exec/netns/default").Run() // is left by a container on the host's network
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	var log bytes.Buffer
	command := exec.Command(daemon, "--host", "unix://"+folder+"/socket", "--data-root", folder+"/data", "--exec-root", folder+"/exec",
		"--pidfile", folder+"/pid", "--bridge", "none", "--iptables=false", "--ip6tables=false")
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Error("dockerd does not end")
			command.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("dockerd: %s", log.Bytes()[max(0, log.Len()-4000):])
		}
	})
	e.own, e.env = true, append(e.env, "DOCKER_HOST=unix://"+folder+"/socket")
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if _, err = e.try("version"); err == nil {
			break
		}
		select {
		case err := <-ended:
			ended <- err
			missing("The Docker engine does not start: %v\n%s", err, log.Bytes()[max(0, log.Len()-2000):])
		default:
		}
		if time.Since(begin) > time.Minute {
			t.Fatalf("the Docker engine does not answer: %v", err)
		}
	}
	e.importBase(t, folder)
	return e
}

// try runs the client.
func (e *engine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, e.client, args...)
	command.Env = e.env
	out, err := command.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), err
}

func (e *engine) docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := e.try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// importBase makes an image with the name of the base image, from this machine's Go and shell.
func (e *engine) importBase(t *testing.T, folder string) {
	t.Helper()
	dockerfile, err := os.ReadFile(filepath.Join(root, buildcontext.Folder, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	base := regexp.MustCompile(`(?m)^FROM .*?(\S+) AS build$`).FindSubmatch(dockerfile)
	if base == nil {
		t.Fatal("the Dockerfile has no stage build")
	}
	script := `set -eu
go=$(go env GOROOT)
mkdir -p "$1/base/etc" "$1/base/tmp"
echo 'root:x:0:0:root:/root:/bin/sh' > "$1/base/etc/passwd"
tar -chf "$1/base.tar" --exclude="${go#/}/test" --exclude="${go#/}/api" --exclude="${go#/}/doc" \
  -C "$1/base" etc tmp -C / "${go#/}" bin/sh $(ldd /bin/sh | sed -n 's,[^/]*/\([^ ]*\).*,\1,p')
"$2" import --change "ENV PATH=$go/bin:/bin GOTOOLCHAIN=local" "$1/base.tar" "$3"
rm "$1/base.tar"`
	command := exec.Command("bash", "-c", script, "-", folder, e.client, string(base[1]))
	command.Env = e.env
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("importing the base image: %v\n%s", err, out)
	}
}

// build builds an image and returns how long that took.
func (e *engine) build(t *testing.T, files buildcontext.Files, service, arch, tag string) time.Duration {
	t.Helper()
	folder := filepath.Join(t.TempDir(), service)
	if err := files.Stage(folder); err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "--platform", "linux/" + arch, "--build-arg", "SERVICE=" + service, "--tag", tag}
	if e.own {
		args = append(args, "--network", "none")
	}
	begin := time.Now()
	e.docker(t, append(args, folder)...)
	return time.Since(begin)
}

// inspect asserts what an image is.
func (e *engine) inspect(t *testing.T, tag, arch string) {
	t.Helper()
	var images []struct {
		Os, Architecture string
		Size             int
		Config           struct {
			User        string
			Healthcheck *struct{ Test []string }
		}
	}
	if err := json.Unmarshal([]byte(e.docker(t, "image", "inspect", tag)), &images); err != nil {
		t.Fatal(err)
	}
	image := images[0]
	t.Logf("%s has %.1f MB", tag, float64(image.Size)/1e6)
	if image.Os != "linux" || image.Architecture != arch {
		t.Errorf("%s is for %s/%s", tag, image.Os, image.Architecture)
	}
	if image.Size > 10e6 {
		t.Errorf("%s has %d bytes, more than 10 MB", tag, image.Size)
	}
	if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(image.Config.User) {
		t.Errorf("%s runs as user %q", tag, image.Config.User)
	}
	if image.Config.Healthcheck == nil {
		t.Errorf("%s has no health check", tag)
	}
}

// run runs an image with as little as ECS gives it, until it is healthy and has answered, and stops it.
func (e *engine) run(t *testing.T, tag, path string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	listener.Close()
	args := []string{"run", "--detach", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"}
	if e.own {
		args = append(args, "--network", "host", "--env", "PORT="+port)
	} else {
		args = append(args, "--publish", address+":8080")
	}
	container := e.docker(t, append(args, tag)...)
	defer e.try("rm", "--force", container)
	for begin := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		state := e.docker(t, "inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", container)
		if state == "running healthy" {
			break
		}
		if !strings.HasPrefix(state, "running ") || time.Since(begin) > time.Minute {
			t.Fatalf("%s is %s\n%s", tag, state, e.docker(t, "logs", container))
		}
	}
	response, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s answers %s at %s", tag, response.Status, path)
	}
	e.docker(t, "stop", "--time", "30", container)
	if code := e.docker(t, "inspect", "--format", "{{.State.ExitCode}}", container); code != "0" {
		t.Errorf("%s ends with exit code %s after SIGTERM\n%s", tag, code, e.docker(t, "logs", container))
	}
}
