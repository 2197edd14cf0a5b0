package main

import (
	"archive/zip"
	"bytes"
	"debug/macho"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parts are what a wheel and the packages beside it are made of: the arguments of a C compiler for each, and its source.
type parts struct {
	*testing.T
	cc, packages string
	files        map[string]string // in mlxlens/bin, by name
	mode         os.FileMode       // the program's
	metadata     string
}

const tag = "mlxlens-1.2.3-py3-none-manylinux_2_35_x86_64.whl"

const links = "Project-URL: Homepage, https://x\nProject-URL: Documentation, https://x\nProject-URL: Source, https://x\nProject-URL: Changelog, https://x\nProject-URL: Issues, https://x\n"

// wheel are the parts of one that is right.
func wheel(t *testing.T) *parts {
	cc, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("no C compiler for Linux on x86-64, which makes the wheel's parts")
	}
	p := &parts{t, cc, t.TempDir(), map[string]string{}, 0o755, "Metadata-Version: 2.3\n" + links}
	blas := p.library("", "scipy_openblas32/lib/libscipy_openblas.so", "libscipy_openblas.so", "void scipy_cblas_sgemm(void) {} void scipy_sgeev_(void) {}")
	mlx := p.library("", "mlx/lib/libmlx.so", "libmlx.so", "void cblas_sgemm(void); void mlx_core_add(void) { cblas_sgemm(); }")
	p.forwarder(blas, empty(ofOpenBLAS))
	p.bin("libmlxc.so", "void mlx_core_add(void); void mlx_add(void) { mlx_core_add(); }", mlx, "-Wl,-rpath,$ORIGIN:$ORIGIN/../../mlx/lib")
	p.files["mlxlens"] = p.library("program", "mlxlens", "mlxlens", "")
	return p
}

// empty is a C source of functions that do nothing.
func empty(names []string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "void %s(void) {} ", name)
	}
	return b.String()
}

// forwarder compiles the library that forwards to the BLAS, with what else it has.
func (p *parts) forwarder(blas, more string) {
	p.bin("libopenblas.so.0", "void scipy_cblas_sgemm(void); void cblas_sgemm(void) { scipy_cblas_sgemm(); }"+more, blas, "-nostdlib", "-Wl,-rpath,$ORIGIN/../../scipy_openblas32/lib")
}

// library compiles a library to a place below dir, the packages when it has none, and returns its path.
func (p *parts) library(dir, at, soname, source string, args ...string) string {
	if dir == "" {
		dir = p.packages
	} else {
		dir = filepath.Join(p.packages, "..", dir)
	}
	out := filepath.Join(dir, filepath.FromSlash(at))
	require.NoError(p, os.MkdirAll(filepath.Dir(out), 0o755))
	file := filepath.Join(p.TempDir(), "source.c")
	require.NoError(p, os.WriteFile(file, []byte(source), 0o644))
	said, err := exec.Command(p.cc, append([]string{"-shared", "-fPIC", "-Wl,--allow-shlib-undefined,--enable-new-dtags,--no-as-needed,-soname," + soname, "-o", out, file}, args...)...).CombinedOutput()
	require.NoError(p, err, "%s", said)
	return out
}

// bin compiles one of the wheel's own libraries.
func (p *parts) bin(name, source string, args ...string) {
	p.files[name] = p.library("bin", name, name, source, args...)
}

// check packs the parts, and looks at the wheel.
func (p *parts) check(name string) ([]string, error) {
	at := filepath.Join(p.TempDir(), name)
	out, err := os.Create(at)
	require.NoError(p, err)
	archive := zip.NewWriter(out)
	for name, file := range p.files {
		data, err := os.ReadFile(file)
		require.NoError(p, err)
		header := &zip.FileHeader{Name: "mlxlens/bin/" + name, Method: zip.Deflate}
		header.SetMode(0o644)
		if name == "mlxlens" {
			header.SetMode(p.mode)
		}
		w, err := archive.CreateHeader(header)
		require.NoError(p, err)
		_, err = w.Write(data)
		require.NoError(p, err)
	}
	w, err := archive.Create("mlxlens-1.2.3.dist-info/METADATA")
	require.NoError(p, err)
	_, err = io.WriteString(w, p.metadata)
	require.NoError(p, err)
	require.NoError(p, archive.Close())
	require.NoError(p, out.Close())
	return check(at, p.packages)
}

func TestARightWheelIsRight(t *testing.T) {
	wrong, err := wheel(t).check(tag)
	require.NoError(t, err)
	require.Empty(t, wrong)
}

func TestWhatIsWrongWithAWheelIsSaid(t *testing.T) {
	for want, spoil := range map[string]func(p *parts){
		"libmlxc.so: its run path is": func(p *parts) {
			p.bin("libmlxc.so", "", "-Wl,-rpath,/home/me/lib")
		},
		"libmlxc.so: nothing has the symbol mlx_core_gone": func(p *parts) {
			p.bin("libmlxc.so", "void mlx_core_gone(void); void mlx_gone(void) { mlx_core_gone(); }", "-Wl,-rpath,$ORIGIN/../../mlx/lib")
		},
		"libmlxc.so: it needs libscipy_openblas.so": func(p *parts) {
			p.bin("libmlxc.so", "", "-Wl,-rpath,$ORIGIN/../../mlx/lib", filepath.Join(p.packages, "scipy_openblas32/lib/libscipy_openblas.so"))
		},
		"libopenblas.so.0: libmlx calls sgeev_, which it does not forward": func(p *parts) {
			p.library("", "mlx/lib/libmlx.so", "libmlx.so", "void sgeev_(void); void mlx_core_add(void) { sgeev_(); }")
		},
		"libopenblas.so.0: nothing has the symbol scipy_cblas_sgemm": func(p *parts) {
			p.library("", "scipy_openblas32/lib/libscipy_openblas.so", "libscipy_openblas.so", "void cblas_sgemm(void) {}")
		},
		"libopenblas.so.0: mlxlens calls openblas_set_num_threads, which it does not forward": func(p *parts) {
			blas := filepath.Join(p.packages, "scipy_openblas32/lib/libscipy_openblas.so")
			p.forwarder(blas, strings.Replace(empty(ofOpenBLAS), "openblas_set_num_threads", "openblas_set_threads", 1))
		},
		"mlxlens: it needs libmlx.so": func(p *parts) {
			p.files["mlxlens"] = p.library("program", "mlxlens", "mlxlens", "", filepath.Join(p.packages, "mlx/lib/libmlx.so"))
		},
	} {
		p := wheel(t)
		spoil(p)
		wrong, err := p.check(tag)
		require.NoError(t, err)
		require.Len(t, wrong, 1, want)
		require.Contains(t, wrong[0], want)
	}
}

