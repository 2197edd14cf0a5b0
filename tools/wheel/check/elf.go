package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// elf says what is wrong with one of a Linux wheel's files.
func (p platform) elf(name string, data []byte, packages string) (wrong []string, err error) {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if want := map[string]elf.Machine{"x86_64": elf.EM_X86_64, "aarch64": elf.EM_AARCH64}[p.machine]; file.Machine != want {
		wrong = append(wrong, fmt.Sprintf("it is for %v, and the tag for %v", file.Machine, want))
	}
	needed, err := file.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	switch name {
	case "mlxlens": // without cgo, which leaves purego's few of the C library
		return append(wrong, extra("needs", needed, "libc.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1")...), nil
	case "libopenblas.so.0":
		wrong = append(wrong, extra("needs", needed, "libscipy_openblas.so")...)
		more, err := p.forwards(file, packages)
		return append(wrong, more...), err
	}
	wrong = append(wrong, extra("needs", needed, "libmlx.so", "libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "libm.so.6")...)
	wrong = append(wrong, finds(file, "$ORIGIN/../../mlx/lib")...)
	versions, err := p.versions(file)
	if err != nil {
		return nil, err
	}
	wrong = append(wrong, versions...)
	mlx, err := exported(filepath.Join(packages, "mlx", "lib", "libmlx.so"))
	if err != nil {
		return nil, err
	}
	imported, err := imports(file, "mlx")
	return append(wrong, missing(imported, mlx)...), err
}

// finds says whether a library looks where it must.
func finds(file *elf.File, folder string) []string {
	paths, _ := file.DynString(elf.DT_RUNPATH)
	if slices.Contains(strings.Split(strings.Join(paths, ":"), ":"), folder) {
		return nil
	}
	return []string{fmt.Sprintf("its run path is %q, and lacks %s", paths, folder)}
}

// newest are the newest versions of symbols that a tag's glibc, and the compiler of its time, have (auditwheel's policies).
func (p platform) newest() map[string]string {
	return map[string]string{"GLIBC": fmt.Sprintf("%d.%d", p.major, p.minor), "GLIBCXX": "3.4.30", "CXXABI": "1.3.13", "GCC": "12.0.0"}
}

// versions says which symbols are newer than the tag promises.
func (p platform) versions(file *elf.File) (wrong []string, err error) {
	imported, err := file.ImportedSymbols()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, s := range imported {
		kind, version, ok := strings.Cut(s.Version, "_")
		newest, known := p.newest()[kind]
		if ok && known && later(version, newest) && !seen[s.Version] {
			seen[s.Version] = true
			wrong = append(wrong, fmt.Sprintf("it needs %s of %s, and the tag promises %s_%s: build it where glibc is %d.%d or older, by GCC 12 or older (MLX_C_CXX)", s.Version, s.Library, kind, newest, p.major, p.minor))
		}
	}
	return wrong, nil
}

// later compares dotted versions.
func later(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	return slices.CompareFunc(as, bs, func(x, y string) int {
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		return strings.Compare(x, y)
	}) > 0
}

// imports are the symbols that a library needs of others and whose name has a part.
func imports(file *elf.File, part string) (names []string, err error) {
	symbols, err := file.DynamicSymbols()
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF && elf.ST_BIND(s.Info) != elf.STB_WEAK && strings.Contains(s.Name, part) {
			names = append(names, s.Name)
		}
	}
	return names, err
}

// exported are the defined dynamic symbols of a library.
func exported(path string) (map[string]bool, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	names := map[string]bool{}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			names[s.Name] = true
		}
	}
	return names, nil
}

// ofOpenBLAS is what package mlx asks of an OpenBLAS: of one without them it would do without, and rows that go side by side on threads of
// their own, as in `lens fit --jacobian`, would each start threads for every product.
var ofOpenBLAS = []string{"openblas_get_corename", "openblas_get_num_threads", "openblas_set_num_threads"}

// forwards says what is wrong with the library that gives libmlx a BLAS: it must have all that libmlx calls and its
// own BLAS has, what mlxlens calls, and nothing that scipy-openblas32 lacks.
func (p platform) forwards(file *elf.File, packages string) (wrong []string, err error) {
	wrong = finds(file, "$ORIGIN/../../scipy_openblas32/lib")
	scipy, err := exported(filepath.Join(packages, "scipy_openblas32", "lib", "libscipy_openblas.so"))
	if err != nil {
		return nil, err
	}
	imported, err := imports(file, "")
	if err != nil {
		return nil, err
	}
	wrong = append(wrong, missing(imported, scipy)...)
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, s := range symbols {
		own[s.Name] = s.Section != elf.SHN_UNDEF
	}
	mlx, err := elf.Open(filepath.Join(packages, "mlx", "lib", "libmlx.so"))
	if err != nil {
		return nil, err
	}
	defer mlx.Close()
	calls, err := imports(mlx, "")
	if err != nil {
		return nil, err
	}
	for _, name := range calls {
		if scipy["scipy_"+name] && !own[name] {
			wrong = append(wrong, "libmlx calls "+name+", which it does not forward")
		}
	}
	for _, name := range ofOpenBLAS {
		if !own[name] {
			wrong = append(wrong, "mlxlens calls "+name+", which it does not forward")
		}
	}
	return wrong, nil
}
