package main

import "fmt"

// program is the licence of mlxlens itself, that of LICENSE.
const program = "MIT"

// goItself is how `go version -m` and lists of modules call Go's standard library and runtime.
const goItself = "std"

// moduleLicences holds, by module, the SPDX expression of what of it is in the program, as its files of licences
// say: read them before you add a line. Documentation, and the fonts that a module carries, have terms of their own.
var moduleLicences = map[string]string{
	goItself:                                 "BSD-3-Clause",
	"codeberg.org/go-fonts/dejavu":           "BSD-3-Clause",
	"codeberg.org/go-fonts/liberation":       "BSD-3-Clause",
	"codeberg.org/go-latex/latex":            "BSD-3-Clause",
	"git.sr.ht/~sbinet/gg":                   "MIT",
	"github.com/ajstarks/svgo":               "CC-BY-4.0",
	"github.com/cenkalti/backoff/v5":         "MIT",
	"github.com/dustin/go-humanize":          "MIT",
	"github.com/ebitengine/purego":           "Apache-2.0",
	"github.com/emirpasic/gods":              "BSD-2-Clause AND ISC", // ISC for its AVL tree
	"github.com/gofrs/flock":                 "BSD-3-Clause",
	"github.com/golang/freetype":             "FTL OR GPL-2.0-or-later",
	"github.com/google/jsonschema-go":        "MIT",
	"github.com/hajimehoshi/bitmapfont/v3":   "Apache-2.0",
	"github.com/mitchellh/colorstring":       "MIT",
	"github.com/modelcontextprotocol/go-sdk": "Apache-2.0 AND MIT", // on its way from MIT; CC-BY-4.0 is its documentation's
	"github.com/pierrec/lz4/v4":              "BSD-3-Clause",
	"github.com/rivo/uniseg":                 "MIT",
	"github.com/schollz/progressbar/v2":      "MIT",
	"github.com/schollz/progressbar/v3":      "MIT",
	"github.com/segmentio/asm":               "MIT",
	"github.com/segmentio/encoding":          "MIT",
	"github.com/spf13/cobra":                 "Apache-2.0",
	"github.com/spf13/pflag":                 "BSD-3-Clause",
	"github.com/sugarme/regexpset":           "Apache-2.0",
	"github.com/sugarme/tokenizer":           "Apache-2.0",
	"github.com/yosida95/uritemplate/v3":     "BSD-3-Clause",
	"golang.org/x/image":                     "BSD-3-Clause",
	"golang.org/x/oauth2":                    "BSD-3-Clause",
	"golang.org/x/sync":                      "BSD-3-Clause",
	"golang.org/x/sys":                       "BSD-3-Clause",
	"golang.org/x/term":                      "BSD-3-Clause",
	"golang.org/x/text":                      "BSD-3-Clause",
	"golang.org/x/time":                      "BSD-3-Clause",
	"golang.org/x/tools":                     "BSD-3-Clause",
	"gonum.org/v1/gonum":                     "BSD-3-Clause",
	"gonum.org/v1/plot":                      "BSD-3-Clause",
}

// moduleLicence returns a module's SPDX expression.
func moduleLicence(path string) (string, error) {
	spdx, ok := moduleLicences[path]
	if !ok {
		return "", fmt.Errorf("%s has no SPDX expression: read its files of licences, and add it to moduleLicences in internal/notices/spdx.go", path)
	}
	return spdx, nil
}

// font is one that the program's pictures are drawn with, and the module that carries it.
type font struct{ name, module, terms, spdx string }

// LicenseRef- stands before what SPDX has no id for.
var fonts = []font{
	{"Liberation Sans", "codeberg.org/go-fonts/liberation", "SIL Open Font License 1.1", "OFL-1.1"},
	{"DejaVu Sans", "codeberg.org/go-fonts/dejavu", "Bitstream Vera and Arev licences; changes in the public domain", "Bitstream-Vera AND LicenseRef-Arev"},
	{"Baekmuk Gulim", "github.com/hajimehoshi/bitmapfont", "Baekmuk, below", "Baekmuk"},
	{"Cubic 11; Arabic glyphs by Mansour Sorosoro", "github.com/hajimehoshi/bitmapfont", "SIL Open Font License 1.1, as Liberation's", "OFL-1.1"},
	{"M+ Bitmap Font, © 2002–2005 COZ", "github.com/hajimehoshi/bitmapfont", `free use, copying and distribution, modified or not; provided "as is" without warranty`, "mplus"},
	{"misc-fixed", "github.com/hajimehoshi/bitmapfont", "public domain", "LicenseRef-public-domain"},
}
