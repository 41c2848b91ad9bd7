package operations

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// query is a query in CloudWatch Logs Insights. The access log has texts alone; those that are numbers sort and compare as
// numbers: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Sort.html
type query struct {
	logical, name string
	services      bool // reads the logs of the services too
	lines         []string
}

var queries = []query{{
	logical: "slowest", name: "slowest requests", lines: []string{
		"fields @timestamp, httpMethod, path, status, responseLatency, integrationLatency, requestId",
		"sort responseLatency desc",
		"limit 50",
	},
}, {
	logical: "errors", name: "errors by integration status", lines: []string{
		"filter status >= 400",
		"stats count(*) as requests, latest(requestId) as newest by status, integrationStatus, integrationError, authorizerError, error",
		"sort requests desc",
	},
}, {
	logical: "request", name: "everything of one request", services: true, lines: []string{
		"fields @timestamp, @log, @message",
		`filter requestId = "PUT THE REQUEST ID HERE"`,
		"sort @timestamp asc",
	},
}}

// newQueries saves the queries, in a folder of the console's list.
func newQueries(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) error {
	for _, q := range queries {
		groups := pulumi.StringArray{args.AccessLogs}
		if q.services && !args.Existing {
			for _, s := range args.Services {
				groups = append(groups, args.LogGroups.ToStringMapOutput().MapIndex(pulumi.String(s.Name)))
			}
		}
		_, err := cloudwatch.NewQueryDefinition(ctx, name+"-"+q.logical, &cloudwatch.QueryDefinitionArgs{
			Name:          pulumi.Sprintf("%s/%s", physicalName(ctx, args), q.name),
			LogGroupNames: groups,
			QueryString:   pulumi.String(strings.Join(q.lines, "\n| ")),
		}, opts...)
		if err != nil {
			return fmt.Errorf("saving query %s: %w", q.name, err)
		}
	}
	return nil
}

// physicalName names what AWS would overwrite if somebody else's stack of this name has the same. It has characters that
// names of dashboards have, which are those of all regions.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
func physicalName(ctx *pulumi.Context, args *Args) pulumi.StringOutput {
	return pulumi.Sprintf("%s-%s-%s", strings.ReplaceAll(ctx.Project(), ".", "-"), strings.ReplaceAll(ctx.Stack(), ".", "-"), args.APIID)
}
