"""Write the rows of this example: `python examples/extraction/make_data.py [FOLDER]`.

Each row is a sentence about a person, with the name, age and city to be found in it. Held-out rows
use sentence forms, names and cities of their own.
"""

import json
import random
import sys
from pathlib import Path

PROMPT = (
    "{sentence}\n\n"
    'Write a JSON object with the keys "name", "age" and "city" of this person. Only the JSON.'
)
SEED = 3
LABELLED, UNLABELLED, HELD_OUT = 8, 40, 16

TRAINING = (
    (
        "{name} is {age} years old and lives in {city}.",
        "{name}, {age}, moved to {city} last spring.",
        "At {age}, {name} runs a small bakery in {city}.",
        "Our new colleague {name} comes from {city} and just turned {age}.",
        "In {city} we met {name}, a nurse of {age}.",
        "{name} has taught music in {city} for 6 years and is now {age}.",
    ),
    "Amara Ben Chiara Dmitri Elif Farid Greta Hugo Ines Jonas Kavya Liam Mei Nadia Omar Petra".split(),
    "Accra Bergen Cusco Dublin Essen Fukuoka Ghent Hanoi Izmir Jaipur Krakow Lima".split(),
)
EVALUATION = (
    (
        "{name} celebrated a {age}th birthday with friends in {city}.",
        "A photographer from {city}, {name} is {age} and travels by train.",
        "{city} has been home to {name}, aged {age}, since 2011.",
        "The winner was {name} ({age}) from {city}.",
    ),
    "Quentin Rosa Stefan Tala Umar Vera Wim Yara".split(),
    "Malmo Nantes Oslo Porto Quito Riga Sofia Turin".split(),
)

Vocabulary = tuple[tuple[str, ...], list[str], list[str]]
Row = dict[str, str]


def rows(vocabulary: Vocabulary, count: int, rng: random.Random) -> list[Row]:
    forms, names, cities = vocabulary
    found: dict[str, Row] = {}
    while len(found) < count:
        person = {
            "name": rng.choice(names),
            "age": str(rng.choice([age for age in range(20, 80) if age % 10 > 3])),
            "city": rng.choice(cities),
        }
        sentence = forms[len(found) % len(forms)].format(**person)
        found[sentence] = {"prompt": PROMPT.format(sentence=sentence), **person}
    return list(found.values())


def answer(row: Row) -> str:
    return json.dumps({"name": row["name"], "age": int(row["age"]), "city": row["city"]})


def files() -> dict[str, list[Row]]:
    rng = random.Random(SEED)
    train = rows(TRAINING, LABELLED + UNLABELLED, rng)
    for row in train[:LABELLED]:
        row["completion"] = answer(row)
    return {"train.jsonl": train, "heldout.jsonl": rows(EVALUATION, HELD_OUT, rng)}


def main(folder: Path) -> None:
    for name, content in files().items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in content))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
