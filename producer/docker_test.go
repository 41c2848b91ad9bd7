package producer

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDockerEngine(t *testing.T) {
	home, err := os.MkdirTemp("", "d") // short: a socket's path has a limit of 104 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_HOST", "")
	listen := func(network, address string) string {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return network + "://" + l.Addr().String()
	}
	socket, port := listen("unix", filepath.Join(home, "mine.sock")), listen("tcp", "127.0.0.1:0")
	nobody := "unix://" + filepath.Join(home, "nobody.sock")
	for _, test := range []struct {
		name, setting, variable string
		found                   bool
	}{
		{"socket", socket, "", true},
		{"address", port, "", true},
		{"address with a slash", port + "/", "", true},
		{"variable", "", socket, true},
		{"setting before variable", socket, nobody, true},
		{"SSH, which the plugin tries", "ssh://user@host.example.com", "", true},
		{"named pipe", "npipe:////./pipe/docker_engine", "", true},
		{"nobody", nobody, "", false},
		{"nobody, by variable", "", nobody, false},
		{"nobody at the address", "tcp://127.0.0.1:1", "", false},
	} {
		t.Setenv("DOCKER_HOST", test.variable)
		err := DockerEngine(test.setting)
		if (err == nil) != test.found {
			t.Errorf("%s: %v", test.name, err)
		}
		if err != nil && (!strings.Contains(err.Error(), test.setting+test.variable) || !strings.Contains(err.Error(), "services.<name>.image")) {
			t.Errorf("%s: the message is %v", test.name, err)
		}
	}
	// Docker Desktop, where nothing is set.
	t.Setenv("DOCKER_HOST", "")
	if err := os.MkdirAll(filepath.Join(home, ".docker/desktop"), 0o700); err != nil {
		t.Fatal(err)
	}
	listen("unix", filepath.Join(home, ".docker/desktop/docker.sock"))
	if err := DockerEngine(""); err != nil {
		t.Error(err)
	}
}
