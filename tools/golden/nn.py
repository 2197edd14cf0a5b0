"""Records what mlx.nn and mlx.optimizers compute, for mlx/nn's tests.

    python tools/golden/nn.py mlx/nn/testdata

Needs mlx 0.32.2 on a CPU (requirements.txt). A second run writes the same bytes.

Parameters are not kept: element i of the array NAME is center + amplitude·u, u in [-1, 1)
drawn by splitmix64 seeded with FNV-1a of NAME, as in architectures.py. NAME is the case, a
slash and the parameter's path. What is recorded is the operands, the results, the gradients
of Σ result·c by parameters and operands, c drawn from "CASE/cotangent/NUMBER", and the beginnings of the parameters that
seed 11 gives. Compiling is off: fused kernels round otherwise on every machine.
"""

import base64
import gzip
import json
import pathlib
import sys

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

assert mx.__version__ == "0.32.2", mx.__version__
mx.set_default_device(mx.cpu)
mx.disable_compile()
MASK64 = (1 << 64) - 1


def drawn(name, shape, center=0.0, amplitude=1.0, dtype=mx.float32):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK64
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(h) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1
    return mx.array((center + amplitude * u).astype(np.float32).reshape(shape)).astype(dtype)


def kept(x):
    """Type, shape and elements: integers as int32, others as float32."""
    kind = str(x.dtype).split(".")[-1]
    whole = kind in ("int32", "uint32", "int64", "uint64", "bool")
    raw = np.array(x.astype(mx.int32 if whole else mx.float32)).tobytes()
    return {"dtype": kind, "shape": list(x.shape), "data": base64.b64encode(raw).decode()}


def save(folder, name, cases):
    raw = json.dumps(cases, indent=None, separators=(",", ":"), sort_keys=True).encode()
    with open(pathlib.Path(folder) / (name + ".json.gz"), "wb") as f:
        f.write(gzip.compress(raw, 9, mtime=0))


def ranged(name, path, x):
    """What a parameter is drawn from: a variance is positive."""
    center, amplitude = (1.0, 0.5) if path.endswith("running_var") else (0.0, 0.5)
    return drawn(f"{name}/{path}", x.shape, center, amplitude)


def operand(name, i, spec):
    """spec is a shape, or {"shape", "ints": n} of whole numbers below n, or {"shape", "dtype"}, or None."""
    if spec is None:
        return None
    if isinstance(spec, tuple):
        spec = {"shape": spec}
    if "causal" in spec:
        return nn.MultiHeadAttention.create_additive_causal_mask(spec["causal"])
    amplitude = spec.get("amplitude", 2.0)
    x = drawn(f"{name}/{i}", spec["shape"], spec.get("center", 0.0), amplitude, getattr(mx, spec.get("dtype", "float32")))
    if "ints" in spec:
        return mx.floor((x / 2 + 1) / 2 * spec["ints"]).astype(mx.int32)
    return x


def several(y):
    return list(y) if isinstance(y, (tuple, list)) else [y]


def layer(cases, name, make, *specs, evaluate=False, quantize=None, after=False):
    """One layer: its parameters from seed 11, its results and gradients from drawn ones."""
    mx.random.seed(11)
    model = make()
    case = {"name": name, "in": [kept(operand(name, i, s)) if s is not None else None for i, s in enumerate(specs)]}
    case["seeded"] = {k: kept(v.reshape(-1)[:4]) | {"shape": list(v.shape)} for k, v in tree_flatten(model.parameters())}
    model.update(tree_unflatten([(k, ranged(name, k, v)) for k, v in tree_flatten(model.parameters())]))
    if quantize:
        nn.quantize(model, **quantize)
    if evaluate:
        model.eval()
    inputs = [operand(name, i, s) for i, s in enumerate(specs)]
    mx.random.seed(13)
    out = several(model(*inputs))
    case["out"] = [kept(y) for y in out]
    if after:
        case["after"] = {k: kept(v) for k, v in tree_flatten(model.parameters()) if k.startswith("running")}
    c = [drawn(f"{name}/cotangent/{i}", y.shape, dtype=y.dtype) for i, y in enumerate(out)]
    score = lambda *x: sum((y * c).sum() for y, c in zip(several(model(*x)), c))
    if tree_flatten(model.trainable_parameters()):
        mx.random.seed(13)
        case["grads"] = {k: kept(v) for k, v in tree_flatten(nn.value_and_grad(model, score)(*inputs)[1])}
    by = [i for i, x in enumerate(inputs) if x is not None and "int" not in str(x.dtype) and "causal" not in specs[i]]
    if by and "int" not in str(out[0].dtype):
        mx.random.seed(13)
        g = several(mx.grad(score, argnums=by)(*inputs))
        case["by_input"] = {str(i): kept(x) for i, x in zip(by, g)}
    cases.append(case)


