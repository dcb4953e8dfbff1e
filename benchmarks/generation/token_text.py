"""Token numbers written with letters. Imports nothing, so that any contender's environment has it."""


def token_text(number: int) -> str:
    """Token `number` in four letters, so that a text of tokens can be cut into them again."""
    letters = ""
    for _ in range(4):
        number, letter = divmod(number, 26)
        letters = chr(ord("a") + letter) + letters
    return letters


def token_number(text: str) -> int:
    """The token of four letters."""
    number = 0
    for letter in text:
        number = 26 * number + ord(letter) - ord("a")
    return number
