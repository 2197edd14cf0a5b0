//go:build !windows

package origin

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// maxLinks is how many links a path may go through, as Linux has it.
const maxLinks = 40

// Refusal says why a file or folder may not be taken unasked, "" when it may: because others
// can put something else in its place. Those are all but the user, root, and the owner of the
// program itself. Every folder above it counts, and on the way through links every one of
// theirs. In a folder with the sticky bit (/tmp) others can add, and cannot replace.
//
// Who may write the checkout that the program was made of writes the program: within it, its
// owner and those who may write its root are trusted, and the folders above it do not count.
//
// Of a program that a name alone tells the place of neither its owner nor its checkout are trusted: whoever started it chose the name.
func Refusal(path string) string {
	if !self().told {
		return refusal(path, "")
	}
	return refusal(path, Checkout())
}

func refusal(path, checkout string) string {
	rest := strings.Split(filepath.Clean(path), string(filepath.Separator))
	if !filepath.IsAbs(path) {
		return "it is below the working directory"
	}
	trusted := []uint32{0, uint32(os.Geteuid())}
	if owner, ok := ownerOf(Program()); ok && self().told {
		trusted = append(trusted, owner)
	}
	own := ownCheckout(checkout)
	at, links := "/", 0
	for len(rest) > 0 {
		next := rest[0]
		rest = rest[1:]
		if next == "" || next == "." {
			continue
		}
		if next == ".." {
			at = filepath.Dir(at)
			continue
		}
		step := filepath.Join(at, next)
		info, err := os.Lstat(step)
		if err != nil {
			return err.Error()
		}
		if why := own.replaceable(step, info, trusted); why != "" {
			return why
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = step
			continue
		}
		target, err := os.Readlink(step)
		if links++; err != nil || links > maxLinks {
			return fmt.Sprintf("the link %s leads nowhere", step)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, string(filepath.Separator)), rest...)
	}
	return ""
}

// checkoutOf is what the program's own checkout allows.
type checkoutOf struct {
	roots   []string // as it is called, and without links; none without a checkout
	owner   []uint32
	writers fs.FileMode // the bits of its root that let others write
}

func ownCheckout(root string) (own checkoutOf) {
	info, err := os.Stat(root)
	if root == "" || err != nil {
		return own
	}
	own = checkoutOf{roots: []string{root}, writers: info.Mode().Perm() & 0o022}
	if owner, ok := ownerOf(root); ok {
		own.owner = []uint32{owner}
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		own.roots = append(own.roots, real)
	}
	return own
}

// replaceable is the function of that name, with the checkout's allowances.
func (own checkoutOf) replaceable(path string, info fs.FileInfo, trusted []uint32) string {
	for _, root := range own.roots {
		if within(root, path) {
			return "" // the root, or above it
		}
		if within(path, root) {
			return replaceable(path, info, append(own.owner, trusted...), own.writers)
		}
	}
	return replaceable(path, info, trusted, 0)
}

// replaceable says how others than the trusted can change what info describes, "" if they cannot.
// Who may write by the bits in allowed is trusted, too.
func replaceable(path string, info fs.FileInfo, trusted []uint32, allowed fs.FileMode) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Sprintf("the system does not say who owns %s", path)
	}
	mine := false
	for _, uid := range trusted {
		mine = mine || stat.Uid == uid
	}
	mode := info.Mode() &^ allowed
	switch {
	case !mine:
		return fmt.Sprintf("%s belongs to another user (uid %d)", path, stat.Uid)
	case mode&fs.ModeSymlink != 0: // its mode means nothing
		return ""
	case mode.IsDir() && mode&fs.ModeSticky != 0:
		return ""
	case mode.Perm()&0o002 != 0:
		return fmt.Sprintf("every user may write %s (mode %s)", path, mode)
	case mode.Perm()&0o020 != 0 && !ownGroup(stat.Gid):
		return fmt.Sprintf("its group (gid %d) may write %s (mode %s)", stat.Gid, path, mode)
	}
	return ""
}

// adminGroup is the group of a Mac's administrators, to whom Homebrew gives its folders, and who
// may become root.
const adminGroup = 80

// ownGroup reports whether a group that may write is no danger: the user's private one, which
// has the user's number, root's, or a Mac's administrators.
func ownGroup(gid uint32) bool {
	return gid == uint32(os.Geteuid()) || gid == 0 || runtime.GOOS == "darwin" && gid == adminGroup
}

func ownerOf(path string) (uint32, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Uid, true
}
