package consumer

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"private-api/internal/setting"
)

var (
	// browserNames converts host names as browsers do: https://url.spec.whatwg.org/#concept-domain-to-ascii
	browserNames = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false), idna.CheckHyphens(false))
	hostName     = regexp.MustCompile(`^([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?$`)
	// number ends what browsers take for an IPv4 address: https://url.spec.whatwg.org/#ends-in-a-number-checker
	number     = regexp.MustCompile(`(^|\.)(\d+|0x[0-9a-f]*)\.?$`)
	headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$") // RFC 9110, section 5.6.2
)

// origin returns an origin in the form in which browsers send it, which is the one that API Gateway compares with. It
// returns false for what no browser sends. The wildcards are AWS's:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
func origin(text string) (string, bool) {
	if text == "*" || text == "https://*" || text == "http://*" {
		return text, true
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !strings.EqualFold(text, u.Scheme+"://"+u.Host) {
		return "", false
	}
	host, bracket := u.Hostname(), strings.HasPrefix(u.Host, "[")
	if address, err := netip.ParseAddr(host); err == nil && address.Is6() == bracket && !address.Is4In6() && address.Zone() == "" {
		host = address.String()
		if bracket {
			host = "[" + host + "]"
		}
	} else if host, err = browserNames.ToASCII(host); err != nil || bracket || !hostName.MatchString(host) || number.MatchString(host) {
		return "", false
	}
	if u.Port() != "" {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			return "", false
		}
		if port != map[string]uint64{"http": 80, "https": 443}[u.Scheme] {
			host += ":" + strconv.FormatUint(port, 10)
		}
	}
	return u.Scheme + "://" + host, true
}

// allowedOrigins allows a list of origins of which each can match.
var allowedOrigins = setting.Allowed[[]string]{
	Text: `origins such as https://www.example.com, without a path; or "*" alone for all, "https://*" for all with https`,
	Refused: func(list []string) (any, bool) {
		for _, text := range list {
			if _, ok := origin(text); !ok {
				return text, true
			}
		}
		c := CORS{AllowOrigins: list}
		return list, slices.Contains(list, "*") && len(c.origins()) > 1
	},
}

// origins returns the origins in the form in which browsers send them, each once.
func (c *CORS) origins() []string {
	var all []string
	for _, text := range c.AllowOrigins {
		if o, _ := origin(text); !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	return all
}

// authorizationHeaders are those that carry the proof of who calls. Browsers send none of them to another origin that does
// not allow it, and "*" does not allow Authorization.
// Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
// https://fetch.spec.whatwg.org/#http-access-control-allow-headers
var authorizationHeaders = map[string][]string{
	AuthorizationJWT: {"authorization"},
	AuthorizationIAM: {"authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"},
}

// headers returns the headers that pages may send, with those that the authorization needs.
func (c *CORS) headers(authorization string) []string {
	all := slices.Clone(c.AllowHeaders)
	for _, needed := range authorizationHeaders[authorization] {
		if !slices.ContainsFunc(all, func(header string) bool { return strings.EqualFold(header, needed) }) {
			all = append(all, needed)
		}
	}
	return all
}
