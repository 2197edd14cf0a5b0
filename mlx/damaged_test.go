package mlx_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// builtBLAS compiles a library that is a BLAS as far as the loader can tell, with the tables that the real ones have.
func builtBLAS(t *testing.T, flags ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libblas.so")
	script := path + ".versions"
	require.NoError(t, os.WriteFile(script, []byte("V1 { global: cblas_sgemm; table; block; local: *; };\nV2 { global: cblas_dgemm; } V1;\n"), 0o644))
	compile(t, path, `#include <math.h>
#include <stdlib.h>
static __thread int own = 7;
__thread char block[64];
static const char *names[] = {"a", "b"};
const char **table = names;
__attribute__((constructor)) static void begin(void) { own = block[3] + (getenv("A") != NULL) + (table[1][0] == 'b'); }
double cblas_sgemm(double x) { return sqrt(x) + own; }
const char *cblas_dgemm(void) { return table[1]; }`, append(flags, "-Wl,--version-script="+script, "-Wl,-soname,libblas.so", "-Wl,--no-as-needed", "-lm")...)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// compile compiles a shared library for Linux.
func compile(t *testing.T, path, source string, flags ...string) {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if runtime.GOOS != "linux" || err != nil {
		t.Skip("no C compiler (cc) for a library of Linux")
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	cmd := exec.Command(cc, append([]string{"-shared", "-fPIC", "-x", "c", "-o", path, "-", "-x", "none"}, flags...)...)
	cmd.Stdin = strings.NewReader(source)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// parts finds what is to be damaged in a library.
type parts struct {
	t    *testing.T
	file *elf.File
	data []byte
}

// at returns the bytes of a section from an offset on.
func (p *parts) at(section string, offset int) []byte {
	s := p.file.Section(section)
	require.NotNil(p.t, s, section)
	return p.data[int(s.Offset)+offset : s.Offset+s.Size]
}

// entry returns an entry of the dynamic section: its tag, 8 bytes, and its value.
func (p *parts) entry(tag elf.DynTag) []byte {
	for section := p.at(".dynamic", 0); len(section) >= 16; section = section[16:] {
		if elf.DynTag(binary.LittleEndian.Uint64(section)) == tag {
			return section
		}
	}
	p.t.Fatalf("no %v", tag)
	return nil
}

// tag gives an entry of the dynamic section another value.
func (p *parts) tag(tag elf.DynTag, value uint64) { put(p.entry(tag)[8:], value) }

// header returns the program header of a kind: p_type, p_flags (32 bits), p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
func (p *parts) header(kind elf.ProgType, flags elf.ProgFlag) []byte {
	i := slices.IndexFunc(p.file.Progs, func(s *elf.Prog) bool { return s.Type == kind && s.Flags&flags == flags })
	require.GreaterOrEqual(p.t, i, 0)
	return p.data[64+56*i:]
}

// symbol returns a symbol's entry: st_name (32 bits), st_info, st_other, st_shndx (16), st_value.
func (p *parts) symbol(name string) []byte {
	symbols, err := p.file.DynamicSymbols()
	require.NoError(p.t, err)
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == name })
	require.GreaterOrEqual(p.t, i, 0, name)
	return p.at(".dynsym", elf.Sym64Size*(i+1))
}

// far is an address where no library has anything.
const far = 0x7fff_0000_0000

func put(at []byte, value uint64)   { binary.LittleEndian.PutUint64(at, value) }
func put32(at []byte, value uint32) { binary.LittleEndian.PutUint32(at, value) }

// Nearly all of these end the process where nobody looks: as the loader reads what they lead to, or as the library's code begins.
var damages = map[string]struct {
	do   func(p *parts)
	want string
}{
	"no end of the dynamic section":       {func(p *parts) { put(p.header(elf.PT_DYNAMIC, 0)[32:], 64) }, "its dynamic section has no end"},
	"segments in another order":           {func(p *parts) { put(p.header(elf.PT_LOAD, elf.PF_X)[16:], 1<<40) }, "begins at address"},
	"a segment larger than its room":      {func(p *parts) { put(p.header(elf.PT_LOAD, elf.PF_W)[40:], 8) }, "bytes in the file, and 8 at"},
	"code that is not executable":         {func(p *parts) { put32(p.header(elf.PT_LOAD, elf.PF_X)[4:], uint32(elf.PF_R)) }, ".init, which is "},
	"data that is read-only":              {func(p *parts) { put32(p.header(elf.PT_LOAD, elf.PF_W)[4:], uint32(elf.PF_R)) }, "(PT_GNU_RELRO) lies outside"},
	"data that becomes read-only":         {func(p *parts) { put(p.header(elf.PT_GNU_RELRO, 0)[40:], 0x1300) }, "section .data is made read-only"},
	"a thread's own without an image":     {func(p *parts) { put(p.header(elf.PT_TLS, 0)[16:], far) }, "(PT_TLS)"},
	"names elsewhere":                     {func(p *parts) { p.tag(elf.DT_STRTAB, far) }, "(DT_STRTAB) lies outside"},
	"symbols elsewhere":                   {func(p *parts) { p.tag(elf.DT_SYMTAB, far) }, "does not lead to section .dynsym"},
	"no symbols":                          {func(p *parts) { put(p.entry(elf.DT_SYMTAB), 0x6ffffa00) }, "has no DT_SYMTAB"},
	"hashes elsewhere":                    {func(p *parts) { p.tag(elf.DT_GNU_HASH, far) }, "does not lead to section .gnu.hash"},
	"a filter of no power of two":         {func(p *parts) { put32(p.at(".gnu.hash", 8), 3) }, "has a filter of 3 words"},
	"relocations elsewhere":               {func(p *parts) { p.tag(elf.DT_RELA, far) }, "does not lead to section .rela.dyn"},
	"more relocations":                    {func(p *parts) { p.tag(elf.DT_RELASZ, 24<<20) }, "(DT_RELA) lies outside"},
	"relocations without a length":        {func(p *parts) { put(p.entry(elf.DT_RELASZ), 0x6ffffa00) }, "belong together"},
	"jumps of another kind":               {func(p *parts) { p.tag(elf.DT_PLTREL, uint64(elf.DT_REL)) }, "takes 7 for granted"},
	"a relocation elsewhere":              {func(p *parts) { put(p.at(".rela.dyn", 0), far) }, "nothing is written there"},
	"a relocation of code":                {func(p *parts) { put(p.at(".rela.dyn", 0), 0x1000) }, "nothing is written there"},
	"a relocation of no symbol":           {func(p *parts) { put32(p.at(".rela.plt", 12), 1<<30) }, "is of symbol 1073741824"},
	"a relocation that is zero":           {func(p *parts) { clear(p.at(".rela.plt", 0)[:24]) }, "a kind (0)"},
	"a function that is none":             {func(p *parts) { put(p.at(".rela.dyn", 16), 0x10) }, "no code is"},
	"an array of functions elsewhere":     {func(p *parts) { p.tag(elf.DT_INIT_ARRAY, far) }, "does not lead to section .init_array"},
	"more functions":                      {func(p *parts) { p.tag(elf.DT_INIT_ARRAYSZ, 64) }, "does not lead to section .init_array"},
	"a beginning that is no code":         {func(p *parts) { p.tag(elf.DT_INIT, 0x10) }, "no code is"},
	"a symbol of its own that is nowhere": {func(p *parts) { clear(p.symbol("getenv")[4:6]) }, "where it cannot be"},
	"a symbol without a name":             {func(p *parts) { put32(p.symbol("getenv"), 1<<30) }, "is not among its names"},
	"a symbol elsewhere":                  {func(p *parts) { put(p.symbol("table")[8:], far) }, "where it cannot be"},
	"versions of symbols elsewhere":       {func(p *parts) { p.tag(elf.DT_VERSYM, far) }, "does not lead to section .gnu.version"},
	"a version that it has not":           {func(p *parts) { copy(p.at(".gnu.version", 2), "\xff\x7f") }, "symbol 1 is of version 32767"},
	"versions of another number":          {func(p *parts) { clear(p.at(".gnu.version_r", 0)[2:4]) }, "that is none"},
	"versions that it needs elsewhere":    {func(p *parts) { p.tag(elf.DT_VERNEED, far) }, "does not lead to section .gnu.version_r"},
	"its own versions elsewhere":          {func(p *parts) { p.tag(elf.DT_VERDEF, far) }, "does not lead to section .gnu.version_d"},
	"needs without a name":                {func(p *parts) { p.tag(elf.DT_NEEDED, 1<<40) }, "the names of the libraries that it needs are not in it"},
	"versions of what it does not need":   {func(p *parts) { put(p.entry(elf.DT_NEEDED), 0x6ffffa00) }, `it has symbols of "libm.so.6", which it does not need`},
}

func TestABLASWithADamagedTableIsToldAndNotMapped(t *testing.T) {
	whole := builtBLAS(t)
	path := filepath.Join(t.TempDir(), "libblas.so")
	with := func(t *testing.T, data []byte) string {
		t.Helper()
		require.NoError(t, os.WriteFile(path, data, 0o755))
		return loadWith(t, mlx.EnvBLAS+"="+path, mlx.EnvLibrary+"=/nowhere")
	}
	require.NotContains(t, with(t, whole), mlx.EnvBLAS, "it is right as it was made")
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			p := &parts{t: t, data: slices.Clone(whole)}
			var err error
			p.file, err = elf.NewFile(bytes.NewReader(whole))
			require.NoError(t, err)
			damage.do(p)
			out := with(t, p.data)
			require.Contains(t, out, "$MLX_C_BLAS names "+path+", which cannot be used: it is damaged: ")
			require.Contains(t, out, damage.want)
			require.Contains(t, out, "; get it again; name another, or unset it")
		})
	}
}

