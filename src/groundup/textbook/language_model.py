"""A whole language model: token ids in, a score for every possible next token out.

Shapes, at the line ends: B batch, T time, D d_model, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundup.textbook.attention import create_causal_mask
from groundup.textbook.transformer_block import TransformerBlock


class SimpleLanguageModel(nn.Module):
    """A decoder-only transformer: P(w_t | w_1, …, w_{t-1}) for every t at once (Radford et al. 2018, §3.1, equation 2).

    What a token is and where it stands are two learned vectors, added (Vaswani et al. 2017, §3.4, §3.5); the blocks
    follow; a last LayerNorm and a projection turn each vector into V scores ("logits") for the token that comes next.
    """

    causal_mask: Tensor

    def __init__(
        self,
        vocab_size: int,
        d_model: int = 512,
        num_heads: int = 8,
        num_layers: int = 6,
        d_ff: int = 2048,
        max_seq_len: int = 1024,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.vocab_size, self.d_model, self.max_seq_len = vocab_size, d_model, max_seq_len
        self.token_embedding = nn.Embedding(vocab_size, d_model)
        self.position_embedding = nn.Embedding(max_seq_len, d_model)
        self.dropout = nn.Dropout(dropout)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(d_model, num_heads, d_ff, dropout) for _ in range(num_layers)
        )
        self.ln_final = nn.LayerNorm(d_model)
        self.output_projection = nn.Linear(d_model, vocab_size)
        # Built once, (max_seq_len, max_seq_len), and cut to size in `forward`. A buffer follows the model to a device
        # or another number format; persistent=False keeps it out of the saved weights, since it is not learned.
        self.register_buffer("causal_mask", create_causal_mask(max_seq_len), persistent=False)
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(module: nn.Module) -> None:
        """Weights N(0, 0.02), biases 0 (Radford et al. 2018, §4.1); LayerNorms keep their scale 1 and shift 0.

        Small weights give nearly equal logits: an untrained model's loss is close to ln V, the loss of a blind guess.
        """
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Token ids (B, T) -> logits (B, T, V); those at t are for the token at t + 1.

        `attention_mask` (B, T): 1 for real tokens, 0 for padding, left or right. Padding changes nothing for real
        tokens: none looks at it, and positions count real tokens only. Logits at padding are finite, and mean nothing.

        Raises `ValueError` when there are more than `max_seq_len` tokens, or the shapes are not (B, T).
        """
        if input_ids.ndim != 2 or (attention_mask is not None and attention_mask.shape != input_ids.shape):
            mask_shape = None if attention_mask is None else tuple(attention_mask.shape)
            raise ValueError(
                f"input_ids has the shape {tuple(input_ids.shape)}, attention_mask {mask_shape}: both must be "
                "(batch, tokens); make a batch of one sequence with ids.unsqueeze(0)."
            )
        seq_len = input_ids.shape[1]
        if seq_len > self.max_seq_len:
            raise ValueError(
                f"The input has {seq_len} tokens, and the model was made for at most max_seq_len = {self.max_seq_len}: "
                "cut the input, or make a model with a larger max_seq_len."
            )
        positions = torch.arange(seq_len, device=input_ids.device)  # (T,)
        mask = self.causal_mask[:seq_len, :seq_len]  # (T, T)
        if attention_mask is not None:
            is_padding = attention_mask == 0  # (B, T)
            positions = ((~is_padding).cumsum(dim=1) - 1).clamp(min=0)  # (B, T)
            mask = mask.masked_fill(is_padding[:, None, None, :], float("-inf"))  # (B, 1, T, T)
        x = self.dropout(self.token_embedding(input_ids) + self.position_embedding(positions))  # (B, T, D)
        for transformer_block in self.transformer_blocks:
            x = transformer_block(x, mask)  # (B, T, D)
        return self.output_projection(self.ln_final(x))  # type: ignore[no-any-return]  # (B, T, V)
