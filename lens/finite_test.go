package lens_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// overflow is a prompt whose stream grows beyond float32 in the second layer.
func overflow() edit.Input {
	at := model.Place{Site: model.MLPOut, Layer: 1}
	return edit.Input{IDs: []int{1, 2, 3}, Edits: []edit.Edit{{Place: at, Op: edit.Scale, Factor: 3e38}, {Place: at, Op: edit.Scale, Factor: 3e38}}}
}

func TestARowThatIsNotFiniteIsNamed(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	ctx := context.Background()
	_, err := lens.Run(ctx, m, overflow(), lens.Options{})
	require.ErrorContains(t, err, "lens: layers.1.resid_post at position 0 holds NaN or an infinity")
	_, err = lens.Run(ctx, m, overflow(), lens.Options{TopOnly: true})
	require.ErrorContains(t, err, "lens: layers.1.resid_post at position 0 holds NaN or an infinity")
	_, err = lens.Compare(ctx, lens.Side{Model: m, Input: edit.Input{IDs: []int{1, 2, 3}}}, lens.Side{Model: m, Input: overflow()}, lens.CompareOptions{})
	require.ErrorContains(t, err, "layers.1.resid_post at position 0 holds NaN or an infinity")

	// what went along with it is answered
	var errs []error
	for g, err := range lens.RunAll(ctx, m, []edit.Input{{IDs: []int{1, 2, 3}}, overflow(), {IDs: []int{3, 2, 1}}}, lens.Options{}) {
		errs = append(errs, err)
		require.Equal(t, err == nil, g != nil)
	}
	require.Len(t, errs, 3)
	require.NoError(t, errs[0])
	require.ErrorContains(t, errs[1], "holds NaN")
	require.NoError(t, errs[2])
}
