package producer

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// ECS takes alarms out of a service that names none, in a list that is there, and leaves the rest as it is.
func TestEndGuard(t *testing.T) {
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls = append(calls, r.Header.Get("X-Amz-Target")+" "+string(body))
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	err := endGuard(context.Background(), awssdk.Config{
		Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}, "shop", "book")
	want := []string{`AmazonEC2ContainerServiceV20141113.UpdateService {"cluster":"shop","deploymentConfiguration":{"alarms":{"alarmNames":[],"enable":false,"rollback":false}},"service":"book"}`}
	if err != nil || !slices.Equal(calls, want) {
		t.Errorf("%v, calls\n%q, want\n%q", err, calls, want)
	}
}

// A service is marked with what is on, so that an update finds what it must switch off.
func TestMarkOfWhatIsOn(t *testing.T) {
	for _, on := range []bool{false, true} {
		d, in := &deployment{Service: Service{Scaling: Scaling{Max: 2}}}, &shared{Args: &Args{Alarms: on}}
		if !on {
			d.Scaling.Max = 0
		}
		features := d.features(in)
		if len(features) != 2 {
			t.Fatalf("%d features", len(features))
		}
		for _, f := range features {
			if f.on != on {
				t.Errorf("%s is on: %v, want %v", f.tag, f.on, on)
			}
		}
		if marked := d.tags(in) != nil; marked != on {
			t.Errorf("the service is marked: %v, want %v", marked, on)
		}
	}
}
