// Package setting is how the program refuses bad input: every error names the
// setting, the value it has and what is allowed, and all of them come at once.
package setting

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
)

// Problem is one refused setting. It is an error.
type Problem struct {
	Key     string // the setting, as written in the configuration
	Value   any    // the value it has; nil where it is missing
	Allowed string // what would be accepted
}

// Error reads `key: "value" is not allowed: what is`.
func (p *Problem) Error() string {
	if p.Value == nil {
		return fmt.Sprintf("%s: is missing: %s", p.Key, p.Allowed)
	}
	value, err := json.Marshal(p.Value)
	if err != nil {
		value = fmt.Appendf(nil, "%v", p.Value)
	}
	return fmt.Sprintf("%s: %s is not allowed: %s", p.Key, value, p.Allowed)
}

// Problems collects what is wrong. The zero value is ready for use.
type Problems []*Problem

// Add records that key has a value that is not allowed.
func (p *Problems) Add(key string, value any, allowed string, args ...any) {
	*p = append(*p, &Problem{Key: key, Value: value, Allowed: fmt.Sprintf(allowed, args...)})
}

// Range records a problem unless lowest <= value <= highest. The unit is part
// of the message ("seconds", "days"), or empty.
func (p *Problems) Range(key string, value, lowest, highest int, unit string) {
	if value < lowest || value > highest {
		if unit != "" {
			unit = " " + unit
		}
		p.Add(key, value, "%d to %d%s", lowest, highest, unit)
	}
}

// Err joins the problems into one error; nil where there is none.
func (p Problems) Err() error {
	errs := make([]error, len(p))
	for i, problem := range p {
		errs[i] = problem
	}
	return errors.Join(errs...)
}

// VpcCidr parses the IPv4 address range of a VPC and records a problem where it
// is none, or is larger than AWS allows (/16), or smaller than longest.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
func (p *Problems) VpcCidr(key, value string, longest int) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(value)
	if err != nil || !prefix.Addr().Is4() || prefix != prefix.Masked() || prefix.Bits() < 16 || prefix.Bits() > longest {
		p.Add(key, value, "an IPv4 range between /16 and /%d without host bits, such as 10.0.0.0/16", longest)
		return netip.Prefix{}, false
	}
	return prefix, true
}
