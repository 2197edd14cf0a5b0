"""mlxlens_bridge against TransformerLens itself. MLXLENS_PROGRAM is the program; run by TestTheBridge* in cmd/mlxlens."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import tokenizers
import torch
import transformers
from safetensors.torch import load_file
from transformer_lens.model_bridge import TransformerBridge

import mlxlens_bridge

PROGRAM = os.environ["MLXLENS_PROGRAM"]
QUANTIZED = os.path.join(os.path.dirname(__file__), "../../testdata/models/tiny-llama-b-4bit-mixed")
IDS = torch.tensor([[3, 17, 4, 90, 55, 21]])
SMALL = dict(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
MODELS = {
    "gpt2": SMALL,
    "llama": SMALL | dict(num_key_value_heads=2, intermediate_size=48),
    "gemma2": SMALL | dict(num_key_value_heads=2, intermediate_size=48, head_dim=16, sliding_window=4, query_pre_attn_scalar=16),
    "qwen3": SMALL | dict(num_key_value_heads=2, intermediate_size=48, head_dim=16),
    "granite": SMALL | dict(num_key_value_heads=2, intermediate_size=48, embedding_multiplier=3.0, residual_multiplier=0.5, logits_scaling=2.0, attention_multiplier=0.3),
    "olmo2": SMALL | dict(num_key_value_heads=2, intermediate_size=48),
    "cohere": SMALL | dict(num_key_value_heads=2, intermediate_size=48, logit_scale=0.5),
    "phi3": SMALL | dict(num_key_value_heads=2, intermediate_size=48, pad_token_id=0),
    "mixtral": SMALL | dict(num_key_value_heads=2, intermediate_size=48, num_local_experts=4),
}
#: Hooks that TransformerLens lacks in some of these.
OURS_ALONE = {"phi3": ("rot_q", "rot_k")}


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    """Bytes, and a few of their pairs."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=280, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<s>", "</s>"])
    model.train_from_iterator(["the capital of France is the capital"] * 9, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=model, bos_token="<s>", eos_token="</s>", pad_token="</s>")


def written(kind: str, directory: str) -> str:
    """A random model, whose norms and biases are no ones and zeros."""
    torch.manual_seed(5)
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(kind, **MODELS[kind])).float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    path = os.path.join(directory, kind)
    model.save_pretrained(path)
    return path


