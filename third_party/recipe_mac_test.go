package thirdparty_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	thirdparty "github.com/mlxlens/mlxlens/third_party"
)

// mac is a place where the recipe takes this machine for a Mac: a PATH of stand-ins for what a
// Mac has of its own, and of the tools that both have.
type mac struct {
	*testing.T
	recipe string // a copy of third_party
	bin    string // the whole PATH
	prefix string // Homebrew's
}

// common are the programs of a bare Mac, by the names of POSIX, that need no stand-in.
var common = []string{"awk", "bash", "cat", "cksum", "cp", "cut", "dirname", "env", "find", "getconf", "grep", "head", "id", "ln", "mkdir", "mv", "paste", "readlink", "rm", "sed", "sort", "tail", "tr", "wc", "xargs"}

func newMac(t *testing.T) *mac {
	if runtime.GOOS != "linux" {
		t.Skip("the stand-ins are of a Linux machine")
	}
	dir := t.TempDir()
	m := &mac{t, filepath.Join(dir, "third party"), filepath.Join(dir, "bin"), filepath.Join(dir, "homebrew")} // a path with a blank
	require.NoError(t, os.CopyFS(m.recipe, thirdparty.Recipe))
	require.NoError(t, os.MkdirAll(m.bin, 0o755))
	for _, name := range common {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(m.bin, name)))
	}
	m.program("uname", `case $1 in -s) echo Darwin ;; -m) echo arm64 ;; esac`)
	return m
}

// program puts a stand-in on the PATH, in the place of a link to the system's own, which is not written through.
func (m *mac) program(name, script string) {
	path := filepath.Join(m.bin, name)
	if err := os.Remove(path); err != nil {
		require.ErrorIs(m, err, fs.ErrNotExist)
	}
	require.NoError(m, os.WriteFile(path, []byte("#!"+filepath.Join(m.bin, "bash")+"\n"+script+"\n"), 0o755))
}

// homebrew installs an mlx-c of Homebrew's.
func (m *mac) homebrew(version string) {
	library := filepath.Join(m.prefix, "Cellar", "mlx-c", version, "lib")
	require.NoError(m, os.MkdirAll(library, 0o755))
	require.NoError(m, os.WriteFile(filepath.Join(library, "libmlxc.dylib"), nil, 0o644))
	require.NoError(m, os.MkdirAll(filepath.Join(m.prefix, "opt"), 0o755))
	require.NoError(m, os.Symlink("../Cellar/mlx-c/"+version, filepath.Join(m.prefix, "opt", "mlx-c")))
}

