// Package policy writes IAM policy documents from structs.
package policy

import "encoding/json"

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
