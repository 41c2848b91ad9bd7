package awsproxy

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// gaps fills what the simulator forgets and AWS gives back: part of what an ECS service was given, the descriptions of
// security-group rules, the groups of an instance that came with its network interface, tags of scalable targets, tags that an API's stage
// got later, and keys that log groups got or lost later. The provider takes their absence for drift and repairs it on every run, so that no test could tell a no-op
// from a change. It also plays what the simulator lacks: the deployments of ECS services, and ECS's service-linked role.
type gaps struct {
	target string // URL of the simulator, for calls of the proxy's own

	mu        sync.Mutex
	services  map[string]*service       // of ECS, by cluster/service
	stageTags map[string]map[string]any // by API
	described map[string]string         // security-group rules: id to description
	logKeys   map[string]string         // of log groups, where they were changed
	link      [2]string                 // state of the VPC links and its reason, where SetLink said so

	targetTags map[string]map[string]string // of scalable targets, by ARN

	outcomes  []Outcome       // of deployments yet to come
	deployed  int64           // deployments so far
	clusters  map[string]bool // nil until there is one
	roleAfter int             // how often the service-linked role is yet to be missed; negative: always
}

func newGaps(target string) *gaps {
	return &gaps{
		target:   target,
		services: map[string]*service{}, stageTags: map[string]map[string]any{}, described: map[string]string{}, logKeys: map[string]string{},
		targetTags: map[string]map[string]string{}, roleAfter: 1,
	}
}

// SetLink sets the state that VPC links have from now on, and its reason; "": that of the simulator, which is AVAILABLE.
// Source: https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/vpclinks-vpclinkid.html
func (p *Proxy) SetLink(status, message string) {
	p.gaps.mu.Lock()
	defer p.gaps.mu.Unlock()
	p.gaps.link = [2]string{status, message}
}