def layers(folder):
    cases = []
    L = lambda *a, **k: layer(cases, *a, **k)
    L("linear", lambda: nn.Linear(4, 3), (2, 4))
    L("linear without bias", lambda: nn.Linear(4, 3, bias=False), (2, 4))
    L("bilinear", lambda: nn.Bilinear(4, 5, 3), (2, 3, 4), (2, 3, 5))
    L("embedding", lambda: nn.Embedding(7, 4), {"shape": (2, 3), "ints": 7})
    L("identity", lambda: nn.Identity(), (2, 3))
    L("sequential", lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (3, 4))
    L("conv1d", lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1), (2, 9, 4))
    L("conv1d groups", lambda: nn.Conv1d(4, 6, 3, dilation=2, groups=2, bias=False), (2, 9, 4))
    L("conv2d", lambda: nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0)), (2, 7, 6, 2))
    L("conv3d", lambda: nn.Conv3d(2, 3, 2, padding=1), (1, 4, 3, 5, 2))
    L("conv_transpose1d", lambda: nn.ConvTranspose1d(4, 3, 3, stride=2, padding=1, output_padding=1), (2, 5, 4))
    L("conv_transpose2d", lambda: nn.ConvTranspose2d(2, 3, 3, stride=2), (1, 4, 3, 2))
    L("conv_transpose3d", lambda: nn.ConvTranspose3d(2, 3, 2, bias=False), (1, 3, 2, 3, 2))
    pools_and_upsampling(L)
    norms_and_dropout(L)
    sequences(L)
    activations(L)
    save(folder, "layers", cases)


def pools_and_upsampling(L):
    for kind in ["Max", "Avg"]:
        pool = lambda d, *a, **k: getattr(nn, f"{kind}Pool{d}d")(*a, **k)
        L(f"{kind.lower()}_pool1d", lambda: pool(1, 3, stride=2, padding=1), {"shape": (2, 8, 3), "center": -3.0})
        L(f"{kind.lower()}_pool2d", lambda: pool(2, 2), (2, 6, 4, 3))
        L(f"{kind.lower()}_pool2d odd", lambda: pool(2, (3, 2), stride=(2, 1), padding=(1, 0)), (2, 6, 5, 2))
        L(f"{kind.lower()}_pool3d", lambda: pool(3, 2, stride=1), (1, 3, 4, 3, 2))
    for scale in [2.0, 1.5, 0.5, (2.0, 0.7)]:
        for mode in ["nearest", "linear", "cubic"]:
            for align, anti in [(False, False), (True, False), (False, True)]:
                if mode == "nearest" and (align or anti):
                    continue
                name = f"upsample {mode} {scale} {align} {anti}"
                L(name, lambda: nn.Upsample(scale, mode, align, anti), (1, 5, 6, 2))
    ints = {"shape": (1, 5, 6, 2), "ints": 9}
    L("max_pool2d odd ints", lambda: nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0)), ints)
    L("avg_pool2d odd ints", lambda: nn.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 0)), ints)
    L("upsample linear 2.0 True False ints", lambda: nn.Upsample(2, "linear", True), ints)
    L("upsample nearest (2.0, 0.7) ints", lambda: nn.Upsample((2.0, 0.7)), ints)
    L("upsample linear 3d", lambda: nn.Upsample(2, "linear"), (1, 2, 3, 2, 2))


