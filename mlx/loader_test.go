package mlx

import (
	encoding "encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// cacheOf is a cache as ldconfig writes it: of each entry its kind, name and file.
func cacheOf(entries ...[3]string) []byte {
	kinds := map[string]uint32{"amd64": 0x0303, "arm64": 0x0a03, "386": 0x0003}
	cache := make([]byte, 48+24*len(entries))
	copy(cache, "glibc-ld.so.cache1.1")
	encoding.LittleEndian.PutUint32(cache[20:], uint32(len(entries)))
	for i, e := range entries {
		at := 48 + 24*i
		encoding.LittleEndian.PutUint32(cache[at:], kinds[e[0]])
		for j, text := range e[1:] {
			encoding.LittleEndian.PutUint32(cache[at+4+4*j:], uint32(len(cache)))
			cache = append(append(cache, text...), 0)
		}
	}
	return cache
}

func TestLdconfigsCacheNamesTheFilesOfThisProcessor(t *testing.T) {
	here := runtime.GOARCH
	cache := cacheOf([3]string{here, "liba.so", "/lib/liba.so"}, [3]string{"386", "libb.so", "/lib32/libb.so"},
		[3]string{here, "libb.so", "/lib/glibc-hwcaps/x86-64-v3/libb.so"}, [3]string{here, "libb.so", "/lib/libb.so"})
	want := []string{"/lib/glibc-hwcaps/x86-64-v3/libb.so", "/lib/libb.so"}
	require.Equal(t, want, cached(cache, "libb.so"))
	require.Equal(t, want, cached(append([]byte("ld.so-1.7.0\x00 and what stands before the new form"), cache...), "libb.so"))
	require.Empty(t, cached(cache, "libc.so"))
	for n := range cache { // nothing is read beyond its end
		cached(cache[:n], "libb.so")
	}
	require.Empty(t, cached(nil, "libb.so"))
}

func TestEveryFileThatTheLoaderMayOpenIsLookedAt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the loader of Linux")
	}
	folder := t.TempDir()
	const name = "libof_no_system.so"
	plain, newer := filepath.Join(folder, name), filepath.Join(folder, "glibc-hwcaps", "x86-64-v4", name)
	t.Setenv("LD_LIBRARY_PATH", "/nowhere:"+folder+":relative")
	require.Empty(t, loaderFiles(name))
	require.Empty(t, unmappable(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(newer), 0o755))
	for _, file := range []string{plain, newer} {
		require.NoError(t, os.WriteFile(file, []byte("\x7fELF, and no more"), 0o644))
	}
	require.Equal(t, []string{newer, plain}, loaderFiles(name))
	require.Contains(t, unmappable(name), "loader may open "+newer+", and it is a damaged ELF file")
	require.True(t, ofAProcessor(newer))
	require.False(t, ofAProcessor(plain))
}

// What is opened by its path needs other libraries, which the loader finds where it looks for any.
func TestALibraryIsNotOpenedWhereTheWorkingDirectoryHasWhatItNeeds(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the loader of Linux")
	}
	lib, err := LoadedLibrary()
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	t.Setenv("LD_LIBRARY_PATH", "/nowhere:")
	require.Empty(t, strayNeed(lib.Path))
	require.NoError(t, os.WriteFile("libc.so.6", nil, 0o644))
	require.Contains(t, strayNeed(lib.Path), `it needs libc.so.6, and "" in $LD_LIBRARY_PATH`)
}
