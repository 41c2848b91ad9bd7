package producer

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"private-api/internal/setting"
)

// AssumeRole is the IAM role that everything in AWS is done as. Without a RoleArn it is off, and the other fields are
// empty.
type AssumeRole struct {
	RoleArn        string
	SessionName    string // default: one that the AWS SDK makes up
	ExternalID     string
	Duration       string // of a session, such as 1h; default: 15m, renewed while the update runs
	SourceIdentity string
}

// What STS allows.
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const (
	minSession    = 15 * time.Minute
	maxSession    = 12 * time.Hour
	maxExternalID = 1224 // characters
)

var (
	roleArn     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}$`) // path and name: 512 and 64
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
)

// declare declares what the provider's own configuration calls the same.
func (r *AssumeRole) declare(s *setting.Set) {
	const identity = "2 to 64 letters, digits and _+=,.@-"
	setting.Object(s, "aws:assumeRole", "IAM role to assume for all that is done in AWS", func(s *setting.Set) {
		setting.Var(s, &r.RoleArn, "roleArn", "", "ARN of the role", setting.Nothing, setting.Must("the ARN of an IAM role", roleArn.MatchString))
		setting.Var(s, &r.SessionName, "sessionName", "", "Name of the session, in CloudTrail", setting.Nothing, setting.Must(identity, sessionName.MatchString))
		setting.Var(s, &r.ExternalID, "externalId", "", "External id that the role's trust policy asks for", setting.Nothing,
			setting.Must(fmt.Sprintf("2 to %d letters, digits and _+=,.@:/-", maxExternalID), func(text string) bool {
				return len(text) <= maxExternalID && externalID.MatchString(text)
			}))
		setting.Var(s, &r.Duration, "duration", "", "Length of a session, which is renewed when it ends", setting.Nothing,
			setting.Must("15m to 12h, such as 1h30m", func(text string) bool {
				d, err := time.ParseDuration(text)
				return err == nil && minSession <= d && d <= maxSession
			}))
		setting.Var(s, &r.SourceIdentity, "sourceIdentity", "", "Who assumes the role, in CloudTrail", setting.Nothing, setting.Must(identity, sessionName.MatchString))
	})
}

// awsConfig configures the program's own calls of AWS as its provider is.
func (a *Args) awsConfig(ctx context.Context) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{config.WithRegion(a.Region)}
	if a.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(a.Profile))
	}
	if a.Endpoint != "" {
		options = append(options, config.WithBaseEndpoint(a.Endpoint))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if r := a.AssumeRole; err == nil && r.RoleArn != "" {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), r.RoleArn, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = r.SessionName
			o.Duration, _ = time.ParseDuration(r.Duration) // checked by declare; 0 is the default
			o.ExternalID, o.SourceIdentity = optional(r.ExternalID), optional(r.SourceIdentity)
		}))
	}
	return cfg, err
}

// AWSConfig configures calls of AWS by these credentials, as the program's own are: Region, Profile, AssumeRole and Endpoint
// count.
func (a *Args) AWSConfig(ctx context.Context) (aws.Config, error) { return a.awsConfig(ctx) }

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