def norms_and_dropout(L):
    L("layer_norm", lambda: nn.LayerNorm(6), (2, 3, 6))
    L("rms_norm", lambda: nn.RMSNorm(6), (2, 3, 6))
    L("group_norm", lambda: nn.GroupNorm(2, 6), (2, 3, 4, 6))
    L("group_norm pytorch", lambda: nn.GroupNorm(2, 6, pytorch_compatible=True), (2, 3, 4, 6))
    L("group_norm plain", lambda: nn.GroupNorm(3, 6, affine=False), (2, 5, 6))
    L("instance_norm", lambda: nn.InstanceNorm(4), (2, 5, 3, 4))
    L("instance_norm affine", lambda: nn.InstanceNorm(4, affine=True), (2, 5, 4))
    for shape in [(5, 4), (2, 5, 4), (2, 3, 3, 4)]:
        L(f"batch_norm {len(shape)}", lambda: nn.BatchNorm(4), shape, after=True)
        L(f"batch_norm {len(shape)} inference", lambda: nn.BatchNorm(4), shape, evaluate=True, after=True)
    L("batch_norm untracked", lambda: nn.BatchNorm(4, affine=False, track_running_stats=False), (5, 4))
    L("dropout", lambda: nn.Dropout(0.4), (4, 6))
    L("dropout inference", lambda: nn.Dropout(0.4), (4, 6), evaluate=True)
    L("dropout2d", lambda: nn.Dropout2d(0.5), (2, 3, 3, 8))
    L("dropout3d", lambda: nn.Dropout3d(0.5), (2, 2, 3, 8))


def sequences(L):
    for bias in [True, False]:
        at = "" if bias else " without bias"
        L("rnn" + at, lambda: nn.RNN(4, 5, bias), (2, 6, 4))
        L("gru" + at, lambda: nn.GRU(4, 5, bias), (2, 6, 4))
        L("lstm" + at, lambda: nn.LSTM(4, 5, bias), (2, 6, 4))
        L("gru from a state" + at, lambda: nn.GRU(4, 5, bias), (2, 6, 4), (2, 5))
    L("rnn relu", lambda: nn.RNN(4, 5, nonlinearity=nn.relu), (6, 4), (5,))
    L("lstm from a state", lambda: nn.LSTM(4, 5), (6, 4), (5,), (5,))
    L("multi_head_attention", lambda: nn.MultiHeadAttention(8, 2), (2, 5, 8), (2, 5, 8), (2, 5, 8), {"causal": 5})
    L("multi_head_attention dims", lambda: nn.MultiHeadAttention(8, 2, 4, 6, 3, 12, 5, True), (2, 5, 4), (2, 7, 6), (2, 7, 3))
    for first in [True, False]:
        at = "" if first else " norm last"
        L("transformer_encoder" + at, lambda: nn.TransformerEncoder(2, 8, 2, 12, norm_first=first), (2, 5, 8), {"causal": 5})
        L("transformer" + at, lambda: nn.Transformer(8, 2, 1, 2, 12, activation=nn.gelu, norm_first=first),
          (2, 4, 8), (2, 5, 8), None, {"causal": 5}, None)
    L("transformer_encoder checkpoint", lambda: nn.TransformerEncoder(2, 8, 2, 12, checkpoint=True), (2, 5, 8), {"causal": 5})
    L("transformer_encoder dropout", lambda: nn.TransformerEncoder(2, 8, 2, 12, dropout=0.2), (2, 5, 8), {"causal": 5})
    L("rope", lambda: nn.RoPE(6), (2, 3, 8))
    L("rope traditional", lambda: nn.RoPE(8, traditional=True, base=100, scale=0.5), (2, 3, 8))
    L("sinusoidal", lambda: nn.SinusoidalPositionalEncoding(6), {"shape": (2, 5), "amplitude": 10.0})
    L("sinusoidal cos first", lambda: nn.SinusoidalPositionalEncoding(8, 0.01, 2, 1.0, True), (2, 5))
    for heads in [4, 6]:
        L(f"alibi {heads}", lambda: nn.ALiBi(), (1, heads, 3, 5))
    L("prelu", lambda: nn.PReLU(4), (3, 4))
    L("quantized_linear", lambda: nn.Sequential(nn.Linear(64, 4)), (2, 64), quantize={"group_size": 32, "bits": 4})
    L("quantized_linear mxfp4", lambda: nn.Sequential(nn.Linear(64, 4)), (2, 64), quantize={"mode": "mxfp4"})
    L("quantized_embedding", lambda: nn.Sequential(nn.Embedding(5, 64)), {"shape": (3,), "ints": 5}, quantize={"group_size": 64, "bits": 8})


