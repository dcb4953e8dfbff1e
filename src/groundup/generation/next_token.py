"""The network's pass over one new token a row, told flat: the same numbers as `model.transformer`, in fewer and quicker operations.

A small network's step is nearly all calls, so here are no modules, no branches that the config has decided, and views of the
cache instead of copies. A large one's is nearly all reading of weights, which PyTorch's usual product does with one thread and
oneDNN's with all.

Shapes: B rows, S keys seen, D d_model, H query heads, G key/value heads, K head_dim, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.rotary import for_both_halves
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Block, KVCache, RMSNorm, Transformer, activate

Step = Callable[[Tensor], Tensor]

LARGE = 2**19  # numbers in a matrix from which oneDNN's product is the quicker one: its call takes 15 µs more


class NextToken:
    """ids (B,) and a cache of B rows to the logits (B, V) after them; the rows grow by one token.

    For weights that stay as they are: after a training step make another.
    """

    def __init__(self, model: Transformer) -> None:
        self.config = model.config
        self.token_embedding = model.token_embedding.weight
        self.position_embedding = None if model.position_embedding is None else model.position_embedding.weight
        if self.position_embedding is None:
            self.cosine, self.sine = (
                model.get_buffer("rotary_cosine"),
                model.get_buffer("rotary_sine"),
            )  # (max_seq_len, K/2)
        self.layers = [_Layer(block, model.config) for block in model.blocks]  # type: ignore[arg-type]
        self.final_norm, self.output = _norm(model.final_norm), _product(model.output_projection)

    @staticmethod
    def can_read(model: Transformer) -> bool:
        """Whether the network is plain: in fp32 without autocast, its linear layers its own."""
        weight = model.token_embedding.weight
        return weight.dtype == torch.float32 and not torch.is_autocast_enabled(weight.device.type)

    def __call__(self, ids: Tensor, cache: KVCache) -> Tensor:
        config, lengths = self.config, cache.lengths
        places = torch.tensor(lengths, device=ids.device)
        x = F.embedding(ids, self.token_embedding)  # (B, D)
        rotation = None
        if self.position_embedding is not None:
            x = x + F.embedding(places, self.position_embedding)
        else:
            cosine, sine = F.embedding(places, self.cosine)[:, None], F.embedding(places, self.sine)[:, None]
            rotation = for_both_halves(cosine, sine)  # (B, 1, K)
        num_seen = max(lengths) + 1
        equal = num_seen - 1 if min(lengths) == num_seen - 1 else None
        where = None if equal is not None else _flat_places(places, config.num_kv_heads, cache.max_len)
        seen = _mask(places, num_seen, 0, equal)
        windowed = _mask(places, num_seen, config.sliding_window, equal) if config.sliding_window else seen
        keys, values = cache.keys.unbind(0), cache.values.unbind(0)
        for number, layer in enumerate(self.layers):
            mask = seen if number < config.first_windowed_layer else windowed
            x = layer(x, rotation, keys[number], values[number], num_seen, where, mask)
        cache.lengths = [length + 1 for length in lengths]
        return self.output(self.final_norm(x))


class _Layer:
    """One block of the network."""

    def __init__(self, block: Block, config: TransformerConfig) -> None:
        attention, feed_forward = block.attention, block.feed_forward
        self.heads, self.groups, self.head_dim = config.num_heads, config.num_kv_heads, config.head_dim
        self.post_norm, self.gated, self.activation = block.post_norm, config.gated, config.activation
        self.attention_norm, self.feed_forward_norm = _norm(block.attention_norm), _norm(block.feed_forward_norm)
        self.qkv, self.output = _product(attention.qkv), _product(attention.output)
        self.input, self.down = _product(feed_forward.input), _product(feed_forward.output)
        self.head_norm = None  # of queries and keys at once
        if attention.query_norm is not None and attention.key_norm is not None:
            scales = (
                attention.query_norm.weight.expand(self.heads, -1),
                attention.key_norm.weight.expand(self.groups, -1),
            )
            self.head_norm = _rms_norm(torch.cat(scales).detach(), config.norm_eps)

    def __call__(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None,
        keys: Tensor,
        values: Tensor,
        num_seen: int,
        where: Tensor | None,
        mask: Tensor | None,
    ) -> Tensor:
        if self.post_norm:
            x = self.attention_norm(x + self.attend(x, rotation, keys, values, num_seen, where, mask))
            return self.feed_forward_norm(x + self.feed(x))
        x = x + self.attend(self.attention_norm(x), rotation, keys, values, num_seen, where, mask)
        return x + self.feed(self.feed_forward_norm(x))

    def attend(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None,
        keys: Tensor,
        values: Tensor,
        num_seen: int,
        where: Tensor | None,
        mask: Tensor | None,
    ) -> Tensor:
        B, H, G, K = len(x), self.heads, self.groups, self.head_dim
        heads = self.qkv(x).view(B, H + 2 * G, K)
        turned = heads.narrow(1, 0, H + G)  # queries and keys (B, H + G, K)
        value = heads.narrow(1, H + G, G)  # (B, G, K)
        if self.head_norm is not None:
            turned = self.head_norm(turned)
        if rotation is not None:
            turned = torch.addcmul(turned * rotation[0], turned.roll(K // 2, dims=-1), rotation[1])
        query, key = turned.narrow(1, 0, H), turned.narrow(1, H, G)
        if where is None:
            keys.select(2, num_seen - 1).copy_(key)
            values.select(2, num_seen - 1).copy_(value)
        else:
            keys.view(-1, K).index_copy_(0, where, key.reshape(-1, K))
            values.view(-1, K).index_copy_(0, where, value.reshape(-1, K))
        # The query heads of one key head stand where the kernel looks for the texts' tokens: they see the same keys.
        mixed = F.scaled_dot_product_attention(
            query.view(B, G, H // G, K), keys.narrow(2, 0, num_seen), values.narrow(2, 0, num_seen), attn_mask=mask
        )
        return self.output(mixed.reshape(B, H * K))

    def feed(self, x: Tensor) -> Tensor:
        inner = self.input(x)  # (B, F or 2F)
        if self.gated:
            gate, up = inner.chunk(2, dim=-1)
            return self.down(activate(self.activation, gate) * up)
        return self.down(activate(self.activation, inner))


def _flat_places(places: Tensor, num_groups: int, max_len: int) -> Tensor:
    """Where each row's next key stands among the cache's (B · G · max_len) places: (B · G,)."""
    rows = torch.arange(len(places) * num_groups, device=places.device).view(-1, num_groups) * max_len
    return (rows + places[:, None]).view(-1)


def _mask(places: Tensor, num_seen: int, window: int, equal: int | None) -> Tensor | None:
    """What is added to the attention's scores, 0 or -inf: (B, 1, 1, S); None where every row sees all."""
    if equal is not None and (not window or num_seen <= window):
        return None
    steps, places = torch.arange(num_seen, device=places.device), places[:, None]
    hidden = (steps > places) | (steps <= places - (window or num_seen))
    return torch.zeros_like(hidden, dtype=torch.float32).masked_fill_(hidden, float("-inf"))[:, None, None]


