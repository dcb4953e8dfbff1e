"""A right attempt at each exercise, and wrong ones: a piece of it, what stands there instead, and what the hint has to say."""
# ruff: noqa: E501

from __future__ import annotations

RIGHT = {
    "attention": """
import math, torch

def attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores + mask
    weights = torch.softmax(scores, dim=-1)
    return weights @ value
""",
    "causal_mask": """
import torch

def causal_mask(length):
    return torch.full((length, length), -torch.inf).triu(diagonal=1)
""",
    "cross_entropy": """
import torch

def cross_entropy(logits, targets):
    counted = targets != -100
    chosen = logits.gather(1, targets.clamp(min=0)[:, None])[:, 0]
    losses = torch.logsumexp(logits, dim=-1) - chosen
    return losses[counted].sum() / counted.sum()
""",
    "sampling": """
import torch

def next_token_probabilities(logits, temperature=1.0, top_k=None, top_p=None):
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(), len(logits)).float()
    probabilities = torch.softmax(logits / temperature, dim=-1)
    if top_k is not None:
        kept = probabilities.topk(min(top_k, len(logits))).indices
        only = torch.zeros_like(probabilities)
        only[kept] = probabilities[kept]
        probabilities = only / only.sum()
    if top_p is not None:
        values, order = probabilities.sort(descending=True)
        stays = values.cumsum(0) - values < top_p
        only = torch.zeros_like(probabilities)
        only[order[stays]] = values[stays]
        probabilities = only / only.sum()
    return probabilities
""",
    "byte_pair": """
import itertools
from collections import Counter

def most_common_pair(words):
    counts = Counter()
    for word, times in words.items():
        for pair in itertools.pairwise(word):
            counts[pair] += times
    return min(counts, key=lambda pair: (-counts[pair], pair)) if counts else None

def merge(ids, pair, new_id):
    from groundup.textbook.byte_pair import merge as textbook_merge
    return textbook_merge(ids, pair, new_id)
""",
    "lora": """
import torch
from torch import nn

class LoraLinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        self.A = nn.Parameter(torch.randn(rank, linear.in_features) / 10)
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.A.T @ self.B.T)

    def merged(self):
        merged = nn.Linear(self.linear.in_features, self.linear.out_features, bias=self.linear.bias is not None)
        with torch.no_grad():
            merged.weight.copy_(self.linear.weight + self.scale * self.B @ self.A)
            if self.linear.bias is not None:
                merged.bias.copy_(self.linear.bias)
        return merged
""",
    "perplexity": """
import math, torch
import torch.nn.functional as F

def perplexity(model, texts):
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for text in texts:
            if len(text) < 2:
                continue
            ids = torch.tensor([text])
            logits = model(ids[:, :-1])[0]
            total += F.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
            count += len(text) - 1
    return math.exp(total / count)
""",
    "clip_and_noise": """
import torch

def private_gradient(gradients, clip_norm, noise_multiplier, expected_size, generator):
    lengths = gradients.norm(dim=1, keepdim=True)
    clipped = gradients * (clip_norm / lengths.clamp(min=1e-12)).clamp(max=1)
    total = clipped.sum(dim=0)
    noise = torch.randn(gradients.shape[1], generator=generator)
    return (total + noise_multiplier * clip_norm * noise) / expected_size
""",
}

