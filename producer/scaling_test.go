package producer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// The count of a new service is the one that scaling would come to.
func TestStartCount(t *testing.T) {
	for _, test := range []struct {
		desired int
		scaling Scaling
		want    int
	}{{3, Scaling{}, 3}, {3, Scaling{Min: 2}, 3}, {3, Scaling{Min: 4, Max: 8}, 4}, {3, Scaling{Min: 1, Max: 2}, 2}, {3, Scaling{Min: 1, Max: 8}, 3}} {
		if got := (&Service{DesiredCount: test.desired, Scaling: test.scaling}).startCount(); got != test.want {
			t.Errorf("%d with %+v: %d, want %d", test.desired, test.scaling, got, test.want)
		}
	}
}

// Only the program's own tag with its own value marks a service.
func TestScaled(t *testing.T) {
	for value, want := range map[string]bool{"application-autoscaling": true, "us": false} {
		if scaled(resource.PropertyMap{"tags": resource.NewProperty(resource.PropertyMap{"ScaledBy": resource.NewProperty(value)})}) != want {
			t.Errorf("ScaledBy %s: want %v", value, want)
		}
	}
	if scaled(resource.PropertyMap{}) || scaled(resource.PropertyMap{"tags": resource.NewProperty(resource.PropertyMap{})}) {
		t.Error("a service without the tag is scaled")
	}
}

// The scalable target goes first, and may be gone. If it cannot go, the count stays.
func TestEndScaling(t *testing.T) {
	const deregister = `DeregisterScalableTarget {"ResourceId":"service/shop/book","ScalableDimension":"ecs:service:DesiredCount","ServiceNamespace":"ecs"}`
	const update = `UpdateService {"cluster":"arn:aws:ecs:us-west-2:123456789012:cluster/shop","desiredCount":3,"service":"book"}`
	for answer, want := range map[string][]string{
		"":                        {deregister, update},
		"ObjectNotFoundException": {deregister, update},
		"ValidationException":     {deregister},
	} {
		var calls []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
			if calls = append(calls, operation+" "+string(body)); answer != "" && operation == "DeregisterScalableTarget" {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, answer)
				return
			}
			_, _ = io.WriteString(w, "{}")
		}))
		err := endScaling(context.Background(), awssdk.Config{
			Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		}, resource.PropertyMap{
			"cluster": resource.NewProperty("arn:aws:ecs:us-west-2:123456789012:cluster/shop"), "name": resource.NewProperty("book"),
		}, 3)
		server.Close()
		if (err == nil) != (len(want) == 2) || !slices.Equal(calls, want) {
			t.Errorf("after %q: %v, calls\n%s", answer, err, strings.Join(calls, "\n"))
		}
	}
}