func TestAWheelOfAnotherMachineIsRefused(t *testing.T) {
	wrong, err := wheel(t).check("mlxlens-1.2.3-py3-none-manylinux_2_35_aarch64.whl")
	require.NoError(t, err)
	require.Contains(t, wrong, "mlxlens: it is for EM_X86_64, and the tag for EM_AARCH64")
	_, err = wheel(t).check("mlxlens-1.2.3-py3-none-any.whl")
	require.ErrorContains(t, err, "no tag of a platform")
	p := wheel(t)
	p.mode = 0o644
	_, err = p.check(tag)
	require.ErrorContains(t, err, "not executable")
	delete(p.files, "libopenblas.so.0")
	p.mode = 0o755
	_, err = p.check(tag)
	require.ErrorContains(t, err, "mlxlens/bin has libmlxc.so, mlxlens (want libmlxc.so, libopenblas.so.0, mlxlens)")
}

func TestVersionsCompareByNumber(t *testing.T) {
	require.True(t, later("2.36", "2.35"))
	require.True(t, later("3.4.31", "3.4.30"))
	require.False(t, later("2.4", "2.35"))
	require.False(t, later("2.35", "2.35"))
	require.True(t, later("3", "2.35"))
}

// Go signs what it links for arm64 by itself, and names the macOS that it needs.
func TestAGoProgramForAMacIsRight(t *testing.T) {
	dir := t.TempDir()
	source, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "mlxlens")
	require.NoError(t, os.WriteFile(source, []byte("package main\n\nfunc main() { println(1) }\n"), 0o644))
	build := exec.Command("go", "build", "-o", out, source)
	build.Env = append(os.Environ(), "GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0")
	said, err := build.CombinedOutput()
	require.NoError(t, err, "%s", said)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	wrong, err := platform{"macosx", "arm64", 14, 0}.macho("mlxlens", data, "")
	require.NoError(t, err)
	require.Empty(t, wrong)
	wrong, err = platform{"macosx", "arm64", 10, 9}.macho("mlxlens", data, "")
	require.NoError(t, err)
	require.Len(t, wrong, 1)
	require.Contains(t, wrong[0], "and the tag promises 10.9")

	file, err := macho.NewFile(bytes.NewReader(data))
	require.NoError(t, err)
	at := func(command uint32, field int) int { // in the file, of a load command's field
		place := 32
		for _, load := range file.Loads {
			if binary.LittleEndian.Uint32(load.Raw()) == command {
				return place + field
			}
			place += len(load.Raw())
		}
		t.Fatalf("no load command %#x", command)
		return 0
	}
	signature := int(binary.LittleEndian.Uint32(data[at(loadCodeSignature, 8):]))
	for _, c := range []struct {
		what   string
		change func(data []byte)
	}{
		{"a Mac would kill it: page 5 is not what was signed", func(data []byte) { data[5<<12+99] ^= 1 }},
		{"a Mac would kill it: what stands at its signature's place is none", func(data []byte) { clear(data[signature:]) }},
		{"a Mac would kill it: its signature has no SHA-256 of its pages", func(data []byte) { data[signature+20] = 0 }},
		{"it is of the system 2, and macOS is 1", func(data []byte) { data[at(loadBuildVersion, 8)] = 2 }},
		{"it does not say of which system it is", func(data []byte) { data[at(loadBuildVersion, 0)] = 0x7f }},
		{"it is of type Bundle, and ought to be Exec", func(data []byte) { data[12] = 8 }},
	} {
		changed := bytes.Clone(data)
		c.change(changed)
		wrong, err := platform{"macosx", "arm64", 14, 0}.macho("mlxlens", changed, "")
		require.NoError(t, err)
		require.Contains(t, wrong, c.what)
	}
}

func TestMetadataAreOfAVersionThatCanBePublished(t *testing.T) {
	p := wheel(t)
	p.metadata = "Metadata-Version: 2.4\n" + links
	wrong, err := p.check(tag)
	require.NoError(t, err)
	require.Equal(t, []string{"METADATA: it is of version 2.4, and the action that publishes it reads 2.3 at most: see core-metadata-version in python/pyproject.toml"}, wrong)
	p.metadata = "Name: mlxlens\n" + links
	wrong, err = p.check(tag)
	require.NoError(t, err)
	require.Equal(t, []string{"METADATA: it does not say of which version it is"}, wrong)
	p.metadata = strings.Replace("Metadata-Version: 2.3\n"+links, "Issues", "Bugs", 1)
	wrong, err = p.check(tag)
	require.NoError(t, err)
	require.Equal(t, []string{"METADATA: it has no link to the project's Issues: see [project.urls] in python/pyproject.toml"}, wrong)
}
