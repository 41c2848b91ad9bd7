package trace

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// api returns the HTTP API that has a stage $default. The program has one.
func (s *Set) api() (Resource, bool) {
	for _, stage := range s.Of(stageType) {
		if stage.Outputs.Text("name") == "$default" && stage.Outputs.Is("autoDeploy") {
			return s.Find(apiType, stage.Outputs.Text("apiId"))
		}
	}
	return Resource{}, false
}

// route selects the most specific match: a full match of route and method, then one with a greedy variable, then
// $default. Of two that match, a method of its own goes before ANY, and the one with more literal segments first.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func (s *Set) route(api, method, path string) (Resource, bool) {
	best, bestRank := Resource{}, []int(nil)
	for _, r := range s.Of(routeType) {
		if r.Outputs.Text("apiId") != api {
			continue
		}
		if rank := rankRoute(r.Outputs.Text("routeKey"), method, path); rank != nil && slices.Compare(rank, bestRank) > 0 {
			best, bestRank = r, rank
		}
	}
	return best, bestRank != nil
}

// rankRoute returns how specific a route key is for a request, as numbers to compare in turn; nil: no match.
func rankRoute(key, method, path string) []int {
	if key == "$default" {
		return []int{0}
	}
	keyMethod, keyPath, _ := strings.Cut(key, " ")
	if keyMethod != "ANY" && keyMethod != method {
		return nil
	}
	ownMethod, literals := 0, 0
	if keyMethod != "ANY" {
		ownMethod = 1
	}
	have, want := strings.Split(path, "/")[1:], strings.Split(keyPath, "/")[1:]
	for i, segment := range want {
		switch {
		case strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "+}"):
			if i >= len(have) || have[i] == "" { // it stands for at least one segment
				return nil
			}
			return []int{1, literals, ownMethod}
		case i >= len(have):
			return nil
		case strings.HasPrefix(segment, "{"):
			if have[i] == "" {
				return nil
			}
		case segment != have[i]:
			return nil
		default:
			literals++
		}
	}
	if len(have) != len(want) {
		return nil
	}
	return []int{2, literals, ownMethod}
}

// authorize returns how AWS answers a request that proves nothing of its caller, 0 if the route lets it through. No request
// proves anything here: there are neither the keys of an issuer nor those of an IAM user.
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
func authorize(route Resource) (status int, reason string) {
	switch route.Outputs.Text("authorizationType") {
	case "JWT":
		return http.StatusUnauthorized, fmt.Sprintf("not authorized: route %s asks for a token of its issuer", route.Name)
	case "AWS_IAM":
		return http.StatusForbidden, fmt.Sprintf("not authorized: route %s asks for a request signed with IAM credentials", route.Name)
	}
	return 0, ""
}

// preflight tells whether a request asks for permission for another one, of an API that has CORS.
func preflight(r *http.Request, cors http.Header) bool {
	return cors != nil && r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// cors returns the headers for the origin of a request: nil without a configuration, empty for another origin. The API
// answers preflights itself, and replaces what the integration says of CORS.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
func cors(config Values, r *http.Request) http.Header {
	if len(config) == 0 {
		return nil
	}
	header := http.Header{}
	origin := r.Header.Get("Origin")
	origins := config.Texts("allowOrigins")
	scheme, _, _ := strings.Cut(origin, "://")
	switch {
	case origin == "":
		return header
	case slices.Contains(origins, "*"):
		header.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(origins, origin), slices.Contains(origins, scheme+"://*"):
		header.Set("Access-Control-Allow-Origin", origin)
	default:
		return header
	}
	lists := map[string]string{"Access-Control-Expose-Headers": "exposeHeaders"}
	if r.Method == http.MethodOptions {
		lists["Access-Control-Allow-Methods"], lists["Access-Control-Allow-Headers"] = "allowMethods", "allowHeaders"
		if age := config.Number("maxAge"); age != 0 {
			header.Set("Access-Control-Max-Age", strconv.Itoa(age))
		}
	}
	for name, setting := range lists {
		if values := config.Texts(setting); len(values) > 0 {
			header.Set(name, strings.Join(values, ","))
		}
	}
	if config.Is("allowCredentials") {
		header.Set("Access-Control-Allow-Credentials", "true")
	}
	return header
}

// rules returns the rules of a listener in the order in which they are tried: lowest priority first.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
func (s *Set) rules(listener Resource) []Resource {
	var all []Resource
	for _, r := range s.Of(ruleType) {
		if r.Outputs.Text("listenerArn") == listener.Outputs.Text("arn") {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b Resource) int {
		return cmp.Compare(a.Outputs.Number("priority"), b.Outputs.Number("priority"))
	})
	return all
}

func patterns(rule Resource) []string {
	var all []string
	for _, c := range rule.Outputs.Objects("conditions") {
		all = append(all, c.Object("pathPattern").Texts("values")...)
	}
	return all
}

// matches tells whether a rule takes a path: every condition must hold, one of its patterns is enough for that. The
// program has no other conditions than paths; a rule with another one takes nothing here.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
func matches(rule Resource, path string) bool {
	conditions := rule.Outputs.Objects("conditions")
	for _, c := range conditions {
		if !slices.ContainsFunc(c.Object("pathPattern").Texts("values"), func(p string) bool { return glob(p, path) }) {
			return false
		}
	}
	return len(conditions) > 0
}

// glob compares a path with a pattern of a listener rule: * is any number of characters, / too; ? is one; case counts.
func glob(pattern, path string) bool {
	for i, c := range []byte(pattern) {
		switch {
		case c == '*':
			for skip := range len(path) - i + 1 {
				if glob(pattern[i+1:], path[i+skip:]) {
					return true
				}
			}
			return false
		case i >= len(path) || c != '?' && c != path[i]:
			return false
		}
	}
	return len(pattern) == len(path)
}
