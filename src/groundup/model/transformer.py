"""The whole network, read top to bottom in the order the data passes.

Shapes, at the line ends: B batch, T time (new tokens), S keys seen (cached and new), D d_model, H query heads,
G key/value heads, K head_dim, F d_ff, V vocabulary.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.errors import ModelError
from groundup.model.attention_with_dropout import attention_with_dropout
from groundup.model.compute_twice import compute_twice
from groundup.model.dropout import Dropout
from groundup.model.fused_attention import fused_attention
from groundup.model.gelu import gelu, gelu_tanh
from groundup.model.rotary import for_both_halves, rotary_table
from groundup.model.settings import TransformerConfig


@dataclass(frozen=True, eq=False)  # hashed as a thing, not by its tensors, which PyTorch 2.11's compiler could not
class Rotation:
    """Cosine and sine of each position's angles, shaped to multiply queries and keys; the sine as `for_both_halves` signs it."""

    cosine: Tensor  # (1 or B, 1, T, K)
    sine: Tensor  # (1 or B, 1, T, K)

    def __call__(self, x: Tensor) -> Tensor:
        """Rotate each pair (x[i], x[i + K/2]) by its position's angle (Su et al. 2021, RoFormer, §3.4.2; half-split pairs)."""
        return x * self.cosine + x.roll(x.shape[-1] // 2, dims=-1) * self.sine  # (B, H, T, K)


class KVCache:
    """Keys and values of the tokens read so far, one row a sequence; rows may hold different numbers of tokens.

    What lies beyond a row's length is never attended to, so a padded prompt costs nothing but its room.
    """

    def __init__(
        self,
        config: TransformerConfig,
        num_rows: int,
        max_len: int,
        device: torch.device | str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        shape = (config.num_layers, num_rows, config.num_kv_heads, max_len, config.head_dim)
        self.keys, self.values = _untouched_zeros(shape, device, dtype), _untouched_zeros(shape, device, dtype)
        self.lengths = [0] * num_rows
        self.places: Tensor | None = None  # (1 or B, T): where the tokens being read stand

    @property
    def max_len(self) -> int:
        return self.keys.shape[3]

    def begin(self, num_new: int) -> Tensor:
        """Where each row's next `num_new` tokens stand: (1, T) if all rows are equally long, else (B, T).

        Called once a forward pass, ahead of `mask` and of every layer's `write`.
        """
        starts = self.lengths[:1] if len(set(self.lengths)) == 1 else self.lengths
        steps = torch.arange(num_new, device=self.keys.device)
        self.places = torch.tensor(starts, device=self.keys.device)[:, None] + steps
        return self.places

    def mask(self, num_new: int, window: int = 0) -> Tensor | None:
        """Which keys each new token may see: (B, 1, T, S). None: all that is there, or, of an empty cache, plainly causal.

        With a `window` no more than so many, the token itself counted.
        """
        total = max(self.lengths) + num_new
        if (not window or total <= window) and (
            max(self.lengths) == 0 or (num_new == 1 and len(set(self.lengths)) == 1)
        ):
            return None
        seen = torch.arange(total, device=self.keys.device)
        assert self.places is not None
        places = self.places[:, None, :, None]  # (1 or B, 1, T, 1)
        return (seen <= places) & (seen > places - (window or total))  # (1 or B, 1, T, S)

    def write(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Put the new keys and values (B, G, T, K) in their places; all that each row holds now: (B, G, S, K)."""
        num_new = key.shape[2]
        if len(set(self.lengths)) == 1:
            start = self.lengths[0]
            self.keys[layer, :, :, start : start + num_new] = key
            self.values[layer, :, :, start : start + num_new] = value
        else:
            rows = torch.arange(len(self.lengths), device=key.device)[:, None]  # (B, 1)
            self.keys[layer][rows, :, self.places] = key.transpose(1, 2)
            self.values[layer][rows, :, self.places] = value.transpose(1, 2)
        end = max(self.lengths) + num_new
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def keep_rows(self, rows: list[int]) -> None:
        """Drop all rows but these, in this order."""
        index = torch.tensor(rows, device=self.keys.device)
        self.keys, self.values = self.keys.index_select(1, index), self.values.index_select(1, index)
        self.lengths = [self.lengths[row] for row in rows]


def _untouched_zeros(shape: tuple[int, ...], device: torch.device | str, dtype: torch.dtype) -> Tensor:
    """Zeros; on a CPU in pages that take no memory before they are written to, so that a cache costs what it holds."""
    if torch.device(device).type != "cpu":
        return torch.zeros(shape, device=device, dtype=dtype)
    pages = mmap.mmap(-1, math.prod(shape) * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # or each of a row's layers and heads would take 2 MiB with its first token
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(pages, dtype=dtype).view(shape)


class RMSNorm(nn.RMSNorm):
    """Root-mean-square normalization that stays in its input's number format, which its fused kernels need."""

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """Causal multi-head attention: softmax(Q Kᵀ / √K) V (Vaswani et al. 2017, §3.2), with shared key/value heads
    (Ainslie et al. 2023) and normalized queries and keys (Henry et al. 2020) where the config asks for them."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_dim = config.num_heads, config.num_kv_heads, config.head_dim
        self.dropout = Dropout(config.dropout)
        query_width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        self.qkv_widths = (query_width, kv_width, kv_width)
        self.qkv = nn.Linear(config.d_model, query_width + 2 * kv_width, bias=config.qkv_bias)
        self.output = nn.Linear(query_width, config.d_model, bias=config.attention_output_bias)
        self.query_norm = RMSNorm(config.head_dim, eps=config.norm_eps) if config.qk_norm else None
        self.key_norm = RMSNorm(config.head_dim, eps=config.norm_eps) if config.qk_norm else None

    def forward(
        self, x: Tensor, mask: Tensor | None, rotation: Rotation | None, cache: KVCache | None, layer: int, causal: bool
    ) -> Tensor:
        B, T, _ = x.shape
        query, key, value = self.qkv(x).split(self.qkv_widths, dim=-1)
        query = query.view(B, T, self.num_heads, self.head_dim)  # (B, T, H, K)
        key = key.view(B, T, self.num_kv_heads, self.head_dim)  # (B, T, G, K)
        value = value.view(B, T, self.num_kv_heads, self.head_dim).transpose(1, 2)  # (B, G, T, K)
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        query, key = query.transpose(1, 2), key.transpose(1, 2)  # (B, H, T, K), (B, G, T, K)
        if rotation is not None:
            query, key = rotation(query), rotation(key)
        if cache is not None:
            key, value = cache.write(layer, key, value)  # (B, G, S, K)
        if self.num_kv_heads != self.num_heads:
            group = self.num_heads // self.num_kv_heads
            key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)  # (B, H, S, K)
        if self.dropout.on and self.dropout.generator is not None:
            mixed = attention_with_dropout(query, key, value, mask, self.dropout)
        else:
            share = self.dropout.share if self.training else 0.0
            mixed = fused_attention(query, key, value, mask, share, causal)
        return self.output(mixed.transpose(1, 2).reshape(B, T, -1))  # type: ignore[no-any-return]  # (B, T, D)


def activate(name: str, x: Tensor) -> Tensor:
    """The activation called `name` in the config (for a gated one: the function inside the gate), elementwise."""
    if name in ("relu", "reglu"):
        return F.relu(x)
    if name in ("gelu", "geglu"):
        return gelu(x)
    if name in ("gelu_tanh", "geglu_tanh"):
        return gelu_tanh(x)
    return F.silu(x)


class FeedForward(nn.Module):
    """Two linear layers with an activation between; a gated one multiplies two projections (Shazeer 2020, GLU variants)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.activation, self.gated = config.activation, config.gated
        self.input = nn.Linear(
            config.d_model, config.d_ff * (2 if config.gated else 1), bias=config.mlp_bias
        )  # gate, then up
        self.output = nn.Linear(config.d_ff, config.d_model, bias=config.mlp_bias)
        self.dropout = Dropout(config.dropout if config.preset == "classic" else 0.0)  # stock classes have none here

    def forward(self, x: Tensor) -> Tensor:
        inner = self.input(x)  # (B, T, F or 2F)
        if self.gated:
            gate, up = inner.chunk(2, dim=-1)
            inner = activate(self.activation, gate) * up  # (B, T, F)
        else:
            inner = activate(self.activation, inner)
        return self.output(self.dropout(inner))  # type: ignore[no-any-return]  # (B, T, D)


class Block(nn.Module):
    """One layer: attention, then the feed-forward network, each added to the residual stream."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.post_norm = config.norm_position == "post"
        self.attention_norm, self.attention = make_norm(config), Attention(config)
        self.feed_forward_norm, self.feed_forward = make_norm(config), FeedForward(config)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, x: Tensor, mask: Tensor | None, rotation: Rotation | None, cache: KVCache | None, layer: int, causal: bool
    ) -> Tensor:
        if self.post_norm:
            x = self.attention_norm(x + self.dropout(self.attention(x, mask, rotation, cache, layer, causal)))
            return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))  # type: ignore[no-any-return]
        x = x + self.dropout(self.attention(self.attention_norm(x), mask, rotation, cache, layer, causal))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]  # (B, T, D)


class Transformer(nn.Module):
    """A decoder-only language model: token ids in, a score (logit) for every possible next token out."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.activation_checkpointing = False  # trade a second forward pass for the memory of activations
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.position_embedding = (
            nn.Embedding(config.max_seq_len, config.d_model) if config.position == "learned" else None
        )
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.final_norm = make_norm(config)
        self.output_projection = nn.Linear(config.d_model, config.vocab_size, bias=config.output_bias)
        if config.tie_embeddings:
            self.output_projection.weight = self.token_embedding.weight
        if config.position == "rope":
            cosine, sine = rotary_table(config)
            self.register_buffer("rotary_cosine", cosine, persistent=False)  # (max_seq_len, K/2)
            self.register_buffer("rotary_sine", sine, persistent=False)
        initialize(self)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        cache: KVCache | None = None,
        project: bool = True,
    ) -> Tensor:
        """Logits (B, T, V) for the token after each of `input_ids` (B, T).

        `attention_mask` (B, T): 0 where padding stands. `segment_ids` (B, T): which packed document each token belongs to;
        tokens see their own document only, and positions restart with each. `cache`: what was read before; the new
        tokens follow it, and are added to it. Without `project`, the hidden states (B, T, D) that the logits would be made of.
        """
        hidden = self.hidden_states(input_ids, attention_mask, segment_ids, cache)
        return self.logits(hidden) if project else hidden

    def rotation(self, positions: Tensor, dtype: torch.dtype) -> Rotation:
        """How queries and keys at `positions` (1 or B, T) turn."""
        cosine, sine = self.rotary_cosine[positions], self.rotary_sine[positions]  # type: ignore[index]  # (1 or B, T, K/2)
        cosine, sine = for_both_halves(cosine[:, None].to(dtype), sine[:, None].to(dtype))
        return Rotation(cosine, sine)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (…, D) to logits (…, V)."""
        return self.output_projection(hidden)  # type: ignore[no-any-return]

    def _numbers_of_masks(self, x: Tensor) -> torch.dtype | None:
        """In which numbers fused attention adds its mask, where it learns: of booleans it would make, and keep, such numbers in each layer.
        None where booleans do."""
        device = x.device.type
        own_kernel = self.dropout.on and self.dropout.generator is not None
        if device not in ("cpu", "cuda") or own_kernel or not torch.is_grad_enabled():
            return None
        if not torch.is_autocast_enabled(device):
            return x.dtype
        return torch.float32 if device == "cpu" else torch.get_autocast_dtype(device)  # as in fused_attention

    def hidden_states(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """The last layer's normalized output (B, T, D); arguments as in `forward`."""
        if input_ids.ndim != 2 or (cache is None and input_ids.shape[1] > self.config.max_seq_len):
            raise ModelError(
                f"input_ids has the shape {tuple(input_ids.shape)}: give a batch of rows, (rows, tokens), of at most "
                f"{self.config.max_seq_len} tokens each, the model's context"
            )
        T, window = input_ids.shape[1], self.config.sliding_window
        if cache is not None:
            assert attention_mask is None, "a cache knows its rows' lengths; it takes no other mask"
            assert segment_ids is None, "a cache holds one document a row"
            positions, mask = cache.begin(T), cache.mask(T)
            windowed = cache.mask(T, window) if window else mask
        else:
            positions = token_positions(T, attention_mask, segment_ids, input_ids.device)  # (1 or B, T)
            mask = attention_matrix(positions, attention_mask, segment_ids)  # (B, 1, T, T) or None
            windowed = attention_matrix(positions, attention_mask, segment_ids, window) if window else mask
        x = self.token_embedding(input_ids)  # (B, T, D)
        if windowed is not None and cache is None and (dtype := self._numbers_of_masks(x)) is not None:
            mask = additive(mask, dtype)
            windowed = additive(windowed, dtype) if window else mask
        rotation = None
        if self.position_embedding is not None:
            x = x + self.position_embedding(positions)
        else:
            rotation = self.rotation(positions, x.dtype)
        x = residual_stream(self.dropout(x))
        for layer, block in enumerate(self.blocks):
            seen = mask if layer < self.config.first_windowed_layer else windowed
            causal = seen is None and T > 1
            if self.activation_checkpointing and self.training:
                x = compute_twice(block, self.dropout.generator, x, seen, rotation, cache, layer, causal)
            else:
                x = block(x, seen, rotation, cache, layer, causal)
        if cache is not None:
            cache.lengths = [length + T for length in cache.lengths]
        return self.final_norm(x)  # type: ignore[no-any-return]  # (B, T, D)


def additive(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """A mask, if there is one, as what is added to the scores: 0 where it is True, minus infinity elsewhere; the same shape."""
    return None if mask is None else torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -math.inf)


def residual_stream(x: Tensor) -> Tensor:
    """What the blocks add to, in the format that it is kept in: on a CUDA card in bf16 where the products are, since what lies between
    them waits for memory there, and fp32 is twice as much of it (docs/gpu.md). Elsewhere as it came."""
    if x.is_cuda and torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda") == torch.bfloat16:
        return x.to(torch.bfloat16)
    return x


def make_norm(config: TransformerConfig) -> nn.Module:
    """Layer normalization (Ba et al. 2016) or root-mean-square normalization (Zhang & Sennrich 2019)."""
    norm = nn.LayerNorm if config.norm == "layernorm" else RMSNorm
    return norm(config.d_model, eps=config.norm_eps)


def token_positions(
    num_tokens: int, attention_mask: Tensor | None, segment_ids: Tensor | None, device: torch.device
) -> Tensor:
    """Each token's place in its own text, counted from 0: (1, T), or (B, T) where padding or packing shifts it."""
    places = torch.arange(num_tokens, device=device)[None]  # (1, T)
    if attention_mask is not None:
        real = (attention_mask != 0).long()
        places = real.cumsum(dim=1) - real  # (B, T): how many real tokens came before
    if segment_ids is not None:
        starts = torch.ones_like(segment_ids, dtype=torch.bool)
        starts[:, 1:] = segment_ids[:, 1:] != segment_ids[:, :-1]
        places = places - torch.where(starts, places, 0).cummax(dim=1).values  # (B, T): less those before its own text
    return places


def attention_matrix(
    positions: Tensor, attention_mask: Tensor | None, segment_ids: Tensor | None, window: int = 0
) -> Tensor | None:
    """Who may look at whom, True where allowed: (1 or B, 1, T, T). None means plainly causal, which has a faster path.

    `positions` (1 or B, T) are the tokens' places in their own texts. With a `window`, each token sees no more than so many,
    itself counted (Beltagy et al. 2020, Longformer, §3.1).

    Every token may see itself, padding too, so that no row of the softmax is empty (an empty row would be NaN).
    """
    num_tokens = positions.shape[1]
    narrow = 0 < window < num_tokens
    if attention_mask is None and segment_ids is None and not narrow:
        return None
    places = torch.arange(num_tokens, device=positions.device)
    allowed = (places[:, None] >= places[None, :])[None]  # (1, T, T)
    if narrow:
        allowed = allowed & (positions[:, :, None] - positions[:, None, :] < window)
    if attention_mask is not None:
        allowed = allowed & (attention_mask != 0)[:, None, :]
    if segment_ids is not None:
        allowed = allowed & (segment_ids[:, :, None] == segment_ids[:, None, :])
    return (allowed | (places[:, None] == places[None, :]))[:, None]


def initialize(model: Transformer) -> None:
    """Draw the starting weights: matrices and embeddings N(0, init_std), biases 0, norms 1.

    The two projections of each block that write to the residual stream start as `config.initialization` says: like the
    rest, divided by √(2·num_layers) so that the stream's variance doesn't grow with depth (Radford et al. 2019, §2.3),
    or at zero, so that each block starts as the identity (Goyal et al. 2017, §5.1; Zhang et al. 2019, Fixup).
    """
    config = model.config
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            nn.init.constant_(parameter, 1.0 if name.endswith("norm.weight") else 0.0)
        elif not name.endswith("output.weight") or config.initialization == "normal":
            nn.init.normal_(parameter, std=config.init_std)
        elif config.initialization == "scaled":
            nn.init.normal_(parameter, std=config.init_std / math.sqrt(2 * config.num_layers))
        else:
            nn.init.zeros_(parameter)
