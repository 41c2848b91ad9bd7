package trace

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// api returns the HTTP API that has a stage $default; without, the way ends. The program has one. A stage that does not deploy
// by itself goes on with what was deployed last, so on AWS it counts too; in a local run nothing was.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-stages.html
func (s *Set) api(w *Way) Resource {
	w.at("HTTP API")
	for _, stage := range s.where(StageType, "name", "$default") {
		if api, ok := s.Find(APIType, stage.Outputs.Text("apiId")); ok && (stage.Outputs.Is("autoDeploy") || s.deployed()) {
			return api
		}
	}
	w.lacks("", API, http.StatusNotFound, "there is no HTTP API with a stage $default")
	return Resource{}
}

// stage returns that of an API.
func (s *Set) stage(api string) Resource {
	return append(s.where(StageType, "apiId", api), Resource{})[0]
}

// throttle ends a way if the stage allows no requests, as it does where one limit is 0.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
func (s *Set) throttle(w *Way, api Resource) {
	stage := s.stage(api.ID)
	limits := stage.Outputs.Object("defaultRouteSettings")
	rate, _ := limits["throttlingRateLimit"].(float64)
	burst := limits.Number("throttlingBurstLimit")
	if len(limits) == 0 || !s.deployed() {
		return
	}
	w.at("throttling")
	text := fmt.Sprintf("%v requests a second, in bursts of %d", rate, burst)
	if (burst == 0) != (rate == 0) {
		w.fault(API, http.StatusTooManyRequests, "stage %s allows no requests: %s", stage.Name, text)
		return
	}
	if w.took(stage, "%s", text); burst == 0 { // the provider says 0 in the place of nothing
		w.note(Unknown, "whether the stage allows nothing, or has no limits of its own")
	}
	if w.survey {
		w.note(Unknown, "whether callers send more than that, or all APIs of the account in this region get more than AWS allows it")
	}
}

// route selects the most specific match: a full match of route and method, then one with a greedy variable, then
// $default. Of two that match, a method of its own goes before ANY, and the one with more literal segments first.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func (s *Set) route(api, method, path string) (Resource, bool) {
	best, bestRank := Resource{}, []int(nil)
	for _, r := range s.where(RouteType, "apiId", api) {
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
	have, want := strings.Split(path, "/"), strings.Split(keyPath, "/")
	full, literals, ownMethod := 2, 0, 1
	if strings.HasSuffix(keyPath, "+}") { // it stands for at least one segment
		full, have = 1, have[:min(len(have), len(want))]
	}
	if keyMethod == "ANY" {
		ownMethod = 0
	} else if keyMethod != method {
		return nil
	}
	if len(have) != len(want) {
		return nil
	}
	for i, segment := range want {
		switch {
		case strings.HasPrefix(segment, "{") && have[i] != "":
		case segment == have[i]:
			literals++
		default:
			return nil
		}
	}
	return []int{full, literals, ownMethod}
}

// authorize ends a way where the route wants to know its caller, and nothing proves who that is. In a local run no
// request proves anything: there are neither the keys of an issuer nor those of an IAM user. On AWS, nobody but the API
// knows what a request proves.
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
func (s *Set) authorize(w *Way, route Resource) {
	status, wants := 0, ""
	switch route.Outputs.Text("authorizationType") {
	case "JWT":
		status, wants = http.StatusUnauthorized, "a token of its issuer"
	case "AWS_IAM":
		status, wants = http.StatusForbidden, "a request signed with IAM credentials"
	default:
		return
	}
	w.at("authorizer")
	if !s.deployed() {
		w.stop(API, status, "not authorized: route %s asks for %s", route.Name, wants)
		return
	}
	used := []Resource{route}
	if authorizer, ok := s.Find(AuthorizerType, route.Outputs.Text("authorizerId")); ok {
		used = append(used, authorizer)
		wants += " " + authorizer.Outputs.Object("jwtConfiguration").Text("issuer")
	}
	w.hop(route.Name, used, "asks for %s", wants)
	w.note(Unknown, "whether it lets the caller in: without that, the API answers %d", status)
}

// preflight tells whether a request asks for permission for another one, of an API that has CORS.
func preflight(r *http.Request, cors http.Header) bool {
	return cors != nil && r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// cors returns the headers for the origin of a request: nil without a configuration, empty for another origin, and for
// OPTIONS that is not a preflight. The API answers preflights itself, and replaces what the integration says of CORS. The
// program has no settings for credentials and exposed headers.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
func cors(config Values, r *http.Request) http.Header {
	if len(config) == 0 {
		return nil
	}
	header, origin, origins := http.Header{}, r.Header.Get("Origin"), config.Texts("allowOrigins")
	scheme, _, _ := strings.Cut(origin, "://")
	if slices.Contains(origins, "*") && origin != "" {
		origin = "*"
	}
	allowed := slices.Contains(origins, origin) || slices.Contains(origins, scheme+"://*")
	if !allowed || r.Method == http.MethodOptions && !preflight(r, header) {
		return header
	}
	header.Set("Access-Control-Allow-Origin", origin)
	if r.Method == http.MethodOptions {
		for name, list := range map[string]string{"Methods": "allowMethods", "Headers": "allowHeaders"} {
			if values := config.Texts(list); len(values) > 0 {
				header.Set("Access-Control-Allow-"+name, strings.Join(values, ","))
			}
		}
		if age := config.Number("maxAge"); age != 0 {
			header.Set("Access-Control-Max-Age", strconv.Itoa(age))
		}
	}
	return header
}

// rules returns the rules of a listener in the order in which they are tried: lowest priority first.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
func (s *Set) rules(listener Resource) []Resource {
	all := s.where(RuleType, "listenerArn", listener.Outputs.Text("arn"))
	slices.SortStableFunc(all, func(a, b Resource) int {
		return cmp.Compare(a.Outputs.Number("priority"), b.Outputs.Number("priority"))
	})
	return all
}

func patterns(rule Resource) (all []string) {
	for _, c := range rule.Outputs.Objects("conditions") {
		all = append(all, c.Object("pathPattern").Texts("values")...)
	}
	return all
}

// matches tells whether a rule takes a path: every condition must hold, one of its patterns is enough for that. The
// program has no other conditions than paths; a rule with another one takes nothing here.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
func matches(rule Resource, path string) bool {
	takes, others := judge(rule, path)
	return takes && !others
}

// judge tells whether the paths of a rule take one, and whether the rule has other conditions too.
func judge(rule Resource, path string) (takes, others bool) {
	conditions := rule.Outputs.Objects("conditions")
	for _, c := range conditions {
		if values := c.Object("pathPattern").Texts("values"); len(values) == 0 {
			others = true
		} else if !slices.ContainsFunc(values, func(p string) bool { return glob(p, path) }) {
			return false, others
		}
	}
	return len(conditions) > 0, others
}

// glob compares a path with a pattern of a listener rule: * is any number of characters, / too; ? is one; case counts.
func glob(pattern, path string) bool {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("(?s)^" + expression + "$").MatchString(path)
}