def activations(L):
    plain = ["ReLU", "ReLU2", "ReLU6", "LeakyReLU", "ELU", "CELU", "SELU", "SiLU", "Mish", "Softplus", "Softsign", "Softshrink", "HardShrink",
             "HardTanh", "Hardswish", "LogSigmoid", "LogSoftmax", "Softmin", "Softmax", "Sigmoid", "Tanh", "Step", "GLU"]
    made = {k: getattr(nn, k) for k in plain} | {
        "GELU": nn.GELU, "GELU precise": lambda: nn.GELU("precise"), "GELU fast": lambda: nn.GELU("fast"), "LeakyReLU 0.2": lambda: nn.LeakyReLU(0.2),
        "ELU 0.7": lambda: nn.ELU(0.7), "CELU 0.7": lambda: nn.CELU(0.7), "Softshrink 1": lambda: nn.Softshrink(1.0), "HardShrink 1": lambda: nn.HardShrink(1.0),
        "Step 0.5": lambda: nn.Step(0.5), "GLU 0": lambda: nn.GLU(0)}
    for name, make in made.items():
        L(name, make, {"shape": (4, 6), "amplitude": 5.0})
        L(name + " bfloat16", make, {"shape": (4, 6), "amplitude": 5.0, "dtype": "bfloat16"})


def losses(folder):
    cases = []

    def L(name, f, *specs, **params):
        inputs = [operand(name, i, s) for i, s in enumerate(specs)]
        out = f(*inputs)
        g = mx.grad(lambda *a: f(*a).sum())(*inputs)
        cases.append({"name": name, "in": [kept(x) for x in inputs], "out": [kept(out)], "grads": {"0": kept(g)}})

    n = nn.losses
    small = {"shape": (3, 4), "amplitude": 1.0}
    for r in ["none", "mean", "sum"]:
        ints = {"shape": (3,), "ints": 4}
        L(f"cross_entropy {r}", lambda x, y: n.cross_entropy(x, y, reduction=r), (3, 4), ints)
        L(f"cross_entropy weights {r}", lambda x, y, w: n.cross_entropy(x, y, weights=w, reduction=r), (3, 4), ints, (3,))
        L(f"cross_entropy smoothing {r}", lambda x, y: n.cross_entropy(x, y, label_smoothing=0.3, reduction=r), (3, 4), ints)
        L(f"cross_entropy probabilities {r}", lambda x, y: n.cross_entropy(x, y, label_smoothing=0.1, reduction=r), (3, 4), small)
        L(f"cross_entropy axis {r}", lambda x, y: n.cross_entropy(x, y, axis=1, reduction=r), (2, 4, 3), {"shape": (2, 3), "ints": 4})
        L(f"binary_cross_entropy {r}", lambda x, y: n.binary_cross_entropy(x, y, reduction=r), (3, 4), {"shape": (3, 4), "ints": 2})
        L(f"binary_cross_entropy weights {r}", lambda x, y, w: n.binary_cross_entropy(x, y, w, reduction=r), (3, 4), small, (3, 4))
        half = lambda x: x * 0.2 + 0.5  # 0.1 to 0.9
        L(f"binary_cross_entropy of {r}", lambda x, y: n.binary_cross_entropy(half(x), y, with_logits=False, reduction=r), (3, 4), small)
        L(f"nll {r}", lambda x, y: n.nll_loss(x, y, reduction=r), (3, 4), ints)
        L(f"gaussian_nll {r}", lambda x, y, v: n.gaussian_nll_loss(x, y, v, reduction=r), (3, 4), (3, 4), (3, 4))
        L(f"gaussian_nll full {r}", lambda x, y, v: n.gaussian_nll_loss(x, y, v, full=True, eps=0.5, reduction=r), (3, 4), (3, 4), (3, 4))
        L(f"kl_divergence {r}", lambda x, y: n.kl_div_loss(x, y, reduction=r), (3, 4), (3, 4))
        L(f"mse {r}", lambda x, y: n.mse_loss(x, y, reduction=r), (3, 4), (3, 4))
        L(f"l1 {r}", lambda x, y: n.l1_loss(x, y, reduction=r), (3, 4), (3, 4))
        L(f"smooth_l1 {r}", lambda x, y: n.smooth_l1_loss(x, y, beta=0.7, reduction=r), (3, 4), (3, 4))
        L(f"huber {r}", lambda x, y: n.huber_loss(x, y, delta=0.7, reduction=r), (3, 4), (3, 4))
        L(f"log_cosh {r}", lambda x, y: n.log_cosh_loss(x, y, reduction=r), (3, 4), (3, 4))
        L(f"hinge {r}", lambda x, y: n.hinge_loss(x, y, reduction=r), (3, 4), (3, 4))
        L(f"cosine_similarity {r}", lambda x, y: n.cosine_similarity_loss(x, y, reduction=r), (3, 4), (3, 4))
        L(f"cosine_similarity axis {r}", lambda x, y: n.cosine_similarity_loss(x, y, axis=0, reduction=r), (3, 4), (3, 4))
        L(f"margin_ranking {r}", lambda x, y, t: n.margin_ranking_loss(x, y, t, 0.2, reduction=r), (3, 4), (3, 4), (3, 4))
        L(f"triplet {r}", lambda a, p, q: n.triplet_loss(a, p, q, reduction=r), (3, 4), (3, 4), (3, 4))
        L(f"triplet constants {r}", lambda a, p, q: n.triplet_loss(a, p, q, axis=0, p=3, margin=2.0, reduction=r), (3, 4), (3, 4), (3, 4))
    save(folder, "losses", cases)


