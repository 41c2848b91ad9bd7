package consumer

import (
	"slices"
	"strings"
	"testing"
)

// What is accepted comes out as browsers send it. Checked with new URL(text).origin of a browser; "" is refused.
func TestOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"*":         "*",
		"https://*": "https://*",
		"http://*":  "http://*",

		"https://www.example.com":              "https://www.example.com",
		"https://WWW.Example.com":              "https://www.example.com",
		"HTTPS://www.example.com":              "https://www.example.com",
		"https://app.example.com:443":          "https://app.example.com",
		"https://app.example.com:0443":         "https://app.example.com",
		"https://app.example.com:":             "https://app.example.com",
		"http://app.example.com:80":            "http://app.example.com",
		"http://app.example.com:443":           "http://app.example.com:443",
		"https://app.example.com:80":           "https://app.example.com:80",
		"http://localhost:03000":               "http://localhost:3000",
		"https://bücher.example":               "https://xn--bcher-kva.example",
		"https://BÜCHER.example:8443":          "https://xn--bcher-kva.example:8443",
		"https://faß.example":                  "https://xn--fa-hia.example",
		"https://例え。テスト":                       "https://xn--r8jz45g.xn--zckzah",
		"https://xn--bcher-kva.example":        "https://xn--bcher-kva.example",
		"https://my_app.example.com":           "https://my_app.example.com",
		"https://r3---sn.example.com":          "https://r3---sn.example.com",
		"https://example.com.":                 "https://example.com.",
		"http://192.0.2.7:8080":                "http://192.0.2.7:8080",
		"http://[::1]:3000":                    "http://[::1]:3000",
		"http://[2001:0DB8:0:0:0:0:0:1]":       "http://[2001:db8::1]",
		"https://[2001:db8::1]:443":            "https://[2001:db8::1]",
		"":                                     "",
		"null":                                 "",
		"www.example.com":                      "",
		"//www.example.com":                    "",
		"https://":                             "",
		"https:///www.example.com":             "",
		"https:www.example.com":                "",
		"https://www.example.com/":             "",
		"https://www.example.com/app":          "",
		"https://www.example.com?":             "",
		"https://www.example.com#":             "",
		"https://me@www.example.com":           "",
		"https://@www.example.com":             "",
		"https://www.example.com, https://b.c": "",
		" https://www.example.com":             "",
		"https://www.example.com ":             "",
		"https://www example.com":              "",
		"https://*.example.com":                "",
		"https://www.example.*":                "",
		"https://www.example.com:*":            "",
		"*.example.com":                        "",
		"https://www..example.com":             "",
		"https://.example.com":                 "",
		"https://w%77w.example.com":            "",
		"https://www.example.com:65536":        "",
		"https://www.example.com:http":         "",
		"https://www.example.com:-1":           "",
		"https://127.1":                        "",
		"https://0x7f.0.0.1":                   "",
		"https://192.0.2.07":                   "",
		"https://192.0.2.300":                  "",
		"https://[::ffff:192.0.2.7]":           "",
		"https://[fe80::1%25eth0]":             "",
		"https://2001:db8::1":                  "",
		"https://[www.example.com]":            "",
		"ftp://www.example.com":                "",
		"file://":                              "",
		"https://" + strings.Repeat("a", 64):   "",
	} {
		if got, ok := origin(text); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", text, got, ok, want)
		}
		if again, _ := origin(want); again != want {
			t.Errorf("%q: %q the second time, want %q", text, again, want)
		}
	}
}

// Origins that are the same to a browser are one. AWS's wildcard for all stands alone.
func TestOrigins(t *testing.T) {
	for _, test := range []struct{ given, want []string }{
		{[]string{"https://WWW.example.com:443", "http://a.example", "https://www.example.com"}, []string{"https://www.example.com", "http://a.example"}},
		{[]string{"https://www.example.com", "https://www.example.com"}, []string{"https://www.example.com"}},
		{[]string{"*", "*"}, []string{"*"}},
		{[]string{"https://*", "http://localhost:3000"}, []string{"https://*", "http://localhost:3000"}},
		{[]string{"*", "https://www.example.com"}, nil},
		{[]string{"https://*", "*"}, nil},
		{[]string{"https://www.example.com", "null"}, nil},
	} {
		a := valid()
		a.CORS.AllowOrigins = test.given
		err := a.Validate().Err()
		if test.want == nil {
			if err == nil || !strings.Contains(err.Error(), "cors.allowOrigins: ") {
				t.Errorf("%q: %v", test.given, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", test.given, err)
			continue
		}
		var got []string
		for _, o := range deploy(t, a).Get(t, "apigatewayv2.Api front").Input("corsConfiguration.allowOrigins").([]any) {
			got = append(got, o.(string))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.given, got, test.want)
		}
	}
}

// A page must be allowed to send what the authorization asks for.
func TestCORSAllowsTheAuthorization(t *testing.T) {
	for _, test := range []struct {
		authorization string
		given, want   []string
	}{
		{AuthorizationNone, nil, nil},
		{AuthorizationNone, []string{"x-me"}, []string{"x-me"}},
		{AuthorizationJWT, nil, []string{"authorization"}},
		{AuthorizationJWT, []string{"content-type"}, []string{"content-type", "authorization"}},
		{AuthorizationJWT, []string{"Authorization", "x-me"}, []string{"Authorization", "x-me"}},
		{AuthorizationJWT, []string{"*"}, []string{"*", "authorization"}},
		{AuthorizationIAM, nil, []string{"authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"}},
		{AuthorizationIAM, []string{"X-Amz-Date", "x-me"}, []string{"X-Amz-Date", "x-me", "authorization", "x-amz-content-sha256", "x-amz-security-token"}},
	} {
		a := valid()
		a.CORS.AllowOrigins, a.CORS.AllowHeaders, a.Authorization = []string{"https://www.example.com"}, test.given, test.authorization
		if test.authorization == AuthorizationJWT {
			a.JWT = JWT{Issuer: "https://issuer.example.com", Audiences: []string{"api"}}
		}
		var got []string
		headers, _ := deploy(t, a).Get(t, "apigatewayv2.Api front").Input("corsConfiguration.allowHeaders").([]any)
		for _, header := range headers {
			got = append(got, header.(string))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s, %q: %q, want %q", test.authorization, test.given, got, test.want)
		}
	}
}
