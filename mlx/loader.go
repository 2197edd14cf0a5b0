package mlx

import (
	"bytes"
	encoding "encoding/binary"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/mlxlens/mlxlens/internal/origin"
)

// loaderFolders are those of $LD_LIBRARY_PATH; an empty one is the working directory.
func loaderFolders() []string {
	folders := os.Getenv("LD_LIBRARY_PATH")
	if folders == "" {
		return nil
	}
	return strings.Split(strings.ReplaceAll(folders, ";", ":"), ":") // ld.so(8): either divides
}

// loaderStrays says why the system's loader is not asked for a bare name: because it would look
// into the working directory, or where others may put a library. On a Mac it always does.
func loaderStrays() string {
	if runtime.GOOS == "darwin" {
		return "not asked: it looks into the working directory too"
	}
	for _, folder := range loaderFolders() {
		if !filepath.IsAbs(folder) {
			return fmt.Sprintf("not asked: %q in $LD_LIBRARY_PATH is the working directory, or below it", folder)
		}
		if why := origin.Refusal(folder); exists(folder) && why != "" {
			return fmt.Sprintf("not asked: %q is in $LD_LIBRARY_PATH, and %s, and could put anything there; name the library in $%s if you trust it", folder, why, EnvLibrary)
		}
	}
	return ""
}

// loaderCache is where ldconfig writes which file each name of a library stands for.
const loaderCache = "/etc/ld.so.cache"

// ldconfigs is that file, empty where there is none.
var ldconfigs = sync.OnceValue(func() []byte {
	cache, _ := os.ReadFile(loaderCache) // the loader goes on without it too
	return cache
})

// loaderFiles are the files that the system's loader may open for a bare name, in its order. Which of a folder's glibc-hwcaps it takes
// is for the loader to tell: all of them are here.
func loaderFiles(name string) []string { return slices.Collect(filesOf(name, nil, nil)) }

// filesOf are the files of loaderFiles, one by one, for a library that has folders of its own: those before $LD_LIBRARY_PATH (its
// DT_RPATH) and those behind it (its DT_RUNPATH).
func filesOf(name string, before, behind []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if runtime.GOOS != "linux" {
			return
		}
		var given []os.FileInfo
		give := func(file string) bool {
			info, err := os.Stat(file)
			same := func(other os.FileInfo) bool { return os.SameFile(info, other) } // /lib is /usr/lib on many systems
			if !filepath.IsAbs(file) || err != nil || slices.ContainsFunc(given, same) {
				return true
			}
			given = append(given, info)
			return yield(file)
		}
		in := func(folders []string) bool {
			for _, folder := range folders {
				ofProcessors, _ := filepath.Glob(filepath.Join(folder, "glibc-hwcaps", "*", name)) // the pattern is right, or a folder's name odd
				for _, file := range append(ofProcessors, filepath.Join(folder, name)) {
					if !give(file) {
						return false
					}
				}
			}
			return true
		}
		if !in(before) || !in(loaderFolders()) || !in(behind) {
			return
		}
		for _, file := range cached(ldconfigs(), name) {
			if !give(file) {
				return
			}
		}
		multiarch := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
		in([]string{"/lib/" + multiarch, "/usr/lib/" + multiarch, "/lib64", "/usr/lib64", "/lib", "/usr/lib"}) // built into the loader
	}
}

// cached are the files that ldconfig's cache has for a name, of this kind of processor, in the loader's order. Of what it does not
// know there are none (glibc's dl-cache.h: a header of 48 bytes, entries of 24, strings by their offsets from the header).
func cached(cache []byte, name string) (files []string) {
	const magic, header, entry = "glibc-ld.so.cache1.1", 48, 24
	kind := map[string]uint32{"amd64": 0x0303, "arm64": 0x0a03}[runtime.GOARCH] // ELF, glibc 2, and the processor's own number
	at := bytes.Index(cache, []byte(magic))                                     // what older ldconfigs wrote may stand before it
	if at < 0 || len(cache) < at+header {
		return nil
	}
	cache = cache[at:]
	text := func(offset uint32) []byte {
		if int64(offset) >= int64(len(cache)) {
			return nil
		}
		word, _, _ := bytes.Cut(cache[offset:], []byte{0})
		return word
	}
	n := int64(encoding.LittleEndian.Uint32(cache[len(magic):]))
	for i := range min(n, int64(len(cache)-header)/entry) {
		e := cache[header+i*entry:]
		if encoding.LittleEndian.Uint32(e) == kind && string(text(encoding.LittleEndian.Uint32(e[4:]))) == name {
			files = append(files, string(text(encoding.LittleEndian.Uint32(e[8:]))))
		}
	}
	return files
}

// ofAProcessor reports whether a file is for those processors alone that its folder names.
func ofAProcessor(file string) bool {
	return strings.Contains(file, string(filepath.Separator)+"glibc-hwcaps"+string(filepath.Separator))
}

// unmappable says which of the files that the loader may open for a name it could not map, and why; "" when all are well. What is for
// another processor the loader passes by.
func unmappable(name string) string {
	for _, file := range loaderFiles(name) {
		if reason := inspectWhole(file); reason != "" && !ofAnotherMachine(reason) {
			return fmt.Sprintf("the system's loader may open %s, and %s", file, reason)
		}
	}
	return ""
}

// strayNeed says what a library needs that the loader would take from one of its own folders in which others may put it, "" when there
// is nothing.
func strayNeed(file string) string {
	for _, folder := range loaderFolders() {
		if filepath.IsAbs(folder) && (!exists(folder) || origin.Refusal(folder) == "") {
			continue
		}
		for _, name := range needs(file) {
			if exists(filepath.Join(folder, name)) {
				return fmt.Sprintf("it needs %s, and %q in $LD_LIBRARY_PATH, where others may put anything, has one", name, folder)
			}
		}
	}
	return ""
}
