// Command notices writes NOTICES.md: the licence texts of all that the program is built of and
// of the libraries that are installed beside it. `make generate` runs it. With two names of files it
// reads the first, a CycloneDX list of the program's modules, and writes it into the second with the
// licences, the fonts and the libraries. `make sbom` runs that.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed libraries.md
var libraries string

func main() {
	log.SetFlags(0)
	var err error
	switch len(os.Args) {
	case 1:
		err = write("NOTICES.md", notices)
	case 3:
		err = write(os.Args[2], func() ([]byte, error) { return readSBOM(os.Args[1]) })
	default:
		err = errors.New("want no argument, or a CycloneDX list of modules and the file to write")
	}
	if err != nil {
		log.Fatal("notices: ", err)
	}
}

func write(name string, text func() ([]byte, error)) error {
	b, err := text()
	if err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o644)
}

const head = `# Notices

mlxlens itself is under the MIT licence (LICENSE). What it is built of is under the licences below: first the fonts that its
pictures are drawn with, then the Go modules in the program, then the libraries that ` + "`make install`, `make mlx-c`" + ` and mlxlib put
beside it. ` + "`mlxlens licenses`" + ` prints all of this. Written by internal/notices; do not edit.

## Fonts

`

const afterFonts = `
Copyright (c) 1986-2002 Kim Jeong-Hwan. All rights reserved. Permission to use, copy, modify and distribute this font is
hereby granted, provided that both the copyright notice and this permission notice appear in all copies of the font,
derivative works or modified versions, and that the following acknowledgement appear in supporting documentation: Baekmuk
Batang, Baekmuk Dotum, Baekmuk Gulim, and Baekmuk Headline are registered trademarks owned by Kim Jeong-Hwan.

## Go modules

`

// notices returns the text of NOTICES.md; the working directory is the root of the checkout.
func notices() ([]byte, error) {
	modules, err := modulesOf("linux", "darwin")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(head + "| font | module | licence | SPDX |\n|---|---|---|---|\n")
	for _, f := range fonts {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.name, f.module, f.terms, f.spdx)
	}
	b.WriteString(afterFonts)
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	modules = append([]module{{Path: goItself, Dir: strings.TrimSpace(string(goroot))}}, modules...)
	for _, m := range modules {
		spdx, err := moduleLicence(m.Path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "### %s\n\n%s\n\n", m.heading(), spdx)
		texts, err := licences(m.Dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		for _, text := range texts {
			fmt.Fprintf(&b, "~~~text\n%s\n~~~\n\n", text)
		}
	}
	fmt.Fprintf(&b, "## Libraries\n\nThey are opened when the program runs, and each may be replaced by another build.\n\n%s", libraries)
	return b.Bytes(), nil
}

type module struct {
	Path, Version, Dir string
	Main               bool
}

func (m module) heading() string {
	if m.Path == goItself {
		return "Go, the standard library and the runtime"
	}
	return m.Path + " " + m.Version
}

// modulesOf returns the modules whose packages are in the program, on some systems, by path.
func modulesOf(systems ...string) ([]module, error) {
	byPath := map[string]module{}
	for _, system := range systems {
		cmd := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/mlxlens")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH=arm64")
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", system, err)
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct{ Module *module }
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				byPath[p.Module.Path] = *p.Module
			}
		}
	}
	var out []module
	for _, m := range byPath {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// licenceFile matches the names of files that hold licences, copyrights and notices.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents|authors\.md$|ofl|ftl|unlicense)`)

// licences returns the texts of the files in a module's folder, and in its folder licenses.
func licences(dir string) ([]string, error) {
	var texts []string
	for _, sub := range []string{".", "licenses"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && sub == "." {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() || sub == "." && !licenceFile.MatchString(e.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, sub, e.Name()))
			if err != nil {
				return nil, err
			}
			texts = append(texts, plain(string(text)))
		}
	}
	if len(texts) == 0 {
		return nil, errors.New("the module has no licence file: look for its terms, and add them here")
	}
	return texts, nil
}

// plain is a text without spaces at the ends of lines, which could end a block of text in Markdown
// only by three tildes.
func plain(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.ReplaceAll(strings.TrimRight(lines[i], " \t\f"), "~~~", "~ ~ ~")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}
