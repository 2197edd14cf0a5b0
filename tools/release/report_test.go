package release

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	isMac   = "#!/bin/sh\ncase $1 in -s) echo Darwin ;; *) echo Darwin mac 25.0 arm64 ;; esac\n"
	isLinux = "#!/bin/sh\ncase $1 in -s) echo Linux ;; *) echo Linux box x86_64 ;; esac\n"
	says    = "#!/bin/sh\necho \"said: $0 $*\" | sed 's,/.*/,,'\n"

	archived  = "cmd/mlxlens/internal/cli/archived.txt"
	unwritten = "$Format:%(describe)$\n" // what a checkout has there
)

func TestAMacReportTellsOfAMacWhatLinuxNamesAndLeavesOut(t *testing.T) {
	tools := map[string]string{archived: unwritten}
	for _, name := range []string{"sw_vers", "sysctl", "xcode-select", "brew", "go", "git", "python3"} {
		tools["tools/fake/"+name] = says
	}
	tools["tools/fake/uname"] = isMac
	out, code := run(t, checkout(t, tools), "tools/mac/report.sh", "machine")
	require.Contains(t, out, "$ sw_vers\nsaid: sw_vers")
	require.Contains(t, out, "said: sysctl -n machdep.cpu.brand_string hw.memsize")
	require.Contains(t, out, "said: git describe --tags --match v[0-9]*.[0-9]*.[0-9]* --exclude *[-+]*", "the version is named as releases are")
	require.NotContains(t, out, "only on a Mac")
	if code != 0 { // a machine without /usr/bin/c++
		require.Contains(t, out, "failed: machine\n")
	}

	tools["tools/fake/uname"] = isLinux
	dir := checkout(t, tools)
	out, code = run(t, dir, "tools/mac/report.sh", "machine")
	require.Zero(t, code, out)
	require.Contains(t, out, "only on a Mac: sw_vers\n")
	require.Contains(t, out, "said: go version")
	require.Contains(t, out, "all parts ended well: machine\n")
	kept, err := os.ReadFile(filepath.Join(dir, "bin/mac-report.txt"))
	require.NoError(t, err)
	require.Equal(t, out, string(kept))
}

func TestAPartThatFailsEndsNoOther(t *testing.T) {
	dir := checkout(t, map[string]string{archived: unwritten, "tools/fake/uname": isLinux, "tools/fake/go": "#!/bin/sh\nexit 7\n", "tools/fake/git": says, "tools/fake/python3": says})
	out, code := run(t, dir, "tools/mac/report.sh", "leaks", "machine", "doctor")
	require.Equal(t, 1, code)
	require.Contains(t, out, "(ended with 7)")
	require.Contains(t, out, "said: git describe")
	require.Contains(t, out, "\nfailed: leaks machine doctor\n")

	// what is timed beside nothing says so at the end
	out, _ = run(t, checkout(t, map[string]string{archived: unwritten, "tools/fake/uname": isLinux, "tools/fake/go": says, "tools/fake/python3": "#!/bin/sh\nexit 1\n"}), "tools/mac/report.sh", "speed")
	require.Contains(t, out, "\nleft out: mlx-lm is not there, and nothing was timed beside it: ")

	out, code = run(t, dir, "tools/mac/report.sh", "speeds")
	require.Equal(t, 2, code)
	require.Contains(t, out, "there is no part speeds (have: machine build library doctor golden speed memory leaks)")
}

// serves stands for a program that serves until it is stopped.
const serves = `#!/bin/sh
case $1 in
serve) echo "mlxlens serves x at http://127.0.0.1:8642/ until Ctrl-C"; exec sleep 60 ;;
esac
`

// What generates ends when its model does, and there is nothing left to measure.
func TestAMacReportMeasuresTheMemoryOfWhatLasts(t *testing.T) {
	files := map[string]string{"bin/mlxlens": serves, "tools/fake/uname": isMac, "tools/fake/go": "#!/bin/sh\n", "tools/fake/curl": says, "tools/fake/vmmap": says,
		"tools/fake/footprint": "#!/bin/sh\nkill -0 $1 && echo \"$1 lives\"\n"}
	out, _ := run(t, checkout(t, files), "tools/mac/report.sh", "memory")
	require.Regexp(t, `\$ serving footprint\nsaid: trace\n\d+ lives\n`, out)
	require.Regexp(t, `said: vmmap -summary \d+\n`, out)

	files["tools/fake/footprint"] = "#!/bin/sh\nexit 5\n"
	out, code := run(t, checkout(t, files), "tools/mac/report.sh", "memory")
	require.Equal(t, 1, code)
	require.Contains(t, out, "(ended with 5)")
	require.Contains(t, out, "failed: memory\n")

	files["bin/mlxlens"] = "#!/bin/sh\necho no model is there\nexit 2\n"
	out, code = run(t, checkout(t, files), "tools/mac/report.sh", "memory")
	require.Equal(t, 1, code)
	require.Contains(t, out, "the server did not begin:\nno model is there\n")
}

