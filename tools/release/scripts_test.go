package release

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// checkout is a folder with the scripts and what they read, in place of the repository.
func checkout(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	scripts, err := filepath.Glob("*.sh")
	require.NoError(t, err)
	for _, s := range scripts {
		text, err := os.ReadFile(s)
		require.NoError(t, err)
		files["tools/release/"+s] = string(text)
	}
	report, err := os.ReadFile("../mac/report.sh")
	require.NoError(t, err)
	files["tools/mac/report.sh"] = string(report)
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	}
	return dir
}

// run runs a script there, with tools in front of the PATH, and returns what it prints and its
// exit code.
func run(t *testing.T, dir, script string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(filepath.Join(dir, script), args...)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "tools/fake")+":"+os.Getenv("PATH"), "TAG=v1.2.0",
		"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), "%v", err)
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

const install = `install:
	@mkdir -p "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/lib/mlxlens"
	@echo program >"$(DESTDIR)$(PREFIX)/bin/mlxlens"
	@test ! -e library || cp library "$(DESTDIR)$(PREFIX)/lib/mlxlens/libmlxc.so"
`

func TestAnArchiveHoldsProgramLibraryAndPagesAndIsTheSameTwice(t *testing.T) {
	dir := checkout(t, map[string]string{"Makefile": install, "library": "x", "bin/man/mlxlens.1": ".TH", "LICENSE": "l", "NOTICES.md": "n", "README.md": "r",
		"tools/fake/uname": "#!/bin/sh\ncase $1 in -s) echo Linux ;; *) echo aarch64 ;; esac\n", "tools/fake/git": "#!/bin/sh\necho 202601020304.05\n"})
	var first string
	for range 2 {
		out, code := run(t, dir, "tools/release/archive.sh", "v1.2.0")
		require.Zero(t, code, out)
		require.Contains(t, out, "dist/mlxlens-v1.2.0-linux-arm64.tar.gz\n")
		data, err := os.ReadFile(filepath.Join(dir, "dist/mlxlens-v1.2.0-linux-arm64.tar.gz"))
		require.NoError(t, err)
		if first == "" {
			first = string(data)
		}
		require.Equal(t, first, string(data))
	}
	z, err := gzip.NewReader(strings.NewReader(first))
	require.NoError(t, err)
	var names []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.Zero(t, h.Uid)
		require.Equal(t, "2026-01-02T03:04:05Z", h.ModTime.UTC().Format(time.RFC3339))
		names = append(names, strings.TrimPrefix(h.Name, "mlxlens-v1.2.0-linux-arm64/"))
	}
	require.Equal(t, []string{"LICENSE", "NOTICES.md", "README.md", "bin/mlxlens", "lib/mlxlens/libmlxc.so", "share/man/man1/mlxlens.1"}, names)
	left, err := os.ReadDir(filepath.Join(dir, "dist"))
	require.NoError(t, err)
	require.Len(t, left, 1)

	require.NoError(t, os.Remove(filepath.Join(dir, "library")))
	out, code := run(t, dir, "tools/release/archive.sh", "v1.2.0")
	require.Equal(t, 1, code)
	require.Contains(t, out, "libmlxc is not there: MLX_C_RELEASE=1 make mlx-c")
	require.NoDirExists(t, filepath.Join(dir, "dist/stage"))
}

func TestAnArchiveIsMadeOfAnUnpackedSourceArchiveToo(t *testing.T) {
	t.Setenv("TZ", "Asia/Tokyo")
	dir := checkout(t, map[string]string{"Makefile": install, "library": "x", "bin/man/mlxlens.1": ".TH", "LICENSE": "l", "NOTICES.md": "n", "README.md": "r",
		"tools/fake/git": "#!/bin/sh\necho 'fatal: not a git repository' >&2\nexit 128\n"})
	out, code := run(t, dir, "tools/release/archive.sh", "v1.2.0")
	require.Zero(t, code, out)
	require.NotContains(t, out, "fatal")
	made, err := filepath.Glob(filepath.Join(dir, "dist/*"))
	require.NoError(t, err)
	require.Len(t, made, 1)
	file, err := os.Open(made[0])
	require.NoError(t, err)
	defer file.Close()
	z, err := gzip.NewReader(file)
	require.NoError(t, err)
	h, err := tar.NewReader(z).Next()
	require.NoError(t, err)
	require.Equal(t, "1980-01-01T00:00:00Z", h.ModTime.UTC().Format(time.RFC3339))
}

func TestOfSeveralTagsAtACommitTheLatestIsTheVersion(t *testing.T) {
	dir := checkout(t, map[string]string{archived: unwritten})
	commands := "git init -q && git add . && git -c user.name=a -c user.email=a@example.org commit -q -m all && git tag v1.2.10 && git tag v1.2.9 && git tag v2"
	cmd := exec.Command("sh", "-c", commands)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	version, code := run(t, dir, "tools/release/version.sh")
	require.Zero(t, code)
	require.Equal(t, "v1.2.10\n", version)
}