class Pair:
    """A model in TransformerLens and behind a server."""

    def __init__(self, kind: str, directory: str) -> None:
        path = written(kind, directory)
        tokenizer().save_pretrained(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.theirs = TransformerBridge.boot_transformers(path, device="cpu", dtype=torch.float32)
        self.ours = mlxlens_bridge.boot(path, program=PROGRAM)


class AgainstTransformerLens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.pairs = {kind: Pair(kind, cls.directory.name) for kind in MODELS}

    @classmethod
    def tearDownClass(cls):
        for pair in cls.pairs.values():
            pair.ours.close()
        cls.directory.cleanup()

    def close(self, got, want, name):
        self.assertEqual(tuple(got.shape), tuple(want.shape), name)
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-4, atol=1e-4, err_msg=name)

    def edited(self, pair, intervene, hooks):
        """Logits with interventions are those of TransformerLens with functions."""
        self.close(pair.ours.forward(IDS, intervene=intervene), pair.theirs.run_with_hooks(IDS, fwd_hooks=hooks), str(list(intervene)))
        self.assertGreater((pair.ours(IDS) - pair.ours.forward(IDS, intervene=intervene)).abs().max(), 1e-3, "it changes nothing")

    def test_logits_and_loss_are_theirs(self):
        for kind, pair in self.pairs.items():
            with self.subTest(kind):
                self.close(pair.ours(IDS), pair.theirs(IDS), kind)
                self.close(pair.ours(IDS, return_type="loss"), pair.theirs(IDS, return_type="loss"), kind)

    def test_texts_have_their_tokens(self):
        for kind, pair in self.pairs.items():
            for bos in (None, True, False):
                self.assertTrue(torch.equal(pair.ours.to_tokens("the capital é", prepend_bos=bos), pair.theirs.to_tokens("the capital é", prepend_bos=bos)), kind)
            ids = pair.ours.to_tokens("the capital é", prepend_bos=False)
            self.assertEqual(pair.ours.to_string(ids[0]), "the capital é", kind)
            self.assertEqual("".join(pair.ours.to_str_tokens("the capital", prepend_bos=False)), "the capital", kind)
            self.close(pair.ours("the capital"), pair.theirs("the capital"), kind)
            self.close(pair.ours.run_with_cache("the capital")[0], pair.theirs("the capital"), kind)

    def test_a_batch_is_its_rows(self):
        pair = self.pairs["llama"]
        batch = torch.cat([IDS, IDS.flip(1)])
        self.close(pair.ours(batch), pair.theirs(batch), "batch")

    def test_the_cache_is_theirs_at_every_hook(self):
        for kind, pair in self.pairs.items():
            with self.subTest(kind):
                _, ours = pair.ours.run_with_cache(IDS)
                _, theirs = pair.theirs.run_with_cache(IDS)
                for name in ours:
                    if name.endswith(OURS_ALONE.get(kind, ("nothing",))):
                        continue
                    want = theirs[name]
                    if name.endswith("attn_scores"):  # hidden keys have the lowest number, or minus infinity
                        seen = torch.ones(IDS.shape[1], IDS.shape[1]).tril().bool()
                        self.close(ours[name][..., seen], want[..., seen], name)
                    else:
                        self.close(ours[name], want, name)
                for name in ("hook_embed", "blocks.0.hook_resid_pre", "blocks.1.hook_resid_post", "blocks.1.attn.hook_pattern", "blocks.0.hook_mlp_out", "blocks.1.attn.hook_z"):
                    self.assertIn(name, ours)

    def test_the_cache_has_what_was_asked_for(self):
        ours = self.pairs["llama"].ours
        _, cache = ours.run_with_cache(IDS, names_filter="blocks.1.hook_resid_post")
        self.assertEqual(set(cache), {"blocks.1.hook_resid_post", "blocks.1.hook_out"} & set(cache))
        self.close(cache["resid_post", 1], ours.run_with_cache(IDS)[1]["blocks.1.hook_out"], "resid_post")

    def test_hooks_read_what_passes(self):
        seen = []
        self.pairs["gpt2"].ours.run_with_hooks(IDS, fwd_hooks=[("blocks.0.attn.hook_pattern", lambda x, hook: seen.append(x.sum(-1)))])
        self.close(seen[0], torch.ones(1, 4, IDS.shape[1]), "rows of a pattern")

    def test_interventions_are_hooks_of_theirs(self):
        for kind, pair in self.pairs.items():
            with self.subTest(kind):
                vector = torch.randn(32, generator=torch.Generator().manual_seed(1))

                def at_last(x, hook):
                    x[:, -1] += vector
                    return x

                def without_head(x, hook):
                    x[:, :, 2] = 0
                    return x

                def halve_last(x, hook):
                    x[:, -1] /= 2
                    return x

                def set_two(x, hook):
                    x[:, [1, 3]] = 0.25
                    return x

                self.edited(pair, {"blocks.0.hook_out": {"op": "add", "value": vector, "pos": -1}}, [("blocks.0.hook_out", at_last)])
                self.edited(pair, {"blocks.1.attn.hook_z": {"op": "zero", "heads": 2}}, [("blocks.1.attn.hook_z", without_head)])
                self.edited(pair, {"blocks.1.hook_in": {"op": "scale", "factor": 0.5, "pos": -1}}, [("blocks.1.hook_in", halve_last)])
                self.edited(pair, {"blocks.0.hook_resid_pre": {"op": "set", "value": 0.25, "pos": [1, 3]}}, [("blocks.0.hook_in", set_two)])

    def test_patching_sets_what_another_prompt_computes(self):
        for kind, pair in self.pairs.items():
            with self.subTest(kind):
                _, other = pair.ours.run_with_cache(IDS.flip(1), names_filter="blocks.0.hook_out")
                value = other["blocks.0.hook_out"]
                self.edited(pair, {"blocks.0.hook_out": {"op": "set", "value": value}}, [("blocks.0.hook_out", lambda x, hook: value)])

    def test_project_out_takes_a_direction_out(self):
        pair = self.pairs["llama"]
        u = torch.nn.functional.normalize(torch.randn(32, generator=torch.Generator().manual_seed(2)), dim=0)
        self.edited(pair, {"blocks.0.hook_out": {"op": "project_out", "value": 3 * u}}, [("blocks.0.hook_out", lambda x, hook: x - (x @ u)[..., None] * u)])

    def test_a_cache_with_interventions_is_of_the_changed_run(self):
        ours = self.pairs["gpt2"].ours
        _, cache = ours.run_with_cache(IDS, intervene={"blocks.0.hook_mlp_out": {"op": "suppress"}})
        self.assertEqual(cache["blocks.0.hook_mlp_out"].abs().max(), 0)
        self.close(cache["blocks.0.hook_out"], cache["blocks.0.hook_resid_mid"], "the stream passes")