// run runs the recipe, and returns what it said.
func (m *mac) run(env ...string) (said string, err error) {
	command := exec.Command(filepath.Join(m.bin, "bash"), filepath.Join(m.recipe, "mlx-c", "build.sh"))
	command.Env = append([]string{"PATH=" + m.bin, "HOMEBREW_PREFIX=" + m.prefix, "HOME=" + m.TempDir()}, env...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// sources makes the recipe take these, as if a release had them.
func (m *mac) sources(source string) {
	m.module(source)
	digest := digestOf(map[string]string{"mlx/c/array.cpp": source, "mlx/c/array.h": ""})
	require.NoError(m, os.WriteFile(filepath.Join(m.recipe, "mlx-c", "sources.sha256"), []byte(digest), 0o644))
}

// developerTools are what `xcode-select --install` brings: Python 3.9, whose pip heeds what a wheel
// says of Python unless it is told not to, and a compiler. The libraries are of this machine, and
// fit together as those of a Mac do: libmlx needs another that it cannot find by itself
// (mlx-metal's wheel for macOS 26), and libmlxc finds both.
func (m *mac) developerTools() {
	python, err := exec.LookPath("python3")
	require.NoError(m, err)
	cc, err := exec.LookPath("cc")
	require.NoError(m, err)
	whole := "PATH=" + os.Getenv("PATH") + " " // theirs, which has an assembler, and what a shim of python3 needs
	cc, python = whole+cc, whole+python
	log := filepath.Join(m.recipe, "calls")
	m.program("python3", `echo "python3 $*" >>"`+log+`"
case "$*" in
"-m pip --version") echo "pip 21.2.4 from /Library/Developer (python 3.9)" ;;
"-m pip download "*)
	case "$*" in *--ignore-requires-python*) ;; *) echo "ERROR: requires a different Python: 3.9.6 not in '>=3.10'" >&2; exit 1 ;; esac
	folder="${@: -1}/"
	mkdir -p "$folder/w/mlx/lib" "$folder/w/mlx/include" "$folder/w/mlx_metal.dist-info/licenses" || exit
	cd "$folder/w" && : >mlx/lib/mlx.metallib && echo MIT >mlx_metal.dist-info/licenses/LICENSE || exit
	echo 'int jaccl(void) { return 1; }' | `+cc+` -x c -shared -fPIC -Wl,-soname,libjaccl.dylib -o mlx/lib/libjaccl.dylib - || exit
	echo 'int jaccl(void); int mlx(void) { return jaccl(); }' | `+cc+` -x c -shared -fPIC -Wl,-soname,libmlx.dylib -o mlx/lib/libmlx.dylib - -x none mlx/lib/libjaccl.dylib || exit
	`+python+` -m zipfile -c ../mlx_metal.whl mlx mlx_metal.dist-info && cd .. && rm -r w ;;
*) exec env `+python+` "$@" ;;
esac`)
	m.program("c++", `echo "c++ $*" >>"`+log+`"
case "$1" in
--version) echo "Apple clang version 17.0.0" ;;
-dynamiclib) [ "$MACOSX_DEPLOYMENT_TARGET" = 14.0 ] || exit 9; exec env `+cc+` -x c -shared -fPIC -Wl,-soname,libmlxc.dylib -Wl,--disable-new-dtags -Wl,-rpath,'$ORIGIN' -o "${@: -3:1}" - -x none "${@: -1}" -Wl,-rpath-link,"$(dirname "${@: -1}")" <<<'int mlx(void); int mlx_compile_cache_new(void) { return mlx(); }' ;;
*) source="${@: -1}"; name="${source##*/}"; cat "$source" >"${name%.cpp}.o" ;;
esac`)
}

// module gives it go, by which a module of these sources comes.
func (m *mac) module(source string) {
	m.program("go", `case "$1 $2" in
"env GOMODCACHE") echo /nowhere ;;
"mod download")
	[ "$3" = github.com/ml-explore/mlx-c@v0.7.0 ] && mkdir -p "$GOMODCACHE/$3/mlx/c" && cd "$GOMODCACHE/$3" || exit
	echo MIT >LICENSE && : >mlx/c/array.h && printf '%s' '`+source+`' >mlx/c/array.cpp ;;
*) exit 2 ;;
esac`)
}

func TestAMacWithHomebrewsLibraryBuildsNothing(t *testing.T) {
	for _, version := range []string{"0.7.0", "0.7.0_1", "0.7.2", "0.8.0", "0.10.1", "1.0.0"} {
		m := newMac(t)
		m.homebrew(version)
		said, err := m.run()
		require.NoError(t, err, said)
		require.Equal(t, "mlx-c: Homebrew has mlx-c "+version+", and nothing is built\n", said)
	}
}

func TestALinkOfHomebrewsThatLeadsNowhereIsNoLibrary(t *testing.T) {
	m := newMac(t)
	m.homebrew("0.7.0")
	require.NoError(t, os.RemoveAll(filepath.Join(m.prefix, "Cellar")))
	said, err := m.run()
	require.Error(t, err) // there is nothing to build with
	require.Contains(t, said, "building it; with Homebrew, `brew install mlx-c` would do without")
}

func TestAMacWithAnOlderLibraryOfHomebrewsBuilds(t *testing.T) {
	for _, version := range []string{"0.6.0", "0.6.0_2", "0.0.11"} {
		m := newMac(t)
		m.homebrew(version)
		said, err := m.run()
		require.Error(t, err) // there is nothing to build with
		require.Contains(t, said, "Homebrew has mlx-c "+version+", and mlxlens needs 0.7.0 or later (`brew upgrade mlx-c`)")
		require.Contains(t, said, "missing: python3 with pip, a C++ compiler. Install with: xcode-select --install")
	}
}

func TestABareMacBuildsWithWhatAppleAndGoBring(t *testing.T) {
	m := newMac(t)
	m.developerTools()
	m.sources("int x;")
	said, err := m.run()
	require.NoError(t, err, said)
	require.Contains(t, said, "`brew install mlx-c` would do without")
	lib := filepath.Join(m.recipe, "mlx-c", "lib")
	for _, name := range []string{"libmlxc.dylib", "libmlx.dylib", "libjaccl.dylib", "mlx.metallib", "LICENSE.mlx", "LICENSE.mlx-c", "include/mlx/c/array.h"} {
		require.FileExists(t, filepath.Join(lib, name))
	}
	calls, err := os.ReadFile(filepath.Join(m.recipe, "calls"))
	require.NoError(t, err)
	for _, want := range []string{"-D_METAL_ -DACCELERATE_NEW_LAPACK", "-dynamiclib -install_name @rpath/libmlxc.dylib -Wl,-rpath,@loader_path", "-std=gnu++20"} {
		require.Contains(t, string(calls), want)
	}

	compiler := filepath.Join(m.bin, "c++")
	require.NoError(t, os.Rename(compiler, compiler+".away")) // what is finished needs no tool
	said, err = m.run()
	require.NoError(t, err, said)
	require.Empty(t, said)

	// what was cut off or taken away since is made anew
	require.NoError(t, os.Rename(compiler+".away", compiler))
	for _, damage := range []func() error{
		func() error { return os.Truncate(filepath.Join(lib, "libmlx.dylib"), 1) },
		func() error { return os.Remove(filepath.Join(lib, "mlx.metallib")) },
		func() error { return os.Remove(filepath.Join(lib, ".files")) },
	} {
		// what is added stays, and no language is another library's
		require.NoError(t, os.WriteFile(filepath.Join(lib, "libopenblas.dylib"), nil, 0o644))
		said, err = m.run("LANGUAGE=de", "LC_ALL=C.UTF-8")
		require.NoError(t, err, said)
		require.Empty(t, said)

		require.NoError(t, damage())
		said, err = m.run()
		require.NoError(t, err, said)
		require.Contains(t, said, "the files of "+lib+" are not those that were made: they are made anew\n")
		said, err = m.run()
		require.NoError(t, err, said)
		require.Empty(t, said)
	}
}

func TestACompilerForAnotherMachineIsRefusedBeforeAnythingIsFetched(t *testing.T) {
	for name, c := range map[string]struct{ says, target, want string }{
		"none":      {"exit 1", "Linux-aarch64", "and `none -dumpmachine` fails"},
		"ours":      {"echo x86_64-linux-gnu", "Linux-aarch64", "which compiles for x86_64-linux-gnu: name a compiler for Linux-aarch64"},
		"linux-g++": {"echo aarch64-linux-gnu", "Darwin-arm64", "which compiles for aarch64-linux-gnu: name a compiler for Darwin-arm64"},
	} {
		m := newLinux(t)
		m.program(name, c.says)
		said, err := m.run("MLX_C_TARGET="+c.target, "MLX_C_CXX="+name)
		require.Error(t, err)
		require.Contains(t, said, "MLX_C_CXX is "+name+", ")
		require.Contains(t, said, c.want)
		require.NotContains(t, said, "downloading")
	}
	said, err := newLinux(t).run("MLX_C_TARGET=Linux-aarch64")
	require.Error(t, err)
	require.Contains(t, said, "a library for Linux-aarch64 is not compiled by this machine's compiler")
}

func TestAMacBuildsItsOwnBesideHomebrewsWhereItIsAsked(t *testing.T) {
	m := newMac(t)
	m.homebrew("0.8.0")
	m.developerTools()
	m.sources("int x;")
	said, err := m.run("MLX_C_OWN=1")
	require.NoError(t, err, said)
	require.FileExists(t, filepath.Join(m.recipe, "mlx-c", "lib", "libmlxc.dylib"))
}

// A library for others is made beside Homebrew's, and runs on the oldest macOS that there is a libmlx for.
func TestAReleaseIsForTheOldestMacOS(t *testing.T) {
	m := newMac(t)
	m.homebrew("0.8.0")
	m.developerTools()
	m.sources("int x;")
	for _, c := range []struct{ env, asks string }{{"MLX_C_OWN=1", ""}, {"MLX_C_RELEASE=1", "--platform macosx_14_0_arm64 "}} {
		said, err := m.run(c.env)
		require.NoError(t, err, said)
		calls, err := os.ReadFile(filepath.Join(m.recipe, "calls"))
		require.NoError(t, err)
		lines := strings.Split(string(calls), "\n")
		at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "pip download") })
		require.GreaterOrEqual(t, at, 0, "%s", calls)
		require.Equal(t, c.asks != "", strings.Contains(lines[at], "--platform"), lines[at])
		require.Contains(t, lines[at], c.asks)
		require.NoError(t, os.Remove(filepath.Join(m.recipe, "calls")))
		said, err = m.run(c.env)
		require.NoError(t, err)
		require.Empty(t, said)
	}
}

