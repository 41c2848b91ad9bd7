// Package policy writes IAM policy documents from structs.
package policy

import (
	"encoding/json"
	"strings"
)

// version is the only policy language that knows all elements.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
const version = "2012-10-17"

// Statement is one statement of an IAM policy. Effect defaults to Allow.
type Statement struct {
	Sid       string                       `json:",omitempty"`
	Effect    string                       `json:"Effect"`
	Principal map[string]string            `json:",omitempty"`
	Action    []string                     `json:"Action"`
	Resource  []string                     `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

// ViaLogs is what a role needs to write to, or read from, log groups that are encrypted with a customer managed key: the
// key itself, by its ARN, but only through CloudWatch Logs.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
func ViaLogs(key string) Statement {
	region := strings.Split(key, ":")[3]
	return Statement{
		Sid:       "LogKey",
		Action:    LogKeyActions,
		Resource:  []string{key},
		Condition: map[string]map[string]string{"StringEquals": {"kms:ViaService": LogsService(region)}},
	}
}

// LogKeyActions are what CloudWatch Logs does with a key. Source: as ViaLogs.
var LogKeyActions = []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"}

// LogsService is the name of CloudWatch Logs in policies of a region.
func LogsService(region string) string { return "logs." + region + "." + PartitionOf(region).Suffix }

// JSON renders the statements as one policy document.
func JSON(statements ...Statement) (string, error) {
	out := make([]Statement, len(statements))
	for i, s := range statements {
		if s.Effect == "" {
			s.Effect = "Allow"
		}
		out[i] = s
	}
	b, err := json.Marshal(struct {
		Version   string
		Statement []Statement
	}{version, out})
	return string(b), err
}

// Trust lets a service of AWS assume a role. With an account, only on behalf of that account, which keeps the service
// from being used as a confused deputy:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
func Trust(service, account string) (string, error) {
	s := Statement{Principal: map[string]string{"Service": service}, Action: []string{"sts:AssumeRole"}}
	if account != "" {
		s.Condition = map[string]map[string]string{"StringEquals": {"aws:SourceAccount": account}}
	}
	return JSON(s)
}
