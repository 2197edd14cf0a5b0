package mlx

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/mlx/internal/dynamic"
)

// wanting is a library that the loader opens, and who has it opened.
type wanting struct {
	path string
	asks *dynamic.Library // nil where that cannot be told
	by   *wanting
}

// folders are those that a library names itself, before $LD_LIBRARY_PATH and behind it. One without a DT_RUNPATH has the DT_RPATHs of
// those that have it opened too (ld.so(8)).
func (w *wanting) folders() (before, behind []string) {
	if w.asks != nil && len(w.asks.RunPath) > 0 {
		return nil, w.resolve(w.asks.RunPath)
	}
	for ; w != nil; w = w.by {
		if w.asks != nil && len(w.asks.RunPath) == 0 {
			before = append(before, w.resolve(w.asks.RPath)...)
		}
	}
	return before, nil
}

// resolve puts the library's own folder for $ORIGIN: that of its name, wherever a link of that name leads. $LIB and $PLATFORM, which
// depend on the loader, are left to it.
func (w *wanting) resolve(folders []string) (out []string) {
	origin, err := filepath.Abs(filepath.Dir(w.path))
	if err != nil {
		return nil
	}
	for _, folder := range folders {
		folder = strings.NewReplacer("${ORIGIN}", origin, "$ORIGIN", origin).Replace(folder)
		if folder, err = filepath.Abs(folder); err == nil && !strings.Contains(folder, "$") {
			out = append(out, folder)
		}
	}
	return out
}

// held are the names of the libraries that the process has mapped: the loader looks for none of them once more.
func held() map[string]bool {
	names := map[string]bool{}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return names
	}
	for line := range strings.Lines(string(maps)) {
		if at := strings.IndexByte(line, '/'); at >= 0 && strings.Contains(line[at:], ".so") {
			names[filepath.Base(strings.TrimSpace(line[at:]))] = true
		}
	}
	return names
}

// inspectWhole is inspect of a file and of what the loader opens with it.
func inspectWhole(file string) string {
	if reason := inspect(file); reason != "" {
		return reason
	}
	return damagedNeed(file)
}

// damagedNeed says which of the libraries that a file needs, and that those need, cannot be mapped: the loader opens them as it opens the
// file. "" when all are well, or are not there, which the loader tells.
func damagedNeed(file string) string {
	return needsOf(file, nil, inspect)
}

// needsOf has each library that the loader may open with a file looked at, and says of the first that something speaks against which
// it is and who needs it. Of some names it is known which file they are.
func needsOf(file string, known map[string]string, against func(file string) string) string {
	if runtime.GOOS != "linux" {
		return ""
	}
	seen, all := held(), []*wanting{{file, look(file).asks, nil}}
	for at := 0; at < len(all); at++ {
		w := all[at]
		if w.asks == nil {
			continue
		}
		before, behind := w.folders()
		for _, name := range w.asks.Needed {
			if seen[name] {
				continue
			}
			seen[name] = true
			for need, own := range w.files(name, known, before, behind) {
				next := &wanting{path: need, by: w}
				reason := against(need)
				if ofAnotherMachine(reason) { // passed by
					continue
				}
				if saw := look(need); saw.tables && reason == saw.reason && !own && ofTheSystem(need) {
					reason = "" // every program opens it, and a driver's tables may be what nobody has looked at
				}
				if whole, damaged := strings.CutSuffix(reason, getAgain); damaged && !own {
					reason = whole + "; install the package that it is of again"
				}
				if reason != "" {
					return next.text() + reason
				}
				next.asks = look(need).asks
				all = append(all, next)
				if !ofAProcessor(need) { // which is taken only by some
					break
				}
			}
		}
	}
	for _, w := range all { // the loader ends the process where versions are of a library that it has not opened
		if w.asks == nil {
			continue
		}
		for _, name := range w.asks.Foreign {
			if !seen[name] {
				return w.text() + fmt.Sprintf("it is damaged: it has symbols of %q, which it does not need"+getAgain, name)
			}
		}
	}
	return ""
}

// ofTheSystem reports whether the loader has a file from its cache or its own folders, and not from $LD_LIBRARY_PATH.
func ofTheSystem(file string) bool {
	return !slices.ContainsFunc(loaderFolders(), func(folder string) bool { return strings.HasPrefix(file, folder+string(filepath.Separator)) })
}

// text begins a sentence on a library that another needs.
func (w *wanting) text() string {
	switch {
	case w.by == nil:
		return ""
	case w.by.by == nil:
		return w.path + ", which it needs: "
	}
	return w.path + ", which " + w.by.path + " needs: "
}

// files are those that the loader may open for a name that a library needs, whose folders are given, and whether each lies in one of them.
func (w *wanting) files(name string, known map[string]string, before, behind []string) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		if file := known[name]; file != "" {
			yield(file, true)
			return
		}
		if strings.ContainsRune(name, filepath.Separator) {
			for _, file := range w.resolve([]string{name}) {
				if exists(file) {
					yield(file, true)
					return
				}
			}
			return
		}
		folders := slices.Concat(before, behind)
		for file := range filesOf(name, before, behind) {
			own := false
			for _, folder := range folders {
				own = own || strings.HasPrefix(file, folder+string(filepath.Separator))
			}
			if !yield(file, own) {
				return
			}
		}
	}
}