// simulator is a client's configuration for the region of the call, past the record.
func (g *gaps) simulator(c *Call) aws.Config {
	return aws.Config{Region: c.region, BaseEndpoint: &g.target, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

var (
	// stageARN matches the path of a call about the tags of an API's stage.
	stageARN = regexp.MustCompile(`^/v2/tags/arn:.*/apis/([^/]+)/stages/`)
	// ruleID matches where the answer to DescribeSecurityGroupRules can take a description.
	ruleID = regexp.MustCompile(`<securityGroupRuleId>(sgr-\w+)</securityGroupRuleId>`)
	// instanceGroups matches the groups of an instance's interface, and the instance's own, which are missing.
	instanceGroups = regexp.MustCompile(`(?s)(<groupSet>.*?</groupSet>)(.*?)<groupSet/>(<sourceDestCheck>)`)
)

// rewrite changes a call that the simulator would refuse and AWS takes: a VPC can have several private namespaces of
// different names. The simulator lets it have one, so it gets a VPC for each name.
// Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
func rewrite(c *Call, body []byte) []byte {
	var request map[string]any
	if c.String() != "servicediscovery:CreatePrivateDnsNamespace" || json.Unmarshal(body, &request) != nil {
		return body
	}
	vpc, _ := request["Vpc"].(string)
	name, _ := request["Name"].(string)
	request["Vpc"] = vpc + " " + name
	text, _ := json.Marshal(request) // it was JSON
	return text
}

// amend remembers what a call gives, and completes its answer.
func (g *gaps) amend(c *Call, urlPath string, request []byte, answer *httptest.ResponseRecorder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if stage := stageARN.FindStringSubmatch(urlPath); stage != nil && c.Operation == "TagResource" {
		g.tagStage(stage[1], request, answer)
	}
	if c.String() == "logs:AssociateKmsKey" || c.String() == "logs:DisassociateKmsKey" { // the simulator has neither
		g.logKeys[c.Params["logGroupName"]] = c.Params["kmsKeyId"]
		answer.Code = http.StatusOK
		answer.Header().Set("Content-Type", jsonType)
		replaceBody(answer, []byte("{}"))
	}
	if answer.Code >= 400 {
		if c.String() == "logs:GetLogEvents" && g.hasLogGroup(c) {
			*answer = *c.refuse("ResourceNotFoundException", "The specified log stream does not exist.") // the simulator says group
		}
		return
	}
	fillDomainName(c, answer)
	switch c.String() {
	case "ecs:CreateCluster":
		if g.clusters == nil {
			g.clusters = map[string]bool{}
		}
		g.clusters[c.Params["clusterName"]] = true
	case "ecs:DeleteCluster":
		delete(g.clusters, path.Base(c.Params["cluster"]))
	case "ecs:DeleteService":
		delete(g.services, serviceKey(c.Params["cluster"], c.Params["service"])) // its deployments go with it
	case "logs:DescribeLogGroups":
		editJSON(answer, g.fillLogKeys)
	case "ecs:CreateService", "ecs:UpdateService":
		g.changedService(c, request, answer)
		fallthrough
	case "ecs:DescribeServices":
		editJSON(answer, g.fillServices)
	case "apigateway:GetVpcLink":
		editJSON(answer, func(link map[string]any) {
			if g.link[0] != "" {
				link["vpcLinkStatus"], link["vpcLinkStatusMessage"] = g.link[0], g.link[1]
			}
		})
	case "apigateway:GetStage", "apigateway:UpdateStage":
		editJSON(answer, func(stage map[string]any) {
			tags, _ := stage["tags"].(map[string]any)
			if tags == nil {
				tags = map[string]any{}
			}
			maps.Copy(tags, g.stageTags[c.Params["ApiId"]])
			stage["tags"] = tags
		})
	case scaling + ":RegisterScalableTarget":
		var asked struct{ Tags map[string]string }
		if json.Unmarshal(request, &asked) == nil {
			g.tagTarget(flatten(answer.Body.Bytes())["ScalableTargetARN"], asked.Tags)
		}
	case "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress":
		g.described[flatten(answer.Body.Bytes()).Get("securityGroupRuleId")] = c.Params.Get("Description")
	case "ec2:ModifySecurityGroupRules":
		if description := c.Params.Get("Description"); description != "" {
			g.described[c.Params.Get("SecurityGroupRuleId")] = description
		}
	case "ec2:DescribeSecurityGroupRules":
		text := ruleID.ReplaceAllStringFunc(answer.Body.String(), func(id string) string {
			var description strings.Builder
			_ = xml.EscapeText(&description, []byte(g.described[ruleID.FindStringSubmatch(id)[1]]))
			return id + "<description>" + description.String() + "</description>"
		})
		replaceBody(answer, []byte(text))
	case "ec2:DescribeInstances":
		replaceBody(answer, instanceGroups.ReplaceAll(answer.Body.Bytes(), []byte("$1$2$1$3")))
	}
}

// fillLogKeys completes an answer that describes log groups.
func (g *gaps) fillLogKeys(doc map[string]any) {
	list, _ := doc["logGroups"].([]any)
	for _, entry := range list {
		group, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		name, _ := group["logGroupName"].(string)
		if key, changed := g.logKeys[name]; changed {
			if delete(group, "kmsKeyId"); key != "" {
				group["kmsKeyId"] = key
			}
		}
	}
}

// tagStage takes a stage's tags. The simulator has no path for them.
func (g *gaps) tagStage(api string, request []byte, answer *httptest.ResponseRecorder) {
	var asked struct{ Tags map[string]any }
	if json.Unmarshal(request, &asked) != nil {
		return
	}
	g.stageTags[api] = asked.Tags
	answer.Code = http.StatusCreated
	answer.Header().Set("Content-Type", "application/json")
	replaceBody(answer, []byte("{}"))
}

// editJSON lets edit change the document of an answer.
func editJSON(answer *httptest.ResponseRecorder, edit func(doc map[string]any)) {
	var doc map[string]any
	if json.Unmarshal(answer.Body.Bytes(), &doc) != nil {
		return
	}
	edit(doc)
	if body, err := json.Marshal(doc); err == nil {
		replaceBody(answer, body)
	}
}

func replaceBody(answer *httptest.ResponseRecorder, body []byte) {
	answer.Body = bytes.NewBuffer(body)
	answer.Header().Del("Content-Length")
}
