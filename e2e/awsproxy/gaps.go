package awsproxy

import (
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
)

// gaps fills what the simulator forgets: part of what an ECS service was given, the descriptions of rules that name a
// security group, the groups of an instance that were given with its network interface, and that stages of APIs can be
// tagged. AWS gives them back; the provider takes their absence for drift and repairs it on every run, so
// that no test could tell a no-op from a change.
type gaps struct {
	mu        sync.Mutex
	given     map[string]map[string]any // to ECS services, by cluster/service
	stageTags map[string]map[string]any // given to stages of APIs after they were made, by API
	described map[string]string         // security-group rules: id to description
}

// kept are the fields of CreateService and UpdateService that moto does not give back, or not as it was given them.
var kept = []string{
	"availabilityZoneRebalancing", "capacityProviderStrategy", "deploymentConfiguration", "enableECSManagedTags",
	"healthCheckGracePeriodSeconds", "networkConfiguration", "platformVersion", "propagateTags",
}

func last(arn any) string {
	text, _ := arn.(string)
	return text[strings.LastIndex(text, "/")+1:]
}

// note remembers what a successful CreateService or UpdateService asked for.
func (g *gaps) note(c *Call, request []byte) {
	var asked map[string]any
	if json.Unmarshal(request, &asked) != nil {
		return
	}
	name := last(asked["serviceName"])
	if c.Operation == "UpdateService" {
		name = last(asked["service"])
	}
	key := last(asked["cluster"]) + "/" + name
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.given == nil {
		g.given = map[string]map[string]any{}
	}
	if g.given[key] == nil || c.Operation == "CreateService" {
		g.given[key] = map[string]any{}
	}
	for _, field := range kept {
		if value := asked[field]; value != nil {
			g.given[key][field] = value
		}
	}
}

// fill completes an answer that describes services.
func (g *gaps) fill(answer *httptest.ResponseRecorder) {
	var doc map[string]any
	if json.Unmarshal(answer.Body.Bytes(), &doc) != nil {
		return
	}
	list, _ := doc["services"].([]any)
	if one, ok := doc["service"]; ok {
		list = append(list, one)
	}
	g.mu.Lock()
	for _, entry := range list {
		if service, ok := entry.(map[string]any); ok {
			for field, value := range g.given[last(service["clusterArn"])+"/"+last(service["serviceName"])] {
				service[field] = value
			}
		}
	}
	g.mu.Unlock()
	if text, err := json.Marshal(doc); err == nil {
		replaceBody(answer, text)
	}
}

// ruleID matches where the answer to DescribeSecurityGroupRules can take a description.
var ruleID = regexp.MustCompile(`<securityGroupRuleId>(sgr-\w+)</securityGroupRuleId>`)

func (g *gaps) describe(answer *httptest.ResponseRecorder) {
	g.mu.Lock()
	text := ruleID.ReplaceAllStringFunc(answer.Body.String(), func(id string) string {
		var escaped strings.Builder
		_ = xml.EscapeText(&escaped, []byte(g.described[ruleID.FindStringSubmatch(id)[1]]))
		return id + "<description>" + escaped.String() + "</description>"
	})
	g.mu.Unlock()
	replaceBody(answer, []byte(text))
}

// instanceGroups matches the groups of an instance's interface, and the instance's own, which are missing.
var instanceGroups = regexp.MustCompile(`(?s)(<groupSet>.*?</groupSet>)(.*?)<groupSet/>(<sourceDestCheck>)`)

func replaceBody(answer *httptest.ResponseRecorder, body []byte) {
	answer.Body.Reset()
	answer.Body.Write(body)
	answer.Header().Del("Content-Length")
}

// stageARN matches a stage's ARN in the path of a call.
var stageARN = regexp.MustCompile(`^/v2/tags/arn:.*/apis/([^/]+)/stages/`)

// tagStage takes a stage's tags, for which the simulator has no path.
func (g *gaps) tagStage(api string, request []byte, answer *httptest.ResponseRecorder) {
	var asked struct{ Tags map[string]any }
	if json.Unmarshal(request, &asked) != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stageTags == nil {
		g.stageTags = map[string]map[string]any{}
	}
	g.stageTags[api] = asked.Tags
	answer.Code = http.StatusCreated
	answer.Header().Set("Content-Type", "application/json")
	replaceBody(answer, []byte("{}"))
}

// fillStage adds the tags that a stage got later.
func (g *gaps) fillStage(api string, answer *httptest.ResponseRecorder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var stage map[string]any
	if g.stageTags[api] == nil || json.Unmarshal(answer.Body.Bytes(), &stage) != nil {
		return
	}
	tags, _ := stage["tags"].(map[string]any)
	if tags == nil {
		tags = map[string]any{}
	}
	maps.Copy(tags, g.stageTags[api])
	stage["tags"] = tags
	if text, err := json.Marshal(stage); err == nil {
		replaceBody(answer, text)
	}
}

func (g *gaps) amend(c *Call, path string, request []byte, answer *httptest.ResponseRecorder) {
	if stage := stageARN.FindStringSubmatch(path); stage != nil && c.Operation == "TagResource" {
		g.tagStage(stage[1], request, answer)
	}
	if answer.Code >= 400 {
		return
	}
	switch c.String() {
	case "ecs:CreateService", "ecs:UpdateService":
		g.note(c, request)
		g.fill(answer)
	case "ecs:DescribeServices":
		g.fill(answer)
	case "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress":
		g.mu.Lock()
		if g.described == nil {
			g.described = map[string]string{}
		}
		g.described[flatten(answer.Body.Bytes()).Get("securityGroupRuleId")] = c.Params.Get("Description")
		g.mu.Unlock()
	case "ec2:ModifySecurityGroupRules":
		g.mu.Lock()
		if description := c.Params.Get("Description"); description != "" && g.described != nil {
			g.described[c.Params.Get("SecurityGroupRuleId")] = description
		}
		g.mu.Unlock()
	case "apigateway:GetStage", "apigateway:UpdateStage":
		g.fillStage(c.Params["ApiId"], answer)
	case "ec2:DescribeInstances":
		replaceBody(answer, instanceGroups.ReplaceAll(answer.Body.Bytes(), []byte("$1$2$1$3")))
	case "ec2:DescribeSecurityGroupRules":
		g.describe(answer)
	}
}