def _norm(module: nn.Module) -> Step:
    """A normalization (…, D) -> (…, D)."""
    if isinstance(module, nn.LayerNorm):
        shape, weight, bias, eps = module.normalized_shape, module.weight, module.bias, module.eps
        return lambda x: torch.layer_norm(x, shape, weight, bias, eps)
    assert isinstance(module, RMSNorm)
    return _rms_norm(module.weight, module.eps or 0.0)


def _rms_norm(scale: Tensor, eps: float) -> Step:
    """Root-mean-square normalization (…, D) -> (…, D), in half the operations of PyTorch's."""
    width, start = scale.shape[-1], torch.full((1,), eps, device=scale.device)

    def rms_norm(x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return x * torch.addcmul(start, length, length, value=1 / width).rsqrt_() * scale

    return rms_norm


def _product(layer: nn.Module) -> Step:
    """x Wᵀ + b: (B, inputs) -> (B, outputs)."""
    if type(layer) is not nn.Linear:
        return layer
    weight, bias = layer.weight, layer.bias
    if weight.numel() < LARGE or weight.device.type != "cpu" or not _has_onednn():
        return lambda x: F.linear(x, weight, bias)
    product = torch.ops.mkldnn._linear_pointwise.default
    return lambda x: product(x, weight, bias, "none", [], "")


def _has_onednn() -> bool:
    """Whether this build of PyTorch has oneDNN's product: on x86 all have."""
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return there and hasattr(torch.ops.mkldnn, "_linear_pointwise")
