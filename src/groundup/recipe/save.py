"""How a training's model is written, and read back: whole, or as an adapter beside its base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from groundup.model.adapter import load_adapter, save_adapter
from groundup.model.directory import load_model, save_model, save_model_part, save_part_index
from groundup.model.lora import merged_state
from groundup.model.lora_settings import LoraSettings
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class ModelFiles:
    """A model in training, as files."""

    model: Transformer
    tokenizer: Tokenizer
    base: str = ""
    """The model that it began as: a whole path, or a name as the recipe has it; empty for none."""
    base_sha256: str = ""
    """Of that model's weights."""
    lora: LoraSettings | None = None
    """The settings of its adapters, if only these are trained."""

    def save(self, directory: Path) -> None:
        """Write a checkpoint's files: a Hugging Face directory, or an adapter's with the tokenizer."""
        if self.lora is None:
            self.save_whole(directory)
            return
        save_adapter(self.model, directory, self.base, self.base_sha256, self.lora)
        self.tokenizer.save(directory, max_length=self.model.config.max_seq_len)

    def save_part(self, directory: Path, weights: Mapping[str, Tensor], part: int, parts: int) -> None:
        """Write some of the weights as file `part` (from 0) of `parts`; with the last call, which has none, all that stands beside them."""
        config, tokens = self.model.config, self.tokenizer
        if part < parts:
            save_model_part(config, directory, weights, part, parts)
            return
        save_part_index(config, directory, tokens.end_id, tokens.pad_id, tokens.begin_id, tokens.end_ids)
        tokens.save(directory, max_length=config.max_seq_len)

    def save_whole(self, directory: Path) -> None:
        """Write the Hugging Face directory, adapters merged."""
        tokens = self.tokenizer
        weights = merged_state(self.model) if self.lora is not None else None
        save_model(self.model, directory, tokens.end_id, tokens.pad_id, tokens.begin_id, tokens.end_ids, weights)
        tokens.save(directory, max_length=self.model.config.max_seq_len)

    def load(self, checkpoint: Path) -> None:
        """Take over a checkpoint's weights; of adapters, the layers are made anew."""
        if self.lora is None:
            self.model.load_state_dict(load_model(checkpoint).state_dict())
        else:
            load_adapter(self.model, checkpoint, self.base_sha256)
