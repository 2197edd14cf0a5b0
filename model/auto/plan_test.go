package auto_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

func TestSitesAreThoseOfTheModelThatIsOpened(t *testing.T) {
	have, err := auto.Sites(tiny)
	require.NoError(t, err)
	opened, err := auto.Open(tiny, auto.Options{})
	require.NoError(t, err)
	defer opened.Close()
	for _, site := range model.Sites() {
		if site.PerLayer() {
			require.Equal(t, len(opened.Model.Paths().LayersWith(site)) > 0, contains(have, site), site)
		}
	}
	require.Contains(t, have, model.Embed)
	require.NotContains(t, have, model.Site("conv_out"))
	_, err = auto.Sites(t.TempDir())
	require.Error(t, err)
}

func contains(have []model.Site, site model.Site) bool {
	for _, s := range have {
		if s == site {
			return true
		}
	}
	return false
}
