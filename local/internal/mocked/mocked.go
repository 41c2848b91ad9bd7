// Package mocked deploys the program without an engine, for tests: every registration is answered from the table, as the
// providers do, and kept.
package mocked

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"private-api/internal/fakeaws"
	"private-api/internal/testkit"
	"private-api/local/tasks"
	"private-api/producer"
	"private-api/stack"
	"private-api/trace"
)

// Root is the repository's.
func Root(testing.TB) string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Deploy runs the program with a configuration, builds the images and runs the services until the end of the test. It
// waits for their deployments.
func Deploy(t testing.TB, program stack.Program, config map[string]string, o tasks.Options) (*trace.Set, *tasks.Runner) {
	t.Helper()
	if program.Root == "" {
		program.Root = Root(t)
	}
	values := map[string]string{"aws:region": fakeaws.Default.Region}
	for key, value := range config {
		values["private-api:"+key] = value
	}
	r := &testkit.Recorder{Stack: "local"}
	if err := r.Run(program.Deploy, values); err != nil {
		t.Fatal(err)
	}
	set := &trace.Set{}
	for _, made := range r.Resources {
		if made.ID != "" { // neither a component nor a provider
			set.Put(trace.Resource{Type: made.Type, ID: made.ID, Name: made.Name, Outputs: trace.Values(made.Outputs.Mappable())})
		}
	}
	o.Folder = t.TempDir()
	runner := tasks.New(context.Background(), set, o)
	t.Cleanup(runner.Close)
	for _, image := range set.Of(fakeaws.Image) {
		_, digest, _ := strings.Cut(image.Outputs.Text("repoDigest"), "@sha256:")
		if err := runner.Build(context.Background(), tasks.NewImage(program.Root, image.Outputs.Object("build")), digest); err != nil {
			t.Fatal(err)
		}
	}
	for _, service := range set.Of(trace.ServiceType) {
		if err := runner.Deploy(service.ID, service.Name, service.Outputs); err != nil {
			t.Fatal(err)
		}
	}
	for _, service := range set.Of(trace.ServiceType) {
		if s := Await(t, runner, service.ID); s.Deployments[0].Status != "SUCCESSFUL" {
			t.Fatalf("deployment of %s: %+v, events %v", service.Name, s.Deployments[0], s.Events)
		}
	}
	return set, runner
}

// Await waits until the latest deployment of a service has ended, and returns the service.
func Await(t testing.TB, runner *tasks.Runner, arn string) tasks.Service {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, s := range runner.Services() {
			if s.ARN == arn && s.Deployments[0].FinishedAt != 0 {
				return s
			}
		}
	}
	t.Fatalf("the deployment of %s does not end", arn)
	return tasks.Service{}
}

// Revise registers a new revision of a task definition, with text in its container definitions replaced, and begins to
// deploy it. It returns the ARN of the service, and what ECS refuses.
func Revise(t testing.TB, set *trace.Set, runner *tasks.Runner, name, old, replacement string) (service string, err error) {
	t.Helper()
	for _, d := range set.Of(trace.TaskDefinitionType) {
		if d.Name != name {
			continue
		}
		outputs := maps.Clone(d.Outputs)
		text := strings.Replace(d.Outputs.Text("containerDefinitions"), old, replacement, 1)
		if text == d.Outputs.Text("containerDefinitions") {
			t.Fatalf("%q is not in %s", old, text)
		}
		revisions++
		outputs["arn"], outputs["containerDefinitions"] = fmt.Sprintf("%s%d", d.Outputs.Text("arn"), revisions), text
		set.Put(trace.Resource{Type: d.Type, ID: d.ID, Name: d.Name + "-next", Outputs: outputs})
		for _, service := range set.Of(trace.ServiceType) {
			if service.Name == name {
				service.Outputs["taskDefinition"] = outputs["arn"]
				return service.ID, runner.Deploy(service.ID, service.Name, service.Outputs)
			}
		}
	}
	t.Fatalf("no task definition and service %s", name)
	return "", nil
}

// revisions tells task definitions apart.
var revisions int

// Services are two that do not change with those of the stack.
func Services() []producer.Service {
	return []producer.Service{{Name: "book", Path: "/api/books", Priority: 100}, {Name: "author", Path: "/api/authors", Priority: 200}}
}

// Apps copies apps/ and Pulumi.yaml into a folder of its own and adds the service echo. It returns that folder, and
// services whose code is in it.
func Apps(t testing.TB) (root string, services []producer.Service) {
	t.Helper()
	root = t.TempDir()
	echo := []string{"local/internal/mocked/testdata/echo", filepath.Join(root, "apps")}
	for _, copied := range [][]string{{"apps", "Pulumi.yaml", root}, echo} {
		command := exec.Command("cp", append([]string{"-R"}, copied...)...)
		command.Dir = Root(t)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return root, append(Services(), producer.Service{Name: "echo", Path: "/api/echo", Priority: 300})
}

// Load sends GET requests to url while something happens, and returns how many there were and what was not answered with
// 200.
func Load(url string, during func()) (sent int, failed []string) {
	ctx, stop := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	var mutex sync.Mutex
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer client.CloseIdleConnections()
	for range 4 {
		workers.Go(func() {
			for ; ctx.Err() == nil; time.Sleep(time.Millisecond) { // bounded: the machine has other things to do
				response, err := client.Get(url)
				if err == nil {
					_, err = io.Copy(io.Discard, response.Body)
					response.Body.Close()
					if err == nil && response.StatusCode != 200 {
						err = fmt.Errorf("%s", response.Status)
					}
				}
				mutex.Lock()
				sent++
				if err != nil {
					failed = append(failed, err.Error())
				}
				mutex.Unlock()
			}
		})
	}
	during()
	stop()
	workers.Wait()
	return sent, failed
}
