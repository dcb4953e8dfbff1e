"""The tutorial's algorithms in their plainest form. Imports nothing of the rest of the library.

One idea a file, to be read in this order: tokenizers, byte_pair, attention, transformer_block, language_model, next_token, training,
perplexity, generation, and ngram: the model made of counts that a network has to beat. Then early_stopping: when a training is over; lora
and dpo, which teach a model that can write something new at little cost, and what to prefer; bootstrap, calibration, overlap and judgement:
how good it is, and how sure that is; cost, checkpointing, loss_scale and data_parallel: what a training takes, and how it fits;
continuous_batching and quantization, for a model that is used; fairness, whom it treats how; memorization, what it knows by heart; dp_sgd,
which bounds what it learns of any one text; and two about the text itself: minhash and personal_data.
"""

from groundup.textbook.attention import MultiHeadAttention, create_causal_mask, scaled_dot_product_attention
from groundup.textbook.byte_pair import BytePairTokenizer
from groundup.textbook.generation import generate_text, generate_tokens
from groundup.textbook.language_model import SimpleLanguageModel
from groundup.textbook.ngram import NgramModel
from groundup.textbook.perplexity import calculate_perplexity
from groundup.textbook.tokenizers import CharacterTokenizer, WordTokenizer
from groundup.textbook.training import train_language_model
from groundup.textbook.transformer_block import TransformerBlock

__all__ = [
    "BytePairTokenizer",
    "CharacterTokenizer",
    "MultiHeadAttention",
    "NgramModel",
    "SimpleLanguageModel",
    "TransformerBlock",
    "WordTokenizer",
    "calculate_perplexity",
    "create_causal_mask",
    "generate_text",
    "generate_tokens",
    "scaled_dot_product_attention",
    "train_language_model",
]