func TestASourceArchiveIsNamedForTheVersionThatItSays(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{archived, ".gitattributes"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		files[name] = string(text)
	}
	if !strings.HasPrefix(files[archived], "$Format:") {
		t.Skip("this tree is a source archive's, and no checkout to make one of")
	}
	dir := checkout(t, files)
	git := func(args ...string) string {
		out, err := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...).CombinedOutput()
		require.NoError(t, err, "git %v: %s", args, out)
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "all")
	archive := func() string {
		version, code := run(t, dir, "tools/release/version.sh")
		require.Zero(t, code, version)
		version = strings.TrimSpace(version)
		out, code := run(t, dir, "tools/release/source.sh", version)
		require.Zero(t, code, out)
		require.Equal(t, "dist/mlxlens-"+version+"-source.tar.gz\n", out)
		unpacked := t.TempDir()
		said, err := exec.Command("tar", "-xzf", filepath.Join(dir, "dist/mlxlens-"+version+"-source.tar.gz"), "-C", unpacked).CombinedOutput()
		require.NoError(t, err, string(said))
		says, code := run(t, unpacked, "mlxlens-"+version+"/tools/release/version.sh")
		require.Zero(t, code, says)
		require.Equal(t, version+"\n", says)
		return version
	}
	require.Equal(t, git("rev-parse", "--short", "HEAD"), archive())
	git("tag", "v1.2.0-rc1") // of no release
	git("tag", "next")
	require.Equal(t, git("rev-parse", "--short", "HEAD"), archive())
	git("tag", "v1")
	git("tag", "v1.2.0+build")
	require.Equal(t, git("rev-parse", "--short", "HEAD"), archive())
	git("tag", "v1.2.0")
	require.Equal(t, "v1.2.0", archive())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "more"), []byte("more"), 0o644))
	git("add", "more")
	out, code := run(t, dir, "tools/release/source.sh", "v1.2.0-dirty")
	require.Equal(t, 1, code)
	require.Contains(t, out, "the archive of HEAD is v1.2.0, and was to be named v1.2.0-dirty: commit what has changed")
	require.NoFileExists(t, filepath.Join(dir, "dist/mlxlens-v1.2.0-dirty-source.tar.gz"))
	git("commit", "-q", "-m", "more")
	require.Regexp(t, `^v1\.2\.0-1-g[0-9a-f]{7,}$`, archive())
	require.NoError(t, os.RemoveAll(filepath.Join(dir, ".git")))
	out, code = run(t, dir, "tools/release/source.sh", "v1.3.0")
	require.Equal(t, 1, code)
	require.Contains(t, out, "the archive is made of what git has of a checkout")
	require.NoFileExists(t, filepath.Join(dir, "dist/mlxlens-v1.3.0-source.tar.gz"))
}

func TestTheFormulaHasTheSumOfItsSource(t *testing.T) {
	dir := checkout(t, map[string]string{"dist/mlxlens-v1.2.0-source.tar.gz": "source"})
	out, code := run(t, dir, "tools/release/formula.sh", "v1.2.0")
	require.Zero(t, code, out)
	text, err := os.ReadFile(filepath.Join(dir, "dist/mlxlens.rb"))
	require.NoError(t, err)
	require.Contains(t, string(text), fmt.Sprintf("sha256 %q\n", fmt.Sprintf("%x", sha256.Sum256([]byte("source")))))
	require.Contains(t, string(text), `url "https://github.com/mlxlens/mlxlens/releases/download/v1.2.0/mlxlens-v1.2.0-source.tar.gz"`)
	require.Contains(t, string(text), `#{bin}/mlxlens version`)
	if ruby, err := exec.LookPath("ruby"); err == nil {
		said, err := exec.Command(ruby, "-c", filepath.Join(dir, "dist/mlxlens.rb")).CombinedOutput()
		require.NoError(t, err, string(said))
	}
	out, code = run(t, dir, "tools/release/formula.sh", "v1.3.0")
	require.Equal(t, 1, code)
	require.Contains(t, out, "dist/mlxlens-v1.3.0-source.tar.gz is not there: make source")
}