func TestABLASWithDamagedPackedRelocationsIsToldAndNotMapped(t *testing.T) {
	whole := builtBLAS(t, "-Wl,-z,pack-relative-relocs")
	file, err := elf.NewFile(bytes.NewReader(whole))
	require.NoError(t, err)
	if file.Section(".relr.dyn") == nil {
		t.Skip("this linker packs no relocations")
	}
	path := filepath.Join(t.TempDir(), "libblas.so")
	for want, do := range map[string]func(p *parts){
		"nothing is written there": func(p *parts) { put(p.at(".relr.dyn", 0), far) },
		"no code is":               func(p *parts) { put(p.at(".init_array", 0), 0x10) },
		"another is of the same":   func(p *parts) { put(p.at(".relr.dyn", 0), binary.LittleEndian.Uint64(p.at(".relr.dyn", 0))+8) },
	} {
		p := &parts{t: t, file: file, data: slices.Clone(whole)}
		do(p)
		require.NoError(t, os.WriteFile(path, p.data, 0o755))
		out := loadWith(t, mlx.EnvBLAS+"="+path, mlx.EnvLibrary+"=/nowhere")
		require.Contains(t, out, path+", which cannot be used: it is damaged: ")
		require.Contains(t, out, want)
	}
}

// A libmlxc of another's, and an OpenBLAS that the loader would find, are looked at alike.
func TestALibraryWithADamagedTableIsNotOpenedWhereverItComesFrom(t *testing.T) {
	whole := builtBLAS(t)
	p := &parts{t: t, data: whole}
	var err error
	p.file, err = elf.NewFile(bytes.NewReader(whole))
	require.NoError(t, err)
	put(p.at(".rela.dyn", 0), far)
	folder := t.TempDir()
	for _, name := range []string{"libmlxc.so", "libopenblas.so.0"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), whole, 0o755))
	}
	out := loadWith(t, mlx.EnvLibrary+"="+folder, mlx.EnvBLAS+"=none")
	require.Contains(t, out, "$MLX_C_LIBRARY names "+filepath.Join(folder, "libmlxc.so")+", but it is damaged: relocation 0 of DT_RELA")
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	out = loadWith(t, mlx.EnvLibrary+"="+lib.Path, mlx.EnvBLAS+"=", "LD_LIBRARY_PATH="+folder)
	require.Contains(t, out, "<nil>\n"+lib.Path)
	require.Contains(t, out, "damaged "+filepath.Join(folder, "libopenblas.so.0")+": it is damaged: relocation 0 of DT_RELA")
}