WRONG = [
    # exercise, what is replaced, by what, and what the hint has to say
    ("attention", "dim=-1", "dim=-2", "rows should sum to 1: the softmax runs over the wrong axis"),
    ("attention", "dim=-1", "dim=0", "the softmax runs over the batch"),
    ("attention", "torch.softmax(scores, dim=-1)", "scores", "a softmax makes weights of them"),
    ("attention", " / math.sqrt(query.shape[-1])", "", "the scores are not scaled"),
    ("attention", "math.sqrt(query.shape[-1])", "query.shape[-1]", "divided by K, and should be by its root"),
    ("attention", "/ math.sqrt", "* math.sqrt", "multiplied with the root of K"),
    ("attention", "query.shape[-1]", "key.shape[-2]", "the root is of the number of keys"),
    ("attention", "query.shape[-1]", "value.shape[-1]", "the width of the values"),
    ("attention", "query.shape[-1]", "query.shape[-2]", "the number of queries"),
    ("attention", "query.shape[-1]", "query.shape[0]", "the size of the batch"),
    ("attention", "    if mask is not None:", "    mask = torch.full(scores.shape[-2:], -torch.inf).triu(1)\n    if True:", "no mask was given"),
    ("attention", "scores + mask", "scores - mask", "the mask is subtracted"),
    ("attention", "scores + mask", "scores", "the mask changes nothing"),
    ("attention", "scores + mask", "scores * mask", "the mask is multiplied"),
    ("attention", "scores + mask", "scores.masked_fill(mask == 0, -torch.inf)", "the wrong way round"),
    ("attention", "scores + mask", "scores.masked_fill(mask != 0, 0.0)", "exp(0) is 1"),
    ("attention", "key.transpose(-2, -1)", "key.transpose(1, 2)", "with heads"),
    ("attention", "scores + mask", "scores + mask.add_(0.0); mask.fill_(-1.0)", "it changed its inputs"),
    ("attention", "return weights @ value", "return weights", "these are weights"),
    ("attention", "return weights @ value", "return (weights @ value).detach()", "has no way back"),
    ("attention", "return weights @ value", "weights @ value", "does it end with a return?"),
    ("attention", "return weights @ value", "return weights @ key", "as wide as the keys"),
    ("attention", "return weights @ value", "return (weights @ value).float()", ""),  # gradcheck in float64 finds it
    ("attention", "return weights @ value", "raise NotImplementedError", "not written yet"),
    ("attention", "return weights @ value", "return nonsense", "it raised NameError (line 9): name 'nonsense' is not defined"),
    ("attention", "torch.softmax(scores, dim=-1)", "scores.exp() / scores.exp().sum(dim=-1, keepdim=True)", "scores of 1,000"),
    ("attention", "scores + mask", "scores + torch.full(scores.shape[-2:], -torch.inf).triu(1)", "hides the future, whatever the mask says"),
    ("attention", "scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])\n", "scores = torch.stack([torch.stack([(query[..., t, :] * key[..., s, :]).sum(-1) / math.sqrt(query.shape[-1]) for s in range(key.shape[-2])], -1) for t in range(query.shape[-2])], -2)\n", "a loop over queries and keys"),
    ("attention", "    scores = query", "    _, T, K = query.shape[-3:]\n    scores = query", "with one text alone"),
    ("attention", "if mask is not None", "if mask is not None and query.ndim < 4", "with heads"),
    ("causal_mask", "triu(diagonal=1)", "tril(diagonal=-1)", "the wrong way round"),
    ("causal_mask", "diagonal=1", "diagonal=0", "a token may look at itself"),
    ("causal_mask", "diagonal=1", "diagonal=2", "each token sees the one after it"),
    ("causal_mask", "torch.full((length, length), -torch.inf).triu(diagonal=1)", "torch.ones(length, length).tril()", "ones and zeros"),
    ("causal_mask", "torch.full((length, length), -torch.inf).triu(diagonal=1)", "torch.ones(length, length).tril() > 0", "True and False"),
    ("causal_mask", "-torch.inf", "-1e9", "-1e+09 is nearly enough"),
    ("causal_mask", "-torch.inf", "torch.finfo(torch.float32).min", "-3.4e+38 is nearly enough"),
    ("causal_mask", "-torch.inf", "torch.inf", "the sign is wrong"),
    ("causal_mask", ".triu(diagonal=1)", ".fill_diagonal_(0.0)", "each token sees itself alone"),
    ("causal_mask", ".triu(diagonal=1)", ".tril(diagonal=1)", "0 on the diagonal and below it, -inf above"),
    ("causal_mask", ".triu(diagonal=1)", ".triu(diagonal=1).tolist()", "gave what Python calls list"),
    ("causal_mask", "torch.full((length, length), -torch.inf).triu(diagonal=1)", "torch.ones(length, length).triu(1) * -torch.inf", "0 times -inf"),
    ("causal_mask", "length, length", "3, 3", "has the shape (3, 3), and should have (1, 1)"),
    ("causal_mask", "-torch.inf)", "-torch.inf, dtype=torch.float64)", "should be torch.float32"),
    ("causal_mask", "return torch.full((length, length), -torch.inf).triu(diagonal=1)", "mask = torch.zeros(length, length)\n    for t in range(length):\n        for s in range(t + 1, length):\n            mask[t, s] = -torch.inf\n    return mask", "a loop over rows and columns"),
    ("cross_entropy", "return losses[counted].sum() / counted.sum()", "return losses", "this is the loss of each row"),
    ("cross_entropy", " / counted.sum()", "", "this is the sum over the rows"),
    ("cross_entropy", " / counted.sum()", " / logits.numel()", "the number of scores, N · V"),
    ("cross_entropy", "targets != -100", "targets > 0", "0 is a token like any other"),
    ("cross_entropy", "torch.logsumexp(logits, dim=-1)", "(logits - logits.max()).exp().sum(dim=-1).log() + logits.max()", "each row's largest score"),
    ("cross_entropy", "torch.logsumexp(logits, dim=-1) - chosen", "chosen - torch.logsumexp(logits, dim=-1)", "turn the sign"),
    ("cross_entropy", "torch.logsumexp(logits, dim=-1) - chosen", "-chosen", "a softmax makes probabilities"),
    ("cross_entropy", "losses[counted].sum() / counted.sum()", "losses[counted].sum() / counted.sum() / 0.6931471805599453", "in bits"),
    ("cross_entropy", "torch.logsumexp(logits, dim=-1)", "logits.exp().sum(dim=-1).log()", "scores of 1,000 give inf or NaN"),
    ("cross_entropy", "losses[counted].sum() / counted.sum()", "losses[counted].sum() / len(targets)", "but they are counted"),
    ("cross_entropy", "losses[counted].sum() / counted.sum()", "losses.mean()", "as if their target were 0"),
    ("cross_entropy", "return losses", "losses = losses.detach()\n    return losses", "has no way back"),
    ("cross_entropy", "chosen =", "targets[~counted] = 0\n    chosen =", "it changed the targets"),
    ("cross_entropy", "chosen =", "with torch.no_grad():\n        logits -= logits.max(dim=-1, keepdim=True).values\n    chosen =", "it changed the scores"),
    ("cross_entropy", "losses = torch.logsumexp(logits, dim=-1) - chosen", "losses = torch.stack([torch.logsumexp(row, dim=0) - one for row, one in zip(logits, chosen)])", "8,192 rows took"),
    ("sampling", "logits / temperature", "logits * temperature", "multiplied with the temperature"),
    ("sampling", "logits / temperature", "logits", "the temperature changes nothing"),
    ("sampling", "logits / temperature", "logits.div_(temperature)", "it changed the scores"),
    ("sampling", "temperature == 0", "temperature == -1", "take that case by itself"),
    ("sampling", "top_k is not None", "False", "top_k changes nothing"),
    ("sampling", "probabilities.topk(min(top_k, len(logits)))", "probabilities.topk(min(top_k, len(logits)), largest=False)", "keep the largest"),
    ("sampling", "probabilities = only / only.sum()\n    if", "probabilities = only\n    if", "divided by its sum"),
    ("sampling", "min(top_k, len(logits))", "top_k", "it raised RuntimeError"),
    ("sampling", "values.cumsum(0) - values < top_p", "values.cumsum(0) < top_p", "the token that reaches p is lost"),
    ("sampling", "top_p is not None", "False", "top_p changes nothing"),
    ("sampling", "values, order = probabilities.sort(descending=True)", "values, order = probabilities.sort()", "does the sum begin with the likeliest?"),
    ("sampling", "only[order[stays]] = values[stays]", "only[stays] = values[stays]", "a sorted list forgets"),
    ("sampling", "if top_k is not None:", "if top_k is not None:\n        scores = logits.masked_fill(logits < logits.topk(min(top_k, len(logits))).values[-1], 0.0)\n        return scores.softmax(dim=0)\n    if False:", "a dropped score of 0 is not dropped"),
    ("sampling", "probabilities = only / only.sum()\n    if top_p", "probabilities = only.masked_fill(only == 0, -torch.inf).softmax(dim=0)\n    if top_p", "the softmax was taken twice"),
    ("sampling", "only[kept] = probabilities[kept]", "only[kept[:-1]] = probabilities[kept[:-1]]", "the k-th stays, too"),
    ("sampling", "values, order = probabilities.sort(descending=True)", "values, order = logits.softmax(dim=0).sort(descending=True)", "from before top_k"),
    ("sampling", "stays = values.cumsum(0) - values < top_p\n        only = torch.zeros_like(probabilities)\n        only[order[stays]] = values[stays]", "plain = torch.where(probabilities > 0, logits, -torch.inf).softmax(dim=0)[order]\n        stays = plain.cumsum(0) - plain < top_p\n        only = torch.zeros_like(probabilities)\n        only[order[stays]] = values[stays]", "from before the temperature"),
    ("sampling", ".float()", "", "should be torch.float32"),
    ("sampling", "torch.softmax(logits / temperature, dim=-1)", "(logits / temperature).exp() / (logits / temperature).exp().sum()", "with large scores it is wrong"),
    ("sampling", "probabilities = torch.softmax(logits / temperature, dim=-1)", "if temperature != 1:\n        logits = logits / temperature\n    if top_k is not None:\n        logits[logits < logits.topk(min(top_k, len(logits))).values[-1]] = -torch.inf\n    probabilities = torch.softmax(logits, dim=-1)", "it changed the scores"),
    ("sampling", "- values < top_p", "- values <= top_p", "it kept 3"),
    ("sampling", "stays = values.cumsum(0) - values < top_p\n        only = torch.zeros_like(probabilities)\n        only[order[stays]] = values[stays]", "only = torch.zeros_like(probabilities)\n        for token in order:\n            only[token] = probabilities[token]\n            top_p -= probabilities[token].item()\n            if top_p <= 0:\n                break", "let cumsum add up"),
    ("byte_pair", "counts[pair] += times", "counts[pair] += 1", "each word was counted once"),
    ("byte_pair", "(-counts[pair], pair)", "-counts[pair]", "the first that it met"),
    ("byte_pair", "min(counts, key=lambda pair: (-counts[pair], pair))", "max(counts, key=lambda pair: (counts[pair], pair))", "it took the largest"),
    ("byte_pair", "itertools.pairwise(word)", "zip(word[::2], word[1::2])", "which share the 4"),
    ("byte_pair", "itertools.pairwise(word)", "set(itertools.pairwise(word))", "counts twice"),
    ("byte_pair", "return textbook_merge(ids, pair, new_id)", "return list(map(int, ' '.join(map(str, ids)).replace(f'{pair[0]} {pair[1]}', str(new_id)).split()))", "[11, 2] with 9 for (1, 2) is [11, 2]"),
    ("byte_pair", " if counts else None", "", "it raised ValueError"),
    ("byte_pair", "return textbook_merge(ids, pair, new_id)", "return ids", "nothing was replaced"),
    ("byte_pair", "return textbook_merge(ids, pair, new_id)", "return textbook_merge(ids, pair, new_id)[::-1][::-1] if len(ids) > 3 else textbook_merge(ids[::-1], pair, new_id)[::-1]", "joined from the right"),
    ("byte_pair", "return textbook_merge(ids, pair, new_id)", "ids[:] = textbook_merge(ids, pair, new_id)\n    return ids", "it changed the list"),
    ("byte_pair", "for pair in itertools.pairwise(word):", "last = None\n        for pair in itertools.pairwise(word):\n            last = None if pair == last else pair\n            if last is None: continue", "which share the 7"),
    ("byte_pair", "return textbook_merge(ids, pair, new_id)", "ids, place = list(ids), 0\n    while place < len(ids) - 1:\n        if tuple(ids[place : place + 2]) == pair:\n            ids[place : place + 2] = [new_id]\n            place = -1\n        place += 1\n    return ids", "not from the beginning after each pair"),
    ("byte_pair", "return min(counts, key=lambda pair: (-counts[pair], pair)) if counts else None", "def total(pair):\n        return sum(times * list(itertools.pairwise(word)).count(pair) for word, times in words.items())\n    return min(counts, key=lambda pair: (-total(pair), pair)) if counts else None", "not each pair by itself"),
    ("lora", "torch.zeros(linear.out_features, rank)", "torch.ones(linear.out_features, rank)", "B should begin at zero"),
    ("lora", "torch.randn(rank, linear.in_features)", "torch.zeros(rank, linear.in_features)", "A is zero, too"),
    ("lora", "linear.requires_grad_(False)", "linear", "the old layer is not frozen"),
    ("lora", "nn.Parameter(torch.randn(rank, linear.in_features) / 10)", "torch.randn(rank, linear.in_features)", "an nn.Parameter called A"),
    ("lora", "self.scale * (x", "(x", "the scale is missing"),
    ("lora", "alpha / rank", "rank / alpha", "the scale is r / α"),
    ("lora", "alpha / rank", "alpha", "multiplied with α"),
    ("lora", "alpha / rank", "alpha / rank**0.5", "α / √r"),
    ("lora", "merged.bias.copy_(self.linear.bias)", "merged.bias = self.linear.bias", "shares numbers"),
    ("lora", "self.linear(x) + self.scale", "self.linear(x) + 0 * self.scale", "A and B change nothing"),
    ("lora", "self.linear.weight + self.scale * self.B", "self.linear.weight + self.B", "merged() forgets the scale"),
    ("lora", "merged = nn.Linear(self.linear.in_features, self.linear.out_features, bias=self.linear.bias is not None)", "merged = self.linear", "changed the layer itself"),
    ("lora", "x @ self.A.T @ self.B.T", "(x @ self.A.T @ self.B.T).detach()", "it raised"),
    ("lora", "alpha / rank", "alpha // rank", "it should compute W x + b"),
    ("lora", "torch.randn(rank, linear.in_features)", "torch.ones(rank, linear.in_features)", "the rows of A are all the same"),
    ("lora", "self.A =", "torch.manual_seed(0)\n        self.A =", "began with the same A"),
    ("lora", "return self.linear(x) +", "with torch.no_grad():\n            old = self.linear(x)\n        return old +", "through the old layer gives x no gradient"),
    ("lora", "self.scale * (x @", "self.scale * (x.detach() @", "through the adapter gives x no gradient"),
    ("lora", "return self.linear(x) + self.scale * (x", "x = x.detach()\n        return self.linear(x) + self.scale * (x", "through the new layer gives x no gradient"),
    ("perplexity", "math.exp(total / count)", "total / count", "this is the loss"),
    ("perplexity", "math.exp(total / count)", "2 ** (total / count)", "wants exp"),
    ("perplexity", "math.exp(total / count)", "math.exp(total / count / math.log(2))", "a loss in bits"),
    ("perplexity", "model(ids[:, :-1])[0]", "model(ids[:, 1:])[0]; ids = ids.roll(1, 1)", "asked for the one before it"),
    ("perplexity", "logits = model(ids[:, :-1])[0]", "logits = model(ids[:, :-1])[0, 1:]; ids = ids[:, 1:]; count -= 1", "the second token is left out"),
    ("perplexity", "len(text) - 1", "len(text)", "one fewer is predicted"),
    ("perplexity", "model(ids[:, :-1])[0]", "model(ids[0, :-1])", "the model wants ids (1, T)"),
    ("perplexity", ', reduction="sum").item()', ").item()", "was divided once more"),
    ("perplexity", ', reduction="sum").item()', ").item() * len(text); count += 1", "weighed by its tokens"),
    ("perplexity", 'reduction="sum").item()', 'reduction="sum", ignore_index=0).item()\n            count -= int((ids[0, 1:] == 0).sum())', "the token 0"),
    ("perplexity", "for text in texts:", "for text in [list(text) + [0] * (max(map(len, texts)) - len(text)) for text in texts]:", "the filling was predicted"),
    ("perplexity", "logits = model(ids[:, :-1])[0]", "logits = model(ids[:, 1:])[0]", "asked to predict itself"),
    ("perplexity", "model.eval()", "model.train()", "dropout was on"),
    ("perplexity", "torch.no_grad()", "torch.enable_grad()", "with torch.no_grad()"),
    ("perplexity", "if len(text) < 2:", "if False:", "it raised"),
    ("perplexity", "return math.exp(total / count)", "return torch.tensor(math.exp(total / count))", "make a float of it"),
    ("perplexity", "model(ids[:, :-1])[0]", "torch.cat([model(ids[:, place : place + 1])[0] for place in range(len(text) - 1)])", "shown one token at a time"),
    ("perplexity", "model(ids[:, :-1])[0]", "torch.stack([model(ids[:, : place + 1])[0, -1] for place in range(len(text) - 1)])", "the model was called 10 times for 3 texts"),
    ("perplexity", "len(text) < 2", "len(text) < 3", "a text of two tokens is left out"),
    ("perplexity", "count += len(text) - 1", "count += len(text) - 1\n            text.clear()", "it changed the texts"),
    ("clip_and_noise", ".clamp(max=1)", "", "all rows were brought to the length"),
    ("clip_and_noise", "gradients * (clip_norm / lengths.clamp(min=1e-12)).clamp(max=1)", "gradients", "nothing was clipped"),
    ("clip_and_noise", "gradients * (clip_norm / lengths.clamp(min=1e-12)).clamp(max=1)", "gradients.clamp(-clip_norm, clip_norm)", "each number was cut off"),
    ("clip_and_noise", "gradients.norm(dim=1, keepdim=True)", "gradients.square().sum(dim=1, keepdim=True)", "the root is missing"),
    ("clip_and_noise", "torch.randn(gradients.shape[1],", "torch.randn(1,", "one number was drawn for all N"),
    ("clip_and_noise", "torch.randn(gradients.shape[1], generator=generator)", "torch.randn(gradients.shape[1], generator=generator).abs()", "not around 0"),
    ("clip_and_noise", "torch.randn(gradients.shape[1], generator=generator)", "(torch.rand(gradients.shape[1], generator=generator) - 0.5) * 12**0.5", "is not normal"),
    ("clip_and_noise", "gradients.norm(dim=1, keepdim=True)", "gradients.norm()", "scaled by one length"),
    ("clip_and_noise", "clip_norm / lengths.clamp(min=1e-12)", "1 / lengths.clamp(min=1e-12)", "brought to the length 1"),
    ("clip_and_noise", "gradients * (clip_norm / lengths.clamp(min=1e-12)).clamp(max=1)", "gradients / lengths * lengths.clamp(max=clip_norm)", "mustn't be divided by it"),
    ("clip_and_noise", "/ expected_size", "/ len(gradients)", "this is the mean"),
    ("clip_and_noise", " * noise)", " * 0)", "no noise was added"),
    ("clip_and_noise", "noise_multiplier * clip_norm * noise", "noise_multiplier * noise", "the noise is noise_multiplier alone"),
    ("clip_and_noise", "(total + noise_multiplier * clip_norm * noise) / expected_size", "total / expected_size + noise_multiplier * clip_norm * noise", "added after the division"),
    ("clip_and_noise", "generator=generator", "generator=None", "draw with generator=generator"),
    ("clip_and_noise", "clipped = gradients * (clip_norm / lengths.clamp(min=1e-12)).clamp(max=1)", "clipped = gradients.mul_((clip_norm / lengths.clamp(min=1e-12)).clamp(max=1))", "it changed the gradients"),
    ("clip_and_noise", "total = clipped.sum(dim=0)", "total = torch.stack([sum(row[place] for row in clipped) for place in range(gradients.shape[1])]) if len(clipped) else clipped.sum(dim=0)", "not a loop over numbers"),
    ("clip_and_noise", "return (total", "return (total.double()", "should be torch.float32"),
]  # fmt: skip
