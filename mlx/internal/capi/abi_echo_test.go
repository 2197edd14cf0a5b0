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
func TestEveryGoFunctionPassesItsArguments(t *testing.T) {
	if library := os.Getenv(stubVariable); library != "" {
		callEveryFunction(t, library)
		return
	}
	// a process of its own: capi opens one library for good, and a wrong call may crash
	passesArguments(t, "cc", os.Args[0])
}

// The same on the other processor, under emulation: `apt-get install qemu-user
// gcc-aarch64-linux-gnu libc6-dev-arm64-cross` on Debian.
//
// Once it ran so as a stand-in for darwin/arm64, and passed: the echo library compiled by clang
// 14.0.6 for arm64-apple-macos13 (its assembly put into an ELF library), and a copy of purego
// v0.11.3 whose only change was isDarwin = true. With purego as it is on Linux, that library
// saw a wrong value in mlx_conv2d, so that the difference shows.
func TestEveryGoFunctionPassesItsArgumentsOnArm64(t *testing.T) {
	const emulator, root = "qemu-aarch64", "/usr/aarch64-linux-gnu"
	if _, err := exec.LookPath(emulator); err != nil {
		t.Skip("there is no " + emulator)
	}
	binary := filepath.Join(t.TempDir(), "capi.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	passesArguments(t, "aarch64-linux-gnu-gcc", emulator, "-L", root, binary)
}

// passesArguments runs a test binary with an echo library that a compiler makes.
func passesArguments(t *testing.T, compiler string, binary ...string) {
	t.Helper()
	cc, err := exec.LookPath(compiler)
	if err != nil {
		t.Skipf("there is no %s to compile the echo library with", compiler)
	}
	c := readContract(t)
	dir := t.TempDir()
	source, library := filepath.Join(dir, "echo.c"), filepath.Join(dir, "libecho.so")
	require.NoError(t, os.WriteFile(source, c.echoSource(t), 0o600))
	out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", library, source).CombinedOutput()
	require.NoError(t, err, "%s", out)

	const name = "TestEveryGoFunctionPassesItsArguments"
	child := exec.Command(binary[0], append(binary[1:], "-test.run", "^"+name+"$", "-test.v")...)
	child.Env = append(os.Environ(), stubVariable+"="+library)
	out, err = child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+name)
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
