//go:build !windows

package origin

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOfAPlantedCheckoutNothingIsTaken(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.Equal(t, root, Checkout(), "go test works in the checkout that it compiled")

	fake := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(fake, "go.mod"), []byte(moduleLine), 0o644))
	require.NoError(t, os.MkdirAll(filepath.Join(fake, "a/b"), 0o755))
	require.Equal(t, fake, above(filepath.Join(fake, "a/b")))
	t.Chdir(filepath.Join(fake, "a/b"))
	require.Empty(t, Checkout(), "the working directory alone makes no checkout")
	require.Equal(t, fake, compiledIn(fake, filepath.Join(fake, "a")))
	require.Empty(t, compiledIn(fake, filepath.Dir(fake)))
	require.Empty(t, compiledIn(fake, fake+"-beside"))
	require.Empty(t, compiledIn(filepath.Join(fake, "a"), filepath.Join(fake, "a")), "a folder without the module is no checkout")
}

func TestWhatOthersCanReplaceIsRefused(t *testing.T) {
	base := t.TempDir()
	folder := filepath.Join(base, "folder")
	require.NoError(t, os.Mkdir(folder, 0o755))
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	require.Empty(t, Refusal(file))

	for mode, why := range map[os.FileMode]string{
		0o777:                 "every user may write " + folder,
		0o757:                 "every user may write " + folder,
		0o755:                 "",
		0o777 | os.ModeSticky: "",
	} {
		require.NoError(t, os.Chmod(folder, mode))
		got := Refusal(file)
		if why == "" {
			require.Empty(t, got, "%v", mode)
		} else {
			require.Contains(t, got, why, "%v", mode)
		}
	}

	// through a link the folders of both its ends count
	link := filepath.Join(base, "link")
	require.NoError(t, os.Symlink("folder/file", link))
	require.NoError(t, os.Chmod(folder, 0o777))
	require.Contains(t, Refusal(link), "every user may write "+folder)
	require.NoError(t, os.Chmod(folder, 0o755))
	require.Empty(t, Refusal(link))
	round := filepath.Join(base, "round")
	require.NoError(t, os.Symlink("round", round))
	require.Contains(t, Refusal(round), "leads nowhere")
	require.Contains(t, Refusal("file"), "working directory")
}

// Who may write a checkout writes the program that is made of it.
func TestOwnCheckoutIsTrustedAsFarAsItsRoot(t *testing.T) {
	above := t.TempDir()
	root := filepath.Join(above, "checkout")
	folder := filepath.Join(root, "lib")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for _, dir := range []string{above, root, folder} {
		require.NoError(t, os.Chmod(dir, 0o777))
	}
	require.Contains(t, refusal(file, ""), "every user may write "+above)
	require.Empty(t, refusal(file, root))
	require.Contains(t, refusal(filepath.Join(above, "checkout"), folder+"/none"), "every user may write "+above)
	require.NoError(t, os.Chmod(root, 0o755))
	require.Contains(t, refusal(file, root), "every user may write "+folder, "the root does not let them")
	require.NoError(t, os.Chmod(folder, 0o755))
	require.Empty(t, refusal(file, root))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(root, link))
	require.Empty(t, refusal(filepath.Join(link, "lib/file"), link))
	if os.Geteuid() == 0 {
		for _, path := range []string{root, folder, file} {
			require.NoError(t, os.Chown(path, 4321, 4321))
		}
		require.Empty(t, refusal(file, root))
		require.NoError(t, os.Chown(file, 4322, 4321))
		require.Contains(t, refusal(file, root), "uid 4322")
	}
}

func TestWhatBelongsToAnotherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	base := t.TempDir()
	file := filepath.Join(base, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	require.NoError(t, os.Chown(file, 4321, 0))
	require.Contains(t, Refusal(file), file+" belongs to another user (uid 4321)")
	require.NoError(t, os.Chown(file, 0, 4321))
	require.NoError(t, os.Chmod(file, 0o664))
	require.Contains(t, Refusal(file), "its group (gid 4321) may write "+file)
}
