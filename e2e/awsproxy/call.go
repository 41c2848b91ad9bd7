package awsproxy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Call is one API call as the proxy saw it.
type Call struct {
	Service   string // the signing name: ec2, ecs, iam, elasticloadbalancing, apigateway, …
	Operation string // CreateVpc; for API Gateway, which has no names on the wire, derived from method and path
	Params    Values // of the request, flattened; a path's ids under the names of AWS's reference
	Answer    Values // what the simulator answered, flattened; nil if it was not asked
	Took      bool   // the simulator carried it out, whether or not the caller heard of it
	Status    int    // what the caller got; 0 if the connection was cut, or nothing yet

	// Asked and Answered are positions on one counter that all calls of a proxy share: a call was
	// over before another began if its Answered is smaller than the other's Asked.
	Asked, Answered int
	Time            time.Time // when it was asked

	region   string
	protocol *protocol
	sent     sent
}

// sent is a request in the form that the check against AWS's models reads: a query's parameters by their names on the
// wire, the document of the others; of a REST call also the path with its query, as "_path". Two kinds go by their
// name, with what stands in their path: calls about tags, as the ARN there has slashes of its own, and those of S3.
type sent struct {
	Service   string         `json:"service"`
	Operation string         `json:"op"` // of a REST call method and path
	Params    map[string]any `json:"params"`
}

// Before reports whether the caller had c's answer before it asked next.
func (c Call) Before(next Call) bool { return c.Answered > 0 && c.Answered < next.Asked }

var reads = regexp.MustCompile("^(Describe|Get|Head|List|BatchGet|BatchCheck|Discover|Lookup|Search|Filter)")

// Mutates reports whether the call can change anything.
func (c Call) Mutates() bool { return !reads.MatchString(c.Operation) }

func (c Call) String() string { return c.Service + ":" + c.Operation }

// parse reads what a request asks for.
func parse(r *http.Request, body []byte) *Call {
	c := &Call{}
	if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		c.region, c.Service = m[1], m[2]
	}
	var document map[string]any
	if json.Unmarshal(body, &document) != nil || document == nil {
		document = map[string]any{}
	}
	if _, operation, found := strings.Cut(r.Header.Get("X-Amz-Target"), "."); found {
		c.protocol, c.Operation, c.Params = jsonTarget, operation, flatten(body)
		c.sent = sent{c.Service, operation, document}
		return c
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Has("Action") {
		c.protocol, c.Operation, c.Params = query, form.Get("Action"), Values{}
		if c.Service == "ec2" {
			c.protocol = ec2
		}
		for name := range form {
			c.Params[name], document[name] = form.Get(name), form.Get(name)
		}
		if c.Service == "monitoring" {
			document = nested(form)
		}
		c.sent = sent{c.Service, c.Operation, document}
		return c
	}
	if c.Service == "s3" {
		c.parseS3(r, body)
		return c
	}
	c.protocol, c.Operation, c.Params = restJSON, r.Method+" "+r.URL.Path, flatten(body)
	c.sent = sent{c.Service, c.Operation, document}
	document["_path"] = r.URL.RequestURI()
	if c.Service == "route53" {
		c.parseRoute53(r.Method, r.URL.Path, body)
		return c
	}
	c.parsePath(r.Method, r.URL.Path)
	if arn, tags := strings.CutPrefix(r.URL.Path, "/v2/tags/"); tags {
		c.sent.Operation, document["resource-arn"] = c.Operation, arn
		if keys := r.URL.Query()["tagKeys"]; keys != nil {
			document["tagKeys"] = keys
		}
	}
	return c
}

// numbers are the parameters of CloudWatch that are no texts.
var numbers = []string{"DatapointsToAlarm", "EvaluationPeriods", "MaxRecords", "Period", "Threshold"}

// nested makes a document of a query's parameters, such as Tags.member.1.Key. CloudWatch takes both, and its model describes
// the other one.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/making-api-requests.html
func nested(form url.Values) map[string]any {
	document := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		into, keys := document, strings.Split(name, ".")
		for _, key := range keys[:len(keys)-1] {
			inner, _ := into[key].(map[string]any)
			if inner == nil {
				inner = map[string]any{}
				into[key] = inner
			}
			into = inner
		}
		last := keys[len(keys)-1]
		into[last] = form.Get(name)
		if number, err := strconv.ParseFloat(form.Get(name), 64); err == nil && slices.Contains(numbers, last) {
			into[last] = number
		}
	}
	delete(document, "Action")
	delete(document, "Version")
	return listed(document).(map[string]any)
}

