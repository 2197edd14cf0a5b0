package dynamic_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx/internal/dynamic"
)

// source has something for each table: names, versions, functions that are called, what a thread has of its own.
const source = `
#include <math.h>
#include <stdlib.h>
static __thread int own = 7;
__thread char block[64];
static const char *names[] = {"a", "b"};
const char **table = names;
static int twice(int x) { return 2 * x; }
int (*call)(int) = twice;
__attribute__((constructor)) static void begin(void) { own = call(own) + block[3] + (getenv("A") != NULL); }
__attribute__((destructor)) static void end(void) { own = 0; }
double first(double x) { return sqrt(x) + own; }
const char *second(void) { return table[1]; }
`

// library compiles a library for Linux.
func library(t *testing.T, flags ...string) []byte {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if runtime.GOOS != "linux" || err != nil {
		t.Skip("no C compiler for a library of Linux")
	}
	dir := t.TempDir()
	script, path := filepath.Join(dir, "versions"), filepath.Join(dir, "lib.so")
	require.NoError(t, os.WriteFile(script, []byte("V1 { global: first; table; call; block; local: *; };\nV2 { global: second; } V1;\n"), 0o644))
	args := append([]string{"-shared", "-fPIC", "-x", "c", "-o", path, "-", "-Wl,--version-script=" + script, "-Wl,-soname,libown.so", "-Wl,-rpath,$ORIGIN/a:/b"}, flags...)
	cmd := exec.Command(cc, append(args, "-lm")...)
	cmd.Stdin = strings.NewReader(source)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func check(t *testing.T, data []byte) (*dynamic.Library, error) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(data))
	require.NoError(t, err)
	return dynamic.Check(file, bytes.NewReader(data))
}

var forms = map[string][]string{
	"as the compiler makes it": nil,
	"the older table":          {"-Wl,--hash-style=sysv"},
	"both tables":              {"-Wl,--hash-style=both"},
	"packed relocations":       {"-Wl,-z,pack-relative-relocs"},
	"all at once":              {"-Wl,-z,now", "-Wl,-z,relro"},
	"RPATH":                    {"-Wl,--disable-new-dtags"},
}

func TestAWholeLibraryHasNoFault(t *testing.T) {
	all := maps.Clone(forms)
	for _, linker := range []string{"gold", "lld", "mold"} {
		for _, program := range []string{"ld." + linker, linker} {
			if _, err := exec.LookPath(program); err == nil {
				all["made by "+linker] = []string{"-fuse-ld=" + linker}
			}
		}
	}
	for name, flags := range all {
		data := library(t, flags...)
		stripped := slices.Clone(data)
		clear(stripped[40:48]) // e_shoff
		clear(stripped[58:64]) // e_shentsize, e_shnum, e_shstrndx
		for _, data := range [][]byte{data, stripped} {
			lib, err := check(t, data)
			require.NoError(t, err, name)
			require.Contains(t, lib.Needed, "libm.so.6", name)
			require.Contains(t, lib.Needed, "libc.so.6", name)
			require.Empty(t, lib.Foreign, name)
			folders := lib.RunPath
			if name == "RPATH" {
				folders = lib.RPath
			}
			require.Equal(t, []string{"$ORIGIN/a", "/b"}, folders, name)
		}
	}
}

// What is damaged may be anything; what reads it must not be led astray itself.
func TestDamageEndsInAnErrorAndNoPanic(t *testing.T) {
	names := []string{".dynamic", ".gnu.hash", ".hash", ".dynsym", ".dynstr", ".gnu.version", ".gnu.version_r", ".gnu.version_d", ".rela.dyn", ".rela.plt", ".relr.dyn", ".init_array"}
	for form, flags := range forms {
		whole := library(t, flags...)
		file, err := elf.NewFile(bytes.NewReader(whole))
		require.NoError(t, err)
		regions := [][2]uint64{{64, 56 * uint64(len(file.Progs))}}
		for _, name := range names {
			if s := file.Section(name); s != nil {
				regions = append(regions, [2]uint64{s.Offset, s.Size})
			}
		}
		random := rand.New(rand.NewPCG(1, 2))
		refused := 0
		for range 3000 {
			data := slices.Clone(whole)
			region := regions[random.IntN(len(regions))]
			at := region[0] + random.Uint64N(region[1])
			values := []uint64{random.Uint64(), random.Uint64N(1 << 16), random.Uint64N(uint64(len(whole))), 1<<64 - 1, 0, 1 << 63}
			switch random.IntN(3) {
			case 0:
				data[at] ^= 1 << random.IntN(8)
			case 1:
				binary.LittleEndian.PutUint64(data[at&^7:], values[random.IntN(len(values))])
			default:
				binary.LittleEndian.PutUint32(data[at&^3:], uint32(values[random.IntN(len(values))]))
			}
			file, err := elf.NewFile(bytes.NewReader(data))
			if err != nil {
				continue
			}
			if _, err := dynamic.Check(file, bytes.NewReader(data)); err != nil {
				refused++
			}
		}
		require.Greater(t, refused, 1000, form)
	}
}

func TestALibraryWithoutWhatTheLoaderNeedsIsRefused(t *testing.T) {
	empty := make([]byte, 64)
	copy(empty, "\x7fELF\x02\x01\x01")
	empty[16], empty[18], empty[20], empty[52], empty[54] = 3, byte(elf.EM_X86_64), 1, 64, 56
	_, err := check(t, empty)
	require.ErrorContains(t, err, "no segment of it is to be mapped")

	mapped := append(slices.Clone(empty), make([]byte, 56)...) // one PT_LOAD
	mapped[32], mapped[56], mapped[64], mapped[68] = 64, 1, 1, 4
	mapped[64+32], mapped[64+40] = 120, 120
	_, err = check(t, mapped)
	require.ErrorContains(t, err, "it has no dynamic section")

	empty[4] = 1 // of 32 bits
	_, err = check(t, append(empty, make([]byte, 64)...))
	require.ErrorContains(t, err, "64 bits")
}

// What assembler and older compilers make: a table that is typed as a function, and pointers of .eh_frame, of whose relocations
// ld leaves R_X86_64_NONE.
func TestWhatAssemblerMakesHasNoFault(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" || err != nil {
		t.Skip("no C compiler for a library of Linux on x86-64")
	}
	for name, c := range map[string]struct {
		source string
		flags  []string
	}{
		"a table that is a function": {"__asm__(\".section .rodata\\n.globl table\\n.type table,@function\\ntable: .quad 1,2,3\\n.size table,24\\n.text\");", []string{"-fPIC"}},
		"absolute pointers":          {"int f(int x) { return x + 1; }\nint g(void) { return 2; }", []string{"-mcmodel=large", "-fno-pic", "-fno-dwarf2-cfi-asm", "-fasynchronous-unwind-tables"}},
	} {
		path := filepath.Join(t.TempDir(), "lib.so")
		cmd := exec.Command(cc, append([]string{"-shared", "-O1", "-x", "c", "-o", path, "-"}, c.flags...)...)
		cmd.Stdin = strings.NewReader(c.source)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("%s: this compiler makes none: %s", name, out)
			continue
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = check(t, data)
		require.NoError(t, err, name)
	}
}
