package metricmath

import "testing"

func TestEval(t *testing.T) {
	for _, test := range []struct {
		expression string
		want       float64
		ok         bool
	}{
		{"a + b * 2 - 1", 12, true},
		{"(a + b) / 4", 2.25, true},
		{"100 * FILL(gone, 0) / a", 0, true},
		{"a * (b >= 4)", 5, true},
		{"a * (b > 4)", 0, true},
		{"(a < b) + (a <= 5) + (a == 5) + (a != 5)", 2, true},
		{"FILL(gone, FILL(gone, 7))", 7, true},
		{"FILL(a, 7)", 5, true},
		{"a / gone", 0, false},
		{"a / 0", 0, false},
		{"gone * 0", 0, false},
	} {
		got, ok, err := Eval(test.expression, []string{"a", "b", "gone"}, map[string]float64{"a": 5, "b": 4})
		if err != nil || ok != test.ok || ok && got != test.want {
			t.Errorf("%s: %v, %v, %v; want %v, %v", test.expression, got, ok, err, test.want, test.ok)
		}
	}
	for _, expression := range []string{"", "a +", "c", "ANOMALY_DETECTION_BAND(a)", "FILL(a)", `"text"`, "a % b", "-a"} {
		if _, _, err := Eval(expression, []string{"a", "b"}, nil); err == nil {
			t.Errorf("%q is taken", expression)
		}
	}
}
