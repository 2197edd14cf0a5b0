package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model/auto"
)

// sharesResult is what ranks would hold, as JSON.
type sharesResult struct {
	Ref    string       `json:"ref"`
	Shares []auto.Share `json:"shares"`
}

// runShares says what each of so many ranks would hold.
func runShares(s *streams, o *infoOptions) error {
	if o.all {
		return usagef("--all describes the model, and --ranks what each of several ranks would hold of it: leave one of them out")
	}
	opts, err := o.resolved()
	if err != nil {
		return err
	}
	o.agree(s)
	path, err := o.locate(s)
	if err != nil {
		return err
	}
	shares, err := auto.Shares(path, opts, o.ranks)
	if err != nil {
		return err
	}
	if o.json {
		return render.WriteJSON(s.out, sharesResult{path, shares})
	}
	return s.paged(func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "rank\tholds\tweights\tlayers'\tbeside")
		for _, share := range shares {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", share.Rank, share.Layers, humanize.Bytes(uint64(share.Bytes)), humanize.Bytes(uint64(share.OfLayers)), humanize.Bytes(uint64(share.Bytes-share.OfLayers)))
		}
		return t.Flush()
	})
}
