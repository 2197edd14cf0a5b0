package capi

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// stubVariable names the environment variable that tells the child process of
// TestEveryGoFunctionPassesItsArguments where the compiled echo library is.
const stubVariable = "MLXLENS_ABI_STUB"

// Every Go function calls its C function in a library that writes down which function
// was called and what it was given, and returns what it was told to.
//
// Twice it ran by hand under qemu-aarch64 7.2.22, where it passed for every function:
//
//   - as linux/arm64, with the echo library by gcc 12.2.0;
//   - as a stand-in for darwin/arm64: the echo library compiled by clang 14.0.6 for
//     arm64-apple-macos13 (its assembly put into an ELF library), and a copy of purego
//     v0.11.3 whose only change was isDarwin = true. With purego as it is on Linux,
//     that library saw a wrong value in mlx_conv2d, so that the difference shows.
func TestEveryGoFunctionPassesItsArguments(t *testing.T) {
	if library := os.Getenv(stubVariable); library != "" {
		callEveryFunction(t, library)
		return
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("there is no cc to compile the echo library with")
	}
	c := readContract(t)
	dir := t.TempDir()
	source, library := filepath.Join(dir, "echo.c"), filepath.Join(dir, "libecho.so")
	require.NoError(t, os.WriteFile(source, c.echoSource(t), 0o600))
	out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", library, source).CombinedOutput()
	require.NoError(t, err, "%s", out)

	// a process of its own: capi opens one library for good, and a wrong call may crash
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), stubVariable+"="+library)
	out, err = child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
}

// callEveryFunction is the child process.
func callEveryFunction(t *testing.T, library string) {
	c := readContract(t)
	require.NoError(t, Open(library))
	EnterGate()
	defer LeaveGate()
	handle, err := open(library, 0)
	require.NoError(t, err)
	at := func(name string) Pointer {
		p := symbol(handle, name)
		require.NotZero(t, p, name)
		return Pointer(p)
	}
	echo := echoLibrary{
		index:  &SliceAt[int32](at("abi_index"), 1)[0],
		used:   &SliceAt[uint32](at("abi_used"), 1)[0],
		buffer: SliceAt[byte](at("abi_buffer"), 65536),
		result: SliceAt[uint64](at("abi_result"), 2),
	}
	require.Len(t, goFuncs, len(Symbols()))
	called := 0
	for i, f := range c.Functions {
		fn, ok := goFuncs[f.Name]
		if !ok {
			require.True(t, f.Variadic, "%s has no Go function", f.Name)
			continue
		}
		for round := range rounds {
			call := newCall(c, i, round)
			call.run(t, f, reflect.ValueOf(fn), echo)
		}
		called++
	}
	require.Equal(t, len(Symbols()), called)
}
