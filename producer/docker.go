package producer

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Builds tells whether a service has no image, so that one is built, which takes a Docker engine.
func (a *Args) Builds() bool {
	return slices.ContainsFunc(a.Services, func(s Service) bool { return s.Image == "" })
}

// DockerEngine looks for a Docker engine where the Docker plugin does: at the host of the setting docker:host or of
// DOCKER_HOST, else at the sockets of Docker and of Docker Desktop. The error says that nobody listens there. What it
// cannot tell, such as a host behind SSH, it leaves to the plugin.
// Source: configureDockerClient in https://github.com/pulumi/pulumi-docker/blob/master/provider/image.go
func DockerEngine(host string) error {
	home, _ := os.UserHomeDir()
	hosts := []string{
		"unix:///var/run/docker.sock",
		"unix://" + filepath.Join(home, ".docker/run/docker.sock"), "unix://" + filepath.Join(home, ".docker/desktop/docker.sock"),
	}
	if host = cmp.Or(host, os.Getenv("DOCKER_HOST")); host != "" {
		hosts = []string{host}
	} else if filepath.Separator != '/' {
		return nil // Windows has a named pipe
	}
	for _, host := range hosts {
		network, address, _ := strings.Cut(host, "://")
		if network != "unix" && network != "tcp" {
			return nil
		}
		c, err := net.DialTimeout(network, strings.TrimSuffix(address, "/"), 10*time.Second)
		if err == nil {
			return c.Close()
		}
	}
	return fmt.Errorf("no Docker engine answers at %s: start one, or set DOCKER_HOST to where it is; "+
		"or give each service an image that exists already, with services.<name>.image, which takes no engine", strings.Join(hosts, ", "))
}