SHAPES = {"layers.0.weight": (3, 4), "layers.1.bias": (5,), "conv.weight": (2, 3, 2)}


def optimizers(folder):
    cases = []

    def O(name, make, dtype=mx.float32, steps=6):
        o = make()
        p = {k: drawn(f"{name}/{k}", s, dtype=dtype) for k, s in SHAPES.items()}
        tree = tree_unflatten(list(p.items()))
        after = []
        for t in range(steps):
            g = tree_unflatten([(k, drawn(f"{name}/{t}/{k}", s, dtype=dtype)) for k, s in SHAPES.items()])
            tree = o.apply_gradients(g, tree)
            if t in (0, steps - 1):
                after.append({k: kept(v) for k, v in tree_flatten(tree)})
        state = {k: kept(v) for k, v in tree_flatten(o.state)}
        cases.append({"name": name, "first": after[0], "last": after[1], "state": state, "steps": steps, "dtype": str(dtype).split(".")[-1]})

    bf16 = mx.bfloat16
    O("sgd", lambda: optim.SGD(0.1))
    O("sgd bfloat16", lambda: optim.SGD(0.1, momentum=0.9, weight_decay=0.01), bf16)
    O("sgd momentum", lambda: optim.SGD(0.1, momentum=0.9, weight_decay=0.01, dampening=0.3))
    O("sgd nesterov", lambda: optim.SGD(optim.cosine_decay(0.1, 5, 0.01), momentum=0.9, nesterov=True))
    O("rmsprop", lambda: optim.RMSprop(0.01))
    O("adagrad", lambda: optim.Adagrad(0.1))
    O("adadelta", lambda: optim.AdaDelta(1.0))
    O("adam", lambda: optim.Adam(0.01))
    O("adam bias correction", lambda: optim.Adam(0.01, bias_correction=True))
    O("adam bias correction bfloat16", lambda: optim.Adam(0.01, bias_correction=True), bf16)
    O("adamw", lambda: optim.AdamW(0.01, weight_decay=0.1, bias_correction=True))
    O("adamw bfloat16", lambda: optim.AdamW(0.01), bf16)
    O("adamax", lambda: optim.Adamax(0.01))
    O("lion", lambda: optim.Lion(0.01, weight_decay=0.1))
    O("adafactor", lambda: optim.Adafactor())
    O("adafactor beta", lambda: optim.Adafactor(0.01, beta_1=0.9, weight_decay=0.1, relative_step=False, scale_parameter=False))
    O("adafactor warmup", lambda: optim.Adafactor(warmup_init=True))
    O("muon", lambda: optim.Muon(0.02))
    O("muon plain", lambda: optim.Muon(0.02, nesterov=False, weight_decay=0, ns_steps=3))
    O("multi", lambda: optim.MultiOptimizer([optim.Adam(0.01), optim.SGD(0.1, momentum=0.5)], [lambda k, v: v.ndim == 2]))
    save(folder, "optimizers", cases)


