// Package e2e tests the life of a stack with the real Pulumi engine and the real AWS provider: up, changes, drift,
// faults, destroy.
//
// The tests need the pulumi CLI and its plugins, and an account to work in. What that is, the environment says:
//
//	RIG_BRIDGE, RIG_TERRAFORM_PROVIDER   the rig (eval "$(../shared/rig/setup)"): its plugins, and moto_server for
//	                                     an empty account to each test
//	neither                              the CLI and plugins of this machine; moto_server, if it is on the PATH
//	E2E_ENDPOINT_URL=http://...          a simulator that is running already and that all tests share
//	E2E_AWS=1                            the real account of the AWS credentials at hand: costs money, takes an hour;
//	                                     runs only the tests that need no simulator
//	E2E_REQUIRED=1                       fail where a test would skip because something is missing
//	E2E_FAULTS=all                       every fault instead of the fixed sample (make faults)
//	E2E_LATE=90s                         how late the answers of TestOrder's slow network are
//	E2E_BENCH=1                          also TestManyServices and TestFirstUp (make bench)
//
// Between the provider and the simulator stands a proxy (package awsproxy), whose record is what most tests assert on.
package e2e
