package docs

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's picture is what the command below it draws. Another machine's BLAS rounds otherwise,
// which moves a colour by a step or two.
func TestThePictureInTheREADMEIsWhatItsCommandDraws(t *testing.T) {
	s := newShell(t)
	page, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	m := regexp.MustCompile("`(mlxlens trace [^`]* -o )lens.png`").FindStringSubmatch(string(page))
	require.NotNil(t, m)
	require.Contains(t, string(page), `<img src="docs/images/lens.png"`)
	const kept = "images/lens.png"
	drawn := filepath.Join(t.TempDir(), "lens.png")
	s.samePicture(m[1]+drawn, drawn, kept)
}

// The tutorial's pictures are what the commands below them draw.
func TestThePicturesInTheTutorialAreWhatTheirCommandsDraw(t *testing.T) {
	s := newShell(t)
	page, err := os.ReadFile("tutorial.md")
	require.NoError(t, err)
	all := regexp.MustCompile(`(?m)^(mlxlens .* -o )docs/(images/tutorial-\w+\.png)$`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, all, 13)
	for _, m := range all {
		require.Contains(t, string(page), `<img src="`+m[2]+`"`)
		drawn := filepath.Join(t.TempDir(), "drawn.png")
		s.samePicture(m[1]+drawn, drawn, m[2])
	}
}

// samePicture runs a command that draws, and compares what it drew with the picture that is kept.
func (s *shell) samePicture(command, drawn, kept string) {
	t := s.t
	t.Helper()
	s.run(command)
	if *update {
		data, err := os.ReadFile(drawn)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(kept, data, 0o600))
	}
	want, got := decoded(t, kept), decoded(t, drawn)
	require.Equal(t, want.Bounds(), got.Bounds())
	other := 0
	for y := want.Bounds().Min.Y; y < want.Bounds().Max.Y; y++ {
		for x := want.Bounds().Min.X; x < want.Bounds().Max.X; x++ {
			r, g, b, _ := want.At(x, y).RGBA()
			r2, g2, b2, _ := got.At(x, y).RGBA()
			if off(r, r2) || off(g, g2) || off(b, b2) {
				other++
			}
		}
	}
	require.Zero(t, other, "pixels that differ: go test ./docs -run Picture -update")
	info, err := os.Stat(kept)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(128<<10))
}

// off reports whether two values of a channel, of 65535, differ by more than two of 255.
func off(a, b uint32) bool { return max(a, b)-min(a, b) > 2*257 }

func decoded(t *testing.T, name string) image.Image {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	return img
}

func TestTheREADMEAnswersOnItsFirstScreen(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	lines := strings.Split(string(page), "\n")
	first := strings.Join(lines[:28], "\n") // at 1440 by 900, in GitHub's 832 pixels for text as in the site's
	for _, answer := range []string{"What does a language model think", "docs/images/lens.png", "make run", "uv tool install", "brew install", "# Mac", "# Linux", "doctor"} {
		require.Contains(t, first, answer)
	}
	require.Less(t, len(lines), 140, "long tables stand in docs")
}
