package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Metric is a number of the logits x at the position that is read. Those called distances are
// from the clean run's logits c.
type Metric string

// The metrics. p is softmax(x), q is softmax(c); logarithms are natural.
const (
	LogitDiff Metric = "logit_diff" // x_target − x_versus
	Logit     Metric = "logit"      // x_target
	Prob      Metric = "prob"       // p_target
	LogProb   Metric = "logprob"    // ln p_target
	Rank      Metric = "rank"       // 1 + how many logits are above x_target
	KL        Metric = "kl"         // Σ q·(ln q − ln p), a distance
	L2        Metric = "l2"         // √Σ(x − c)², a distance
	Cosine    Metric = "cosine"     // 1 − x·c/(|x|·|c|), a distance
	MSE       Metric = "mse"        // Σ(x − c)²/d_vocab, a distance
)

// Metrics are the metrics.
func Metrics() []Metric {
	return []Metric{LogitDiff, Logit, Prob, LogProb, Rank, KL, L2, Cosine, MSE}
}

// Distance reports whether the metric is a distance from the clean run.
func (m Metric) Distance() bool { return slices.Contains([]Metric{KL, L2, Cosine, MSE}, m) }

// OfToken reports whether the metric is of a target token.
func (m Metric) OfToken() bool { return slices.Contains(Metrics(), m) && !m.Distance() }

// Question is what is asked of a run's logits. The target and what it is set against are ids that
// no other metric than those of tokens takes.
type Question struct {
	Metric         Metric
	Target, Versus int
}

func (q Question) check(vocab int) error {
	if !slices.Contains(Metrics(), q.Metric) {
		var names []string
		for _, m := range Metrics() {
			names = append(names, string(m))
		}
		return refuse("metric %q is unknown%s (have: %s)", q.Metric, spelling.DidYouMean(string(q.Metric), Metrics()), strings.Join(names, ", "))
	}
	ids := []int{q.Target, q.Versus}
	switch {
	case q.Metric.Distance():
		return nil
	case q.Metric != LogitDiff:
		ids = ids[:1]
	case q.Target == q.Versus:
		return refuse("the target and the token that it is set against are both %d: their difference is always 0", q.Target)
	}
	if err := edit.CheckIDs(ids, vocab, "target"); err != nil {
		return refuse("%w", err)
	}
	return nil
}

// tokens are those that the metric is of, nil where it is of none.
func (q Question) tokens(label func(id int) string) (target, versus *lens.Token) {
	if q.Metric.OfToken() {
		t := token(q.Target, label)
		target = &t
	}
	if q.Metric == LogitDiff {
		t := token(q.Versus, label)
		versus = &t
	}
	return target, versus
}

// ask returns the metric of each row of last, [row, d_model], the stream behind the last block;
// clean are the clean run's logits, [1, d_vocab] float32.
func (q Question) ask(m model.Model, last, clean *mlx.Array) ([]float64, error) {
	y, err := mlx.Data[float32](mlx.AsType(mlx.Contiguous(q.of(m, m.FinalNorm(last), clean)), mlx.Float32))
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(y))
	for i, v := range y {
		if out[i] = float64(v); math.IsNaN(out[i]) || math.IsInf(out[i], 0) {
			return nil, fmt.Errorf("experiment: %s is %v: the logits of a run are beyond float32; look for an edit or a number of the config that is far too large", q.Metric, v)
		}
	}
	return out, nil
}

// of builds the metric, [row], of what the unembedding reads.
func (q Question) of(m model.Model, h, c *mlx.Array) *mlx.Array {
	switch q.Metric { // two logits do not take the whole head
	case LogitDiff:
		of := m.UnembedIDs(h, []int{q.Target, q.Versus})
		return mlx.Subtract(column(of, 0), column(of, 1))
	case Logit:
		return column(m.UnembedIDs(h, []int{q.Target}), 0)
	}
	x := m.Unembed(h, 0, m.Shape().DVocab)
	c = x.Scope().Hold(c)
	difference := func() *mlx.Array { return mlx.Subtract(x, c) }
	switch q.Metric {
	case Prob:
		return mlx.Exp(mlx.Subtract(column(x, q.Target), mlx.LogSumExp(x, -1)))
	case LogProb:
		return mlx.Subtract(column(x, q.Target), mlx.LogSumExp(x, -1))
	case Rank:
		above := mlx.Greater(x, mlx.ExpandDims(column(x, q.Target), 1))
		return mlx.Shift(mlx.Sum(mlx.AsType(above, mlx.Float32), -1), 1)
	case KL:
		logP, logQ := logSoftmax(x), logSoftmax(c)
		return mlx.Sum(mlx.Multiply(mlx.Exp(logQ), mlx.Subtract(logQ, logP)), -1)
	case L2:
		return norm(difference())
	case MSE:
		return mlx.Mean(mlx.Square(difference()), -1)
	}
	along := mlx.Divide(mlx.Sum(mlx.Multiply(x, c), -1), mlx.Multiply(norm(x), norm(c)))
	return mlx.Subtract(mlx.OnesLike(along), along)
}

// Answer returns the id that a run answers at the position that is read, by default the last: what
// a question is usually asked about.
func Answer(ctx context.Context, m model.Model, in edit.Input) (int, error) {
	return AnswerWithin(ctx, m, in, 0)
}

// AnswerWithin is [Answer] within a bound on all memory that MLX has, in bytes; 0: none.
func AnswerWithin(ctx context.Context, m model.Model, in edit.Input, maxMemory int64) (int, error) {
	if err := readOne(m, &in); err != nil {
		return 0, err
	}
	g, err := lens.Run(ctx, m, in, lens.Options{Layers: []int{-1}, Top: 1, TopOnly: true, MaxMemory: maxMemory})
	if err != nil {
		return 0, err
	}
	return g.Final.Token.ID, nil
}

// column takes one of x [row, n], [row].
func column(x *mlx.Array, i int) *mlx.Array {
	return mlx.Squeeze(mlx.Slice(x, 1, mlx.Between(i, i+1)), 1)
}

func norm(x *mlx.Array) *mlx.Array { return mlx.Sqrt(mlx.Sum(mlx.Square(x), -1)) }

func logSoftmax(x *mlx.Array) *mlx.Array {
	return mlx.Subtract(x, mlx.ExpandDims(mlx.LogSumExp(x, -1), -1))
}
