package docs

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// address is where the page's server listens.
const address = "127.0.0.1:8642"

// serving starts the page's server on a free port, and returns its address.
func (s *shell) serving() string {
	s.t.Helper()
	cmd := exec.Command(s.bin+"/mlxlens", "serve", "--quiet", "--listen", "127.0.0.1:0")
	cmd.Dir, cmd.Env = s.root, s.env
	out, err := cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(s.t, err)
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "http://"), "/")
}

func TestEveryRequestOfTheServersPageGivesWhatStandsThere(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	s := newShell(t)
	at := s.serving()
	page, err := os.ReadFile("serve.md")
	require.NoError(t, err)
	count := 0
	written := console.ReplaceAllStringFunc(string(page), func(block string) string {
		var b strings.Builder
		b.WriteString("```console\n")
		for _, c := range commands(console.FindStringSubmatch(block)[1]) {
			count++
			got := s.run(strings.ReplaceAll(c.line, address, at))
			b.WriteString("$ " + c.line + "\n" + got + "\n")
			if want := trimmed(c.output); !*update && !same(want, got) {
				t.Errorf("$ %s\nin the page:\n%s\nnow:\n%s", c.line, want, got)
			}
		}
		return b.String() + "```"
	})
	require.Greater(t, count, 10)
	if *update {
		require.NoError(t, os.WriteFile("serve.md", []byte(written), 0o600))
	}
}

func TestTheServersPageNamesEveryEndpoint(t *testing.T) {
	page, err := os.ReadFile("serve.md")
	require.NoError(t, err)
	description, err := os.ReadFile("schema/serve-1.openapi.json")
	require.NoError(t, err)
	found := regexp.MustCompile(`"/api/v1/([a-z]+)"`).FindAllStringSubmatch(string(description), -1)
	require.NotEmpty(t, found)
	for _, name := range found {
		require.Contains(t, string(page), name[1])
	}
}
