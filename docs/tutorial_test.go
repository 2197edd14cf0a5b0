// Package docs tests what the pages claim.
package docs

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

var update = flag.Bool("update", false, "write the outputs of the pages' commands into them")

// pages are those whose commands are run.
var pages = []string{"../README.md", "tutorial.md", "experiments.md", "lenses.md", "readers.md", "audit.md", "larger.md"}

// console is a block of commands, each with its output behind it; goCode is a part of an
// example.
var (
	console = regexp.MustCompile("(?s)```console\n(.*?)```")
	goCode  = regexp.MustCompile("(?s)```go\n(.*?)```")
)

// shell runs a reader's command in the repository's root, with the program and the
// examples built beforehand. They name no commit as their version: pictures would.
type shell struct {
	t    *testing.T
	root string
	bin  string
	tmp  string // stands for /tmp in a page's command, which so finds nothing of an earlier run
	env  []string

	model string // SmolLM2's path from anywhere
}

func newShell(t *testing.T) *shell {
	t.Helper()
	models, _ := filepath.Glob("../models/smollm2/*.gguf")
	if len(models) == 0 || testing.Short() {
		t.Skip("SmolLM2 is not there: make model")
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	s := &shell{t: t, root: root, bin: t.TempDir(), tmp: t.TempDir(), model: filepath.Join(root, models[0][3:])}
	build := exec.Command("go", "build", "-buildvcs=false", "-o", s.bin, "./cmd/mlxlens", "./examples/...")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	s.env = append(os.Environ(), "PATH="+s.bin+string(filepath.ListSeparator)+os.Getenv("PATH"), mlx.EnvLibrary+"="+lib.Path, "MLXLENS_MODEL="+models[0][3:]) // from the root: pictures name it
	return s
}

func (s *shell) run(command string) string {
	s.t.Helper()
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(command, "go run ./examples/", s.bin+"/"))
	cmd.Dir, cmd.Env = s.root, s.env
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(s.t, err, "%s: %s", command, said.String())
	return trimmed(string(out))
}

// runPage is run of a page's command, whose /tmp is a folder of this test.
func (s *shell) runPage(command string) string {
	s.t.Helper()
	return strings.ReplaceAll(s.run(strings.ReplaceAll(command, "/tmp/", s.tmp+"/")), s.tmp+"/", "/tmp/")
}

// trimmed is a text without blanks at the ends of its lines.
func trimmed(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n "), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// gemma is the model that few have beside SmolLM2, in a command.
var gemma = regexp.MustCompile(`models/gemma3-270m/\S+`)

func absent(path string) bool {
	_, err := os.Stat(filepath.Join("..", path))
	return err != nil
}

type command struct{ line, output string }

func commands(block string) []command {
	var all []command
	for line := range strings.SplitSeq(strings.TrimRight(block, "\n"), "\n") {
		if c, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, command{line: c})
		} else if len(all) > 0 {
			all[len(all)-1].output += line + "\n"
		}
	}
	return all
}

// float is a number with decimals. Another machine's BLAS rounds its last digit otherwise.
var float = regexp.MustCompile(`[-−]?\d+\.\d+`)

// same compares texts: exactly but for the last digit of numbers with decimals, which may
// be off by one.
func same(want, got string) bool {
	if float.ReplaceAllString(want, "#") != float.ReplaceAllString(got, "#") {
		return false
	}
	a, b := float.FindAllString(want, -1), float.FindAllString(got, -1)
	for i := range a {
		x, errX := strconv.ParseFloat(strings.Replace(a[i], "−", "-", 1), 64)
		y, errY := strconv.ParseFloat(strings.Replace(b[i], "−", "-", 1), 64)
		_, decimals, _ := strings.Cut(a[i], ".")
		if _, others, _ := strings.Cut(b[i], "."); len(others) != len(decimals) {
			return false
		}
		unit := 1.0
		for range decimals {
			unit /= 10
		}
		if errX != nil || errY != nil || x-y > 1.01*unit || y-x > 1.01*unit {
			return false
		}
	}
	return true
}

func TestEveryCommandOfThePagesGivesWhatStandsThere(t *testing.T) {
	s := newShell(t)
	for _, name := range pages {
		t.Run(filepath.Base(name), func(t *testing.T) { s.commands(t, name) })
	}
}

// commands runs those of a page.
func (s *shell) commands(t *testing.T, name string) {
	page, err := os.ReadFile(name)
	require.NoError(t, err)
	count := 0
	written := console.ReplaceAllStringFunc(string(page), func(block string) string {
		var b strings.Builder
		b.WriteString("```console\n")
		for _, c := range commands(console.FindStringSubmatch(block)[1]) {
			count++
			if path := gemma.FindString(c.line); path != "" && absent(path) {
				t.Logf("skipped, for %s is not there (make model MODEL=gemma3-270m): $ %s", path, c.line)
				b.WriteString("$ " + c.line + "\n" + c.output)
				continue
			}
			got := s.runPage(c.line)
			b.WriteString("$ " + c.line + "\n" + got + "\n")
			if want := trimmed(c.output); !*update && !same(want, got) {
				t.Errorf("$ %s\nin the page:\n%s\nnow:\n%s", c.line, want, got)
			}
		}
		return b.String() + "```"
	})
	require.Positive(t, count)
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(written), 0o600))
	}
}

func TestCodeOfThePagesIsThatOfTheExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*/main.go")
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(text)
	}
	blocks := goCode.FindAllStringSubmatch(allPages(t), -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		require.Contains(t, all.String(), b[1])
	}
}

func TestEveryExampleIsOnAPage(t *testing.T) {
	page := allPages(t)
	dirs, err := filepath.Glob("../examples/*/main.go")
	require.NoError(t, err)
	for _, d := range dirs {
		require.Contains(t, page, "go run ./examples/"+filepath.Base(filepath.Dir(d))+"\n")
	}
}

// allPages are the pages behind each other.
func allPages(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range pages {
		page, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(page)
	}
	return all.String()
}

func TestOnlyTheLastDigitMayDiffer(t *testing.T) {
	require.True(t, same("a 0.123 b −5.6", "a 0.124 b −5.5"))
	require.False(t, same("a 0.123", "a 0.125"))
	require.False(t, same("a 12", "a 13"))
	require.False(t, same("a 0.1", "b 0.1"))
	require.False(t, same("rank 0.10", "rank 0.1"))
}