func TestOtherSourcesAreRefused(t *testing.T) {
	m := newMac(t)
	m.developerTools()
	m.module("int y;")
	said, err := m.run()
	require.Error(t, err)
	require.Contains(t, said, "these are not the sources of mlx-c 0.7.0")
	require.NoDirExists(t, filepath.Join(m.recipe, "mlx-c", "lib"))
}

func TestAMacWithoutGoIsToldSo(t *testing.T) {
	m := newMac(t)
	m.developerTools()
	said, err := m.run()
	require.Error(t, err)
	require.Contains(t, said, "missing: go, which fetches the sources")
}

func TestAMacWhoseGoDoesNotGetTheSourcesIsToldOfBothRoads(t *testing.T) {
	m := newMac(t)
	m.developerTools()
	m.program("go", `case "$1 $2" in "env GOMODCACHE") echo /nowhere ;; *) echo "403 Forbidden" >&2; exit 1 ;; esac`)
	said, err := m.run()
	require.Error(t, err)
	require.Contains(t, said, "| 403 Forbidden")
	require.Contains(t, said, "GOPROXY to a proxy that has github.com/ml-explore/mlx-c, or to direct, which takes git; or install cargo")
}

func TestOtherMachinesAreRefusedByName(t *testing.T) {
	for machine, system := range map[string]string{"x86_64": "Darwin", "amd64": "FreeBSD", "riscv64": "Linux"} {
		m := newMac(t)
		m.program("uname", "case $1 in -s) echo "+system+" ;; -m) echo "+machine+" ;; esac")
		said, err := m.run()
		require.Error(t, err)
		require.Contains(t, said, "MLX has no build for "+system+" on "+machine)
	}
}

// The scripts run under bash 3.2, which a Mac has, and with BSD's tools.
func TestTheRecipesKeepToBash32(t *testing.T) {
	later := []string{"mapfile", "readarray", "declare -A", "local -n", "&>>", "${!", "^^}", ",,}", "|&", "coproc", "sed -i", "readlink -f", "realpath", "date -d", "stat -c", "grep -P", "cp -a", "sort -V", "xargs -r", "mktemp -p", "nproc"}
	scripts, err := fs.Glob(os.DirFS("."), "*/*.sh")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, name := range append(scripts, "steps.sh") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, word := range later {
			require.NotContains(t, string(text), word, "%s", name)
		}
		require.False(t, strings.Contains(string(text), "\r"))
	}
}
