"""`groundup generate`."""

from __future__ import annotations

from typing import Annotated

import typer

from groundup.cli.loading import loading

MODEL_HELP = (
    "A run's folder, a checkpoint, a Hugging Face directory, an adapter, a .gguf file, a model of the catalogue "
    "(smollm2-135m-instruct) or of the Hugging Face hub (hf://owner/name)."
)


def generate(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    prompt: Annotated[str, typer.Option(help="The text to continue; empty starts a new text.")] = "",
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens to add.")] = 200,
    temperature: Annotated[
        float, typer.Option(help="Below 1 safer, above 1 wilder; 0 always takes the likeliest token.")
    ] = 0.8,
    top_k: Annotated[int, typer.Option(help="Sample from this many likeliest tokens only; 0 for no limit.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Sample from the likeliest tokens that hold this much probability; 1 for all.")
    ] = 1.0,
    min_p: Annotated[
        float, typer.Option(help="Leave out tokens below this share of the likeliest one's probability.")
    ] = 0.0,
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1: make tokens that are already there less likely.")
    ] = 1.0,
    stop: Annotated[
        list[str] | None, typer.Option(help="Stop before this text; may be given several times.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed writes the same text.")] = 0,
    language: Annotated[
        str, typer.Option(help="Write in this language, e.g. de (of a model trained with language tags).")
    ] = "",
    num_samples: Annotated[int, typer.Option(help="How many texts to write, in one batch.")] = 1,
) -> None:
    """Let a model continue a text. One text streams as it is written.

    Example:

        groundup generate runs/shakespeare --prompt "ROMEO:" --temperature 0.8 --seed 1
    """
    from groundup.generation.settings import GenerationSettings

    settings = GenerationSettings(
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        stop=tuple(stop or ()),
        seed=seed,
        language=language,
        num_samples=num_samples,
    )
    from groundup.language_model.locate import find_model

    find_model(model)  # a wrong path is answered before anything heavy is loaded
    with loading():
        from groundup.language_model.model import LanguageModel

    language_model = LanguageModel.load(model)
    if num_samples == 1:
        pieces = language_model.stream_with(prompt, settings)
        print(prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print()
        return
    for number, text in enumerate(language_model.generate_samples(prompt, settings), start=1):
        print(f"--- sample {number} of {num_samples}\n{prompt}{text}\n")
