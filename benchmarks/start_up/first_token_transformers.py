"""What a transformers user writes to see a model's next token: FOLDER and PROMPT on the command line."""

from __future__ import annotations

import sys

from transformers import AutoModelForCausalLM, AutoTokenizer

folder, prompt = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
ids = model.generate(**tokenizer(prompt, return_tensors="pt"), max_new_tokens=1, do_sample=False, pad_token_id=0)
print(tokenizer.decode(ids[0]))
