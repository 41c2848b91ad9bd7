package awsproxy

import (
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"net/http/httptest"
	"regexp"
)

// fillDomainName completes what the simulator answers of an API's domain name: where it is, that it is ready, and that it
// has no mutual TLS, for which AWS says nothing. The zone is the one that AWS has for the regional endpoints of us-west-2:
// https://docs.aws.amazon.com/general/latest/gr/apigateway.html
func fillDomainName(c *Call, answer *httptest.ResponseRecorder) {
	if c.Operation != "CreateDomainName" && c.Operation != "GetDomainName" {
		return
	}
	editJSON(answer, func(doc map[string]any) {
		name := fnv.New64()
		fmt.Fprint(name, doc["domainName"])
		if mutual, _ := doc["mutualTlsAuthentication"].(map[string]any); len(mutual) == 0 {
			delete(doc, "mutualTlsAuthentication")
		}
		list, _ := doc["domainNameConfigurations"].([]any)
		for _, entry := range list {
			if configuration, ok := entry.(map[string]any); ok {
				configuration["apiGatewayDomainName"] = fmt.Sprintf("d-%010x.execute-api.us-west-2.amazonaws.com", name.Sum64()>>24)
				configuration["domainNameStatus"] = "AVAILABLE"
				configuration["hostedZoneId"] = "Z2OJLYMUO9EFXC"
			}
		}
	})
}

// route53Calls are the operations of Route 53, which has no names on the wire, by method and path. What a path holds goes
// under the names of AWS's reference.
var route53Calls = []struct {
	path *regexp.Regexp
	name string
	ids  []string
}{
	{regexp.MustCompile(`^GET /2013-04-01/hostedzone/?$`), "ListHostedZones", nil},
	{regexp.MustCompile(`^POST /2013-04-01/hostedzone/?$`), "CreateHostedZone", nil},
	{regexp.MustCompile(`^GET /2013-04-01/hostedzone/([^/]+)$`), "GetHostedZone", []string{"Id"}},
	{regexp.MustCompile(`^GET /2013-04-01/hostedzone/([^/]+)/rrset/?$`), "ListResourceRecordSets", []string{"HostedZoneId"}},
	{regexp.MustCompile(`^POST /2013-04-01/hostedzone/([^/]+)/rrset/?$`), "ChangeResourceRecordSets", []string{"HostedZoneId"}},
	{regexp.MustCompile(`^GET /2013-04-01/change/([^/]+)$`), "GetChange", []string{"Id"}},
	{regexp.MustCompile(`^GET /2013-04-01/tags/([^/]+)/([^/]+)$`), "ListTagsForResource", []string{"ResourceType", "ResourceId"}},
}

// parseRoute53 reads a call of Route 53, whose form is method, path and XML.
func (c *Call) parseRoute53(method, path string, body []byte) {
	c.protocol = query // its errors look the same
	for _, known := range route53Calls {
		m := known.path.FindStringSubmatch(method + " " + path)
		if m == nil {
			continue
		}
		document := map[string]any{}
		var root element
		if xml.Unmarshal(body, &root) == nil {
			document, _ = root.document().(map[string]any)
		}
		for i, name := range known.ids {
			c.Params[name], document[name] = m[i+1], m[i+1]
		}
		c.Operation, c.sent = known.name, sent{c.Service, known.name, document}
	}
}
