package service

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// maxStop is the longest stop timeout of a Fargate task, the time between SIGTERM and SIGKILL. Its default is 30 s: the
// drain delay and the shutdown timeout have to fit in, and by default do.
const maxStop = 120 * time.Second

// config is what the environment says; an empty variable counts as unset.
type config struct {
	host            string        // HOST, default all addresses of the machine: the one to listen on
	port            int           // PORT, default 8080
	version         string        // IMAGE_DIGEST, default "dev": the image that runs
	logLevel        slog.Level    // LOG_LEVEL, default info; health checks are logged at debug
	drainDelay      time.Duration // DRAIN_DELAY, default 5 s: for how long to serve after SIGTERM
	shutdownTimeout time.Duration // SHUTDOWN_TIMEOUT, default 20 s: for how long to wait for what is under way then
}

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// loadConfig returns all that is wrong at once; each problem names the variable, its value and what is allowed.
func loadConfig(getenv func(string) string) (config, error) {
	var problems []error
	refuse := func(name, allowed string) {
		problems = append(problems, fmt.Errorf("%s=%q: allowed is %s", name, getenv(name), allowed))
	}
	duration := func(name, fallback string) time.Duration {
		d, err := time.ParseDuration(cmp.Or(getenv(name), fallback))
		if err != nil || d < 0 || d > maxStop {
			refuse(name, fmt.Sprintf(`a duration such as "5s", from 0s to %v`, maxStop))
		}
		return d
	}

	port, err := strconv.ParseUint(cmp.Or(getenv("PORT"), "8080"), 10, 16)
	if err != nil || port == 0 {
		refuse("PORT", "a number from 1 to 65535")
	}
	logLevel, known := logLevels[cmp.Or(getenv("LOG_LEVEL"), "info")]
	if !known {
		refuse("LOG_LEVEL", "debug, info, warn or error")
	}
	c := config{
		host:            getenv("HOST"),
		port:            int(port),
		version:         cmp.Or(getenv("IMAGE_DIGEST"), "dev"),
		logLevel:        logLevel,
		drainDelay:      duration("DRAIN_DELAY", "5s"),
		shutdownTimeout: duration("SHUTDOWN_TIMEOUT", "20s"),
	}
	return c, errors.Join(problems...)
}