// Homebrew takes no formula by its path, and the release that it names is not there yet.
func TestAFormulaIsTriedFromATapWithTheArchiveAtHand(t *testing.T) {
	dir := checkout(t, map[string]string{"dist/mlxlens-v1.2.0-source.tar.gz": "source", "tools/fake/brew": `#!/bin/sh
case $1 in
tap-new) mkdir -p "$0.tap/Formula" ;;
--repository) echo "$0.tap" ;;
*) echo "brew $*" ;;
esac
`})
	out, code := run(t, dir, "tools/release/try-formula.sh")
	require.Equal(t, 1, code)
	require.Contains(t, out, "dist/mlxlens.rb is not there: make source formula")
	_, code = run(t, dir, "tools/release/formula.sh", "v1.2.0")
	require.Zero(t, code)
	out, code = run(t, dir, "tools/release/try-formula.sh")
	require.Zero(t, code, out)
	require.Equal(t, "brew install mlxlens/trial/mlxlens\nbrew test mlxlens/trial/mlxlens\nbrew untap mlxlens/trial\n", out)
	formula, err := os.ReadFile(filepath.Join(dir, "tools/fake/brew.tap/Formula/mlxlens.rb"))
	require.NoError(t, err)
	require.Contains(t, string(formula), "url \"file://"+dir+"/dist/mlxlens-v1.2.0-source.tar.gz\"\n")

	odd := filepath.Join(t.TempDir(), "a b&c|ü")
	require.NoError(t, os.Rename(dir, odd))
	out, code = run(t, odd, "tools/release/try-formula.sh")
	require.Zero(t, code, out)
	formula, err = os.ReadFile(filepath.Join(odd, "tools/fake/brew.tap/Formula/mlxlens.rb"))
	require.NoError(t, err)
	require.Contains(t, string(formula), "url \"file://"+filepath.Dir(odd)+"/a%20b%26c%7C%C3%BC/dist/mlxlens-v1.2.0-source.tar.gz\"\n")
}

func TestChecksumsAreThoseOfAllFiles(t *testing.T) {
	dir := checkout(t, map[string]string{"dist/b.whl": "b", "dist/a.tar.gz": "a", "dist/SHA256SUMS": "of before"})
	out, code := run(t, dir, "tools/release/checksums.sh")
	require.Zero(t, code, out)
	text, err := os.ReadFile(filepath.Join(dir, "dist/SHA256SUMS"))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%x  a.tar.gz\n%x  b.whl\n", sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))), string(text))
}

func TestNothingIsPublishedWithoutNotesOrFiles(t *testing.T) {
	files := map[string]string{"CHANGELOG.md": "# Changelog\n\n## [1.2.0] - 2026-12-01\n\n- all\n\n## [1.1.0]\n\n- some\n", archived: "v1.2.0 1234567\n",
		"tools/fake/gh": "#!/bin/sh\n[ \"$2\" != view ] || exit 1\necho gh \"$@\"\ncat\n"}
	dir := checkout(t, files)
	out, code := run(t, dir, "tools/release/publish.sh")
	require.Equal(t, 1, code)
	require.Contains(t, out, "dist/SHA256SUMS is not there")
	for _, f := range []string{"SHA256SUMS", "mlxlens.rb", "mlxlens-v1.2.0-source.tar.gz", "mlxlens-v1.2.0.cdx.json"} {
		files["dist/"+f] = "x"
	}
	out, code = run(t, checkout(t, files), "tools/release/publish.sh")
	require.Zero(t, code, out)
	require.Contains(t, out, "gh release create v1.2.0 --verify-tag --title mlxlens 1.2.0 --notes-file - dist/SHA256SUMS dist/mlxlens-v1.2.0-source.tar.gz")
	require.True(t, slices.Contains(strings.Split(out, "\n"), "- all"))
	require.NotContains(t, out, "- some")

	files["tools/fake/gh"] = "#!/bin/sh\necho gh \"$@\"\n" // an earlier run has made the release
	out, code = run(t, checkout(t, files), "tools/release/publish.sh")
	require.Zero(t, code, out)
	require.Contains(t, out, "gh release upload v1.2.0 --clobber dist/SHA256SUMS dist/mlxlens-v1.2.0-source.tar.gz")
	require.NotContains(t, out, "create")
}

func TestATagThatCannotBeReleasedIsRefusedFirst(t *testing.T) {
	for changelog, want := range map[string]string{
		"## [Unreleased]\n":                    "CHANGELOG.md has no section [1.2.0]: write it before the tag",
		"## [1.2.0]\n\n## [1.1.0]\n\n- some\n": "CHANGELOG.md has no section [1.2.0]",
		"## [1.2.0]\n\n- all\n":                "",
	} {
		files := map[string]string{"CHANGELOG.md": changelog, archived: "v1.2.0 1234567\n"}
		for _, script := range []string{"ready.sh", "publish.sh"} {
			out, code := run(t, checkout(t, files), "tools/release/"+script)
			if want == "" && script == "ready.sh" {
				require.Zero(t, code, out)
				continue
			}
			require.Equal(t, 1, code)
			require.Contains(t, out, want)
		}
		files[archived] = "v1.2.1 1234567\n"
		out, code := run(t, checkout(t, files), "tools/release/ready.sh")
		require.Equal(t, 1, code)
		require.Contains(t, out, "this tree calls itself v1.2.1, and not v1.2.0")
	}
}
