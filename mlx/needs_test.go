package mlx_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// cut leaves the first part of a library: its headers are whole, and what they tell of is not there.
func cut(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Truncate(path, 4096+512))
}

// needing compiles a BLAS that needs libmiddle.so, which needs libinner.so, linked with some flags, and returns the folder of all.
func needing(t *testing.T, flags ...string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	compile(t, file("deep/libinner.so"), "int inner(void) { return 3; }", "-Wl,-soname,libinner.so")
	compile(t, file("near/libmiddle.so"), "int inner(void); int middle(void) { return inner(); }", "-Wl,-soname,libmiddle.so", "-Wl,--allow-shlib-undefined", "-Wl,--no-as-needed", file("deep/libinner.so"))
	compile(t, file("libblas.so"), "int middle(void); int cblas_sgemm(void) { return middle(); }", append(flags, "-Wl,--allow-shlib-undefined", "-Wl,--no-as-needed", file("near/libmiddle.so"))...)
	return folder
}

func TestWhatABLASNeedsIsLookedAtWhereTheLoaderFindsIt(t *testing.T) {
	for name, c := range map[string]struct {
		flags []string
		path  string // $LD_LIBRARY_PATH, below the folder
	}{
		"DT_RUNPATH, which is not asked for what others need": {[]string{"-Wl,--enable-new-dtags,-rpath,$ORIGIN/near"}, "deep"},
		"DT_RPATH, which is":             {[]string{"-Wl,--disable-new-dtags,-rpath,$ORIGIN/near:${ORIGIN}/deep"}, "nowhere"},
		"DT_RPATH before the variable":   {[]string{"-Wl,--disable-new-dtags,-rpath,$ORIGIN/near:$ORIGIN/deep"}, "whole"},
		"the variable alone":             {nil, "near:deep"},
		"the variable before DT_RUNPATH": {[]string{"-Wl,--enable-new-dtags,-rpath,$ORIGIN/whole"}, "near:deep"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := needing(t, c.flags...)
			blas, middle, inner := filepath.Join(folder, "libblas.so"), filepath.Join(folder, "near/libmiddle.so"), filepath.Join(folder, "deep/libinner.so")
			require.NoError(t, os.Mkdir(filepath.Join(folder, "whole"), 0o755))
			path := ""
			for _, part := range filepath.SplitList(c.path) {
				path += ":" + filepath.Join(folder, part)
			}
			env := []string{mlx.EnvBLAS + "=" + blas, mlx.EnvLibrary + "=/nowhere", "LD_LIBRARY_PATH=" + path[1:]}
			require.NotContains(t, loadWith(t, env...), mlx.EnvBLAS, "it is right as it was made")
			for _, whole := range []string{middle, inner} { // what the loader comes to later
				data, err := os.ReadFile(whole)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(folder, "whole", filepath.Base(whole)), data, 0o755))
			}
			cut(t, inner)
			out := loadWith(t, env...)
			require.Contains(t, out, "$MLX_C_BLAS names "+blas+", which cannot be used: "+inner+", which "+middle+" needs: it is a damaged ELF file, or a truncated one: ")
			cut(t, middle)
			require.Contains(t, loadWith(t, env...), "which cannot be used: "+middle+", which it needs: it is a damaged ELF file, or a truncated one: ")
		})
	}
}

func TestALibraryThatIsNotTakenMayBeDamaged(t *testing.T) {
	folder := needing(t, "-Wl,--disable-new-dtags,-rpath,$ORIGIN/near:$ORIGIN/deep")
	for _, name := range []string{"libmiddle.so", "libinner.so"} { // behind those of DT_RPATH
		require.NoError(t, os.MkdirAll(filepath.Join(folder, "later"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "later", name), []byte("\x7fELF, and no more"), 0o755))
	}
	out := loadWith(t, mlx.EnvBLAS+"="+filepath.Join(folder, "libblas.so"), mlx.EnvLibrary+"=/nowhere", "LD_LIBRARY_PATH="+filepath.Join(folder, "later"))
	require.NotContains(t, out, mlx.EnvBLAS)
}

func TestAnOpenBLASOfTheLoaderWhoseNeedIsDamagedIsPassedBy(t *testing.T) {
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	folder := t.TempDir()
	inner, blas := filepath.Join(folder, "libinner.so"), filepath.Join(folder, "libopenblas.so.0")
	compile(t, inner, "int inner(void) { return 3; }", "-Wl,-soname,libinner.so")
	compile(t, blas, "int inner(void); int cblas_sgemm(void) { return inner(); }", "-Wl,-soname,libopenblas.so.0", inner)
	cut(t, inner)
	out := loadWith(t, mlx.EnvLibrary+"="+lib.Path, mlx.EnvBLAS+"=", "LD_LIBRARY_PATH="+folder)
	require.Contains(t, out, "<nil>\n"+lib.Path)
	require.Contains(t, out, "damaged "+blas+": "+inner+", which it needs: it is a damaged ELF file, or a truncated one: ")
	require.Contains(t, out, "install the package that it is of again")
}

// wheel lays out what mlxlens' wheel and MLX's put beside each other, of libraries that are none but in form.
func wheel(t *testing.T, site string) (libmlxc, libmlx string) {
	t.Helper()
	libmlxc, libmlx = filepath.Join(site, "mlxlens/bin/libmlxc.so"), filepath.Join(site, "mlx/lib/libmlx.so")
	compile(t, libmlx, "int mlx(void) { return 3; }", "-Wl,-soname,libmlx.so")
	compile(t, libmlxc, "int mlx(void); int mlx_array_new(void) { return mlx(); }", "-Wl,-soname,libmlxc.so", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../../mlx/lib", libmlx)
	return libmlxc, libmlx
}

func TestALibmlxInAFolderOfItsOwnIsLookedAt(t *testing.T) {
	libmlxc, libmlx := wheel(t, t.TempDir())
	env := mlx.EnvLibrary + "=" + libmlxc
	require.Contains(t, loadWith(t, env, mlx.EnvBLAS+"=none"), "it is an mlx-c older than", "it is opened")
	cut(t, libmlx)
	require.Contains(t, loadWith(t, env, mlx.EnvBLAS+"=none"), "$MLX_C_LIBRARY names "+libmlxc+", but "+libmlx+", which it needs: it is a damaged ELF file, or a truncated one: ")
}

func TestAWheelsUserWhoseLibmlxIsDamagedIsToldOfPip(t *testing.T) {
	site, program := installed(t)
	_, libmlx := wheel(t, site)
	require.NoError(t, os.Mkdir(filepath.Join(site, "mlx_cpu-0.32.2.dist-info"), 0o755))
	cut(t, libmlx)
	cmd := exec.Command(program)
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), childEnv+"=1", mlx.EnvBLAS+"=none"), nothingElse(t)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "(beside the program): "+libmlx+", which it needs: it is a damaged ELF file, or a truncated one: ")
	require.Contains(t, string(out), "`pip install --force-reinstall mlxlens mlx-cpu==0.32.2`")
}