def constants(folder):
    """Schedules, clipping and initializers."""
    steps = [0, 1, 2, 5, 9, 10, 11, 25, 49, 50, 51, 100]
    schedules = {
        "exponential": optim.exponential_decay(0.1, 0.9), "step": optim.step_decay(0.1, 0.5, 10), "cosine": optim.cosine_decay(0.1, 50, 0.01),
        "linear": optim.linear_schedule(0.0, 0.1, 50),
        "join": optim.join_schedules([optim.linear_schedule(0, 0.1, 10), optim.cosine_decay(0.1, 40), optim.exponential_decay(0.01, 0.9)], [10, 50]),
    }
    out = {"steps": steps, "schedules": {k: [float(f(mx.array(s, mx.uint64))) for s in steps] for k, f in schedules.items()}}
    grads = {k: drawn(f"clip/{k}", s) for k, s in SHAPES.items()}
    out["clip"] = []
    for most in [1.0, 100.0, 0.0]:
        clipped, norm = optim.clip_grad_norm(grads, most)
        out["clip"].append({"most": most, "norm": float(norm), "grads": {k: kept(v) for k, v in clipped.items()}})
    init = nn.init
    made = {
        "constant": (init.constant(0.5), (2, 3)), "normal": (init.normal(1.0, 2.0), (3, 4)), "uniform": (init.uniform(-1.0, 3.0), (3, 4)),
        "identity": (init.identity(), (3, 3)), "glorot_normal": (init.glorot_normal(), (3, 2, 4)), "glorot_uniform": (init.glorot_uniform(), (3, 4)),
        "he_normal": (init.he_normal(), (3, 4)), "he_uniform": (init.he_uniform(), (3, 2, 4)), "sparse": (init.sparse(0.4, 0.0, 2.0), (4, 6)),
        "orthogonal": (init.orthogonal(2.0), (3, 5)),
        "glorot_normal gain": (lambda a: init.glorot_normal()(a, 2.0), (3, 4)), "he_normal out": (lambda a: init.he_normal()(a, "fan_out", 2.0), (3, 4)),
        "he_uniform out": (lambda a: init.he_uniform()(a, "fan_out", 2.0), (3, 4)), "normal bfloat16": (init.normal(dtype=mx.bfloat16), (3, 4)),
    }
    out["init"] = {}
    for name, (f, shape) in made.items():
        mx.random.seed(17)
        out["init"][name] = kept(f(mx.zeros(shape)))
    save(folder, "constants", out)


def weights(folder):
    """A file as Python's training leaves it."""
    mx.random.seed(5)
    nn.TransformerEncoder(1, 4, 2, 6).save_weights(str(pathlib.Path(folder) / "python.safetensors"))


def names(folder):
    """What mlx.nn, its losses and initializers, and mlx.optimizers export."""
    out = []
    for prefix, module in [("nn.", nn), ("nn.losses.", nn.losses), ("nn.init.", nn.init), ("optimizers.", optim)]:
        for name, x in vars(module).items():
            own = getattr(x, "__module__", "").startswith(("mlx.nn", "mlx.optimizers"))
            if own and callable(x) and not name.startswith("_") and not (prefix == "optimizers." and x.__module__.startswith("mlx.nn")):
                out.append(prefix + name)
    (pathlib.Path(folder) / "names.json").write_text(json.dumps(sorted(set(out)), indent=1) + "\n")


folder = sys.argv[1]
names(folder)
weights(folder)
layers(folder)
losses(folder)
optimizers(folder)
constants(folder)
