package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDirectionsOfTokensAreToldFromFiles(t *testing.T) {
	for arg, want := range map[string]struct {
		lens   string
		tokens []string
	}{
		`" Paris"`:                  {"", []string{`" Paris"`}},
		`<504>,"a,b","c:d"`:         {"", []string{"<504>", `"a,b"`, `"c:d"`}},
		`j.pt:" Paris"," \"x\\"`:    {"j.pt", []string{`" Paris"`, `" \"x\\"`}},
		`hub:a/b/c.pt@main:<1>,<2>`: {"hub:a/b/c.pt@main", []string{"<1>", "<2>"}},
		`logit:""`:                  {"logit", []string{`""`}},
	} {
		lens, tokens, ok := tokenDirections(arg)
		require.True(t, ok, arg)
		require.Equal(t, want.lens, lens, arg)
		require.Equal(t, want.tokens, tokens, arg)
	}
	for _, arg := range []string{"vector.npz", "sae#12", "", `"open`, `" Paris",`, `" Paris"*2`, "<x>", `" Paris" " London"`, "7042", `"\"`} {
		_, _, ok := tokenDirections(arg)
		require.False(t, ok, arg)
	}
	for text, names := range map[string]bool{
		"layers.1.resid_post=steer:<9>*2": false, "layers.1.resid_post=steer:logit:<9>": false, "layers.1.resid_post=zero": false,
		"layers.1.resid_post=add:x.npz": false, "layers.1.resid_post@0=swap:j.pt:<9>,<8>*1.5": true,
	} {
		require.Equal(t, names, namesLens(text), text)
	}
}
