// Command notices writes NOTICES.md: the licence texts of all that the program is built of and
// of the libraries that are installed beside it. `make generate` runs it.
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
	text, err := notices()
	if err == nil {
		err = os.WriteFile("NOTICES.md", text, 0o644)
	}
	if err != nil {
		log.Fatal("notices: ", err)
	}
}

const head = `# Notices

mlxlens itself is under the MIT licence (LICENSE). What it is built of is under the licences below: first the fonts that its
pictures are drawn with, then the Go modules in the program, then the libraries that ` + "`make install`, `make mlx-c`" + ` and mlxlib put
beside it. ` + "`mlxlens licenses`" + ` prints all of this. Written by internal/notices; do not edit.

## Fonts

| font | module | licence |
|---|---|---|
| Liberation Sans | codeberg.org/go-fonts/liberation | SIL Open Font License 1.1 |
| DejaVu Sans | codeberg.org/go-fonts/dejavu | Bitstream Vera and Arev licences; changes in the public domain |
| Baekmuk Gulim | github.com/hajimehoshi/bitmapfont | Baekmuk, below |
| Cubic 11; Arabic glyphs by Mansour Sorosoro | github.com/hajimehoshi/bitmapfont | SIL Open Font License 1.1, as Liberation's |
| M+ Bitmap Font, © 2002–2005 COZ | github.com/hajimehoshi/bitmapfont | free use, copying and distribution, modified or not; provided "as is" without warranty |
| misc-fixed | github.com/hajimehoshi/bitmapfont | public domain |

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
	b.WriteString(head)
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	modules = append([]module{{Path: "Go, the standard library and the runtime", Dir: strings.TrimSpace(string(goroot))}}, modules...)
	for _, m := range modules {
		fmt.Fprintf(&b, "### %s\n\n", strings.TrimSpace(m.Path+" "+m.Version))
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
