package awsproxy

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Protocol is the wire format of an AWS service, which decides what an error looks like.
type Protocol int

// The wire formats of AWS.
const (
	Query    Protocol = iota // form in, XML out: IAM, STS, load balancing
	EC2                      // Query with an error shape of its own
	JSON                     // X-Amz-Target: ECS, ECR, logs, Cloud Map, SSM
	RESTJSON                 // method and path: API Gateway
	RESTXML                  // method and path: S3
)

// Call is one API call as the proxy saw it.
type Call struct {
	Service   string // the signing name: ec2, ecs, iam, elasticloadbalancing, apigateway, …
	Operation string // CreateVpc; where the path names the operation (API Gateway), derived from it
	Protocol  Protocol
	Params    Values // of the request, flattened; a path's ids under the names of AWS's reference
	Answer    Values // what the simulator answered, flattened; nil if it was not asked
	Took      bool   // the simulator carried it out, whether or not the caller heard of it
	Status    int    // what the caller got; 0 if the connection was cut, or nothing yet
	Fault     Kind   // what the proxy did to this call

	// Asked and Answered are positions on one counter that all calls of a proxy share: a call was
	// over before another began if its Answered is smaller than the other's Asked.
	Asked, Answered int
}

// Values are a document's leaves by their path (loadBalancers.0.targetGroupArn).
type Values map[string]string

// Get returns the value whose path is or ends in name, ignoring case (so that one spelling does for the
// query form "TargetGroupArn" and the JSON form "targetGroupArn"); "" if there is none.
func (v Values) Get(name string) string {
	if all := v.All(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// All returns every value whose path is or ends in name, in the order of the paths.
func (v Values) All(name string) []string {
	var paths []string
	for path := range v {
		low := "." + strings.ToLower(path)
		if strings.HasSuffix(low, "."+strings.ToLower(name)) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	all := make([]string, len(paths))
	for i, path := range paths {
		all[i] = v[path]
	}
	return all
}

// Has reports whether any leaf holds value.
func (v Values) Has(value string) bool {
	for _, have := range v {
		if have == value {
			return true
		}
	}
	return false
}

// Before reports whether the caller had c's answer before it asked next.
func (c Call) Before(next Call) bool { return c.Answered > 0 && c.Answered < next.Asked }

// Mutates reports whether the call can change anything.
func (c Call) Mutates() bool {
	for _, prefix := range []string{"Describe", "Get", "List", "BatchGet", "BatchCheck", "Head", "Discover", "Lookup", "Search", "Filter"} {
		if strings.HasPrefix(c.Operation, prefix) {
			return false
		}
	}
	return true
}

func (c Call) String() string { return c.Service + ":" + c.Operation }

var (
	scope   = regexp.MustCompile(`Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request`)
	apiPath = regexp.MustCompile(`^/v2/(\w+)(?:/([^/]+))?(?:/(\w+))?(?:/([^/]+))?`)
)

// apiNames are the nouns of API Gateway's operations by the path that stands for them.
var apiNames = map[string]string{
	"apis": "Api", "authorizers": "Authorizer", "deployments": "Deployment", "integrations": "Integration",
	"routes": "Route", "stages": "Stage", "vpclinks": "VpcLink", "domainnames": "DomainName", "apimappings": "ApiMapping",
}

// parse tells what a request asks for.
func parse(r *http.Request, body []byte) Call {
	c := Call{Params: Values{}}
	if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		c.Service = m[1]
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		c.Protocol = JSON
		c.Operation = target[strings.LastIndex(target, ".")+1:]
		flattenJSON(c.Params, body)
		return c
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
		if c.Service == "ec2" {
			c.Protocol = EC2
		}
		c.Operation = form.Get("Action")
		for name, values := range form {
			c.Params[name] = values[0]
		}
		return c
	}
	if c.Service == "s3" {
		c.Protocol = RESTXML
		c.Operation = restVerb(r.Method, false) + "S3:" + r.URL.RequestURI()
		return c
	}
	c.Protocol = RESTJSON
	flattenJSON(c.Params, body)
	c.Operation = r.Method + " " + r.URL.Path
	m := apiPath.FindStringSubmatch(r.URL.Path)
	switch {
	case m == nil:
	case m[1] == "tags":
		c.Operation = map[string]string{http.MethodGet: "GetTags", http.MethodDelete: "UntagResource"}[r.Method]
		if c.Operation == "" {
			c.Operation = "TagResource"
		}
	default:
		noun, id := m[1], m[2]
		if m[3] != "" {
			c.Params["ApiId"] = m[2]
			noun, id = m[3], m[4]
		}
		name := apiNames[strings.ToLower(noun)]
		if name == "" {
			break
		}
		if id != "" {
			c.Params[name+"Id"] = id
		}
		c.Operation = restVerb(r.Method, id == "") + name
		if r.Method == http.MethodGet && id == "" {
			c.Operation += "s"
		}
	}
	return c
}

// restVerb names what a method does to a collection or to one of its members.
func restVerb(method string, collection bool) string {
	switch method {
	case http.MethodGet:
		return "Get"
	case http.MethodHead:
		return "Head"
	case http.MethodDelete:
		return "Delete"
	case http.MethodPatch:
		return "Update"
	}
	if collection || method == http.MethodPost {
		return "Create"
	}
	return "Put"
}

// flatten reads a document, JSON or XML, whichever it is.
func flatten(body []byte) Values {
	v := Values{}
	if len(body) > 0 && body[0] == '<' {
		flattenXML(v, body)
	} else {
		flattenJSON(v, body)
	}
	return v
}

func flattenJSON(v Values, body []byte) {
	var doc any
	if json.Unmarshal(body, &doc) == nil {
		leaves(v, "", doc)
	}
}

func leaves(v Values, path string, doc any) {
	join := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	switch doc := doc.(type) {
	case map[string]any:
		for name, value := range doc {
			leaves(v, join(name), value)
		}
	case []any:
		for i, value := range doc {
			leaves(v, join(strconv.Itoa(i)), value)
		}
	case nil:
	default:
		v[path] = fmt.Sprint(doc)
	}
}

// flattenXML numbers equal siblings only from the second one on (item, item.1, …): what matters is that
// no leaf hides another.
func flattenXML(v Values, body []byte) {
	dec := xml.NewDecoder(strings.NewReader(string(body)))
	var path []string
	var text string
	for {
		token, err := dec.Token()
		if err == io.EOF || err != nil {
			return
		}
		switch token := token.(type) {
		case xml.StartElement:
			path, text = append(path, token.Name.Local), ""
		case xml.CharData:
			text += string(token)
		case xml.EndElement:
			if text = strings.TrimSpace(text); text != "" {
				key := strings.Join(path, ".")
				for i := 1; v[key] != ""; i++ {
					key = fmt.Sprintf("%d.%s", i, strings.Join(path, "."))
				}
				v[key] = text
			}
			path, text = path[:len(path)-1], ""
		}
	}
}
