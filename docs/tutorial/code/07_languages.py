"""One sentence in seven languages: what it costs in characters, bytes, and tokens of a tokenizer that has read English."""

from __future__ import annotations

from gpt2 import GPT2

from groundup.textbook import BytePairTokenizer

SAYING = {
    "English": "Mia lent Ben a kite. In the evening he brought it back and thanked her.",
    "German": "Mia hat Ben einen Drachen geliehen. Am Abend hat er ihn zurückgebracht und ihr gedankt.",
    "French": "Mia a prêté un cerf-volant à Ben. Le soir, il l'a rapporté et l'a remerciée.",
    "Greek": "Η Μία δάνεισε στον Μπεν έναν χαρταετό. Το βράδυ τον έφερε πίσω και την ευχαρίστησε.",
    "Russian": "Мия одолжила Бену воздушного змея. Вечером он вернул его и поблагодарил её.",
    "Hindi": "मिया ने बेन को एक पतंग उधार दी। शाम को उसने उसे लौटाया और उसका धन्यवाद किया।",
    "Chinese": "米娅借给本一只风筝。晚上他把风筝还给了她，并向她道谢。",
}
gpt2 = GPT2()
own = BytePairTokenizer("\n".join(SAYING.values()) * 2, vocab_size=500)  # far too little text, but of all seven

print("           characters   bytes   GPT-2's tokens   times English   tokens of one that knows all seven")
tokens = {}
for language, text in SAYING.items():
    tokens[language] = len(gpt2.encode(text))
    ratio = tokens[language] / tokens["English"]
    print(
        f"{language:10}{len(text):11}{len(text.encode()):8}{tokens[language]:17}{ratio:16.1f}{len(own.encode(text)):22}"
    )

assert tokens["English"] < tokens["German"] < tokens["Hindi"]
