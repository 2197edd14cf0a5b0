package mlx_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// childEnv makes the test binary load the library, print what comes of it and end:
// a process opens one library only.
const childEnv = "MLX_TEST_LOAD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		lib, err := mlx.LoadedLibrary()
		fmt.Printf("%v\n%s\n%s\nis ErrLibrary: %v\n", err, lib.Path, lib.BLAS, errors.Is(err, mlx.ErrLibrary))
		for _, damaged := range lib.DamagedBLAS {
			fmt.Println("damaged", damaged)
		}
		if errors.Is(err, mlx.ErrBLAS) {
			fmt.Println("is ErrBLAS")
		}
		os.Exit(0)
	}
	if task := os.Getenv(ringEnv); task != "" {
		ringChild(task)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// loadWith runs Load in a child with the given variables, from an empty folder.
func loadWith(t *testing.T, env ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), childEnv+"=1"), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "the child crashed: %s", out)
	return string(out)
}

func TestUnusableLibraryIsNamedWithTheReason(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o644))
		return path
	}
	machine := byte(183) // EM_AARCH64
	if runtime.GOARCH == "arm64" {
		machine = 62 // EM_X86_64
	}
	other := make([]byte, 64)
	copy(other, "\x7fELF\x02\x01\x01")
	other[16], other[18], other[20] = 3, machine, 1
	for name, c := range map[string]struct{ path, want string }{
		"nothing there":      {filepath.Join(dir, "none.so"), "there is no such file"},
		"an empty folder":    {t.TempDir(), "there is no such file"},
		"a text":             {write("text.so", []byte("hello, world")), "it is not a shared library"},
		"an empty file":      {write("empty.so", nil), "it is too short to be a library"},
		"another machine's":  {write("other.so", other), "it is built for linux/"},
		"a cut-off library":  {write("cut.so", other[:40]), "it is a damaged ELF file"},
		"a library like C's": {cLibrary(t, "int unrelated(void) { return 0; }"), "it is not mlx-c"},
		"an old mlx-c":       {cLibrary(t, "int mlx_array_new(void) { return 0; }"), "it is an mlx-c older than 0.7.0"},
		"half an mlx-c":      {cLibrary(t, "int mlx_array_new(void) { return 0; } int mlx_compile_cache_new(void) { return 0; }"), "of its 673 functions (mlx_dtype_size"},
	} {
		t.Run(name, func(t *testing.T) {
			out := loadWith(t, mlx.EnvLibrary+"="+c.path)
			require.Contains(t, out, c.want)
			require.Contains(t, out, "$MLX_C_LIBRARY names "+c.path)
			require.Contains(t, out, "is ErrLibrary: true")
		})
	}
}

// cLibrary compiles a shared library.
func cLibrary(t *testing.T, source string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler (cc)")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "lib.c")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o644))
	lib := filepath.Join(dir, "lib.so")
	out, err := exec.Command(cc, "-shared", "-fPIC", "-o", lib, file).CombinedOutput()
	require.NoError(t, err, string(out))
	return lib
}

func TestSearchListsEveryPlaceWithItsReason(t *testing.T) {
	home := t.TempDir()
	out := loadWith(t, mlx.EnvLibrary+"=", "HOME="+home, "XDG_DATA_HOME=", "HOMEBREW_PREFIX="+home)
	for _, place := range []string{"(beside the program)", "(the user's data folder)", "(mlxlib's folder)", "(Homebrew)", "(the system's loader)"} {
		require.Contains(t, out, place)
	}
	require.Contains(t, out, "make mlx-c")
	require.Contains(t, out, "`"+mlx.LibraryCommand+"`")
	require.GreaterOrEqual(t, strings.Count(out, "there is no such file"), 4)
}

func TestLibraryIsFoundInTheUsersDataFolder(t *testing.T) {
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	data := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(data, "mlxlens"), 0o755))
	require.NoError(t, os.Symlink(filepath.Dir(lib.Path), filepath.Join(data, "mlxlens", "lib")))
	out := loadWith(t, mlx.EnvLibrary+"=", "XDG_DATA_HOME="+data)
	require.Contains(t, out, "<nil>\n"+data)
}

func TestLibraryIsFoundWhereMlxlibPutsIt(t *testing.T) {
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	folder, err := mlx.LibraryFolder()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(folder), 0o755))
	require.NoError(t, os.Symlink(filepath.Dir(lib.Path), folder))
	out := loadWith(t, mlx.EnvLibrary+"=", "XDG_DATA_HOME="+home)
	require.Contains(t, out, "<nil>\n"+folder)
}

