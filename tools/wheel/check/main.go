// Check looks at a wheel of mlxlens without running it, whatever machine it is for:
//
//	go run ./tools/wheel/check WHEEL PACKAGES
//
// PACKAGES is a folder with the packages that the wheel depends on, unpacked as pip puts them into
// site-packages. It says what is wrong, and exits with 1.
//
// A wheel is right when its program and libraries are for its tag's machine, need no library and no version of one
// that the tag does not promise, find each other and the packages' by their own load commands, and have every symbol
// that they need somewhere; and when its metadata are of a version that whoever publishes it reads.
package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: check WHEEL PACKAGES")
		os.Exit(2)
	}
	wrong, err := check(os.Args[1], os.Args[2])
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	for _, what := range wrong {
		fmt.Fprintf(os.Stderr, "%s: %s\n", path.Base(os.Args[1]), what)
	}
	if len(wrong) > 0 {
		os.Exit(1)
	}
}

// platform is what a wheel's tag says of the machines that it is for.
type platform struct {
	system, machine string
	major, minor    int // the oldest glibc, or the oldest macOS
}

var tags = regexp.MustCompile(`-py3-none-(manylinux|macosx)_(\d+)_(\d+)_(x86_64|aarch64|arm64)\.whl$`)

func platformOf(name string) (p platform, err error) {
	m := tags.FindStringSubmatch(name)
	if m == nil {
		return p, fmt.Errorf("its name has no tag of a platform (py3-none-manylinux_2_35_x86_64)")
	}
	p = platform{system: m[1], machine: m[4]}
	_, err = fmt.Sscan(m[2]+" "+m[3], &p.major, &p.minor)
	return p, err
}

// check returns what is wrong with a wheel.
func check(wheel, packages string) (wrong []string, err error) {
	p, err := platformOf(wheel)
	if err != nil {
		return nil, err
	}
	files, err := binaries(wheel)
	if err != nil {
		return nil, err
	}
	want := []string{"libmlxc.so", "libopenblas.so.0", "mlxlens"}
	look := p.elf
	if p.system == "macosx" {
		want, look = []string{"libmlxc.dylib", "mlxlens"}, p.macho
	}
	var have []string
	for name := range files {
		have = append(have, name)
	}
	slices.Sort(have)
	if !slices.Equal(have, want) {
		return nil, fmt.Errorf("mlxlens/bin has %s (want %s)", strings.Join(have, ", "), strings.Join(want, ", "))
	}
	if wrong, err = metadata(wheel); err != nil {
		return nil, err
	}
	for _, name := range want {
		bad, err := look(name, files[name], packages)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, what := range bad {
			wrong = append(wrong, name+": "+what)
		}
	}
	return wrong, nil
}

// binaries are the files in mlxlens/bin; the program must be executable.
func binaries(wheel string) (map[string][]byte, error) {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	files := map[string][]byte{}
	for _, f := range archive.File {
		if path.Dir(f.Name) != "mlxlens/bin" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		files[path.Base(f.Name)] = data
		if path.Base(f.Name) == "mlxlens" && f.Mode()&0o111 == 0 {
			return nil, fmt.Errorf("%s is not executable: its mode is %v", f.Name, f.Mode())
		}
	}
	return files, nil
}

// newestMetadata is the newest version of metadata that twine 5.0.0 reads, which is in the action that publishes (release.yml).
const newestMetadata = "2.3"

var metadataVersion = regexp.MustCompile(`(?m)^Metadata-Version: (\S+)`)

// metadata says whether the metadata are too new, and which links a reader of a package's page would miss.
func metadata(wheel string) (wrong []string, err error) {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	at := slices.IndexFunc(archive.File, func(f *zip.File) bool { return strings.HasSuffix(f.Name, ".dist-info/METADATA") })
	if at < 0 {
		return nil, fmt.Errorf("it has no METADATA")
	}
	r, err := archive.File[at].Open()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	switch m := metadataVersion.FindSubmatch(text); {
	case m == nil:
		wrong = append(wrong, "METADATA: it does not say of which version it is")
	case later(string(m[1]), newestMetadata):
		wrong = append(wrong, fmt.Sprintf("METADATA: it is of version %s, and the action that publishes it reads %s at most: see core-metadata-version in python/pyproject.toml", m[1], newestMetadata))
	}
	for _, label := range []string{"Homepage", "Documentation", "Source", "Changelog", "Issues"} {
		if !bytes.Contains(text, []byte("\nProject-URL: "+label+", https://")) {
			wrong = append(wrong, "METADATA: it has no link to the project's "+label+": see [project.urls] in python/pyproject.toml")
		}
	}
	return wrong, nil
}

// missing says which of the names are in none of the sets.
func missing(names []string, sets ...map[string]bool) (wrong []string) {
	for _, name := range names {
		if !slices.ContainsFunc(sets, func(s map[string]bool) bool { return s[name] }) {
			wrong = append(wrong, "nothing has the symbol "+name)
		}
	}
	return wrong
}

// extra says which of the names are none of those that are allowed.
func extra(what string, names []string, allowed ...string) (wrong []string) {
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			wrong = append(wrong, fmt.Sprintf("it %s %s (have: %s)", what, name, strings.Join(allowed, ", ")))
		}
	}
	return wrong
}