// requireTests wants a test of each alternative of a pattern in some folders, and one in each folder, and returns how many alternatives
// there are.
func requireTests(t *testing.T, pattern string, folders ...string) int {
	t.Helper()
	var names []string
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, folder)
		var here []string
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			here = append(here, regexp.MustCompile(`(?m)^func Test\w+`).FindAllString(string(text), -1)...)
		}
		require.True(t, slices.ContainsFunc(here, regexp.MustCompile(pattern).MatchString), "%s has no test %s", folder, pattern)
		names = append(names, here...)
	}
	alternatives := strings.Split(pattern, "|")
	for _, a := range alternatives {
		require.True(t, slices.ContainsFunc(names, regexp.MustCompile(a).MatchString), "%v has no test %s", folders, a)
	}
	return len(alternatives)
}

// Each pattern of a go test that the report runs names tests that exist.
func TestTheReportRunsTestsThatExist(t *testing.T) {
	out, code := run(t, checkout(t, map[string]string{"tools/fake/uname": isMac}), "tools/mac/report.sh", "--dry")
	require.Zero(t, code, out)
	count := 0
	for _, m := range regexp.MustCompile(`(?m)^\$ go test -count 1 -run (\S+)(?: -v)?((?: \./\S+)+)$`).FindAllStringSubmatch(out, -1) {
		count += requireTests(t, strings.Trim(m[1], "'"), strings.Fields(m[2])...)
	}
	require.Greater(t, count, 4, out)
	for _, word := range []string{"doctor --verbose", "--check", "peers.sh", "footprint", "leaks --quiet --atExit", "otool -L", "codesign", "-benchtime"} {
		require.Contains(t, out, word)
	}
}

// macOS has bash 3.2 and the tools of BSD: what came later, or is GNU's, is not used.
func TestTheReportKeepsToWhatAMacHas(t *testing.T) {
	text, err := os.ReadFile("../mac/report.sh")
	require.NoError(t, err)
	for _, newer := range []string{`declare -A`, `mapfile`, `readarray`, `\$\{\w+(,,|\^\^|@)`, `&>>`, `\|&`, `local -n`, `;;&`, `sed -i`, `sed -r`, `readlink -f`, `date -d`, `grep -P`, `stat -c`, `xargs -r`, `timeout `} {
		require.NotRegexp(t, `(?m)^[^#]*`+newer, string(text))
	}
}

// What the page for a first Mac says to run is there to be run: parts that the report has, targets of make, tests of the names, and
// the program by its path, for none is on the PATH yet.
func TestThePageForAMacNamesWhatCanBeRun(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/mac.md")
	require.NoError(t, err)
	makefile, err := os.ReadFile(root + "/Makefile")
	require.NoError(t, err)
	dir := checkout(t, map[string]string{"tools/fake/uname": isMac})
	reports, tests := 0, 0
	for _, span := range regexp.MustCompile("`[^`\n]+`|(?m)^make .*$").FindAllString(string(page), -1) {
		for command := range strings.SplitSeq(strings.Trim(span, "`"), "&&") {
			words := strings.Fields(command)
			for len(words) > 1 && strings.Contains(words[0], "=") {
				words = words[1:]
			}
			switch words[0] {
			case "go":
				if m := regexp.MustCompile(`^go test (\./\S+) -run (\S+)$`).FindStringSubmatch(strings.Join(words, " ")); m != nil {
					tests += requireTests(t, strings.ReplaceAll(strings.Trim(m[2], "'"), `\|`, "|"), m[1]) // a table's | is written so
				}
			case "mlxlens":
				require.Fail(t, "a program that is not on the PATH", command)
			case "make":
				for _, target := range words[1:] {
					if target == "#" {
						break
					}
					require.Regexp(t, `(?m)^`+regexp.QuoteMeta(target)+`:`, string(makefile))
				}
			case "tools/mac/report.sh":
				if parts := words[1:]; len(parts) > 0 && parts[0] != "PART…" {
					out, code := run(t, dir, "tools/mac/report.sh", append([]string{"--dry"}, parts...)...)
					require.Zero(t, code, out)
					reports++
				}
			}
		}
	}
	require.GreaterOrEqual(t, reports, 6)
	require.GreaterOrEqual(t, tests, 9)
}
