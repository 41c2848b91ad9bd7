package service

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// environment stands in for os.Getenv.
func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestConfig(t *testing.T) {
	defaults := config{port: 8080, version: "dev", logLevel: slog.LevelInfo, drainDelay: 5 * time.Second, shutdownTimeout: 20 * time.Second}
	if fits := defaults.drainDelay + defaults.shutdownTimeout; fits >= 30*time.Second {
		t.Errorf("by default it takes up to %v to stop; ECS waits 30 s", fits)
	}
	tests := map[string]struct {
		name, value string
		change      func(*config)
	}{
		"defaults":           {"UNKNOWN", "1", func(*config) {}},
		"empty is unset":     {"PORT", "", func(*config) {}},
		"lowest port":        {"PORT", "1", func(c *config) { c.port = 1 }},
		"highest port":       {"PORT", "65535", func(c *config) { c.port = 65535 }},
		"version":            {"IMAGE_DIGEST", "sha256:4711", func(c *config) { c.version = "sha256:4711" }},
		"host":               {"HOST", "127.0.0.1", func(c *config) { c.host = "127.0.0.1" }},
		"debug":              {"LOG_LEVEL", "debug", func(c *config) { c.logLevel = slog.LevelDebug }},
		"info":               {"LOG_LEVEL", "info", func(*config) {}},
		"warn":               {"LOG_LEVEL", "warn", func(c *config) { c.logLevel = slog.LevelWarn }},
		"error":              {"LOG_LEVEL", "error", func(c *config) { c.logLevel = slog.LevelError }},
		"no drain delay":     {"DRAIN_DELAY", "0s", func(c *config) { c.drainDelay = 0 }},
		"drain delay":        {"DRAIN_DELAY", "1m30s", func(c *config) { c.drainDelay = 90 * time.Second }},
		"no shutdown":        {"SHUTDOWN_TIMEOUT", "0s", func(c *config) { c.shutdownTimeout = 0 }},
		"longest shutdown":   {"SHUTDOWN_TIMEOUT", "2m", func(c *config) { c.shutdownTimeout = 2 * time.Minute }},
		"fractional timeout": {"SHUTDOWN_TIMEOUT", "1.5s", func(c *config) { c.shutdownTimeout = 1500 * time.Millisecond }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := defaults
			test.change(&want)
			got, err := loadConfig(environment(map[string]string{test.name: test.value}))
			if err != nil || got != want {
				t.Errorf("%+v %v, want %+v", got, err, want)
			}
		})
	}
}

func TestConfigRefused(t *testing.T) {
	const durations = `a duration such as "5s", from 0s to 2m0s`
	tests := []struct{ name, value, allowed string }{
		{"PORT", "0", "a number from 1 to 65535"},
		{"PORT", "65536", "a number from 1 to 65535"},
		{"PORT", "-1", "a number from 1 to 65535"},
		{"PORT", "http", "a number from 1 to 65535"},
		{"PORT", " 80", "a number from 1 to 65535"},
		{"LOG_LEVEL", "INFO", "debug, info, warn or error"},
		{"LOG_LEVEL", "verbose", "debug, info, warn or error"},
		{"DRAIN_DELAY", "-1s", durations},
		{"DRAIN_DELAY", "5", durations},
		{"DRAIN_DELAY", "soon", durations},
		{"SHUTDOWN_TIMEOUT", "-1ns", durations},
		{"SHUTDOWN_TIMEOUT", "2m1s", durations},
	}
	for _, test := range tests {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			want := test.name + `="` + test.value + `": allowed is ` + test.allowed
			_, err := loadConfig(environment(map[string]string{test.name: test.value}))
			if err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
}

func TestConfigRefusedAtOnce(t *testing.T) {
	names := []string{"PORT", "LOG_LEVEL", "DRAIN_DELAY", "SHUTDOWN_TIMEOUT"}
	wrong := map[string]string{}
	for _, name := range names {
		wrong[name] = "?"
	}
	_, err := loadConfig(environment(wrong))
	for _, name := range names {
		if err == nil || !strings.Contains(err.Error(), name+`="?"`) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}
