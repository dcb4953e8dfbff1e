"""DPO's loss, its gradients and its figures are those of TRL's trainer on the same pairs (fp32, within 1e-5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pytest
import torch
from tests.preference_pairs import pair_batch, random_pairs
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from groundup.model.directory import save_model
from groundup.model.families import to_hf_tensors
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.training.objectives.preference import FIGURES, preference_loss_sum, reference_log_probabilities
from groundup.training.settings import PreferenceSettings

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated and will be removed:FutureWarning")  # names TRL still uses
BOUND = 1e-5
V, PAD, END = 31, 0, 1
PAIRS = random_pairs(4, V, seed=3)
FAMILIES: dict[Preset, dict[str, Any]] = {
    "gpt2": {},
    "llama": {"num_kv_heads": 2, "tie_embeddings": False},
    "qwen3": {"num_kv_heads": 1},
}
THEIR_FIGURES = ("rewards/accuracies", "rewards/margins", "rewards/chosen", "rewards/rejected")


class Networks(NamedTuple):
    """A model and its reference, as ours and in TRL's trainer."""

    model: Transformer
    reference: Transformer
    trainer: Any


def make_trainer(model: Any, reference: Any, folder: Path) -> Any:
    from trl import DPOConfig, DPOTrainer

    words = {f"w{place}": place for place in range(V)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w0")), pad_token="w0", eos_token="w1"
    )
    datasets.disable_progress_bars()
    settings = DPOConfig(
        output_dir=str(folder), report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False
    )
    rows = datasets.Dataset.from_list([{"prompt": "w3", "chosen": "w4", "rejected": "w5"}])
    return DPOTrainer(model, reference, settings, train_dataset=rows, processing_class=tokenizer)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Preset], Networks]:
    made: dict[Preset, Networks] = {}

    def make(preset: Preset) -> Networks:
        if preset not in made:
            shape = {"vocab_size": V, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 16}
            config = preset_config(preset, **shape, **FAMILIES[preset], initialization="normal", init_std=0.3)
            ours: list[Transformer] = []
            theirs: list[Any] = []
            for seed in (0, 1):
                torch.manual_seed(seed)
                ours.append(Transformer(config).eval())
                folder = tmp_path_factory.mktemp(preset)
                save_model(ours[-1], folder, END, PAD)
                theirs.append(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))
            made[preset] = Networks(
                ours[0], ours[1], make_trainer(theirs[0], theirs[1], tmp_path_factory.mktemp("trl"))
            )
        return made[preset]

    return make


def their_losses(trainer: Any, settings: PreferenceSettings, numbers: list[int]) -> Tensor:
    """TRL's mean loss. Its `sigmoid` knows no label smoothing; of a batch of one pair, `aot` is the loss that does."""
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    rows = [dict(zip(("prompt_ids", "chosen_ids", "rejected_ids"), PAIRS[number], strict=True)) for number in numbers]
    trainer.beta, trainer.label_smoothing = settings.beta, settings.label_smoothing
    trainer.loss_types = ["aot"] if settings.label_smoothing else ["sigmoid"]
    batches = [[row] for row in rows] if settings.label_smoothing else [rows]
    collate = DataCollatorForPreference(pad_token_id=PAD)
    return torch.stack([trainer.compute_loss(trainer.model, collate(batch)) for batch in batches]).mean()


@pytest.mark.parametrize("preset", list(FAMILIES))
@pytest.mark.parametrize(("beta", "smoothing"), [(0.1, 0.0), (0.1, 0.2), (2.0, 0.0), (0.5, 0.49)])
def test_loss_and_gradients(
    networks: Callable[[Preset], Networks], preset: Preset, beta: float, smoothing: float
) -> None:
    model, reference_model, trainer = networks(preset)
    settings = PreferenceSettings(beta=beta, label_smoothing=smoothing)
    batch = pair_batch(PAIRS, range(4), padding=PAD)
    reference = torch.from_numpy(reference_log_probabilities(reference_model, [batch]))
    model.zero_grad()
    trainer.model.zero_grad()
    loss = preference_loss_sum(model, torch.from_numpy(batch), reference, settings)[0] / 4
    loss.backward()  # type: ignore[no-untyped-call]
    theirs = their_losses(trainer, settings, [0, 1, 2, 3])
    theirs.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss, theirs, atol=BOUND, rtol=0)
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    if model.config.tie_embeddings:
        gradients["output_projection.weight"] = gradients["token_embedding.weight"]
    in_their_names = to_hf_tensors(model.config, gradients)
    found = {name: parameter.grad for name, parameter in trainer.model.named_parameters()}
    assert found.keys() <= in_their_names.keys()
    for name, gradient in found.items():
        difference = float((in_their_names[name] - gradient).abs().max())
        assert difference <= BOUND * max(1.0, float(gradient.abs().max())), name


def test_figures(networks: Callable[[Preset], Networks]) -> None:
    model, reference_model, trainer = networks("llama")
    batch = pair_batch(PAIRS, range(4), padding=PAD)
    reference = torch.from_numpy(reference_log_probabilities(reference_model, [batch]))
    _, *sums = preference_loss_sum(model, torch.from_numpy(batch), reference, PreferenceSettings(beta=0.3)).tolist()
    for metrics in trainer._metrics.values():
        metrics.clear()
    their_losses(trainer, PreferenceSettings(beta=0.3), [0, 1, 2, 3])
    (logged,) = [metrics for metrics in trainer._metrics.values() if metrics]
    theirs = {ours: logged[name][-1] for ours, name in zip(FIGURES, THEIR_FIGURES, strict=True)}
    assert dict(zip(FIGURES, (value / 4 for value in sums), strict=True)) == pytest.approx(theirs, abs=BOUND)
    assert 0 < theirs["accuracy"] < 1, "some pairs stand one way and some the other"