func TestBLASCanBeChosen(t *testing.T) {
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	out := loadWith(t, mlx.EnvLibrary+"="+filepath.Dir(lib.Path), mlx.EnvBLAS+"=none")
	require.Equal(t, "<nil>\n"+lib.Path+"\n\nis ErrLibrary: false\n", out)
}

func TestABLASThatIsNoneIsToldBesideTheLibrary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("MLX uses Accelerate on a Mac, and no BLAS is opened")
	}
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	const blas = "mlx: $MLX_C_BLAS names /nowhere.so, which cannot be used: "
	out := loadWith(t, mlx.EnvLibrary+"="+lib.Path, mlx.EnvBLAS+"=/nowhere.so")
	require.True(t, strings.HasPrefix(out, blas), out)
	require.True(t, strings.HasSuffix(out, "; name another, or unset it\n"+lib.Path+"\n\nis ErrLibrary: true\nis ErrBLAS\n"), out)
	for _, env := range [][]string{
		{mlx.EnvLibrary + "=/nowhere", "; name another, or unset it; and $MLX_C_LIBRARY names /nowhere, but there is no such file; "},
		{mlx.EnvLibrary + "=" + cLibrary(t, "int unrelated(void) { return 0; }"), "it is not mlx-c"},
		{mlx.EnvLibrary + "=", "; name another, or unset it; and no usable mlx-c "},
	} {
		out = loadWith(t, env[0], mlx.EnvBLAS+"=/nowhere.so", "HOME="+t.TempDir(), "XDG_DATA_HOME=", "XDG_CACHE_HOME=")
		require.True(t, strings.HasPrefix(out, blas), out)
		require.Contains(t, out, env[1])
		require.True(t, strings.HasSuffix(out, "\n\n\nis ErrLibrary: true\nis ErrBLAS\n"), out)
	}
}

func TestATruncatedBLASIsToldAndNotMapped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("MLX uses Accelerate on a Mac, and no BLAS is opened")
	}
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	whole, err := os.ReadFile(lib.Path)
	require.NoError(t, err)
	folder := t.TempDir()
	cut := filepath.Join(folder, "libopenblas.so.0")
	require.NoError(t, os.WriteFile(cut, whole[:1000], 0o600))
	out := loadWith(t, mlx.EnvLibrary+"="+lib.Path, mlx.EnvBLAS+"="+cut)
	require.True(t, strings.HasPrefix(out, "mlx: $MLX_C_BLAS names "+cut+", which cannot be used: it is a damaged ELF file, or a truncated one"), out)
	newer := filepath.Join(folder, "newer", "glibc-hwcaps", "x86-64-v4", "libopenblas.so.0")
	require.NoError(t, os.MkdirAll(filepath.Dir(newer), 0o755))
	require.NoError(t, os.WriteFile(newer, whole[:len(whole)-len(whole)/3], 0o600))
	for path, damaged := range map[string]string{folder: cut, filepath.Join(folder, "newer"): newer} {
		out = loadWith(t, mlx.EnvLibrary+"="+lib.Path, mlx.EnvBLAS+"=", "LD_LIBRARY_PATH="+path)
		require.Contains(t, out, "<nil>\n"+lib.Path)
		require.Contains(t, out, "damaged "+damaged+": it is ")
		if lib.BLAS != "" {
			require.NotContains(t, out, lib.Path+"\n\n", "the system's is taken")
		}
	}
}

func TestAnEmptyEntryOfTheLoadersPathCostsNoBLAS(t *testing.T) {
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	if lib.BLAS == "" || filepath.IsAbs(lib.BLAS) {
		t.Skip("the system has no OpenBLAS, or $MLX_C_BLAS one")
	}
	for _, path := range []string{"/usr/local/cuda/lib64:", ":/nowhere", "relative"} {
		out := loadWith(t, mlx.EnvLibrary+"="+lib.Path, "LD_LIBRARY_PATH="+path)
		require.Regexp(t, `<nil>\n`+lib.Path+`\n/\S+/libopenblas\.so(\.0)?\nis ErrLibrary: false\n$`, out)
	}
}

func TestSetLibraryAfterTheFirstUseIsAnError(t *testing.T) {
	require.NoError(t, mlx.Load())
	require.ErrorContains(t, mlx.SetLibrary("/elsewhere"), "too late")
}

func TestLibraryPassesTheSelfCheck(t *testing.T) {
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	require.Empty(t, lib.Refused)
	require.Contains(t, lib.Devices, mlx.CPU)
}
