package rollout

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const crossed = "Threshold Crossed: 2 out of the last 3 datapoints [100.0 (01/01/26 00:03:00), 42.5 (01/01/26 00:02:00)] were greater than the threshold (5.0) (minimum 2 datapoints for OK -&gt; ALARM transition)."

// alarm is an answer of DescribeAlarms.
func alarm(name, state, reason string) string {
	return fmt.Sprintf(`<DescribeAlarmsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><DescribeAlarmsResult><MetricAlarms><member>
		<AlarmName>%s</AlarmName><StateValue>%s</StateValue><StateReason>%s</StateReason></member></MetricAlarms></DescribeAlarmsResult></DescribeAlarmsResponse>`, name, state, reason)
}

const (
	watching  = `"alarms":{"status":"MONITORING","alarmNames":["book-errors","book-latency"]}`
	triggered = `"alarms":{"status":"TRIGGERED","alarmNames":["book-errors","book-latency"],"triggeredAlarmNames":["book-errors"]}`
)

// A deployment that an alarm ends fails with the alarm, its value and the digest.
func TestAlarmStopsADeployment(t *testing.T) {
	answers := usual()
	answers["DescribeServiceDeployments"] = []string{describe("new", "IN_PROGRESS", watching), describe("new", "ROLLBACK_IN_PROGRESS", triggered)}
	answers["DescribeServices"] = []string{event("(service book) (deployment ecs-svc/1) deployment failed: alarm detected.")}
	answers["DescribeAlarms"] = []string{alarm("book-errors", "ALARM", crossed)}
	answers["ListTasks"] = []string{`{"taskArns":[]}`}
	_, _, _, err := run(t, &old, answers, nil)
	want := `service book: the deployment of image sha256:1111 failed: ECS says ROLLBACK_IN_PROGRESS, as alarm book-errors went off. What ran before goes on
ECS:
  alarm book-errors went off
  1 of 2 tasks running
alarms:
  book-errors: ALARM: ` + strings.ReplaceAll(crossed, "&gt;", ">") + `
events:
  (service book) (deployment ecs-svc/1) deployment failed: alarm detected.
what to do:
  Read the log of the version that was stopped. If it is right and the threshold is not, change alarmThresholds. See docs/operations.md#an-alarm-stops-a-deployment
then:
`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// It is named also if CloudWatch may not be asked, and where there was nothing to go back to.
func TestAlarmThatIsNotKnown(t *testing.T) {
	answers := usual()
	answers["DescribeServiceDeployments"] = []string{describe("new", "ROLLBACK_FAILED", triggered)}
	answers["ListTasks"] = []string{`{"taskArns":[]}`}
	_, _, _, err := run(t, &none, answers, nil)
	if !errors.As(err, new(*Failure)) {
		t.Fatal(err)
	}
	for _, want := range []string{"ROLLBACK_FAILED, as alarm book-errors went off\n", "alarms:\n  unknown: operation error CloudWatch: DescribeAlarms", "#an-alarm-stops-a-deployment"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

// Once all tasks run, the wait is for the alarms.
func TestWaitsForAlarms(t *testing.T) {
	answers := usual()
	all := `"targetServiceRevision":{"requestedTaskCount":2,"runningTaskCount":2,"pendingTaskCount":0}`
	answers["DescribeServiceDeployments"] = []string{describe("new", "IN_PROGRESS", watching), describe("new", "IN_PROGRESS", all, watching), describe("new", "IN_PROGRESS", all), describe("new", "SUCCESSFUL")}
	reports, _, _, err := run(t, &old, answers, nil)
	var waits []bool
	for _, r := range reports {
		waits = append(waits, strings.Contains(r, "2 of 2 tasks running, waits for alarms"))
	}
	if err != nil || fmt.Sprint(waits) != "[false true false]" {
		t.Errorf("%q, %v", reports, err)
	}
}

func TestRed(t *testing.T) {
	for want, answer := range map[string]string{
		"[book-errors: ALARM: because] <nil>": alarm("book-errors", "ALARM", "because"),
		"[] <nil>":                            alarm("book-errors", "OK", "because"),
	} {
		server := httptest.NewServer(&script{answers: map[string][]string{"DescribeAlarms": {answer}}, asked: map[string]int{}})
		w := New(aws.Config{Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
		red, err := w.Red(t.Context(), []string{"book-errors", "book-latency"})
		if got := fmt.Sprint(red, " ", err); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		server.Close()
	}
}
