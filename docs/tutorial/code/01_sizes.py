"""How large is a language model? A transformer's parameters, from its shape."""

from __future__ import annotations

from groundup.recipe.settings import load_recipe

recipe = load_recipe("shakespeare").model
MODELS = {  # layers, d_model, vocabulary, positions that are learned
    "the village model (chapter 4)": (1, 32, 21, 11),
    "the shakespeare recipe": (recipe.num_layers, recipe.d_model, 74, 0),
    "GPT-2, smallest": (12, 768, 50_257, 1_024),
    "GPT-2, largest": (48, 1_600, 50_257, 1_024),
    "GPT-3, largest": (96, 12_288, 50_257, 2_048),
}


def num_parameters(num_layers: int, d_model: int, vocab_size: int, num_positions: int) -> int:
    """12 d_model² a layer, a row for each token and for each learned position; norms and biases are too few to matter."""
    return 12 * num_layers * d_model**2 + (vocab_size + num_positions) * d_model


print("                                 parameters    to use it    to train it")
for name, shape in MODELS.items():
    count = num_parameters(*shape)
    in_use = 2 * count / 1e9  # gigabytes: 2 bytes a parameter (16-bit numbers)
    in_training = 16 * count / 1e9  # 4 bytes each for the parameter, its gradient and AdamW's two averages (chapter 5)
    print(f"{name:30}{count / 1e6:11,.2f} M{in_use:10,.3f} GB{in_training:12,.3f} GB")

gpt2, gpt3 = (num_parameters(*MODELS[name]) for name in ("GPT-2, largest", "GPT-3, largest"))
assert gpt3 > 100 * gpt2