// listed makes lists of the maps that stand for one: their only key is member, with one map or text for each number.
func listed(value any) any {
	fields, ok := value.(map[string]any)
	if !ok {
		return value
	}
	members, ok := fields["member"].(map[string]any)
	if !ok {
		for key, field := range fields {
			fields[key] = listed(field)
		}
		return fields
	}
	var list []any
	for i := 1; members[strconv.Itoa(i)] != nil; i++ {
		list = append(list, listed(members[strconv.Itoa(i)]))
	}
	return list
}

var (
	scope   = regexp.MustCompile(`Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request`)
	apiPath = regexp.MustCompile(`^/v2/(\w+)(?:/([^/]+))?(?:/(\w+))?(?:/([^/]+))?`)

	// How the paths and methods of API Gateway become the names of its operations.
	nouns = map[string]string{
		"apis": "Api", "apimappings": "ApiMapping", "authorizers": "Authorizer", "deployments": "Deployment",
		"domainnames": "DomainName", "integrations": "Integration", "routes": "Route", "stages": "Stage", "vpclinks": "VpcLink",
	}
	verbs    = map[string]string{"GET": "Get", "POST": "Create", "PUT": "Put", "PATCH": "Update", "DELETE": "Delete"}
	tagVerbs = map[string]string{"GET": "GetTags", "POST": "TagResource", "DELETE": "UntagResource"}
)

// parsePath sets the operation and the ids that a path of API Gateway stands for. It leaves other paths alone.
func (c *Call) parsePath(method, path string) {
	m := apiPath.FindStringSubmatch(path)
	if m == nil {
		return
	}
	noun, id := m[1], m[2]
	if noun == "tags" {
		c.Operation = tagVerbs[method]
		return
	}
	if m[3] != "" {
		parent := "ApiId"
		if noun == "domainnames" {
			parent = "DomainName"
		}
		c.Params[parent], noun, id = m[2], m[3], m[4]
	}
	name := nouns[noun]
	if name == "" {
		return
	}
	c.Operation = verbs[method] + name
	if id != "" && noun == "domainnames" {
		c.Params[name] = id
	} else if id != "" {
		c.Params[name+"Id"] = id
	} else if method == http.MethodGet {
		c.Operation += "s"
	}
}

// Values are a document's leaves by their path (loadBalancers.0.targetGroupArn).
type Values map[string]string

// Get returns the first value of All that is not empty; "" if there is none.
func (v Values) Get(name string) string { return cmp.Or(v.All(name)...) }

// All returns every value whose path is or ends in name, in the order of the paths. It ignores case: one name
// does for TargetGroupArn of the query form and targetGroupArn of the JSON form.
func (v Values) All(name string) []string {
	var all []string
	for _, path := range slices.Sorted(maps.Keys(v)) {
		if strings.HasSuffix("."+strings.ToLower(path), "."+strings.ToLower(name)) {
			all = append(all, v[path])
		}
	}
	return all
}

// Has reports whether any leaf holds value.
func (v Values) Has(value string) bool {
	return slices.Contains(slices.Collect(maps.Values(v)), value)
}

// element is any XML element.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

// flatten reads a document in JSON or XML. What is neither has no values.
func flatten(body []byte) Values {
	v := Values{}
	if bytes.HasPrefix(body, []byte("<")) {
		var root element
		if xml.Unmarshal(body, &root) == nil {
			v.add(root)
		}
		return v
	}
	var doc any
	if json.Unmarshal(body, &doc) == nil {
		v.add(doc)
	}
	return v
}

// add adds the leaves of what is at path.
func (v Values) add(doc any, path ...string) {
	switch doc := doc.(type) {
	case map[string]any:
		for name, value := range doc {
			v.add(value, append(path, name)...)
		}
	case []any:
		for i, value := range doc {
			v.add(value, append(path, strconv.Itoa(i))...)
		}
	case element:
		for i, child := range doc.Children { // the number tells apart children of one name
			v.add(child, append(path, strconv.Itoa(i), child.XMLName.Local)...)
		}
		if text := strings.TrimSpace(doc.Text); text != "" {
			v.add(text, path...)
		}
	case nil:
	default:
		v[strings.Join(path, ".")] = fmt.Sprint(doc)
	}
}
