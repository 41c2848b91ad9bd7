package awsproxy

import (
	"bytes"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// parseS3 names a call of S3, which says with method, path and the first word of the query what it asks for, and puts what
// it gives in the form that the check against AWS's models reads.
func (c *Call) parseS3(r *http.Request, body []byte) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	query.Del("x-id") // the SDK's own name of the operation, which some calls have
	part := ""
	if parts := slices.Sorted(maps.Keys(query)); len(parts) > 0 {
		part = parts[0]
	}
	verb := map[string]string{http.MethodGet: "Get", http.MethodHead: "Head", http.MethodPut: "Put", http.MethodPost: "Post", http.MethodDelete: "Delete"}[r.Method]
	noun := "Bucket"
	if key != "" {
		noun = "Object"
	}
	switch {
	case bucket == "":
		c.Operation = "ListBuckets"
	case part == "" && r.Method == http.MethodPut && key == "":
		c.Operation = "CreateBucket"
	case part == "delete":
		c.Operation = "DeleteObjects"
	case part == "publicAccessBlock":
		c.Operation = verb + "PublicAccessBlock"
	case part == "lifecycle" && r.Method != http.MethodDelete:
		c.Operation = verb + "BucketLifecycleConfiguration"
	case part == "list-type" || part == "versions":
		c.Operation = "ListObjects"
	case part != "":
		c.Operation = verb + noun + strings.ToUpper(part[:1]) + part[1:]
	default:
		c.Operation = verb + noun
	}
	params := map[string]any{"Bucket": bucket}
	if key != "" {
		params["Key"] = key
	}
	var root element
	switch {
	case part == "policy" && len(body) > 0:
		params["Policy"] = string(body)
	case bytes.HasPrefix(body, []byte("<")) && xml.Unmarshal(body, &root) == nil:
		params[root.XMLName.Local] = root.document()
	}
	c.Params, c.protocol = Values{}, restXML
	c.Params.add(params)
	c.sent = sent{c.Service, c.Operation, params}
}

// document is an element as AWS's models have it. A list has a name of its own (TagSet), or the plural of its elements', or
// its elements say that they are several (Rule, Object).
func (e element) document() any {
	if len(e.Children) == 0 {
		if n, err := strconv.Atoi(e.Text); e.XMLName.Local == "TTL" && err == nil {
			return n
		}
		return strings.TrimSpace(e.Text)
	}
	if name := e.XMLName.Local; name == "TagSet" || name == e.Children[0].XMLName.Local+"s" {
		var list []any
		for _, child := range e.Children {
			list = append(list, child.document())
		}
		return list
	}
	doc := map[string]any{}
	for _, child := range e.Children {
		name := child.XMLName.Local
		if (name == "Rule" || name == "Object") && len(child.Children) > 0 {
			list, _ := doc[name].([]any)
			doc[name] = append(list, child.document())
		} else {
			doc[name] = child.document()
		}
	}
	return doc
}
