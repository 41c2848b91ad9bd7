// Package docs tests the README and the documents in this folder: what they
// name exists, their links lead somewhere, and their commands run.
package docs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const root = ".."

// document is a Markdown file, apart into what is checked.
type document struct {
	path  string // from the root of the repository
	prose string // without fenced blocks
	spans []string
	sh    []string // lines of fenced sh blocks
	shown []string // other fenced blocks
}

var (
	fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```\n")
	span  = regexp.MustCompile("`([^`\n]+)`")
)

func documents(t *testing.T) []document {
	t.Helper()
	paths, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	documents := []document{read(t, "README.md")}
	for _, path := range paths {
		documents = append(documents, read(t, "docs/"+path))
	}
	return documents
}

func read(t *testing.T, path string) document {
	t.Helper()
	d := document{path: path}
	text := file(t, path)
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		if block[1] == "sh" {
			d.sh = append(d.sh, strings.Split(strings.TrimSpace(block[2]), "\n")...)
		} else {
			d.shown = append(d.shown, block[2])
		}
	}
	d.prose = fence.ReplaceAllString(text, "")
	for _, match := range span.FindAllStringSubmatch(d.prose, -1) {
		d.spans = append(d.spans, match[1])
	}
	return d
}

func file(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestREADMEIsShort(t *testing.T) {
	text := file(t, "README.md")
	_, picture, _ := strings.Cut(text, "```mermaid\n") // which grows with each service
	picture, _, _ = strings.Cut(picture, "```\n")
	if lines := strings.Count(text, "\n") - strings.Count(picture, "\n"); lines > 135 {
		t.Errorf("README.md has %d lines without its picture, want at most 135", lines)
	}
}

// Each check finds names of one kind in a piece of code, and says which of them exist.
func TestNamesExist(t *testing.T) {
	makefile := file(t, "Makefile")
	settings := settings(t)
	outputs := file(t, "stack/stack.go")
	for _, check := range []struct {
		kind   string
		find   *regexp.Regexp // the first group is the name
		exists func(name string) bool
		other  []string // names that look like one and are none
	}{
		{"make target", regexp.MustCompile(`\bmake (?:-s )?([a-z][a-z0-9-]*)`), func(name string) bool {
			return regexp.MustCompile(`(?m)^` + name + `:`).MatchString(makefile)
		}, nil},
		{"variable of make", regexp.MustCompile(`\bmake .*?\b([A-Z]+)=`), func(name string) bool {
			return regexp.MustCompile(`(?m)^` + name + ` +\?=|^export .*\b` + name + `\b`).MatchString(makefile)
		}, nil},
		{"setting or output", regexp.MustCompile(`^(aws:\w+|[a-z]+(?:[A-Z]\w*|\.[a-zA-Z.]+))(?:\[\d+\])?$`), func(name string) bool {
			return isFile(name) || settings.has(name) || strings.Contains(outputs, `ctx.Export("`+name+`"`)
		}, []string{"authorizerError", "bookService", "ecr.api", "ecr.dkr", "enableDnsHostnames", "enableDnsSupport", "integrationStatus", "perMillionRequests"}},
		{"setting", regexp.MustCompile(`^([a-z]\w+): \w+$`), settings.has, nil},
		{"setting", regexp.MustCompile(`pulumi config set (?:--stack \w+ )?(?:--path )?'?([\w.:]+)`), settings.has, []string{"KEY"}},
		{"setting", regexp.MustCompile(`-config '?([\w.:]+)=`), settings.has, []string{"key"}},
		{"path", regexp.MustCompile(`^(\.?[\w-]+(?:/[\w.-]*)+|[\w.-]+\.(?:go|md|json|yaml|yml)|Makefile)$`), exists,
			[]string{"apps/review", "apps/review/Dockerfile", "ORGANIZATION/dev", "main.go"}},
		{"package", regexp.MustCompile(`\bgo (?:run|test) \./(\w+)`), exists, nil},
	} {
		for _, d := range documents(t) {
			for _, code := range slices.Concat(d.spans, d.sh) {
				for _, match := range check.find.FindAllStringSubmatch(code, -1) {
					if name := match[1]; !check.exists(name) && !slices.Contains(check.other, name) {
						t.Errorf("%s: `%s` names the %s %s, which does not exist", d.path, code, check.kind, name)
					}
				}
			}
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(filepath.Join(root, path))
	return err == nil
}

// isFile tells the name of a file, such as settings.md, from a setting.
func isFile(name string) bool {
	return slices.Contains([]string{".go", ".md", ".json", ".yaml", ".yml"}, filepath.Ext(name))
}

// defaults are the rows of docs/settings.md: the default of each setting, as it is written there.
type defaults map[string]string

var row = regexp.MustCompile("(?m)^\\| `([\\w.:]+)` \\| ([^|]+) \\|")

func settings(t *testing.T) defaults {
	t.Helper()
	found := defaults{}
	for _, match := range row.FindAllStringSubmatch(file(t, "docs/settings.md"), -1) {
		found[match[1]] = match[2]
	}
	return found
}

// has tells whether there is such a setting. Below services, tags and listener.paths, the user chooses the names.
func (d defaults) has(name string) bool {
	_, known := d[name]
	top, _, _ := strings.Cut(name, ".")
	return known || top == "services" || top == "tags" || strings.HasPrefix(name, "listener.paths.")
}

func TestREADMEHasTheDefaults(t *testing.T) {
	settings := settings(t)
	_, section, _ := strings.Cut(file(t, "README.md"), "\n## Settings\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := row.FindAllStringSubmatch(section, -1)
	if len(rows) != 10 {
		t.Errorf("README.md has %d settings, want the 10 that people change first", len(rows))
	}
	for _, match := range rows {
		if key, value := match[1], match[2]; value != settings[key] {
			t.Errorf("README.md: the default of %s is %s, want %s as in docs/settings.md", key, value, settings[key])
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

func TestLinks(t *testing.T) {
	for _, d := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(d.prose, -1) {
			target, anchor, anchored := strings.Cut(match[1], "#")
			if strings.HasPrefix(target, "https://") {
				continue
			}
			path := d.path
			if target != "" {
				path = filepath.Join(filepath.Dir(d.path), target)
			}
			switch {
			case !exists(path):
				t.Errorf("%s links to %s, which does not exist", d.path, path)
			case anchored && !slices.Contains(anchors(read(t, path).prose), anchor):
				t.Errorf("%s links to #%s, but %s has no such heading", d.path, anchor, path)
			}
		}
	}
}

// anchors are the ids that GitHub gives the headings of a document.
func anchors(prose string) []string {
	var found []string
	for _, match := range heading.FindAllStringSubmatch(prose, -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		if n := strings.Count(strings.Join(found, "\n")+"\n", slug+"\n"); n > 0 {
			slug = fmt.Sprintf("%s-%d", slug, n)
		}
		found = append(found, slug)
	}
	return found
}

// The flags of `go run ./local` are those that it prints itself.
func TestFlagsExist(t *testing.T) {
	sources, err := filepath.Glob(root + "/local/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		file(t, source[len(root):]) // so that a change of it makes go test run this again
	}
	call := regexp.MustCompile(`^(?:go run \./local|(trace)) ?(\w*)`)
	flags := map[string]string{} // by command
	for _, d := range documents(t) {
		for _, code := range slices.Concat(d.spans, d.sh) {
			if d.path == "docs/local.md" && strings.HasPrefix(code, "-") {
				code = "go run ./local " + code
			}
			match := call.FindStringSubmatch(code)
			if match == nil {
				continue
			}
			command := match[1] + match[2]
			if match[1] != "" {
				command = match[1]
			}
			if command == "" {
				command = "up"
			}
			if flags[command] == "" {
				_, flags[command], _ = run(t, root, nil, "go run ./local "+command+" -h")
			}
			if strings.Contains(flags[command], "unknown command") {
				t.Errorf("%s: `%s`: there is no command %s", d.path, code, command)
			}
			for _, field := range strings.Fields(code) {
				if name, isFlag := strings.CutPrefix(field, "-"); isFlag && !regexp.MustCompile(`(?m)^\s+-`+name+`\b`).MatchString(flags[command]) {
					t.Errorf("%s: `%s`: %s has no flag -%s:\n%s", d.path, code, command, name, flags[command])
				}
			}
		}
	}
}

// notRun are the beginnings of the commands that no test here runs, and why.
var notRun = map[string]string{
	"make local":     "runs until Ctrl-C; the tests of local/ do",
	"go run ./local": "as make local",
	"make run":       "runs until Ctrl-C",
	"make test":      "runs this test",
	"make lint":      "part of make test",
	"make fmt":       "changes the code",
	"make generate":  "writes files; the tests of stack/ compare them",
	"go test ":       "as make generate",
	"pip install":    "installs a simulator",
	"make e2e":       "takes half an hour",
	"make faults":    "takes an hour",
	"make bench":     "takes 15 minutes",
	"make images":    "needs a Docker engine",
	"export ":        "has no effect alone",
	"make up":        "needs AWS",
	"make preview":   "needs AWS",
	"make outputs":   "needs a stack on AWS",
	"make smoke":     "needs a stack on AWS",
	"make connect":   "needs a stack on AWS",
	"make trace":     "needs a stack on AWS",
	"make destroy":   "needs a stack on AWS",
	"curl ":          "needs a stack",
	"api=":           "needs a stack on AWS",
	"digest=":        "needs a stack on AWS",
	"ami=":           "needs AWS",
	"BASE=":          "needs a stack on AWS",
	"make vulncheck": "needs the internet",
	"aws ":           "needs AWS",
	"eval ":          "needs AWS",
	"signed-curl ":   "runs on the bastion; the tests of consumer/ run it",
}

// toRun are the beginnings of the commands that are run.
var toRun = []string{"make help", "go run ./local preview", "go run ./local trace", "pulumi config set"}

func TestCommandsRun(t *testing.T) {
	project := t.TempDir() // what pulumi changes
	env := []string{"PULUMI_BACKEND_URL=file://" + t.TempDir(), "PULUMI_CONFIG_PASSPHRASE="}
	if err := os.WriteFile(filepath.Join(project, "Pulumi.yaml"), []byte(file(t, "Pulumi.yaml")), 0o644); err != nil {
		t.Fatal(err)
	}
	_, noPulumi := exec.LookPath("pulumi")
	if noPulumi == nil {
		for _, stack := range []string{"prod", "dev"} {
			if _, stderr, err := run(t, project, env, "pulumi stack init "+stack); err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
		}
	}
	ran := map[string]bool{}
	for _, d := range documents(t) {
		commands := slices.Clone(d.sh)
		for _, code := range d.spans {
			if strings.HasPrefix(code, "make ") || strings.HasPrefix(code, "go run ") {
				commands = append(commands, code)
			}
		}
		for _, command := range commands {
			begins := func(with string) bool { return strings.HasPrefix(command, with) }
			if !slices.ContainsFunc(toRun, begins) {
				known := false
				for with := range notRun {
					known = known || begins(with)
				}
				if !known {
					t.Errorf("%s: `%s` is not run, and notRun has no reason for it", d.path, command)
				}
				continue
			}
			if ran[command] {
				continue
			}
			ran[command] = true
			t.Run(command, func(t *testing.T) {
				if noPulumi != nil && !begins("make help") {
					t.Skip("no pulumi on the PATH")
				}
				where, with := root, []string(nil)
				if begins("pulumi") {
					where, with = project, env
				}
				stdout, stderr, err := run(t, where, with, command)
				// No service calls another in the stack as it is, and trace says where it stops.
				if stops := strings.Contains(command, "-from"); (err != nil) != stops {
					t.Errorf("%v\n%s%s", err, stdout, stderr)
				}
				for _, d := range documents(t) {
					for _, block := range d.shown {
						if want, shown := strings.CutPrefix(block, "$ "+command+"\n"); shown && strings.TrimSpace(stdout) != strings.TrimSpace(want) {
							t.Errorf("%s shows another output than this:\n%s", d.path, stdout)
						}
					}
				}
			})
		}
	}
}

// run returns what a shell command prints on standard output and standard error.
func run(t *testing.T, folder string, env []string, command string) (stdout, stderr string, err error) {
	t.Helper()
	var out, messages bytes.Buffer
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, &out, &messages
	cmd.Env = append(os.Environ(), env...)
	err = cmd.Run()
	return out.String(), messages.String(), err
}
