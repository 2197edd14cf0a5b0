package mlx_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// laterForm is a folder with a libmlxc whose mlx_gather_qmm has the given parameters behind bits, and
// refuses some values; everything else of it is the library's, which it needs under another name.
func laterForm(t *testing.T, parameters, refuses string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the stand-in is written for Linux's loader")
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler, which makes the stand-in")
	}
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	dir := t.TempDir()
	entries, err := filepath.Glob(filepath.Join(filepath.Dir(lib.Path), "*"))
	require.NoError(t, err)
	for _, file := range entries {
		if name := filepath.Base(file); name != "libmlxc.so" {
			require.NoError(t, os.Symlink(file, filepath.Join(dir, name)))
			continue
		}
		whole, err := os.ReadFile(file)
		require.NoError(t, err)
		whole = bytes.ReplaceAll(whole, []byte("\x00libmlxc.so\x00"), []byte("\x00libreal.so\x00")) // its name to the loader
		require.NoError(t, os.WriteFile(filepath.Join(dir, "libreal.so"), whole, 0o755))
	}
	source := filepath.Join(dir, "later.c")
	require.NoError(t, os.WriteFile(source, []byte(strings.NewReplacer("PARAMETERS", parameters, "REFUSES", refuses).Replace(`
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
typedef struct { void* ctx; } h;
typedef struct { int value; bool has_value; } opt;
int mlx_gather_qmm(h* res, h x, h w, h scales, h biases, h lhs, h rhs, bool transpose, opt group_size, opt bits, PARAMETERS) {
  int (*real)(h*, h, h, h, h, h, h, bool, opt, opt, const char*, bool, h) = dlsym(dlopen("libreal.so", RTLD_NOW | RTLD_NOLOAD), "mlx_gather_qmm");
  if (REFUSES) return 1;
  return real(res, x, w, scales, biases, lhs, rhs, transpose, group_size, bits, mode, sorted, s);
}
`)), 0o644))
	out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-Wl,--disable-new-dtags,-rpath,$ORIGIN", "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined",
		"-o", filepath.Join(dir, "libmlxc.so"), source, filepath.Join(dir, "libreal.so"), "-ldl").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// gathers loads the library and computes one product of a packed matrix that is picked.
func gathers(t *testing.T) error {
	require.NoError(t, mlx.Load())
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	w, scales, biases := mlx.Quantize(mlx.Ones(s, mlx.Float32, 8, 32), mlx.Quantization{GroupSize: 32, Bits: 4})
	y := mlx.GatherQMM(mlx.Ones(s, mlx.Float32, 1, 1, 32), mlx.Stack(0, w), mlx.Stack(0, scales), mlx.Stack(0, biases), true,
		mlx.Quantization{GroupSize: 32, Bits: 4}, mlx.Picks{})
	if y.Err() != nil {
		return y.Err()
	}
	require.InDeltaSlice(t, []float32{32, 32, 32, 32, 32, 32, 32, 32}, floats(t, y), 1e-4)
	return nil
}

func TestALaterFormOfGatherQMMIsCalledAsItIs(t *testing.T) {
	if os.Getenv(childOf) == t.Name() {
		require.NoError(t, gathers(t))
		lib, err := mlx.LoadedLibrary()
		require.NoError(t, err)
		require.Empty(t, lib.Refused)
		return
	}
	require.NoError(t, mlx.Load())
	if mlx.ScaledGather() {
		t.Skip("the library at hand is of that form itself, and other tests call it")
	}
	inChild(t, mlx.EnvLibrary+"="+laterForm(t, "const char* mode, h global_scale, bool sorted, h s", "global_scale.ctx || !s.ctx"))
}

func TestAFormThatNobodyKnowsIsRefusedAndTheRestWorks(t *testing.T) {
	if os.Getenv(childOf) == t.Name() {
		err := gathers(t)
		require.ErrorIs(t, err, mlx.ErrRefused)
		require.ErrorContains(t, err, "gather_qmm: this library computes it wrongly (it fails: ")
		require.ErrorContains(t, err, "get the one that was proven with `"+mlx.LibraryCommand+" -own`")
		return
	}
	inChild(t, mlx.EnvLibrary+"="+laterForm(t, "bool sorted, const char* mode, h s", "true"))
}
