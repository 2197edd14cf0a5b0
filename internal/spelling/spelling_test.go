package spelling

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func ExampleDidYouMean() {
	fmt.Println(`view "rnk" is unknown` + DidYouMean("rnk", []string{"prob", "logit", "rank"}))
	// Output: view "rnk" is unknown; did you mean rank?
}

func TestASlipIsNearAndAnotherWordIsNot(t *testing.T) {
	sites := []string{"attn_out", "mlp_out", "mlp_post", "mlp_pre", "resid_mid", "resid_post", "resid_pre", "q", "k", "z"}
	for word, want := range map[string][]string{
		"mlp_ot": {"mlp_out", "mlp_post"}, "resd_post": {"resid_post"}, "resid": {"resid_mid", "resid_pre", "resid_post"}, "Attn_Out": {"attn_out"}, "mlp_otu": {"mlp_out"},
		"hello": nil, "": nil, "residpost": {"resid_post"},
	} {
		require.ElementsMatch(t, want, Near(word, sites), word)
	}
	require.Equal(t, "mlp_out", Near("mlp_ot", sites)[0], "the nearest comes first")
	require.Equal(t, "--layers", Near("--layer", []string{"--layer-stride", "--layers", "--layers-per-rank"})[0], "of those that begin with it too")
}

func TestDistanceCountsSwappedLettersOnce(t *testing.T) {
	for _, c := range []struct {
		a, b string
		far  int
	}{{"", "abc", 3}, {"ab", "ba", 1}, {"kitten", "sitting", 3}, {"日本", "日木", 1}, {"same", "same", 0}} {
		require.Equal(t, c.far, distance(c.a, c.b), "%q %q", c.a, c.b)
		require.Equal(t, c.far, distance(c.b, c.a), "%q %q", c.b, c.a)
	}
}