def multiplied_out(directory: str, to: str) -> str:
    """A model of mlx-lm, with its affine weights as numbers (mlx.core.dequantize)."""
    with open(os.path.join(directory, "config.json")) as f:
        config = json.load(f)
    quantized = config.pop("quantization")
    config.pop("quantization_config")
    stored = load_file(os.path.join(directory, "model.safetensors"))
    weights = {}
    for name, w in stored.items():
        module = name.removesuffix(".weight")
        if name.endswith((".scales", ".biases")):
            continue
        if module + ".scales" in stored:
            how = quantized.get(module) or quantized
            bits = how["bits"]
            levels = (w.numpy().view(np.uint32)[..., None] >> np.arange(0, 32, bits, dtype=np.uint32)) & ((1 << bits) - 1)
            levels = torch.from_numpy(levels.reshape(w.shape[0], -1, how["group_size"]).astype(np.float32))
            scale, bias = stored[module + ".scales"].float()[..., None], stored[module + ".biases"].float()[..., None]
            w = (levels * scale + bias).flatten(1)
        weights[name] = w.float()
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config)).float()
    lacking, unknown = model.load_state_dict(weights, strict=False)
    assert not unknown and set(lacking) <= {"lm_head.weight"}, (lacking, unknown)
    model.tie_weights()
    model.save_pretrained(to)
    tokenizer().save_pretrained(to)
    return to


class Quantized(unittest.TestCase):
    def test_a_model_of_mlx_community_is_what_its_numbers_are(self):
        with tempfile.TemporaryDirectory() as directory:
            theirs = TransformerBridge.boot_transformers(multiplied_out(QUANTIZED, directory), device="cpu", dtype=torch.float32)
            ours = mlxlens_bridge.boot(QUANTIZED, program=PROGRAM)
            (got, cache), (want, whole) = ours.run_with_cache(IDS), theirs.run_with_cache(IDS)
            ours.close()
            for name, x, y in [("logits", got, want), *((name, cache[name], whole[name]) for name in cache if not name.endswith("attn_scores"))]:
                self.assertEqual(x.shape, y.shape, name)
                np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(), rtol=1e-4, atol=1e-4, err_msg=name)


