"""The subword tokenizers that stand beside ours for reference, trained on the text: bpe.json and sentencepiece.model.

By `tokenizers`, a byte-level BPE with GPT-2's pattern, whose merges tiktoken is given, too; by sentencepiece, a unigram model.
"""

from __future__ import annotations

import sentencepiece
from benchmarks.tokenizing.task import FOLDER, TRAINING_TEXT
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 4096
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
tokenizer.train_from_iterator(TRAINING_TEXT.splitlines(keepends=True), trainer)
tokenizer.save(str(FOLDER / "bpe.json"))

sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(TRAINING_TEXT.splitlines()),
    model_prefix=str(FOLDER / "sentencepiece"),
    vocab_size=VOCABULARY,
    minloglevel=2,
)
