package awsproxy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// gaps fills what the simulator forgets and AWS gives back: part of what an ECS service was given, the descriptions of
// security-group rules, the groups of an instance that came with its network interface, and tags that an API's stage
// got later. The provider takes their absence for drift and repairs it on every run, so that no test could tell a no-op
// from a change.
type gaps struct {
	mu        sync.Mutex
	services  map[string]map[string]any // what ECS services were given, by cluster/service
	stageTags map[string]map[string]any // by API
	described map[string]string         // security-group rules: id to description
}

func newGaps() *gaps {
	return &gaps{services: map[string]map[string]any{}, stageTags: map[string]map[string]any{}, described: map[string]string{}}
}

var (
	// kept are the fields of CreateService and UpdateService that moto does not give back, or not as it was given them.
	kept = []string{
		"availabilityZoneRebalancing", "capacityProviderStrategy", "deploymentConfiguration", "enableECSManagedTags",
		"healthCheckGracePeriodSeconds", "networkConfiguration", "platformVersion", "propagateTags",
	}
	// stageARN matches the path of a call about the tags of an API's stage.
	stageARN = regexp.MustCompile(`^/v2/tags/arn:.*/apis/([^/]+)/stages/`)
	// ruleID matches where the answer to DescribeSecurityGroupRules can take a description.
	ruleID = regexp.MustCompile(`<securityGroupRuleId>(sgr-\w+)</securityGroupRuleId>`)
	// instanceGroups matches the groups of an instance's interface, and the instance's own, which are missing.
	instanceGroups = regexp.MustCompile(`(?s)(<groupSet>.*?</groupSet>)(.*?)<groupSet/>(<sourceDestCheck>)`)
)

// amend remembers what a call gives, and completes its answer.
func (g *gaps) amend(c *Call, urlPath string, request []byte, answer *httptest.ResponseRecorder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if stage := stageARN.FindStringSubmatch(urlPath); stage != nil && c.Operation == "TagResource" {
		g.tagStage(stage[1], request, answer)
	}
	if answer.Code >= 400 {
		return
	}
	fillDomainName(c, answer)
	switch c.String() {
	case "ecs:CreateService", "ecs:UpdateService":
		g.keep(c, request)
		fallthrough
	case "ecs:DescribeServices":
		editJSON(answer, g.fillServices)
	case "apigateway:GetStage", "apigateway:UpdateStage":
		editJSON(answer, func(stage map[string]any) {
			tags, _ := stage["tags"].(map[string]any)
			if tags == nil {
				tags = map[string]any{}
			}
			maps.Copy(tags, g.stageTags[c.Params["ApiId"]])
			stage["tags"] = tags
		})
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

// keep remembers what CreateService or UpdateService asked for.
func (g *gaps) keep(c *Call, request []byte) {
	var asked map[string]any
	if json.Unmarshal(request, &asked) != nil {
		return
	}
	key := serviceKey(asked["cluster"], cmp.Or(asked["serviceName"], asked["service"]))
	maps.DeleteFunc(asked, func(field string, value any) bool { return value == nil || !slices.Contains(kept, field) })
	if before := g.services[key]; before != nil && c.Operation == "UpdateService" {
		maps.Copy(before, asked)
	} else {
		g.services[key] = asked
	}
}

// fillServices completes an answer that describes services.
func (g *gaps) fillServices(doc map[string]any) {
	list, _ := doc["services"].([]any)
	for _, entry := range append(list, doc["service"]) {
		if service, ok := entry.(map[string]any); ok {
			maps.Copy(service, g.services[serviceKey(service["clusterArn"], service["serviceName"])])
		}
	}
}

// serviceKey names a service of a cluster, whether they are given as names or as ARNs.
func serviceKey(cluster, service any) string {
	return path.Base(fmt.Sprint(cluster)) + "/" + path.Base(fmt.Sprint(service))
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