class Refused(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.ours = mlxlens_bridge.boot(written("gpt2", cls.directory.name), program=PROGRAM)

    @classmethod
    def tearDownClass(cls):
        cls.ours.close()
        cls.directory.cleanup()

    def refuses(self, error, words, **arguments):
        with self.assertRaisesRegex(error, words):
            self.ours.forward(IDS, **arguments)

    def test_what_is_no_edit(self):
        at = "blocks.0.hook_out"
        self.refuses(NotImplementedError, "'blocks.0.hook_out': a function cannot be sent", intervene={at: lambda x: x})
        self.refuses(ValueError, "want a dict with an 'op' of suppress", intervene={at: {"op": "clamp"}})
        self.refuses(ValueError, "scale takes factor, pos, heads, and factor is not there", intervene={at: {"op": "scale"}})
        self.refuses(ValueError, "zero takes pos, heads, and no value", intervene={at: {"op": "zero", "value": 1}})
        self.refuses(ValueError, "pos wants a whole number", intervene={at: {"op": "zero", "pos": 0.5}})
        self.refuses(ValueError, "numbers that are not finite", intervene={at: {"op": "set", "value": float("nan")}})
        self.refuses(ValueError, "none of this bridge's hooks", intervene={"blocks.9.hook_out": {"op": "zero"}})
        self.refuses(ValueError, "a second time", intervene={at: {"op": "zero"}, "blocks.0.hook_resid_post": {"op": "zero"}})
        self.refuses(mlxlens_bridge.ServerError, "the value has the shape .3., and resid_post wants", intervene={at: {"op": "add", "value": [1, 2, 3]}})
        self.refuses(mlxlens_bridge.ServerError, "resid_post has no heads", intervene={at: {"op": "zero", "heads": 0}})
        self.refuses(mlxlens_bridge.ServerError, "position 6", intervene={at: {"op": "zero", "pos": 6}})

    def test_what_a_pass_cannot_do(self):
        self.refuses(NotImplementedError, "max_new_tokens=2", max_new_tokens=2)
        self.refuses(NotImplementedError, "attention_mask hides tokens", attention_mask=torch.tensor([[0, 1, 1, 1, 1, 1]]))
        self.refuses(TypeError, "takes no start_at_layer", start_at_layer=1)
        with self.assertRaisesRegex(mlxlens_bridge.ServerError, "300"):
            self.ours(torch.tensor([[300]]))
        with self.assertRaisesRegex(ValueError, "no tokenizer"):
            self.ours("text")

    def test_hooks_that_mlxlens_has_no_site_for(self):
        with self.assertRaisesRegex(NotImplementedError, "ln_final.hook_scale"):
            self.ours.run_with_cache(IDS, names_filter="ln_final.hook_scale")
        with self.assertRaises(KeyError):
            self.ours.run_with_hooks(IDS, fwd_hooks=[("blocks.0.hook_nothing", lambda x, hook: None)])

    def test_functions_that_change_what_passes(self):
        def in_place(x, hook):
            x[:, 0] = 0

        for change in (in_place, lambda x, hook: 2 * x):
            with self.assertRaisesRegex(NotImplementedError, "a hook of 'blocks.0.hook_out' changes what passes"):
                self.ours.run_with_hooks(IDS, fwd_hooks=[("blocks.0.hook_resid_post", change)])
        self.ours.run_with_hooks(IDS, fwd_hooks=[("blocks.0.hook_out", lambda x, hook: x)], remove_batch_dim=True)

    def test_a_server_ends_with_python(self):
        program = "import sys, mlxlens_bridge; bridge = mlxlens_bridge.boot(sys.argv[1], program=sys.argv[2]); print(bridge._driver.client.address)"
        path = self.ours._driver.info["ref"]
        said = subprocess.run([sys.executable, "-W", "ignore", "-c", program, path, PROGRAM], check=True, capture_output=True, text=True).stdout
        with self.assertRaises(urllib.error.URLError):
            mlxlens_bridge.Client(said.strip()).info()

    def test_a_server_that_cannot_start(self):
        with self.assertRaisesRegex(RuntimeError, "exit code"):
            mlxlens_bridge.boot(os.path.join(self.directory.name, "nothing"), program=PROGRAM)


if __name__ == "__main__":
    unittest.main()
